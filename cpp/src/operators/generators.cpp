/// Operators that make tensors out of little: constants, ranges, running sums.
#include <cmath>

#include "common.hxx"
#include "sofie/error.hxx"

namespace sofie {
namespace {

template <class T>
Constant vectorOf(DType type, const std::vector<T>& values) {
  return Constant::of(type, {static_cast<std::int64_t>(values.size())}, values);
}

void constant_1(Operator& op) {
  if (op.hasAttribute("value_float"))
    return op.output(0, op.scalar(DType::Float32, op.real("value_float", 0)));
  if (op.hasAttribute("value_int"))
    return op.output(0,
                     op.constant(Constant::of<std::int64_t>(DType::Int64, {}, {op.integer("value_int", 0)})));
  if (op.hasAttribute("value_floats"))
    return op.output(
        0, op.constant(vectorOf(DType::Float32, op.attribute<std::vector<double>>("value_floats"))));
  if (op.hasAttribute("value_ints"))
    return op.output(0, op.constant(vectorOf(DType::Int64, op.integers("value_ints"))));
  if (!op.hasAttribute("value"))
    op.unsupported("a constant of strings is not supported; remove it from the model");
  op.output(0, op.constant(op.attribute<Constant>("value")));
}

void constantOfShape_9(Operator& op) {
  const Constant value = op.hasAttribute("value") ? op.attribute<Constant>("value")
                                                  : Constant::of<double>(DType::Float32, {}, {0});
  if (value.size() != 1) op.invalid("its value has " + std::to_string(value.size()) + " elements, not one");
  const Shape shape = op.sizesOf(0);
  for (const Dim& dim : shape) op.atLeast(dim, 0, "a size in the shape " + text(shape));
  op.output(0, op.broadcast(op.constant({value.type, {}, value.bytes}), shape));
}

/// Elements of a range of integers up to a limit.
Dim count(const Operator& op, const Dim& limit) {
  const Dim start = dimOf(op, 0);
  const std::int64_t step = dimOf(op, 2).constant();
  if (step == 0) throw ShapeError("a range cannot have step 0");
  return max(0, step > 0 ? ceilDiv(limit - start, step) : ceilDiv(start - limit, -step));
}

double realOf(const Operator& op, std::size_t i) { return literal(op, op.constantOf(i))->real; }

/// Elements of a range of floats.
Dim realCount(const Operator& op) {
  const double elements = std::ceil((realOf(op, 1) - realOf(op, 0)) / realOf(op, 2));
  if (!(elements < 1e15)) throw ShapeError("a range of " + std::to_string(elements) + " elements is absurd");
  return elements > 0 ? static_cast<std::int64_t>(elements) : 0;
}

/// Elements of a range of which the model computes the limits.
Dim measuredCount(Operator& op) {
  const auto real = [&](std::size_t i) { return cast(DType::Float64, scalarOf(op, i)); };
  const Expr elements = unary(Op::Ceil, (real(1) - real(0)) / real(2));
  const Expr count = binary(Op::Maximum, elements, number(DType::Float64, 0));
  return op.measure("range", op.map({}, cast(DType::Int64, count)), std::nullopt);
}

void range_11(Operator& op) {
  const DType type = op.input(0).type;
  requireOneType(op, {op.input(0), op.input(1), op.input(2)});
  const bool known = op.isKnown(0) && op.isKnown(1) && op.isKnown(2);
  const Dim elements = !known ? measuredCount(op) : isFloat(type) ? realCount(op) : count(op, dimOf(op, 1));
  op.output(0, op.map({elements}, scalarOf(op, 0) + cast(type, index(0)) * scalarOf(op, 2)));
}

void eyeLike_9(Operator& op) {
  const Tensor x = op.stored(0);
  if (x.rank() != 2) throw ShapeError("a tensor of shape " + text(x.shape()) + " is not a matrix");
  const DType type = op.hasAttribute("dtype") ? onnxType(op, op.integer("dtype", 0)) : x.type;
  const Expr diagonal = index(0) + extent(op.integer("k", 0));
  op.output(0, op.map(x.shape(), binary(Op::Eq, index(1), diagonal)), type);
}

/// A running combination: every row combines the one before it with a row of the input.
template <Combiner combiner>
void running_11(Operator& op) {
  const Tensor x = op.input(0);
  const std::size_t axis = op.axis(dimOf(op, 1).constant(), x.rank());
  const bool reverse = op.integer("reverse", 0) != 0, exclusive = op.integer("exclusive", 0) != 0;
  const Dim& size = x.dim(axis);
  const Tensor result = op.temporary(x.type, x.shape());
  const auto row = [&](const Tensor& tensor, const Dim& place) {
    return element(op.squeeze(op.slice(tensor, axis, place, 1), axis));
  };
  op.loop(op.localName("row"), size, std::nullopt, [&](const Dim& number) {
    const Dim here = reverse ? size - 1 - number : number;
    const Dim before = reverse ? min(here + 1, size - 1) : max(here - 1, 0);  // the first has none
    const Expr isFirst = binary(Op::Eq, extent(number), integer(DType::Int64, 0));
    const Expr next = row(x, exclusive ? before : here);
    const Expr first = exclusive ? sofie::number(x.type, combiner == Combiner::Sum ? 0 : 1) : next;
    const Expr combined = binary(combiner == Combiner::Sum ? Op::Add : Op::Mul, row(result, before), next);
    op.store(select(isFirst, first, combined), op.squeeze(op.slice(result, axis, here, 1), axis));
  });
  op.output(0, result);
}

}  // namespace

SOFIE_OPERATOR("Constant", 1, constant_1);
SOFIE_OPERATOR("ConstantOfShape", 9, constantOfShape_9);
SOFIE_OPERATOR("Range", 11, range_11);
SOFIE_OPERATOR("EyeLike", 9, eyeLike_9);
SOFIE_OPERATOR("CumSum", 11, running_11<Combiner::Sum>);
SOFIE_OPERATOR("CumProd", 26, running_11<Combiner::Product>);

}  // namespace sofie
