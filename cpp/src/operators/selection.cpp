/// Where, the triangles of a matrix, and one-hot vectors.
#include "common.hxx"
#include "sofie/error.hxx"

namespace sofie {
namespace {

void where_9(Operator& op) {
  const Tensor condition = op.input(0), yes = op.stored(1), no = op.stored(2);
  if (condition.type != DType::Bool)
    op.invalid("its condition is of type " + std::string(dtypeName(condition.type)));
  requireOneType(op, {yes, no});
  op.output(0, op.elementwise({condition, yes, no},
                              [](const std::vector<Expr>& x) { return select(x[0], x[1], x[2]); }));
}

void trilu_14(Operator& op) {
  const Tensor x = op.stored(0);
  if (x.rank() < 2) throw ShapeError("a tensor of shape " + text(x.shape()) + " is not a matrix");
  const Expr row = index(static_cast<int>(x.rank()) - 2), column = index(static_cast<int>(x.rank()) - 1);
  const Expr diagonal = row + (op.has(1) ? scalarOf(op, 1) : integer(DType::Int64, 0));
  const Expr kept = binary(op.integer("upper", 1) != 0 ? Op::Ge : Op::Le, column, diagonal);
  op.output(0, op.map(x.shape(), select(kept, element(x), number(x.type, 0))));
}

/// Opset 11 lets indices count from the end; those outside of the depth are nowhere hot.
void oneHot(Operator& op, bool countsFromEnd) {
  const Tensor places = op.input(0), values = op.stored(2);
  const Dim depth = sizeOf(op, 1);
  op.atLeast(depth, 0, "the depth");
  if (values.rank() != 1)
    throw ShapeError("the values must be the vector [off, on], but have the shape " + text(values.shape()));
  op.agree(values.dim(0), 2, "the number of values and that of [off, on]");
  const std::size_t axis = op.axis(op.integer("axis", -1), places.rank() + 1);
  const auto gap = static_cast<std::ptrdiff_t>(axis);
  Shape shape = places.shape();
  shape.insert(shape.begin() + gap, depth);
  std::vector<Expr> where = indices(shape.size());
  where.erase(where.begin() + gap);
  const Expr place = cast(DType::Int64, load(places, where)), here = index(static_cast<int>(axis));
  Expr hot = binary(Op::Eq, place, here);
  if (countsFromEnd) hot = binary(Op::LogicalOr, hot, binary(Op::Eq, place, here - extent(depth)));
  const auto value = [&](std::int64_t i) { return load(values, {extent(i)}); };
  op.output(0, op.map(shape, select(hot, value(1), value(0))), values.type);
}

void oneHot_9(Operator& op) { oneHot(op, false); }
void oneHot_11(Operator& op) { oneHot(op, true); }

}  // namespace

SOFIE_OPERATOR("Where", 9, where_9);
SOFIE_OPERATOR("Trilu", 14, trilu_14);
SOFIE_OPERATOR("OneHot", 9, oneHot_9);
SOFIE_OPERATOR("OneHot", 11, oneHot_11);

}  // namespace sofie
