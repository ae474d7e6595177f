/// Operators of com.microsoft on quantised tensors: what lies between products in an 8-bit network.
#include <numeric>

#include "activations.hxx"
#include "common.hxx"
#include "movement.hxx"
#include "pooling.hxx"
#include "products.hxx"
#include "quantisation.hxx"
#include "quantised_products.hxx"
#include "sofie/error.hxx"
#include "softmax.hxx"

namespace sofie {
namespace {

constexpr const char* domain = "com.microsoft";

std::optional<Tensor> zeroPoint(Operator& op, std::size_t i) {
  return op.has(i) ? std::optional<Tensor>(quantisationParameter(op, i)) : std::nullopt;
}

/// The real numbers of the quantised input i, which its scale and zero point follow.
Tensor real(Operator& op, std::size_t i) {
  const Tensor x = centred(op, op.input(i), zeroPoint(op, i + 2));
  return op.elementwise({x, quantisationParameter(op, i + 1)},
                        [](const std::vector<Expr>& v) { return cast(DType::Float32, v[0]) * v[1]; });
}

/// Sets the output, quantised with the scale at input i and the zero point behind it.
void outputQuantised(Operator& op, const Tensor& x, std::size_t i, DType type) {
  const Tensor zero = zeroPoint(op, i + 1).value_or(op.scalar(type, 0));
  op.output(0, op.elementwise({x, quantisationParameter(op, i), zero}, [&](const std::vector<Expr>& v) {
    return quantised(v[0] / v[1], v[2], type);
  }));
}

/// A function of real numbers between quantised ones.
void elementwise(Operator& op, const Builder::Term& function) {
  const Tensor y = op.elementwise({real(op, 0)}, [&](const std::vector<Expr>& v) { return function(v[0]); });
  outputQuantised(op, y, 3, op.input(0).type);
}

void qLinearSigmoid_1(Operator& op) {
  elementwise(op, [](const Expr& x) { return unary(Op::Sigmoid, x); });
}

void qLinearLeakyRelu_1(Operator& op) {
  const double alpha = op.real("alpha", 0.01f);
  elementwise(op, [=](const Expr& x) { return leakyRelu(x, alpha); });
}

template <Op function>
void pair(Operator& op) {
  requireOneType(op, {op.input(0), op.input(3)});
  const Tensor y = op.elementwise({real(op, 0), real(op, 3)},
                                  [](const std::vector<Expr>& v) { return binary(function, v[0], v[1]); });
  outputQuantised(op, y, 6, op.input(0).type);
}

/// A pooling that expects the channels at axis 1.
void pooling(Operator& op, Tensor (*pooled)(Operator&, const Tensor&)) {
  const Tensor y = pooled(op, channelsFirst(op, real(op, 0)));
  outputQuantised(op, channelsAsGiven(op, y), 3, op.input(0).type);
}

void qLinearAveragePool_1(Operator& op) { pooling(op, averagePooled); }
void qLinearGlobalAveragePool_1(Operator& op) { pooling(op, globallyAveraged); }

/// Inputs: a condition, X and Y with their scales and zero points.
void qLinearWhere_1(Operator& op) {
  requireOneType(op, {op.input(1), op.input(4)});
  const Tensor y = op.elementwise({op.input(0), real(op, 1), real(op, 4)},
                                  [](const std::vector<Expr>& v) { return select(v[0], v[1], v[2]); });
  outputQuantised(op, y, 7, op.input(1).type);
}

/// The scale and zero point of the result come first, then each part with its own.
void qLinearConcat_1(Operator& op) {
  if (op.inputCount() < 5 || op.inputCount() % 3 != 2)
    op.invalid("its inputs must be a scale, a zero point, and three for each part");
  std::vector<Tensor> parts;
  for (std::size_t i = 2; i < op.inputCount(); i += 3) parts.push_back(real(op, i));
  const std::size_t axis = op.axis(op.attribute<std::int64_t>("axis"), parts[0].rank());
  outputQuantised(op, concatenate(op, parts, axis), 0, op.input(2).type);
}

/// Before opset 13, which an attribute states, the axes from `axis` on are one.
void qLinearSoftmax_1(Operator& op) {
  const Tensor x = real(op, 0);
  const std::size_t first = op.axis(op.integer("axis", -1), x.rank());
  std::vector<std::size_t> axes(op.attribute<std::int64_t>("opset") < 13 ? x.rank() - first : 1);
  std::iota(axes.begin(), axes.end(), first);
  outputQuantised(op, softmax(op, x, axes), 3, op.input(0).type);
}

// --- products ----------------------------------------------------------------------------------------------

/// The exact sums, as real numbers: times both scales, which are of the whole or of its columns, and `alpha`.
Tensor scaledSums(Operator& op, const Tensor& sums, const Tensor& left, const Tensor& right,
                  double alpha = 1) {
  const Tensor scale = op.elementwise(
      {left, right}, [&](const std::vector<Expr>& v) { return number(v[0].type(), alpha) * v[0] * v[1]; });
  return op.elementwise({sums, scale},
                        [](const std::vector<Expr>& v) { return cast(v[1].type(), v[0]) * v[1]; });
}

Tensor plus(Operator& op, const Tensor& x, std::size_t i) {
  if (!op.has(i)) return x;
  requireOneType(op, {x, op.input(i)});
  return op.elementwise({x, op.input(i)}, [](const std::vector<Expr>& v) { return v[0] + v[1]; });
}

void matMulIntegerToFloat_1(Operator& op) {
  const Tensor sums = matrixProduct(op, centred(op, op.input(0), zeroPoint(op, 4)),
                                    centred(op, op.input(1), zeroPoint(op, 5)));
  op.output(0, plus(op, scaledSums(op, sums, quantisationParameter(op, 2), quantisationParameter(op, 3)), 6),
            op.stored(2).type);
}

/// Inputs: A, which is quantised by its own range, B, the scale and zero point of B or of its columns, a
/// bias.
void dynamicQuantizeMatMul_1(Operator& op) {
  const QuantisedTensor a = dynamicallyQuantised(op, op.input(0));
  const Tensor sums =
      matrixProduct(op, centred(op, a.values, a.zeroPoint), centred(op, op.input(1), zeroPoint(op, 3)));
  op.output(0, plus(op, scaledSums(op, sums, a.scale, quantisationParameter(op, 2)), 4));
}

/// Inputs: A, its scale and zero point, B with those of its columns, C in units of both scales; real numbers
/// come out unless a scale for the result is given.
void qGemm_1(Operator& op) {
  const auto side = [&](std::size_t i, const char* attribute) {
    const bool transposed = op.integer(attribute, 0) != 0;
    auto zero = zeroPoint(op, i + 2);
    if (zero && zero->rank() == 1 && transposed) zero = op.unsqueeze(*zero, 1);
    const Tensor x = centred(op, op.input(i), zero);
    if (x.rank() != 2) throw ShapeError("its inputs must be matrices, but one is " + text(x.shape()));
    return transposed ? op.transpose(x, {1, 0}) : x;
  };
  const Tensor sums = plus(op, matrixProduct(op, side(0, "transA"), side(3, "transB")), 6);
  const Tensor y =
      scaledSums(op, sums, quantisationParameter(op, 1), quantisationParameter(op, 4), op.real("alpha", 1));
  if (!op.has(7)) return op.output(0, y);
  outputQuantised(op, y, 7, op.input(0).type);
}

SOFIE_OPERATOR_OF(domain, "QLinearSigmoid", 1, qLinearSigmoid_1);
SOFIE_OPERATOR_OF(domain, "QLinearLeakyRelu", 1, qLinearLeakyRelu_1);
SOFIE_OPERATOR_OF(domain, "QLinearAdd", 1, pair<Op::Add>);
SOFIE_OPERATOR_OF(domain, "QLinearWhere", 1, qLinearWhere_1);
SOFIE_OPERATOR_OF(domain, "QLinearMul", 1, pair<Op::Mul>);
SOFIE_OPERATOR_OF(domain, "QLinearAveragePool", 1, qLinearAveragePool_1);
SOFIE_OPERATOR_OF(domain, "QLinearGlobalAveragePool", 1, qLinearGlobalAveragePool_1);
SOFIE_OPERATOR_OF(domain, "QLinearConcat", 1, qLinearConcat_1);
SOFIE_OPERATOR_OF(domain, "QLinearSoftmax", 1, qLinearSoftmax_1);
SOFIE_OPERATOR_OF(domain, "MatMulIntegerToFloat", 1, matMulIntegerToFloat_1);
SOFIE_OPERATOR_OF(domain, "DynamicQuantizeMatMul", 1, dynamicQuantizeMatMul_1);
SOFIE_OPERATOR_OF(domain, "QGemm", 1, qGemm_1);

}  // namespace
}  // namespace sofie
