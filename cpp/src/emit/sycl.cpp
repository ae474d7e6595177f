#include "emit/device.hxx"
#include "emit/targets.hxx"

namespace sofie {

Files renderSycl(const Program& program, const RenderOptions& options) {
  return renderDevice(program, {"sycl", "sycl.hxx", "rt::Queue", ""}, options);
}

}  // namespace sofie
