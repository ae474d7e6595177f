#include <algorithm>
#include <numeric>

#include "sofie/passes.hxx"

namespace sofie {
namespace {

/// Loop variables [first, last) with the greatest steps of `form` first.
std::vector<int> order(const Affine& form, std::size_t first, std::size_t last) {
  std::vector<int> variables(last - first);
  std::iota(variables.begin(), variables.end(), static_cast<int>(first));
  const auto step = [&](int v) { return form.stride(v).value().value_or(std::int64_t(1) << 60); };
  std::stable_sort(variables.begin(), variables.end(), [&](int a, int b) { return step(a) > step(b); });
  return variables;
}

/// The address of the first load that the reduction moves.
std::optional<Affine> reductionAddress(const Nest& nest) {
  std::optional<Affine> found;
  walk(nest.element, [&](const Expr& node) {
    if (found || node->op != Op::Load) return;
    const auto form = address(node->view, node->args, nest.variables());
    if (!form) return;
    for (std::size_t v = nest.axes.size(); v < nest.variables(); ++v)
      if (!form->strides[v].is(0)) found = form;
  });
  return found;
}

void sortAxes(Nest& nest) {
  const auto store = address(nest.target, nest.targetIndex, nest.variables());
  const auto read = isOrdered(nest.combiner) ? std::nullopt : reductionAddress(nest);
  const Affine unordered{0, std::vector<Dim>(nest.variables(), 0)};
  std::vector<int> sorted = order(store.value_or(unordered), 0, nest.axes.size());
  const auto reduction = order(read.value_or(unordered), nest.axes.size(), nest.variables());
  sorted.insert(sorted.end(), reduction.begin(), reduction.end());
  std::vector<Expr> renumbered(nest.variables());
  Shape extents;
  for (std::size_t position = 0; position < sorted.size(); ++position) {
    renumbered[static_cast<std::size_t>(sorted[position])] = index(static_cast<int>(position));
    extents.push_back(extentOf(nest, sorted[position]));
  }
  const auto split = extents.begin() + static_cast<std::ptrdiff_t>(nest.axes.size());
  nest.axes = Shape(extents.begin(), split);
  nest.reduction = Shape(split, extents.end());
  forEachExpression(nest, [&](Expr& expr) { expr = substitute(expr, renumbered); });
}

}  // namespace

void sortAxes(Program& program) {
  forEachNest(program.kernels, [](Nest& nest) { sortAxes(nest); });
}

}  // namespace sofie
