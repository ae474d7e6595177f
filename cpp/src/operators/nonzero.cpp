/// Operators that keep what a condition selects: how much that is, only the data tell.
#include "common.hxx"
#include "selected.hxx"
#include "sofie/error.hxx"

namespace sofie {

Selected select(Operator& op, const Tensor& mask, const std::string& what) {
  const Tensor before = op.temporary(DType::Int64, mask.shape()), count = op.temporary(DType::Int64, {});
  const Dim elements = product(mask.shape());
  op.call({"select.hxx", "count_selected", 1, {op.dense(mask)}, {before, count}, {elements}});
  return {before, op.measure(what, count, elements)};
}

namespace {

/// The positions of the elements that are not zero, one column for each.
Constant positions(const Constant& x) {
  std::vector<std::vector<std::int64_t>> axes(x.shape.size());
  std::vector<std::int64_t> place(x.shape.size());
  for (std::int64_t i = 0; i < x.size(); ++i) {
    if (x.at<double>(i) != 0)
      for (std::size_t axis = 0; axis < axes.size(); ++axis) axes[axis].push_back(place[axis]);
    for (std::size_t axis = axes.size(); axis-- > 0 && ++place[axis] == x.shape[axis];) place[axis] = 0;
  }
  std::vector<std::int64_t> all;
  for (const auto& axis : axes) all.insert(all.end(), axis.begin(), axis.end());
  const auto count = static_cast<std::int64_t>(axes.empty() ? 0 : axes[0].size());
  return Constant::of(DType::Int64, {static_cast<std::int64_t>(axes.size()), count}, all);
}

void nonZero_9(Operator& op) {
  if (const auto& constant = op.contentsOf(0).constant; constant && !constant->shape.empty())
    return op.output(0, op.constant(positions(*constant)));
  const Tensor x = op.input(0);
  const Tensor mask = op.cast(x, DType::Bool);
  const Selected selected = select(op, mask, "nonzero");
  const Tensor result =
      op.temporary(DType::Int64, {Dim(static_cast<std::int64_t>(x.rank())), selected.count});
  for (std::size_t axis = 0; axis < x.rank(); ++axis)
    op.scatter(x.shape(), index(static_cast<int>(axis)), result,
               {extent(static_cast<std::int64_t>(axis)), element(selected.before)}, std::nullopt,
               element(mask));
  op.output(0, result);
}

/// Keeps slices of an axis, or elements of the flattened input; what the condition does not reach is dropped.
void compress_9(Operator& op) {
  Tensor x = op.input(0);
  if (!op.hasAttribute("axis")) x = op.reshape(x, {product(x.shape())});
  const std::size_t axis = op.axis(op.integer("axis", 0), x.rank());
  const Tensor condition = op.input(1);
  if (condition.rank() != 1)
    throw ShapeError("the condition of shape " + text(condition.shape()) + " is not a vector");
  op.atLeast(x.dim(axis), condition.dim(0), "the size of the compressed axis");
  std::vector<Expr> places = indices(x.rank());
  Expr& place = places[axis];
  const Expr here = place;
  Shape shape = x.shape();
  if (const auto& constant = op.contentsOf(1).constant) {
    const Constant kept = positions(*constant);
    shape[axis] = kept.size();
    place = load(op.constant(kept), {extent(0), here});
    return op.output(0, op.map(shape, load(x, places)));
  }
  const Selected selected = select(op, condition, "compress");
  Shape points = shape;
  points[axis] = condition.dim(0);
  shape[axis] = selected.count;
  const Tensor result = op.temporary(x.type, shape);
  place = load(selected.before, {here});
  op.scatter(points, element(x), result, places, std::nullopt, load(condition, {here}));
  op.output(0, result);
}

}  // namespace

SOFIE_OPERATOR("NonZero", 9, nonZero_9);
SOFIE_OPERATOR("Compress", 9, compress_9);

}  // namespace sofie
