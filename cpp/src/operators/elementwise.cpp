/// Element-wise arithmetic, comparison, logic and elementary functions.
#include "common.hxx"
#include "sofie/error.hxx"

namespace sofie {
namespace {

// --- one operand -------------------------------------------------------------------------------------------

template <Op function>
void unary_1(Operator& op) {
  const Tensor x = op.input(0);
  op.output(0, op.elementwise({x}, [](const std::vector<Expr>& x) { return unary(function, x[0]); }));
}

template <Op function>
void float_1(Operator& op) {
  requireFloat(op, op.input(0));
  unary_1<function>(op);
}

void isInf_10(Operator& op) {
  const Tensor x = op.input(0);
  requireFloat(op, x);
  const bool negative = op.integer("detect_negative", 1) != 0,
             positive = op.integer("detect_positive", 1) != 0;
  op.output(0, op.elementwise({x}, [&](const std::vector<Expr>& x) {
    if (!negative && !positive) return integer(DType::Bool, 0);
    const Expr infinite = unary(Op::IsInf, x[0]), zero = number(x[0].type(), 0);
    if (negative && positive) return infinite;
    return binary(Op::LogicalAnd, infinite, binary(negative ? Op::Lt : Op::Gt, x[0], zero));
  }));
}

// --- two operands ------------------------------------------------------------------------------------------

/// Before opset 7 the second operand is lined up with the axes of the first from `axis` on.
Tensor aligned(const Operator& op, const Tensor& left, Tensor right) {
  if (op.integer("broadcast", 0) == 0 || !op.hasAttribute("axis")) return right;
  const std::size_t axis = op.axis(op.integer("axis", 0), left.rank());
  if (axis + right.rank() > left.rank())
    throw ShapeError("shape " + text(right.shape()) + " does not fit into " + text(left.shape()) +
                     " from axis " + std::to_string(axis) + " on");
  while (axis + right.rank() < left.rank()) right = op.unsqueeze(right, right.rank());
  return right;
}

template <Op function>
void pair(Operator& op, const Tensor& left, const Tensor& right) {
  requireOneType(op, {left, right});
  op.output(0, op.elementwise({left, right},
                              [](const std::vector<Expr>& x) { return binary(function, x[0], x[1]); }));
}

template <Op function>
void binary_1(Operator& op) {
  const Tensor left = op.input(0);
  pair<function>(op, left, aligned(op, left, op.input(1)));
}

template <Op function>
void binary_7(Operator& op) {
  pair<function>(op, op.input(0), op.input(1));
}

void mod_10(Operator& op) { op.integer("fmod", 0) != 0 ? binary_7<Op::Fmod>(op) : binary_7<Op::Mod>(op); }

void bitShift_11(Operator& op) {
  const Tensor x = op.input(0), count = op.input(1);
  requireOneType(op, {x, count});
  const std::string direction = op.string("direction", "");
  if (direction != "LEFT" && direction != "RIGHT")
    op.invalid("direction is '" + direction + "', not LEFT or RIGHT");
  op.output(0, op.elementwise({x, count}, [&](const std::vector<Expr>& x) {
    if (direction == "LEFT") return binary(Op::ShiftLeft, x[0], x[1]);
    const Expr shifted = binary(Op::ShiftRight, x[0], x[1]);
    if (!isSigned(x[0].type())) return shifted;
    // The shift of the vocabulary brings in zeros: of a negative number the complement is shifted.
    const Expr complement = binary(Op::ShiftRight, unary(Op::BitNot, x[0]), x[1]);
    return select(binary(Op::Lt, x[0], integer(x[0].type(), 0)), unary(Op::BitNot, complement), shifted);
  }));
}

// --- power -------------------------------------------------------------------------------------------------

/// Cheaper forms of frequent exponents; empty for others.
Expr specialPower(const Expr& base, double exponent) {
  if (exponent == 1) return base;
  if (exponent == 2) return base * base;
  if (exponent == 3) return base * base * base;
  if (!isFloat(base.type())) return {};
  if (exponent == 0.5) return unary(Op::Sqrt, base);
  if (exponent == -1) return unary(Op::Reciprocal, base);
  return {};
}

/// The type in which a power is computed; the result is of the base's type.
DType powerType(DType base, DType exponent) {
  if (isFloat(base) || base == exponent) return base;
  return isFloat(exponent) ? DType::Float64 : DType::Int64;
}

void power(Operator& op, const Tensor& base, const Tensor& exponent) {
  const auto& known = op.contentsOf(1).constant;
  if (known && known->size() == 1 && exponent.rank() <= base.rank()) {
    const Expr special = specialPower(element(base), known->at<double>(0));
    if (special) return op.output(0, op.map(base.shape(), special));
  }
  const DType type = powerType(base.type, exponent.type);
  op.output(0, op.elementwise({base, exponent}, [&](const std::vector<Expr>& x) {
    return cast(base.type, binary(Op::Pow, cast(type, x[0]), cast(type, x[1])));
  }));
}

void pow_1(Operator& op) {
  const Tensor base = op.input(0);
  power(op, base, aligned(op, base, op.input(1)));
}

void pow_7(Operator& op) { power(op, op.input(0), op.input(1)); }

// --- any number of operands --------------------------------------------------------------------------------

std::vector<Tensor> inputs(Operator& op) {
  std::vector<Tensor> tensors;
  for (std::size_t i = 0; i < op.inputCount(); ++i) tensors.push_back(op.input(i));
  if (tensors.empty()) op.invalid("it has no input");
  requireOneType(op, tensors);
  return tensors;
}

Expr fold(Op function, const std::vector<Expr>& x) {
  Expr result = x[0];
  for (std::size_t i = 1; i < x.size(); ++i) result = binary(function, result, x[i]);
  return result;
}

template <Op function>
void variadic_1(Operator& op) {
  op.output(0, op.elementwise(inputs(op), [](const std::vector<Expr>& x) { return fold(function, x); }));
}

void mean_1(Operator& op) {
  op.output(0, op.elementwise(inputs(op), [](const std::vector<Expr>& x) {
    return fold(Op::Add, x) / number(x[0].type(), static_cast<double>(x.size()));
  }));
}

}  // namespace

SOFIE_OPERATOR("Abs", 1, unary_1<Op::Abs>);
SOFIE_OPERATOR("Neg", 1, unary_1<Op::Neg>);
SOFIE_OPERATOR("Sign", 9, unary_1<Op::Sign>);
SOFIE_OPERATOR("Not", 1, unary_1<Op::LogicalNot>);
SOFIE_OPERATOR("BitwiseNot", 18, unary_1<Op::BitNot>);
SOFIE_OPERATOR("Floor", 1, float_1<Op::Floor>);
SOFIE_OPERATOR("Ceil", 1, float_1<Op::Ceil>);
SOFIE_OPERATOR("Round", 11, float_1<Op::Round>);
SOFIE_OPERATOR("Sqrt", 1, float_1<Op::Sqrt>);
SOFIE_OPERATOR("Exp", 1, float_1<Op::Exp>);
SOFIE_OPERATOR("Log", 1, float_1<Op::Log>);
SOFIE_OPERATOR("Sin", 7, float_1<Op::Sin>);
SOFIE_OPERATOR("Cos", 7, float_1<Op::Cos>);
SOFIE_OPERATOR("Tan", 7, float_1<Op::Tan>);
SOFIE_OPERATOR("Asin", 7, float_1<Op::Asin>);
SOFIE_OPERATOR("Acos", 7, float_1<Op::Acos>);
SOFIE_OPERATOR("Atan", 7, float_1<Op::Atan>);
SOFIE_OPERATOR("Sinh", 9, float_1<Op::Sinh>);
SOFIE_OPERATOR("Cosh", 9, float_1<Op::Cosh>);
SOFIE_OPERATOR("Tanh", 1, float_1<Op::Tanh>);
SOFIE_OPERATOR("Asinh", 9, float_1<Op::Asinh>);
SOFIE_OPERATOR("Acosh", 9, float_1<Op::Acosh>);
SOFIE_OPERATOR("Atanh", 9, float_1<Op::Atanh>);
SOFIE_OPERATOR("Erf", 9, float_1<Op::Erf>);
SOFIE_OPERATOR("Sigmoid", 1, float_1<Op::Sigmoid>);
SOFIE_OPERATOR("Reciprocal", 1, float_1<Op::Reciprocal>);
SOFIE_OPERATOR("IsNaN", 9, float_1<Op::IsNan>);
SOFIE_OPERATOR("IsInf", 10, isInf_10);

SOFIE_OPERATOR("Add", 1, binary_1<Op::Add>);
SOFIE_OPERATOR("Add", 7, binary_7<Op::Add>);
SOFIE_OPERATOR("Sub", 1, binary_1<Op::Sub>);
SOFIE_OPERATOR("Sub", 7, binary_7<Op::Sub>);
SOFIE_OPERATOR("Mul", 1, binary_1<Op::Mul>);
SOFIE_OPERATOR("Mul", 7, binary_7<Op::Mul>);
SOFIE_OPERATOR("Div", 1, binary_1<Op::Div>);
SOFIE_OPERATOR("Div", 7, binary_7<Op::Div>);
SOFIE_OPERATOR("Pow", 1, pow_1);
SOFIE_OPERATOR("Pow", 7, pow_7);
SOFIE_OPERATOR("Mod", 10, mod_10);
SOFIE_OPERATOR("Equal", 1, binary_1<Op::Eq>);
SOFIE_OPERATOR("Equal", 7, binary_7<Op::Eq>);
SOFIE_OPERATOR("Less", 1, binary_1<Op::Lt>);
SOFIE_OPERATOR("Less", 7, binary_7<Op::Lt>);
SOFIE_OPERATOR("LessOrEqual", 12, binary_7<Op::Le>);
SOFIE_OPERATOR("Greater", 1, binary_1<Op::Gt>);
SOFIE_OPERATOR("Greater", 7, binary_7<Op::Gt>);
SOFIE_OPERATOR("GreaterOrEqual", 12, binary_7<Op::Ge>);
SOFIE_OPERATOR("And", 1, binary_1<Op::LogicalAnd>);
SOFIE_OPERATOR("And", 7, binary_7<Op::LogicalAnd>);
SOFIE_OPERATOR("Or", 1, binary_1<Op::LogicalOr>);
SOFIE_OPERATOR("Or", 7, binary_7<Op::LogicalOr>);
SOFIE_OPERATOR("Xor", 1, binary_1<Op::LogicalXor>);
SOFIE_OPERATOR("Xor", 7, binary_7<Op::LogicalXor>);
SOFIE_OPERATOR("BitwiseAnd", 18, binary_7<Op::BitAnd>);
SOFIE_OPERATOR("BitwiseOr", 18, binary_7<Op::BitOr>);
SOFIE_OPERATOR("BitwiseXor", 18, binary_7<Op::BitXor>);
SOFIE_OPERATOR("BitShift", 11, bitShift_11);

SOFIE_OPERATOR("Sum", 1, variadic_1<Op::Add>);
SOFIE_OPERATOR("Min", 1, variadic_1<Op::Minimum>);
SOFIE_OPERATOR("Max", 1, variadic_1<Op::Maximum>);
SOFIE_OPERATOR("Mean", 1, mean_1);

}  // namespace sofie
