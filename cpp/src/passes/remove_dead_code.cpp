#include <algorithm>

#include "sofie/passes.hxx"

namespace sofie {
namespace {

bool storesNothing(const Kernel& kernel) {
  const auto* nest = std::get_if<Nest>(&kernel.body);
  return nest && product(nest->axes).is(0);
}

/// The sizes that it sets may stand in any dim.
bool measures(const Kernel& kernel) {
  bool found = false;
  forEachKernel({kernel},
                [&](const Kernel& each) { found = found || std::holds_alternative<Measure>(each.body); });
  return found;
}

}  // namespace

bool removeDeadCode(Program& program) {
  std::vector<bool> needed(program.buffers.size());
  for (const int output : program.outputs) needed[static_cast<std::size_t>(output)] = true;
  std::vector<Kernel> live;
  for (auto kernel = program.kernels.rbegin(); kernel != program.kernels.rend(); ++kernel) {
    bool writesNeeded = measures(*kernel);
    forEachView(*kernel, [&](const View& view, bool write) {
      writesNeeded = writesNeeded || (write && needed[static_cast<std::size_t>(view.buffer)]);
    });
    if (!writesNeeded || storesNothing(*kernel)) continue;
    forEachView(*kernel,
                [&](const View& view, bool) { needed[static_cast<std::size_t>(view.buffer)] = true; });
    live.push_back(std::move(*kernel));
  }
  const bool changed = live.size() != program.kernels.size();
  std::reverse(live.begin(), live.end());
  program.kernels = std::move(live);
  return changed;
}

}  // namespace sofie
