/// Products of quantised numbers: exact sums in int32, scaled and rounded once at the end.
#include "quantised_products.hxx"

#include <numeric>

#include "common.hxx"
#include "convolution.hxx"
#include "products.hxx"
#include "quantisation.hxx"
#include "sofie/error.hxx"

namespace sofie {

Tensor quantisationParameter(Operator& op, std::size_t i) {
  const Tensor tensor = op.input(i);
  return product(tensor.shape()).is(1) ? op.reshape(tensor, {}) : tensor;
}

Tensor centred(Operator& op, const Tensor& x, const std::optional<Tensor>& zeroPoint) {
  const DType type = isFloat(x.type) ? x.type : DType::Int32;
  if (!zeroPoint) return op.cast(x, type);
  requireOneType(op, {x, *zeroPoint});
  const Tensor offset = op.broadcast(*zeroPoint, x.shape());
  return op.elementwise({x, offset},
                        [&](const std::vector<Expr>& v) { return cast(type, v[0]) - cast(type, v[1]); });
}

Tensor channelsFirst(Operator& op, const Tensor& x) {
  if (op.integer("channels_last", 0) == 0) return x;
  if (x.rank() < 3) throw ShapeError("an image needs a spatial axis, but the input is " + text(x.shape()));
  std::vector<std::size_t> order(x.rank());
  std::iota(order.begin() + 2, order.end(), 1);
  order[1] = x.rank() - 1;
  return op.transpose(x, order);
}

Tensor channelsAsGiven(Operator& op, const Tensor& x) {
  if (op.integer("channels_last", 0) == 0) return x;
  std::vector<std::size_t> order(x.rank());
  std::iota(order.begin() + 1, order.end(), 2);
  order.back() = 1;
  return op.transpose(x, order);
}

namespace {

/// Those of rows are vectors in ONNX; as a column they broadcast to the matrix.
Tensor rowParameter(Operator& op, std::size_t i) {
  const Tensor tensor = quantisationParameter(op, i);
  return tensor.rank() == 1 ? op.unsqueeze(tensor, 1) : tensor;
}

/// Those of output channels, to be followed by `trailing` axes.
Tensor channelParameter(Operator& op, std::size_t i, const Dim& channels, std::size_t trailing) {
  const Tensor tensor = quantisationParameter(op, i);
  return tensor.rank() == 0 ? tensor
                            : alongChannels(op, "input " + std::to_string(i), tensor, channels, trailing);
}

/// sum * left * right / result, rounded to the type, from the result's zero point on.
Tensor requantised(Operator& op, const Tensor& sum, const Tensor& left, const Tensor& right,
                   const Tensor& result, const Tensor& zeroPoint, DType type) {
  const Tensor scale = op.elementwise({left, right, result}, [](const std::vector<Expr>& v) {
    const auto real = [](const Expr& x) { return cast(DType::Float32, x); };
    return real(v[0]) * real(v[1]) / real(v[2]);
  });
  return op.elementwise({sum, scale, zeroPoint}, [&](const std::vector<Expr>& v) {
    return quantised(cast(DType::Float32, v[0]) * v[1], v[2], type);
  });
}

void matMulInteger_10(Operator& op) {
  const auto rows = op.has(2) ? std::optional<Tensor>(rowParameter(op, 2)) : std::nullopt;
  const auto columns = op.has(3) ? std::optional<Tensor>(quantisationParameter(op, 3)) : std::nullopt;
  op.output(0, matrixProduct(op, centred(op, op.input(0), rows), centred(op, op.input(1), columns)));
}

void qLinearMatMul_10(Operator& op) {
  const Tensor sum = matrixProduct(op, centred(op, op.input(0), rowParameter(op, 2)),
                                   centred(op, op.input(3), quantisationParameter(op, 5)));
  op.output(0, requantised(op, sum, rowParameter(op, 1), quantisationParameter(op, 4), rowParameter(op, 6),
                           rowParameter(op, 7), op.stored(7).type));
}

Tensor centredImage(Operator& op, std::size_t i, std::size_t zeroPoint) {
  return centred(
      op, op.input(i),
      op.has(zeroPoint) ? std::optional<Tensor>(quantisationParameter(op, zeroPoint)) : std::nullopt);
}

Tensor centredWeights(Operator& op, std::size_t i, std::size_t zeroPoint) {
  const Tensor w = op.input(i);
  if (!op.has(zeroPoint)) return centred(op, w, std::nullopt);
  return centred(op, w, channelParameter(op, zeroPoint, w.dim(0), w.rank() - 1));
}

void convInteger_10(Operator& op) {
  op.output(0, convolution(op, centredImage(op, 0, 2), centredWeights(op, 1, 3)));
}

/// The bias is int32, in units of the product of both scales. onnxruntime's own operator may have the
/// channels last.
void qLinearConv_10(Operator& op) {
  Tensor sum = convolution(op, channelsFirst(op, centredImage(op, 0, 2)), centredWeights(op, 3, 5));
  const Dim channels = sum.dim(1);
  const std::size_t spatial = sum.rank() - 2;
  if (op.has(8)) {
    const Tensor bias = alongChannels(op, "the bias", op.input(8), channels, spatial);
    requireOneType(op, {sum, bias});
    sum = op.elementwise({sum, bias}, [](const std::vector<Expr>& v) { return v[0] + v[1]; });
  }
  const Tensor result =
      requantised(op, sum, quantisationParameter(op, 1), channelParameter(op, 4, channels, spatial),
                  quantisationParameter(op, 6), quantisationParameter(op, 7), op.stored(7).type);
  op.output(0, channelsAsGiven(op, result));
}

SOFIE_OPERATOR("MatMulInteger", 10, matMulInteger_10);
SOFIE_OPERATOR("QLinearMatMul", 10, qLinearMatMul_10);
SOFIE_OPERATOR("ConvInteger", 10, convInteger_10);
SOFIE_OPERATOR("QLinearConv", 10, qLinearConv_10);
SOFIE_OPERATOR_OF("com.microsoft", "QLinearConv", 1, qLinearConv_10);

}  // namespace
}  // namespace sofie
