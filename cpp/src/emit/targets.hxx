#pragma once
#include "sofie/render.hxx"

namespace sofie {

Files renderCpu(const Program& program, const RenderOptions& options);
Files renderSycl(const Program& program, const RenderOptions& options);
Files renderAlpaka(const Program& program, const RenderOptions& options);

}  // namespace sofie
