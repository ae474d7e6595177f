#include "sofie/render.hxx"

#include "emit/targets.hxx"
#include "sofie/error.hxx"
#include "sofie/passes.hxx"

namespace sofie {
namespace {

using Renderer = Files (*)(const Program&, const RenderOptions&);

Renderer rendererOf(const std::string& target) {
  if (target == "cpu") return renderCpu;
  if (target == "sycl") return renderSycl;
  if (target == "alpaka") return renderAlpaka;
  throw Error("there is no target '" + target + "'; the targets are cpu, sycl and alpaka");
}

}  // namespace

Program laidOut(const Program& original, const std::string& target) {
  rendererOf(target);
  Program program = original;
  layOut(program, target);
  return program;
}

Files render(const Program& program, const std::string& target, const RenderOptions& options) {
  return rendererOf(target)(laidOut(program, target), options);
}

}  // namespace sofie
