#include "emit/row_positions.hxx"

#include <algorithm>
#include <map>

namespace sofie {
namespace {

class Collection {
 public:
  Collection(const Nest& nest, int lane) : nest_(nest), lane_(lane) {}

  void collect(const Expr& expr) {
    if (expr->op == Op::Load) return collect(expr->view, expr->args);
    const std::size_t unconditional = expr->op == Op::Select ? 1 : expr->args.size();
    for (std::size_t i = 0; i < unconditional; ++i) collect(expr->args[i]);
  }

  void collect(const View& view, const std::vector<Expr>& indices) {
    for (std::size_t axis = 0; axis < indices.size(); ++axis) {
      const Expr& index = indices[axis];
      if (view.strides[axis].is(0) || affine(index, nest_.variables())) continue;
      if (dependsOn(index, lane_))
        collect(index);
      else if (numbers_.emplace(text(index), positions.size()).second)
        add(index, view.shape[axis]);
    }
  }

  /// The variable that stands for an index.
  Expr variable(const Expr& index) const {
    if (index->op == Op::Index) return index;
    const auto found = numbers_.find(text(index));
    return found == numbers_.end() ? index
                                   : sofie::index(static_cast<int>(nest_.variables() + found->second));
  }

  std::vector<Expr> positions;
  Shape extents;

 private:
  const Nest& nest_;
  int lane_;
  std::map<std::string, std::size_t> numbers_;

  void add(const Expr& index, const Dim& extent) {
    positions.push_back(index);
    extents.push_back(extent);
  }
};

/// What does not move the address must not look as if it depended on the lane.
void dropIdleAxes(View& view, std::vector<Expr>& indices) {
  for (std::size_t axis = indices.size(); axis-- > 0;) {
    if (!view.strides[axis].is(0)) continue;
    const auto at = static_cast<std::ptrdiff_t>(axis);
    view.shape.erase(view.shape.begin() + at);
    view.strides.erase(view.strides.begin() + at);
    indices.erase(indices.begin() + at);
  }
}

}  // namespace

RowPositions rowPositions(const Nest& nest, int lane) {
  Collection rows(nest, lane);
  rows.collect(nest.element);
  if (nest.kind != Nest::Kind::Map) rows.collect(nest.epilogue);
  rows.collect(nest.target, nest.targetIndex);
  RowPositions result{nest, nest.variables(), rows.positions};
  if (rows.positions.empty()) return result;
  const auto replaced = [&](std::vector<Expr> indices) {
    for (Expr& index : indices) index = rows.variable(index);
    return indices;
  };
  forEachExpression(result.nest, [&](Expr& expr) {
    expr = rewrite(expr, [&](const Expr& node) {
      if (node->op != Op::Load) return Expr();
      View view = node->view;
      std::vector<Expr> indices = replaced(node->args);
      dropIdleAxes(view, indices);
      return load({node->type, view}, indices);
    });
  });
  result.nest.targetIndex = replaced(nest.targetIndex);
  result.nest.guard = nest.guard;  // it decides whether the positions are computed
  Shape& last = nest.kind == Nest::Kind::Map ? result.nest.axes : result.nest.reduction;
  last.insert(last.end(), rows.extents.begin(), rows.extents.end());
  return result;
}

}  // namespace sofie
