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

QuantisedTensor dynamicallyQuantised(Operator& op, const Tensor& x) {
  std::vector<std::size_t> axes;
  for (std::size_t i = 0; i < x.rank(); ++i) axes.push_back(i);
  const Expr zero = number(x.type, 0), steps = number(x.type, 255);
  const auto extreme = [&](Combiner combiner, Op function) {
    return op.reduce(x, axes, false, combiner, {},
                     [&](const Expr& value) { return binary(function, zero, value); });
  };
  const Tensor lowest = extreme(Combiner::Minimum, Op::Minimum);
  const Tensor highest = extreme(Combiner::Maximum, Op::Maximum);
  const Tensor scale = op.elementwise({lowest, highest}, [&](const std::vector<Expr>& v) {
    const Expr constant = binary(Op::Eq, v[0], v[1]);
    return select(constant, number(x.type, 1), v[1] - v[0]) / steps;
  });
  const Tensor zeroPoint = op.elementwise({lowest, scale}, [&](const std::vector<Expr>& v) {
    const Expr clipped = binary(Op::Minimum, steps, binary(Op::Maximum, zero, zero - v[0] / v[1]));
    return quantised(clipped, {}, DType::UInt8);
  });
  const Tensor values = op.elementwise({x, scale, zeroPoint}, [](const std::vector<Expr>& v) {
    return quantised(v[0] / v[1], v[2], DType::UInt8);
  });
  return {values, scale, zeroPoint};
}

}  // namespace sofie
