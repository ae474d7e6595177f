/// Quantised tensors: (element - zero point) * scale, with one scale and zero point for a tensor, for each
/// position along an axis, or for each block of an axis.
#include "common.hxx"
#include "quantisation.hxx"
#include "sofie/error.hxx"

namespace sofie {

namespace {

/// Scale and zero point (which may be left out, and is if it is zero) of a tensor's elements.
struct Parameters {
  Tensor scale;
  std::optional<Tensor> zeroPoint;
};

bool isZero(const Contents& contents) {
  if (!contents.constant) return false;
  for (std::int64_t i = 0; i < contents.constant->size(); ++i)
    if (contents.constant->at<double>(i) != 0) return false;
  return true;
}

Parameters parameters(Operator& op) {
  Parameters result{op.input(1), std::nullopt};
  if (op.has(2) && !isZero(op.contentsOf(2))) result.zeroPoint = op.input(2);
  if (!op.has(2)) return result;
  const Shape zeros = op.stored(2).shape();
  if (product(zeros).is(1) && product(result.scale.shape()).is(1)) return result;
  if (zeros.size() != result.scale.rank())
    throw ShapeError("the scale " + text(result.scale.shape()) + " and the zero point " + text(zeros) +
                     " differ in shape");
  for (std::size_t i = 0; i < zeros.size(); ++i)
    op.agree(result.scale.dim(i), zeros[i], "sizes of the scale and the zero point");
  return result;
}

/// An element of the result from those of the tensor, the scale and the zero point, which may be empty.
using Formula = std::function<Expr(const Expr& x, const Expr& scale, const Expr& zeroPoint)>;

/// The formula at the elements of a tensor; the parameters broadcast to it.
Expr evaluate(Operator& op, const Tensor& x, const Parameters& parameters, const Formula& formula) {
  const auto at = [&](const Tensor& tensor) { return element(op.broadcast(tensor, x.shape())); };
  return formula(element(x), at(parameters.scale), parameters.zeroPoint ? at(*parameters.zeroPoint) : Expr());
}

template <class F>
Parameters each(const Parameters& parameters, F&& change) {
  Parameters result{change(parameters.scale), std::nullopt};
  if (parameters.zeroPoint) result.zeroPoint = change(*parameters.zeroPoint);
  return result;
}

/// Every block of an axis has parameters of its own; the last one may be shorter. Whole blocks become an
/// axis, so that no position has to be divided.
Tensor byBlock(Operator& op, const Tensor& x, const Parameters& parameters, DType type,
               const Formula& formula) {
  const std::size_t axis = op.axis(op.integer("axis", 1), x.rank());
  const Dim block = op.integer("block_size", 0), size = x.dim(axis), whole = floorDiv(size, block);
  if (parameters.scale.rank() != x.rank())
    throw ShapeError("the scale " + text(parameters.scale.shape()) + " of blocks must have the axes of " +
                     text(x.shape()));
  op.agree(parameters.scale.dim(axis), ceilDiv(size, block), "the number of scales and of blocks");
  const Tensor result = op.temporary(type, x.shape());
  const auto fill = [&](const Dim& first, const Dim& blocks, const Dim& length) {
    if (blocks.is(0) || length.is(0)) return;
    const auto part = [&](const Tensor& tensor) {
      return splitAxis(op.slice(tensor, axis, first * block, blocks * length), axis, blocks, length);
    };
    const Parameters own = each(parameters, [&](const Tensor& tensor) {
      return op.unsqueeze(op.slice(tensor, axis, first, blocks), axis + 1);
    });
    op.store(evaluate(op, part(x), own, formula), part(result));
  };
  fill(0, whole, block);
  const Dim rest = size - whole * block;
  fill(whole, min(rest, 1), rest);
  return result;
}

Tensor apply(Operator& op, const Tensor& x, DType type, const Formula& formula) {
  const Parameters given = parameters(op);
  const std::int64_t block = op.integer("block_size", 0);
  if (block < 0) op.invalid("block_size is " + std::to_string(block));
  if (block > 0) return byBlock(op, x, given, type, formula);
  if (product(given.scale.shape()).is(1)) {
    const Expr zero = given.zeroPoint ? scalarOf(op, 2) : Expr();
    return op.map(x.shape(), formula(element(x), scalarOf(op, 1), zero));
  }
  if (given.scale.rank() != 1)
    throw ShapeError("the scale must be a scalar or a vector, but has the shape " +
                     text(given.scale.shape()) + " and there is no block_size");
  const std::size_t axis = x.rank() == 1 ? 0 : op.axis(op.integer("axis", 1), x.rank());
  op.agree(given.scale.dim(0), x.dim(axis), "the number of scales and the size of the axis");
  const Parameters along = each(given, [&](Tensor tensor) {
    for (std::size_t i = axis + 1; i < x.rank(); ++i) tensor = op.unsqueeze(tensor, tensor.rank());
    return tensor;
  });
  return op.map(x.shape(), evaluate(op, x, along, formula));
}

/// The type of an attribute that names one; 0 stands for none.
DType typeOr(const Operator& op, const std::string& attribute, DType otherwise) {
  const std::int64_t code = op.integer(attribute, 0);
  return code == 0 ? otherwise : onnxType(op, code);
}

void quantizeLinear_10(Operator& op) {
  const DType zeroType = op.has(2) ? op.stored(2).type : typeOr(op, "output_dtype", DType::UInt8);
  const DType type = typeOr(op, "output_dtype", zeroType);
  if (type != zeroType)
    op.invalid("output_dtype is " + std::string(dtypeName(type)) + ", but the zero point is of type " +
               std::string(dtypeName(zeroType)));
  const DType scaleType = op.stored(1).type;
  DType precision = typeOr(op, "precision", scaleType);
  if (isInteger(precision)) precision = DType::Float64;
  if (precision == DType::Float8E8M0) precision = DType::Float32;
  const DType computing = computingType(precision);
  const bool saturate = op.integer("saturate", 1) != 0;
  const auto formula = [&](const Expr& x, const Expr& scale, const Expr& zeroPoint) {
    const Expr quotient = cast(computing, cast(precision, cast(computing, x) / cast(computing, scale)));
    if (saturate || !isReal(type)) return quantised(quotient, zeroPoint, type);
    return cast(type, zeroPoint ? quotient + cast(computing, zeroPoint) : quotient);
  };
  op.output(0, apply(op, op.input(0), type, formula), type);
}

void dequantizeLinear_10(Operator& op) {
  if (op.has(2) && op.stored(2).type != op.stored(0).type)
    op.invalid("the zero point is of type " + std::string(dtypeName(op.stored(2).type)) + ", its tensor of " +
               std::string(dtypeName(op.stored(0).type)));
  const DType scaleType = op.stored(1).type;
  const DType type = typeOr(op, "output_dtype", scaleType == DType::Float8E8M0 ? DType::Float32 : scaleType);
  const auto formula = [&](const Expr& x, const Expr& scale, const Expr& zeroPoint) {
    const Expr real = cast(DType::Float32, x);
    const Expr shifted = zeroPoint ? real - cast(DType::Float32, zeroPoint) : real;
    return cast(type, shifted * cast(DType::Float32, scale));
  };
  op.output(0, apply(op, op.input(0), type, formula), type);
}

void dynamicQuantizeLinear_11(Operator& op) {
  const QuantisedTensor y = dynamicallyQuantised(op, op.input(0));
  op.output(0, y.values);
  op.output(1, y.scale);
  op.output(2, y.zeroPoint);
}

}  // namespace

SOFIE_OPERATOR("QuantizeLinear", 10, quantizeLinear_10);
SOFIE_OPERATOR("DequantizeLinear", 10, dequantizeLinear_10);
SOFIE_OPERATOR("DynamicQuantizeLinear", 11, dynamicQuantizeLinear_11);
SOFIE_OPERATOR_OF("com.microsoft", "QuantizeLinear", 1, quantizeLinear_10);
SOFIE_OPERATOR_OF("com.microsoft", "DequantizeLinear", 1, dequantizeLinear_10);

}  // namespace sofie
