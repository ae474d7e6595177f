#include "softmax.hxx"

#include <numeric>

#include "common.hxx"
#include "sofie/error.hxx"

namespace sofie {
namespace {

/// Axes over which probabilities sum to one. Up to opset 12 the input is a matrix: the axes from `axis` on
/// are its rows.
std::vector<std::size_t> distributionAxes(const Operator& op, const Tensor& x) {
  requireFloat(op, x);
  const bool flattened = op.opset() < 13;
  const std::int64_t given = op.integer("axis", flattened ? 1 : -1);
  const auto rank = static_cast<std::int64_t>(x.rank());
  if (flattened && given == rank) return {};  // rows of one element
  const std::size_t first = op.axis(given, x.rank());
  std::vector<std::size_t> axes(flattened ? x.rank() - first : 1);
  std::iota(axes.begin(), axes.end(), first);
  return axes;
}

/// x minus its greatest element: its exponentials do not overflow.
Tensor shifted(Operator& op, const Tensor& x, const std::vector<std::size_t>& axes) {
  const Tensor greatest = op.reduce(x, axes, true, Combiner::Maximum);
  op.cancels(greatest);
  return op.elementwise({x, greatest}, [](const std::vector<Expr>& v) { return v[0] - v[1]; });
}

Expr exponential(const Expr& x) { return unary(Op::Exp, x); }

}  // namespace

Tensor softmax(Operator& op, const Tensor& x, const std::vector<std::size_t>& axes) {
  const Tensor powers =
      op.elementwise({shifted(op, x, axes)}, [](const std::vector<Expr>& v) { return exponential(v[0]); });
  const Tensor scale = op.reduce(powers, axes, true, Combiner::Sum, {},
                                 [](const Expr& sum) { return unary(Op::Reciprocal, sum); });
  return op.elementwise({powers, scale}, [](const std::vector<Expr>& v) { return v[0] * v[1]; });
}

namespace {

void softmax_1(Operator& op) { op.output(0, softmax(op, op.input(0), distributionAxes(op, op.input(0)))); }

void logSoftmax_1(Operator& op) {
  const Tensor x = op.input(0);
  const auto axes = distributionAxes(op, x);
  const Tensor y = shifted(op, x, axes);
  const Tensor logs = op.reduce(y, axes, true, Combiner::Sum, exponential,
                                [](const Expr& sum) { return unary(Op::Log, sum); });
  op.output(0, op.elementwise({y, logs}, [](const std::vector<Expr>& v) { return v[0] - v[1]; }));
}

/// One at the first greatest element, zero elsewhere.
void hardmax_1(Operator& op) {
  const Tensor x = op.input(0);
  const auto axes = distributionAxes(op, x);
  const Tensor found = op.broadcast(op.reduce(x, axes, true, Combiner::ArgMaximum), x.shape());
  Expr position = integer(DType::Int64, 0);
  for (const std::size_t axis : axes)
    position = position * extent(x.dim(axis)) + index(static_cast<int>(axis));
  op.output(0, op.map(x.shape(), cast(x.type, binary(Op::Eq, position, element(found)))));
}

SOFIE_OPERATOR("Softmax", 1, softmax_1);
SOFIE_OPERATOR("LogSoftmax", 1, logSoftmax_1);
SOFIE_OPERATOR("Hardmax", 1, hardmax_1);

}  // namespace
}  // namespace sofie
