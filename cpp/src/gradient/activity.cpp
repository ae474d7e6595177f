#include "gradient/activity.hxx"

#include <functional>

#include "gradient/scalar_rules.hxx"

namespace sofie {
namespace {

using Visit = std::function<void(int from, int to)>;

/// Calls visit for every buffer whose values change those of another one continuously.
void forEachFlow(const Kernel& kernel, const Visit& visit) {
  if (const auto* nest = std::get_if<Nest>(&kernel.body)) {
    const auto into = [&](const Expr& expr) {
      visitDifferentiable(expr, [&](int buffer) { visit(buffer, nest->target.buffer); });
    };
    if (!isReal(nest->stored().type())) return;
    into(nest->element);
    if (nest->initial) into(nest->initial);
    if (nest->kind != Nest::Kind::Map) into(nest->epilogue);
  }
  if (const auto* call = std::get_if<Call>(&kernel.body))
    for (const Tensor& input : call->inputs)
      for (const Tensor& output : call->outputs)
        if (isReal(input.type) && isReal(output.type)) visit(input.view.buffer, output.view.buffer);
}

/// The buffers that are reached from some of them.
std::vector<bool> reached(const Program& program, const std::vector<int>& from, bool backwards) {
  std::vector<bool> marks(program.buffers.size());
  const auto mark = [&](int buffer) -> std::vector<bool>::reference {
    return marks[static_cast<std::size_t>(buffer)];
  };
  for (const int buffer : from) mark(buffer) = true;
  for (bool changed = true; changed;) {
    changed = false;
    forEachKernel(program.kernels, [&](const Kernel& kernel) {
      forEachFlow(kernel, [&](int source, int target) {
        const int known = backwards ? target : source, next = backwards ? source : target;
        if (!mark(known) || mark(next) || program.buffers[static_cast<std::size_t>(next)].cancels) return;
        changed = mark(next) = true;
      });
    });
  }
  return marks;
}

}  // namespace

Activity::Activity(const Program& program, const std::vector<int>& inputs, const std::vector<int>& outputs)
    : active_(reached(program, inputs, false)) {
  const std::vector<bool> wanted = reached(program, outputs, true);
  for (std::size_t id = 0; id < active_.size(); ++id) active_[id] = active_[id] && wanted[id];
}

bool Activity::isActive(const Kernel& kernel) const {
  bool found = false;
  forEachKernel({kernel}, [&](const Kernel& inner) {
    forEachFlow(inner, [&](int from, int to) { found = found || (isActive(from) && isActive(to)); });
  });
  return found;
}

}  // namespace sofie
