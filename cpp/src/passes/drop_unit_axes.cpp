#include "sofie/passes.hxx"

namespace sofie {
namespace {

/// Removes the loops of extent 1, whose variable is 0.
bool dropUnitAxes(Nest& nest) {
  Shape axes, reduction;
  std::vector<Expr> variables;
  int next = 0;
  const auto keep = [&](const Shape& from, Shape& to) {
    for (const Dim& dim : from) {
      const bool unit = dim.is(1);
      variables.push_back(unit ? integer(DType::Int64, 0) : index(next++));
      if (!unit) to.push_back(dim);
    }
  };
  keep(nest.axes, axes);
  const bool arg = nest.combiner == Combiner::ArgMinimum || nest.combiner == Combiner::ArgMaximum;
  if (arg && nest.kind == Nest::Kind::Reduce) {
    for (std::size_t i = 0; i < nest.reduction.size(); ++i) variables.push_back(index(next++));
    reduction = nest.reduction;
  } else {
    keep(nest.reduction, reduction);
  }
  if (axes.size() == nest.axes.size() && reduction.size() == nest.reduction.size()) return false;
  forEachExpression(nest, [&](Expr& expr) { expr = substitute(expr, variables); });
  nest.axes = axes;
  nest.reduction = reduction;
  return true;
}

}  // namespace

bool dropUnitAxes(Program& program) {
  bool changed = false;
  forEachNest(program.kernels, [&](Nest& nest) { changed = dropUnitAxes(nest) || changed; });
  return changed;
}

}  // namespace sofie
