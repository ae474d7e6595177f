#include "sofie/passes.hxx"

namespace sofie {
namespace {

Expr replaceAccumulator(const Expr& expr, const Expr& value) {
  return rewrite(expr, [&](const Expr& node) { return node->op == Op::Accumulator ? value : Expr(); });
}

/// A reduction over one element stores the epilogue of that element; its position is 0.
void becomeMap(Nest& nest) {
  const bool position = nest.combiner == Combiner::ArgMinimum || nest.combiner == Combiner::ArgMaximum;
  if (nest.combiner == Combiner::Fold) nest.element = replaceAccumulator(nest.element, nest.initial);
  nest.element = replaceAccumulator(nest.epilogue, position ? integer(DType::Int64, 0) : nest.element);
  nest.epilogue = nest.initial = Expr();
  nest.kind = Nest::Kind::Map;
}

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
  const bool single = nest.kind != Nest::Kind::Map && reduction.empty();
  if (axes.size() == nest.axes.size() && reduction.size() == nest.reduction.size() && !single) return false;
  forEachExpression(nest, [&](Expr& expr) { expr = substitute(expr, variables); });
  nest.axes = axes;
  nest.reduction = reduction;
  if (single) becomeMap(nest);
  return true;
}

}  // namespace

bool dropUnitAxes(Program& program) {
  bool changed = false;
  forEachNest(program.kernels, [&](Nest& nest) { changed = dropUnitAxes(nest) || changed; });
  return changed;
}

}  // namespace sofie
