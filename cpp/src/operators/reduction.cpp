#include <algorithm>
#include <numeric>

#include "sofie/error.hxx"
#include "sofie/operator.hxx"

namespace sofie {
namespace {

/// What a Reduce* operator reduces.
struct Reduction {
  Tensor input;
  std::vector<std::size_t> axes;
  bool keepDims;

  /// Without axes all of them are reduced, or none when noop_with_empty_axes says so.
  explicit Reduction(Operator& op) : input(op.input(0)), keepDims(op.integer("keepdims", 1) != 0) {
    axes = op.axes("axes", 1, input.rank());
    if (!axes.empty() || op.integer("noop_with_empty_axes", 0) != 0) return;
    axes.resize(input.rank());
    std::iota(axes.begin(), axes.end(), 0);
  }

  Dim count() const {
    Dim total = 1;
    for (const std::size_t axis : axes) total = total * input.dim(axis);
    return total;
  }

  Tensor combine(Operator& op, Combiner combiner, const Builder::Term& term = {},
                 const Builder::Term& epilogue = {}) const {
    return op.reduce(input, axes, keepDims, combiner, term, epilogue);
  }
};

Reduction numbers(Operator& op) {
  Reduction reduction(op);
  if (reduction.input.type == DType::Bool) op.invalid("its input is of type bool, but must be of numbers");
  return reduction;
}

/// A function of the reals; of integers through float64.
Builder::Term real(Op function) {
  return [function](const Expr& x) {
    const DType type = x.type();
    return isFloat(type) ? unary(function, x) : cast(type, unary(function, cast(DType::Float64, x)));
  };
}

Expr square(const Expr& x) { return x * x; }
Expr magnitude(const Expr& x) { return isUnsigned(x.type()) ? x : unary(Op::Abs, x); }

template <Combiner combiner>
void reduce_1(Operator& op) {
  op.output(0, numbers(op).combine(op, combiner));
}

/// Bools may be compared from opset 20 on: false < true.
template <Combiner numbers, Combiner bools>
void extreme_1(Operator& op) {
  const Reduction reduction(op);
  op.output(0, reduction.combine(op, reduction.input.type == DType::Bool ? bools : numbers));
}

void reduceMean_1(Operator& op) {
  const Reduction reduction = numbers(op);
  const Dim count = reduction.count();
  op.output(0, reduction.combine(op, Combiner::Sum, {},
                                 [&](const Expr& sum) { return sum / cast(sum.type(), extent(count)); }));
}

void reduceSumSquare_1(Operator& op) { op.output(0, numbers(op).combine(op, Combiner::Sum, square)); }

void reduceL1_1(Operator& op) { op.output(0, numbers(op).combine(op, Combiner::Sum, magnitude)); }

void reduceL2_1(Operator& op) {
  op.output(0, numbers(op).combine(op, Combiner::Sum, square, real(Op::Sqrt)));
}

void reduceLogSum_1(Operator& op) { op.output(0, numbers(op).combine(op, Combiner::Sum, {}, real(Op::Log))); }

/// log(sum(exp(x - m))) + m with the greatest element m, or 0 where that is infinite and would make a NaN.
void reduceLogSumExp_1(Operator& op) {
  Reduction reduction = numbers(op);
  const DType type = reduction.input.type;
  if (!isFloat(type)) reduction.input = op.cast(reduction.input, DType::Float64);
  const auto finite = [](const Expr& m) { return select(unary(Op::IsInf, m), number(m.type(), 0), m); };
  const Tensor greatest = op.reduce(reduction.input, reduction.axes, true, Combiner::Maximum, {}, finite);
  op.cancels(greatest);
  const Tensor powers = op.elementwise(
      {reduction.input, greatest}, [](const std::vector<Expr>& v) { return unary(Op::Exp, v[0] - v[1]); });
  Tensor logs = op.reduce(powers, reduction.axes, true, Combiner::Sum, {}, real(Op::Log));
  logs =
      op.elementwise({logs, greatest}, [&](const std::vector<Expr>& v) { return cast(type, v[0] + v[1]); });
  if (!reduction.keepDims)
    for (std::size_t i = reduction.axes.size(); i-- > 0;) logs = op.squeeze(logs, reduction.axes[i]);
  op.output(0, logs);
}

/// The position of the extreme element of one axis; select_last_index reads the axis backwards.
template <Combiner combiner>
void argExtreme_1(Operator& op) {
  Tensor input = op.input(0);
  if (input.rank() == 0) throw ShapeError("the input must have an axis, but is a scalar");
  const std::size_t axis = op.axis(op.integer("axis", 0), input.rank());
  const Dim& size = input.dim(axis);
  op.atLeast(size, 1, "the size of axis " + std::to_string(axis) + ", of which an element is chosen,");
  const bool last = op.integer("select_last_index", 0) != 0;
  const Dim end = size - 1;
  if (last) input = op.slice(input, axis, end, size, -1);
  const auto position = [&](const Expr& found) { return last ? extent(end) - found : found; };
  op.output(0, op.reduce(input, {axis}, op.integer("keepdims", 1) != 0, combiner, {}, position));
}

SOFIE_OPERATOR("ReduceSum", 1, reduce_1<Combiner::Sum>);
SOFIE_OPERATOR("ReduceProd", 1, reduce_1<Combiner::Product>);
SOFIE_OPERATOR("ReduceMax", 1, (extreme_1<Combiner::Maximum, Combiner::Or>));
SOFIE_OPERATOR("ReduceMin", 1, (extreme_1<Combiner::Minimum, Combiner::And>));
SOFIE_OPERATOR("ReduceMean", 1, reduceMean_1);
SOFIE_OPERATOR("ReduceSumSquare", 1, reduceSumSquare_1);
SOFIE_OPERATOR("ReduceL1", 1, reduceL1_1);
SOFIE_OPERATOR("ReduceL2", 1, reduceL2_1);
SOFIE_OPERATOR("ReduceLogSum", 1, reduceLogSum_1);
SOFIE_OPERATOR("ReduceLogSumExp", 1, reduceLogSumExp_1);
SOFIE_OPERATOR("ArgMax", 1, argExtreme_1<Combiner::ArgMaximum>);
SOFIE_OPERATOR("ArgMin", 1, argExtreme_1<Combiner::ArgMinimum>);

}  // namespace
}  // namespace sofie
