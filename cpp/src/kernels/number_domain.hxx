#pragma once
#include <cmath>
#include <vector>

#include "../../runtime/scalar.hxx"
#include "kernels/domain.hxx"
#include "sofie/interpreter.hxx"

namespace sofie {

/// Numbers: `real` of the floating types, `integer` of the others.
struct Number {
  double real = 0;
  std::int64_t integer = 0;
};

/// The value that an integer type holds after wrapping.
inline std::int64_t wrap(DType type, std::int64_t value) {
  return dispatch(type, [&](auto zero) -> std::int64_t {
    using T = decltype(zero);
    if constexpr (std::is_floating_point_v<T>)
      return value;
    else if constexpr (std::is_same_v<T, bool>)
      return value != 0;
    else
      return static_cast<std::int64_t>(static_cast<T>(value));
  });
}

/// What the interpreter computes with when every element is a number; integers by the functions that models
/// use.
struct NumberDomain {
  using Cell = Number;

  static Cell real(DType type, double value) {
    if (isStorage(type)) return stored(type, value);
    return {type == DType::Float32 ? static_cast<double>(static_cast<float>(value)) : value, 0};
  }
  static Cell integer(DType type, std::int64_t value) {
    return isStorage(type) ? stored(type, static_cast<double>(static_cast<std::int8_t>(value)))
                           : Cell{0, wrap(type, value)};
  }
  /// A number as a storage type has it.
  static Cell stored(DType type, double value) {
    std::uint16_t code = 0;
    encode(type, value, &code);
    const double rounded = decode(type, &code);
    return isReal(type) ? Cell{rounded, 0} : Cell{0, static_cast<std::int64_t>(rounded)};
  }
  static Cell extent(const Dim& dim) {
    const auto value = dim.value();
    if (!value) throw Unknown{};
    return {0, *value};
  }
  static std::int64_t asIndex(const Cell& cell) { return cell.integer; }
  static bool isTrue(const Cell& cell) { return cell.integer != 0; }

  static Cell cast(DType from, DType to, const Cell& cell) {
    if (isReal(from) && isReal(to)) return real(to, cell.real);
    if (isReal(to))
      return real(to, from == DType::UInt64 ? static_cast<double>(static_cast<std::uint64_t>(cell.integer))
                                            : static_cast<double>(cell.integer));
    if (!isReal(from)) return integer(to, cell.integer);
    if (isStorage(to)) return integer(to, sofie_runtime::cast<std::int32_t>(cell.real));
    return dispatch(to, [&](auto zero) -> Cell {
      return {0, static_cast<std::int64_t>(sofie_runtime::cast<decltype(zero)>(cell.real))};
    });
  }

  static Cell bitCast(DType from, DType to, const Cell& cell) {
    const Constant bits = *contents(from, {}, {cell}).constant;
    return cells({Constant{to, {}, bits.bytes}, std::nullopt})[0];
  }

  static Cell unary(Op op, DType type, const Cell& cell) {
    if (op == Op::LogicalNot) return {0, cell.integer == 0};
    if (isFloat(type)) {
      if (op == Op::IsNan) return {0, std::isnan(cell.real)};
      if (op == Op::IsInf) return {0, std::isinf(cell.real)};
      return real(type, unaryReal(op, cell.real));
    }
    return dispatch(type, [&](auto zero) -> Cell {
      return {0, static_cast<std::int64_t>(unaryInteger(op, static_cast<decltype(zero)>(cell.integer)))};
    });
  }

  template <class T>
  static T unaryInteger([[maybe_unused]] Op op, [[maybe_unused]] T x) {
    if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>) {
      switch (op) {
        case Op::Neg:
          return sofie_runtime::neg(x);
        case Op::Abs:
          return sofie_runtime::abs(x);
        case Op::Sign:
          return sofie_runtime::sign(x);
        case Op::BitNot:
          return sofie_runtime::bit_not(x);
        default:
          break;
      }
    }
    throw Unknown{};
  }

  static double unaryReal(Op op, double x) {
    switch (op) {
      case Op::Neg:
        return -x;
      case Op::Abs:
        return std::fabs(x);
      case Op::Sign:
        return std::isnan(x) ? x : (x > 0) - (x < 0);
      case Op::Floor:
        return std::floor(x);
      case Op::Ceil:
        return std::ceil(x);
      case Op::Round:
        return std::nearbyint(x);
      case Op::Trunc:
        return std::trunc(x);
      case Op::Sqrt:
        return std::sqrt(x);
      case Op::Exp:
        return std::exp(x);
      case Op::Expm1:
        return std::expm1(x);
      case Op::Log:
        return std::log(x);
      case Op::Log1p:
        return std::log1p(x);
      case Op::Sin:
        return std::sin(x);
      case Op::Cos:
        return std::cos(x);
      case Op::Tan:
        return std::tan(x);
      case Op::Asin:
        return std::asin(x);
      case Op::Acos:
        return std::acos(x);
      case Op::Atan:
        return std::atan(x);
      case Op::Sinh:
        return std::sinh(x);
      case Op::Cosh:
        return std::cosh(x);
      case Op::Tanh:
        return std::tanh(x);
      case Op::Asinh:
        return std::asinh(x);
      case Op::Acosh:
        return std::acosh(x);
      case Op::Atanh:
        return std::atanh(x);
      case Op::Erf:
        return std::erf(x);
      case Op::Sigmoid:
        return 1 / (1 + std::exp(-x));
      case Op::Reciprocal:
        return 1 / x;
      default:
        throw Unknown{};
    }
  }

  static Cell binary(Op op, DType type, const Cell& left, const Cell& right) {
    if (isFloat(type)) return binaryReal(op, type, left.real, right.real);
    return dispatch(type, [&](auto zero) -> Cell {
      using T = decltype(zero);
      const T x = static_cast<T>(left.integer), y = static_cast<T>(right.integer);
      return {0, isPredicate(op) ? compare(op, x, y) : static_cast<std::int64_t>(binaryInteger(op, x, y))};
    });
  }

  static Cell binaryReal(Op op, DType type, double x, double y) {
    switch (op) {
      case Op::Add:
        return real(type, x + y);
      case Op::Sub:
        return real(type, x - y);
      case Op::Mul:
        return real(type, x * y);
      case Op::Div:
        return real(type, x / y);
      case Op::Mod: {
        const double r = std::fmod(x, y);
        return real(type, r != 0 && (r < 0) != (y < 0) ? r + y : r);
      }
      case Op::Fmod:
        return real(type, std::fmod(x, y));
      case Op::Pow:
        return real(type, std::pow(x, y));
      case Op::Minimum:
        return real(type, std::isnan(x) || x < y ? x : y);
      case Op::Maximum:
        return real(type, std::isnan(x) || x > y ? x : y);
      case Op::Lt:
        return {0, x < y};
      case Op::Le:
        return {0, x <= y};
      case Op::Gt:
        return {0, x > y};
      case Op::Ge:
        return {0, x >= y};
      case Op::Eq:
        return {0, x == y};
      case Op::Ne:
        return {0, x != y};
      default:
        throw Unknown{};
    }
  }

  template <class T>
  static bool compare(Op op, T x, T y) {
    switch (op) {
      case Op::Lt:
        return x < y;
      case Op::Le:
        return x <= y;
      case Op::Gt:
        return x > y;
      case Op::Ge:
        return x >= y;
      case Op::Eq:
        return x == y;
      case Op::Ne:
        return x != y;
      case Op::LogicalAnd:
        return x && y;
      case Op::LogicalOr:
        return x || y;
      case Op::LogicalXor:
        return !x != !y;
      default:
        throw Unknown{};
    }
  }

  template <class T>
  static T binaryInteger(Op op, T x, T y) {
    if (op == Op::Minimum) return sofie_runtime::minimum(x, y);
    if (op == Op::Maximum) return sofie_runtime::maximum(x, y);
    if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>) {
      switch (op) {
        case Op::Add:
          return sofie_runtime::add(x, y);
        case Op::Sub:
          return sofie_runtime::sub(x, y);
        case Op::Mul:
          return sofie_runtime::mul(x, y);
        case Op::Div:
          return sofie_runtime::div(x, y);
        case Op::Fmod:
          return sofie_runtime::fmod(x, y);
        case Op::Mod:
          return sofie_runtime::mod(x, y);
        case Op::Pow:
          return sofie_runtime::pow(x, y);
        case Op::BitAnd:
          return sofie_runtime::bit_and(x, y);
        case Op::BitOr:
          return sofie_runtime::bit_or(x, y);
        case Op::BitXor:
          return sofie_runtime::bit_xor(x, y);
        case Op::ShiftLeft:
          return sofie_runtime::shift_left(x, y);
        case Op::ShiftRight:
          return sofie_runtime::shift_right(x, y);
        case Op::RandomBits:
          return static_cast<T>(
              sofie_runtime::random_bits(static_cast<std::int64_t>(x), static_cast<std::int64_t>(y)));
        default:
          break;
      }
    }
    throw Unknown{};
  }

  static std::vector<Cell> cells(const Contents& contents) {
    if (!contents.constant) throw Unknown{};
    const Constant& constant = *contents.constant;
    std::vector<Cell> result(static_cast<std::size_t>(constant.size()));
    for (std::size_t i = 0; i < result.size(); ++i) {
      const auto position = static_cast<std::int64_t>(i);
      if (isReal(constant.type))
        result[i].real = constant.at<double>(position);
      else
        result[i].integer = constant.at<std::int64_t>(position);
    }
    return result;
  }

  static Contents contents(DType type, const std::vector<std::int64_t>& shape,
                           const std::vector<Cell>& cells) {
    if (isReal(type)) {
      std::vector<double> values;
      for (const Cell& cell : cells) values.push_back(cell.real);
      return {Constant::of(type, shape, values), std::nullopt};
    }
    std::vector<std::int64_t> values;
    for (const Cell& cell : cells) values.push_back(cell.integer);
    return {Constant::of(type, shape, values), std::nullopt};
  }
};

}  // namespace sofie
