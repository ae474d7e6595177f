#pragma once
#include "sofie/operator.hxx"

namespace sofie {

/// x, brought into the range of the type and converted to it: towards zero to integers, and NaN stays NaN
/// where the type has it.
Expr saturated(const Expr& x, DType type);
/// The number of the type nearest to `value`, halves to even, counted from the zero point, which may be
/// empty; beyond the range of the type the limit (ONNX QuantizeLinear).
Expr quantised(const Expr& value, const Expr& zeroPoint, DType type);

/// A tensor of uint8 that stands for (values - zeroPoint) * scale.
struct QuantisedTensor {
  Tensor values, scale, zeroPoint;
};
/// With scale and zero point such that the elements, and 0, fill the range of uint8 (ONNX
/// DynamicQuantizeLinear).
QuantisedTensor dynamicallyQuantised(Operator& op, const Tensor& x);

}  // namespace sofie
