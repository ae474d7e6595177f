#include "emit/device.hxx"
#include "emit/targets.hxx"

namespace sofie {

Files renderAlpaka(const Program& program, const RenderOptions& options) {
  return renderDevice(program, {"alpaka", "alpaka.hxx", "rt::Queue<Tag>", "SOFIE_ALPAKA_TAG"}, options);
}

}  // namespace sofie
