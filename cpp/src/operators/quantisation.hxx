#pragma once
#include "sofie/expression.hxx"

namespace sofie {

/// The integer nearest to `value`, halves to even, counted from the zero point; beyond the range of the zero
/// point's type the limit (ONNX QuantizeLinear).
Expr quantised(const Expr& value, const Expr& zeroPoint);

}  // namespace sofie
