/// Conversions between element types.
#include <cctype>

#include "common.hxx"
#include "quantisation.hxx"
#include "sofie/error.hxx"

namespace sofie {
namespace {

/// The power of two next to x, a float32, in the direction of `mode`; the conversion drops the mantissa.
Expr powerOfTwo(const Operator& op, const Expr& x, const std::string& mode, bool saturate) {
  const auto word = [](std::int64_t value) { return integer(DType::UInt32, value); };
  const Expr bits = bitCast(DType::UInt32, x);
  Expr rounded;
  if (mode == "up") {
    rounded = bits + word(0x7fffff);
  } else if (mode == "nearest") {  // a tie goes up, but for a subnormal number
    const Expr isNormal = binary(Op::Ge, bits, word(0x800000));
    rounded = bits + select(isNormal, word(0x400000), word(0x3fffff));
  } else if (mode == "down") {
    rounded = bits;
  } else {
    op.invalid("round_mode is '" + mode + "', not up, down or nearest");
  }
  constexpr std::int64_t largest = 0x7f7fffff, infinity = 0x7f800000;
  if (saturate) rounded = binary(Op::Minimum, rounded, word(largest));
  const Expr isFinite = binary(Op::Lt, bits, word(infinity));
  return bitCast(DType::Float32, select(isFinite, rounded, bits));
}

Expr converted(const Operator& op, const Expr& x, DType type) {
  const bool saturate = op.integer("saturate", 1) != 0;
  if (type == DType::Float8E8M0) {
    const Expr magnitude = unary(Op::Abs, cast(DType::Float32, x));
    return cast(type, powerOfTwo(op, magnitude, op.string("round_mode", "up"), saturate));
  }
  return saturate && sizeOf(type) == 1 && isReal(type) ? saturated(x, type) : cast(type, x);
}

void convert(Operator& op, DType type) {
  const Tensor x = op.stored(0);
  if (x.type == type) return op.output(0, x);
  op.output(0, op.map(x.shape(), converted(op, element(x), type)), type);
}

/// Names of types, as TensorProto.DataType spells them.
void cast_1(Operator& op) {
  std::string name = op.string("to", "");
  for (char& letter : name) letter = static_cast<char>(std::tolower(static_cast<unsigned char>(letter)));
  if (name == "float") name = "float32";
  if (name == "double") name = "float64";
  convert(op, parseDType(name));
}

void cast_6(Operator& op) { convert(op, onnxType(op, op.attribute<std::int64_t>("to"))); }

void castLike_15(Operator& op) { convert(op, op.stored(1).type); }

void bitCast_26(Operator& op) {
  const Tensor x = op.stored(0);
  const DType type = onnxType(op, op.attribute<std::int64_t>("to"));
  if (bitsOf(type) != bitsOf(x.type))
    op.invalid("an element of " + std::string(dtypeName(x.type)) + " has " + std::to_string(bitsOf(x.type)) +
               " bits, one of " + std::string(dtypeName(type)) + " has " + std::to_string(bitsOf(type)));
  op.output(0, op.map(x.shape(), bitCast(type, element(x))), type);
}

}  // namespace

SOFIE_OPERATOR("Cast", 1, cast_1);
SOFIE_OPERATOR("Cast", 6, cast_6);
SOFIE_OPERATOR("CastLike", 15, castLike_15);
SOFIE_OPERATOR("BitCast", 26, bitCast_26);

}  // namespace sofie
