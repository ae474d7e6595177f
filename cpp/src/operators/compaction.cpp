/// Operators that keep what a condition selects: how much that is, only the data tell.
#include "common.hxx"
#include "sofie/error.hxx"

namespace sofie {
namespace {

/// What a mask, or numbers for each place, select.
struct Selected {
  Tensor before;  ///< int64, of the mask's shape: how many of them lie in front of each element
  Dim count;      ///< a size that the data decide
};

/// Counts what a mask, or int64 numbers, select: `most` at most; `what` names the size.
Selected select(Operator& op, const Tensor& numbers, const Dim& most, const std::string& what) {
  const Tensor before = op.temporary(DType::Int64, numbers.shape()), count = op.temporary(DType::Int64, {});
  op.call(
      {"select.hxx", "count_selected", 1, {op.dense(numbers)}, {before, count}, {product(numbers.shape())}});
  return {before, op.measure(what, count, most)};
}

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
  const Selected selected = select(op, mask, product(x.shape()), "nonzero");
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
  Tensor x = op.stored(0);
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
  const Selected selected = select(op, condition, condition.dim(0), "compress");
  Shape points = shape;
  points[axis] = condition.dim(0);
  shape[axis] = selected.count;
  const Tensor result = op.temporary(x.type, shape);
  place = load(selected.before, {here});
  op.scatter(points, element(x), result, places, std::nullopt, load(condition, {here}));
  op.output(0, result);
}

/// The different elements, or slices of an axis.
void unique_11(Operator& op) {
  const Tensor x = op.input(0);
  const bool isFlat = !op.hasAttribute("axis");
  const std::size_t axis = isFlat ? 0 : op.axis(op.integer("axis", 0), x.rank());
  std::vector<std::size_t> axisFirst{axis};
  for (std::size_t i = 0; i < x.rank(); ++i)
    if (i != axis) axisFirst.push_back(i);
  const Tensor rows = op.dense(isFlat ? op.reshape(x, {product(x.shape())}) : op.transpose(x, axisFirst));
  const Dim& places = rows.dim(0);
  const auto numbers = [&] { return op.temporary(DType::Int64, {places}); };
  const Tensor first = numbers(), inverse = numbers(), counts = numbers();
  const Tensor count = op.temporary(DType::Int64, {});
  const Dim width = product({rows.shape().begin() + 1, rows.shape().end()});
  op.call({"unique.hxx",
           "unique",
           1,
           {rows},
           {first, inverse, counts, count, numbers(), numbers()},
           {places, width, op.integer("sorted", 1)}});
  const Dim found = op.measure("unique", count, places);
  std::vector<Expr> at = indices(isFlat ? 1 : x.rank());
  at[axis] = load(first, {at[axis]});
  const Tensor source = isFlat ? rows : x;
  Shape shape = source.shape();
  shape[axis] = found;
  op.output(0, op.map(shape, load(source, at)));
  op.output(1, op.slice(first, 0, 0, found));
  op.output(2, inverse);
  op.output(3, op.slice(counts, 0, 0, found));
}

/// The rows (batch, class, box) of the boxes that are kept.
void nonMaxSuppression_10(Operator& op) {
  const Tensor boxes = op.dense(op.input(0)), scores = op.dense(op.input(1));
  requireOneType(op, {boxes, scores});
  if (boxes.rank() != 3 || scores.rank() != 3)
    throw ShapeError("boxes of shape " + text(boxes.shape()) + " and scores of shape " +
                     text(scores.shape()) + " must have three axes");
  op.agree(boxes.dim(0), scores.dim(0), "the batches of boxes and scores");
  op.agree(boxes.dim(1), scores.dim(2), "the numbers of boxes and of their scores");
  op.agree(boxes.dim(2), 4, "the coordinates of a box and 4");
  const auto parameter = [&](std::size_t i, DType type) {
    return op.has(i) ? op.reshape(op.cast(op.input(i), type), {}) : op.scalar(type, 0);
  };
  const Dim classes = scores.dim(1), items = scores.dim(0) * classes, each = scores.dim(2);
  const auto numbers = [&] { return op.temporary(DType::Int64, {items, each}); };
  const Tensor chosen = numbers(), counts = op.temporary(DType::Int64, {items});
  op.call({"non_max_suppression.hxx",
           "non_max_suppression",
           items,
           {boxes, scores, parameter(2, DType::Int64), parameter(3, scores.type), parameter(4, scores.type)},
           {chosen, counts, numbers(), numbers()},
           {each, classes, Dim(op.has(4) ? 1 : 0), op.integer("center_point_box", 0)}});
  const Selected selected = select(op, counts, items * each, "selected");
  const Tensor result = op.temporary(DType::Int64, {selected.count, 3});
  const Expr batch = index(0), kind = index(1), place = index(2);
  const Expr item = batch * extent(classes) + kind;
  const Expr row = load(selected.before, {item}) + place;
  const std::vector<Expr> parts{batch, kind, load(chosen, {item, place})};
  for (std::size_t i = 0; i < parts.size(); ++i)
    op.scatter(scores.shape(), parts[i], result, {row, extent(static_cast<std::int64_t>(i))}, std::nullopt,
               binary(Op::Lt, place, load(counts, {item})));
  op.output(0, result);
}

}  // namespace

SOFIE_OPERATOR("NonZero", 9, nonZero_9);
SOFIE_OPERATOR("Compress", 9, compress_9);
SOFIE_OPERATOR("Unique", 11, unique_11);
SOFIE_OPERATOR("NonMaxSuppression", 10, nonMaxSuppression_10);

}  // namespace sofie
