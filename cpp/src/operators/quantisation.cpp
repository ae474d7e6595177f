#include "quantisation.hxx"

#include <limits>

namespace sofie {

Expr quantised(const Expr& value, const Expr& zeroPoint) {
  return dispatch(zeroPoint.type(), [&](auto zero) {
    using Limits = std::numeric_limits<decltype(zero)>;
    const Expr low = number(value.type(), static_cast<double>(Limits::lowest()));
    const Expr high = number(value.type(), static_cast<double>(Limits::max()));
    const Expr counted = unary(Op::Round, value) + cast(value.type(), zeroPoint);
    return cast(zeroPoint.type(), binary(Op::Minimum, high, binary(Op::Maximum, low, counted)));
  });
}

}  // namespace sofie
