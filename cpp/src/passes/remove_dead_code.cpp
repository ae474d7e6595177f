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
  const auto anyOf = [](const std::vector<Kernel>& list) {
    return std::any_of(list.begin(), list.end(), measures);
  };
  if (const auto* region = std::get_if<Region>(&kernel.body))
    return anyOf(region->then) || anyOf(region->otherwise);
  const auto* loop = std::get_if<Loop>(&kernel.body);
  return loop ? anyOf(loop->body) : std::holds_alternative<Measure>(kernel.body);
}

/// Removes the kernels that write nothing needed.
class Removal {
 public:
  explicit Removal(const Program& program) : needed_(program.buffers.size()) {
    for (const int output : program.outputs) need(output);
    while (grown_) {  // what a loop reads may be written later in its body
      grown_ = false;
      mark(program.kernels);
    }
  }

  bool remove(std::vector<Kernel>& kernels) const {
    bool changed = false;
    for (Kernel& kernel : kernels) {
      if (auto* region = std::get_if<Region>(&kernel.body)) {
        changed |= remove(region->then);
        changed |= remove(region->otherwise);
      } else if (auto* loop = std::get_if<Loop>(&kernel.body))
        changed |= remove(loop->body);
    }
    const auto isDead = [this](const Kernel& kernel) { return !isLive(kernel); };
    const auto end = std::remove_if(kernels.begin(), kernels.end(), isDead);
    changed = changed || end != kernels.end();
    kernels.erase(end, kernels.end());
    return changed;
  }

 private:
  std::vector<bool> needed_;
  bool grown_ = true;

  void need(int buffer) {
    const auto id = static_cast<std::size_t>(buffer);
    grown_ = grown_ || !needed_[id];
    needed_[id] = true;
  }

  bool isLive(const Kernel& kernel) const {
    bool writesNeeded = measures(kernel);
    forEachView(kernel, [&](const View& view, bool write) {
      writesNeeded = writesNeeded || (write && needed_[static_cast<std::size_t>(view.buffer)]);
    });
    return writesNeeded && !storesNothing(kernel);
  }

  void mark(const std::vector<Kernel>& kernels) {
    for (auto kernel = kernels.rbegin(); kernel != kernels.rend(); ++kernel) {
      if (!isLive(*kernel)) continue;
      if (const auto* region = std::get_if<Region>(&kernel->body)) {
        need(region->condition.view.buffer);
        mark(region->then);
        mark(region->otherwise);
      } else if (const auto* loop = std::get_if<Loop>(&kernel->body)) {
        if (loop->condition) need(loop->condition->view.buffer);
        mark(loop->body);
      } else {
        forEachView(*kernel, [&](const View& view, bool) { need(view.buffer); });
      }
    }
  }
};

}  // namespace

bool removeDeadCode(Program& program) { return Removal(program).remove(program.kernels); }

}  // namespace sofie
