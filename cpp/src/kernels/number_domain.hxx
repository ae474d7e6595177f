#pragma once
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

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

/// What the interpreter computes with when every element is a number.
struct NumberDomain {
  using Cell = Number;

  static Cell real(DType type, double value) {
    return {type == DType::Float32 ? static_cast<double>(static_cast<float>(value)) : value, 0};
  }
  static Cell integer(DType type, std::int64_t value) { return {0, wrap(type, value)}; }
  static Cell extent(const Dim& dim) {
    const auto value = dim.value();
    if (!value) throw Unknown{};
    return {0, *value};
  }
  static std::int64_t asIndex(const Cell& cell) { return cell.integer; }
  static bool isTrue(const Cell& cell) { return cell.integer != 0; }

  static Cell cast(DType from, DType to, const Cell& cell) {
    if (isFloat(from) && isFloat(to)) return real(to, cell.real);
    if (isFloat(to))
      return real(to, from == DType::UInt64 ? static_cast<double>(static_cast<std::uint64_t>(cell.integer))
                                            : static_cast<double>(cell.integer));
    if (!isFloat(from)) return integer(to, cell.integer);
    if (to == DType::Bool) return {0, cell.real != 0};
    if (std::isnan(cell.real)) return {0, 0};
    const double limit = 9223372036854775808.0;
    const double clamped = std::clamp(std::trunc(cell.real), -limit, std::nextafter(limit, 0.0));
    return integer(to, static_cast<std::int64_t>(clamped));
  }

  static Cell unary(Op op, DType type, const Cell& cell) {
    if (op == Op::LogicalNot) return {0, cell.integer == 0};
    if (isFloat(type)) {
      if (op == Op::IsNan) return {0, std::isnan(cell.real)};
      if (op == Op::IsInf) return {0, std::isinf(cell.real)};
      return real(type, unaryReal(op, cell.real));
    }
    const std::int64_t x = cell.integer;
    switch (op) {
      case Op::Neg:
        return integer(type, static_cast<std::int64_t>(-static_cast<std::uint64_t>(x)));
      case Op::Abs:
        return integer(type, x < 0 && isSigned(type) ? -x : x);
      case Op::Sign:
        return integer(type, isSigned(type) ? (x > 0) - (x < 0) : x != 0);
      case Op::BitNot:
        return integer(type, ~x);
      default:
        throw Unknown{};
    }
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
    return type == DType::UInt64 ? binaryInteger<std::uint64_t>(op, type, left, right)
                                 : binaryInteger<std::int64_t>(op, type, left, right);
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
  static Cell binaryInteger(Op op, DType type, const Cell& left, const Cell& right) {
    const T x = static_cast<T>(left.integer), y = static_cast<T>(right.integer);
    const auto a = static_cast<std::uint64_t>(left.integer), b = static_cast<std::uint64_t>(right.integer);
    const auto wrapped = [&](std::uint64_t value) { return integer(type, static_cast<std::int64_t>(value)); };
    const bool divides = y != 0 && !(std::is_signed_v<T> && y == static_cast<T>(-1));
    switch (op) {
      case Op::Add:
        return wrapped(a + b);
      case Op::Sub:
        return wrapped(a - b);
      case Op::Mul:
        return wrapped(a * b);
      case Op::Div:
        return divides ? integer(type, static_cast<std::int64_t>(x / y)) : wrapped(y == 0 ? 0 : 0 - a);
      case Op::Fmod:
        return integer(type, divides ? static_cast<std::int64_t>(x % y) : 0);
      case Op::Mod: {
        const T r = divides ? static_cast<T>(x % y) : T(0);
        return integer(type, static_cast<std::int64_t>(r != 0 && (r < 0) != (y < 0) ? r + y : r));
      }
      case Op::Pow:
        return integer(type, static_cast<std::int64_t>(std::pow(double(x), double(y))));
      case Op::Minimum:
        return {0, static_cast<std::int64_t>(std::min(x, y))};
      case Op::Maximum:
        return {0, static_cast<std::int64_t>(std::max(x, y))};
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
      case Op::LogicalAnd:
        return {0, x != 0 && y != 0};
      case Op::LogicalOr:
        return {0, x != 0 || y != 0};
      case Op::LogicalXor:
        return {0, (x != 0) != (y != 0)};
      case Op::BitAnd:
        return integer(type, static_cast<std::int64_t>(a & b));
      case Op::BitOr:
        return integer(type, static_cast<std::int64_t>(a | b));
      case Op::BitXor:
        return integer(type, static_cast<std::int64_t>(a ^ b));
      case Op::ShiftLeft:
        return wrapped(b < 64 ? a << b : 0);
      case Op::ShiftRight:
        return wrapped(b < 64 ? a >> b : 0);
      default:
        throw Unknown{};
    }
  }

  static std::vector<Cell> cells(const Contents& contents) {
    if (!contents.constant) throw Unknown{};
    const Constant& constant = *contents.constant;
    std::vector<Cell> result(static_cast<std::size_t>(constant.size()));
    for (std::size_t i = 0; i < result.size(); ++i) {
      const auto position = static_cast<std::int64_t>(i);
      if (isFloat(constant.type))
        result[i].real = constant.at<double>(position);
      else
        result[i].integer = constant.at<std::int64_t>(position);
    }
    return result;
  }

  static Contents contents(DType type, const std::vector<std::int64_t>& shape,
                           const std::vector<Cell>& cells) {
    if (isFloat(type)) {
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
