#include "sofie/render.hxx"

#include "emit/targets.hxx"
#include "sofie/error.hxx"
#include "sofie/layout.hxx"

namespace sofie {

Files render(const Program& original, const std::string& target, const RenderOptions& options) {
  Program program = original;
  if (target == "cpu") channelsLast(program);
  sortAxes(program);
  mergeAxes(program);
  sortConstants(program);
  if (target == "cpu") return renderCpu(program, options);
  if (target == "sycl") return renderSycl(program, options);
  if (target == "alpaka") return renderAlpaka(program, options);
  throw Error("there is no target '" + target + "'; the targets are cpu, sycl and alpaka");
}

}  // namespace sofie
