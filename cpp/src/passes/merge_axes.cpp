#include "sofie/builder.hxx"
#include "sofie/passes.hxx"

namespace sofie {
namespace {

/// The same address with one axis per loop variable that moves it.
void flatten(const Nest& nest, View& view, std::vector<Expr>& indices) {
  const auto form = address(view, indices, nest.variables());
  if (!form) return;
  View flat{view.buffer, form->offset, {}, {}};
  std::vector<Expr> variables;
  for (std::size_t v = 0; v < nest.variables(); ++v) {
    if (form->strides[v].is(0)) continue;
    flat.shape.push_back(extentOf(nest, static_cast<int>(v)));
    flat.strides.push_back(form->strides[v]);
    variables.push_back(index(static_cast<int>(v)));
  }
  view = flat;
  indices = variables;
}

/// Lets change(view, indices) rewrite every access that stays inside of its view; what a condition guards
/// keeps its indices.
template <class Change>
void changeAccesses(Nest& nest, Change&& change) {
  const Nest before = nest;
  forEachExpression(nest, [&](Expr& expr) {
    expr = rewrite(expr, [&](const Expr& node) -> Expr {
      if (node->op != Op::Load || !staysInside(before, node->view, node->args)) return {};
      Tensor tensor{node->type, node->view};
      std::vector<Expr> indices = node->args;
      change(tensor.view, indices);
      return load(tensor, indices);
    });
  });
  if (staysInside(before, nest.target, nest.targetIndex)) change(nest.target, nest.targetIndex);
}

void flatten(Nest& nest) {
  const Nest before = nest;
  changeAccesses(nest, [&](View& view, std::vector<Expr>& indices) { flatten(before, view, indices); });
}

/// True when every address moves evenly from one row of `variable + 1` to the next row of `variable`.
bool mergeable(const Nest& nest, std::size_t variable) {
  const Dim inner = extentOf(nest, static_cast<int>(variable) + 1);
  const int first = static_cast<int>(variable), second = first + 1;
  const auto even = [&](const View& view, const std::vector<Expr>& indices) {
    const auto form = address(view, indices, nest.variables());
    if (form && staysInside(nest, view, indices))
      return form->strides[variable] == form->strides[variable + 1] * inner;
    for (const Expr& each : indices)
      if (dependsOn(each, first) || dependsOn(each, second)) return false;
    return true;
  };
  const std::function<bool(const Expr&)> check = [&](const Expr& expr) {
    if (expr->op == Op::Index) return expr->integer != first && expr->integer != second;
    if (expr->op == Op::Load) return even(expr->view, expr->args);
    for (const Expr& arg : expr->args)
      if (!check(arg)) return false;
    return true;
  };
  bool result = even(nest.target, nest.targetIndex) && check(nest.element);
  if (nest.kind != Nest::Kind::Map) result = result && check(nest.epilogue);
  if (nest.initial) result = result && check(nest.initial);
  return result;
}

/// Runs loops `variable` and `variable + 1` as one. \pre mergeable and flattened
void merge(Nest& nest, std::size_t variable) {
  Shape& loops = variable < nest.axes.size() ? nest.axes : nest.reduction;
  const std::size_t first = variable < nest.axes.size() ? variable : variable - nest.axes.size();
  std::vector<Expr> renumbered;
  for (std::size_t v = 0; v < nest.variables(); ++v) {
    const Expr zero = integer(DType::Int64, 0);
    renumbered.push_back(v == variable ? zero : index(static_cast<int>(v > variable ? v - 1 : v)));
  }
  // A flat access has an axis for each of both loops or for none: the outer one goes, the inner one grows.
  const int outer = static_cast<int>(variable);
  const Dim extent = loops[first] * loops[first + 1];
  changeAccesses(nest, [&](View& view, std::vector<Expr>& indices) {
    for (std::size_t axis = 0; axis + 1 < indices.size(); ++axis) {
      if (indices[axis]->op != Op::Index || indices[axis]->integer != outer) continue;
      const auto at = static_cast<std::ptrdiff_t>(axis);
      view.shape.erase(view.shape.begin() + at);
      view.strides.erase(view.strides.begin() + at);
      indices.erase(indices.begin() + at);
      view.shape[axis] = extent;
      return;
    }
  });
  loops[first] = extent;
  loops.erase(loops.begin() + static_cast<std::ptrdiff_t>(first) + 1);
  forEachExpression(nest, [&](Expr& expr) { expr = substitute(expr, renumbered); });
}

void mergeAxes(Nest& nest) {
  for (std::size_t v = 0; v + 1 < nest.variables();) {
    const bool sameLoops = v + 1 != nest.axes.size();
    if (sameLoops && mergeable(nest, v))
      merge(nest, v);
    else
      ++v;
  }
}

}  // namespace

void mergeAxes(Program& program) {
  forEachNest(program.kernels, [](Nest& nest) {
    flatten(nest);
    mergeAxes(nest);
  });
}

}  // namespace sofie
