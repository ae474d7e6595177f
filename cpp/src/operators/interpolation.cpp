#include "interpolation.hxx"

namespace sofie {

DType interpolationType(DType type) {
  const bool needsDouble = type == DType::Float64 || (isInteger(type) && sizeOf(type) > 2);
  return needsDouble ? DType::Float64 : DType::Float32;
}

Expr linearWeight(const Expr& distance) {
  const DType type = distance.type();
  return binary(Op::Maximum, number(type, 0), number(type, 1) - unary(Op::Abs, distance));
}

Expr cubicWeight(const Expr& distance, double a) {
  const DType type = distance.type();
  const auto real = [&](double value) { return number(type, value); };
  const Expr x = unary(Op::Abs, distance);
  const Expr inner = (real(a + 2) * x - real(a + 3)) * x * x + real(1);
  const Expr outer = ((real(a) * x - real(5 * a)) * x + real(8 * a)) * x - real(4 * a);
  const Expr tail = select(binary(Op::Lt, x, real(2)), outer, real(0));
  return select(binary(Op::Le, x, real(1)), inner, tail);
}

}  // namespace sofie
