#include "quantisation.hxx"

namespace sofie {

Expr saturated(const Expr& x, DType type) {
  const Range range = rangeOf(type);
  const Expr real = isFloat(x.type()) ? x : cast(DType::Float32, x);
  const Expr low = number(real.type(), range.lowest), high = number(real.type(), range.highest);
  return cast(type, binary(Op::Minimum, high, binary(Op::Maximum, low, real)));
}

Expr quantised(const Expr& value, const Expr& zeroPoint, DType type) {
  const Expr rounded = isReal(type) ? value : unary(Op::Round, value);
  return saturated(zeroPoint ? rounded + cast(value.type(), zeroPoint) : rounded, type);
}

}  // namespace sofie
