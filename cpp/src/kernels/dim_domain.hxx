#pragma once
#include <vector>

#include "kernels/domain.hxx"
#include "sofie/interpreter.hxx"

namespace sofie {

/// What the interpreter computes with when elements are sizes: integers and bools that may depend on symbols.
struct DimDomain {
  using Cell = Dim;

  static Cell real(DType, double) { throw Unknown{}; }
  static Cell integer(DType, std::int64_t value) { return value; }
  static Cell extent(const Dim& dim) { return dim; }
  static std::int64_t asIndex(const Cell& cell) {
    const auto value = cell.value();
    if (!value) throw Unknown{};
    return *value;
  }
  static bool isTrue(const Cell& cell) { return asIndex(cell) != 0; }
  static bool isNonNegative(const Cell& cell) {
    const auto low = cell.lowerBound();
    return low && *low >= 0;
  }
  static Cell cast(DType from, DType to, const Cell& cell) {
    if (isReal(from) || isReal(to)) throw Unknown{};
    if (to == DType::Bool) return asIndex(cell) != 0;
    return cell;
  }
  static Cell bitCast(DType, DType, const Cell&) { throw Unknown{}; }
  static Cell unary(Op op, DType, const Cell& cell) {
    if (op == Op::Neg) return Dim(0) - cell;
    if (op == Op::LogicalNot) return !isTrue(cell);
    if (op == Op::Abs && isNonNegative(cell)) return cell;
    throw Unknown{};
  }
  static Cell compare(Op op, const Cell& left, const Cell& right) {
    const Dim difference = left - right;
    const auto low = difference.lowerBound(), high = difference.upperBound();
    const bool below = high && *high < 0, above = low && *low > 0;
    const bool notAbove = high && *high <= 0, notBelow = low && *low >= 0;
    const bool equal = difference.is(0);
    const auto decide = [](bool yes, bool no) -> Cell {
      if (!yes && !no) throw Unknown{};
      return yes;
    };
    switch (op) {
      case Op::Lt:
        return decide(below, notBelow);
      case Op::Le:
        return decide(notAbove, above);
      case Op::Gt:
        return decide(above, notAbove);
      case Op::Ge:
        return decide(notBelow, below);
      case Op::Eq:
        return decide(equal, below || above);
      default:
        return decide(below || above, equal);
    }
  }
  static Cell binary(Op op, DType, const Cell& left, const Cell& right) {
    switch (op) {
      case Op::Add:
        return left + right;
      case Op::Sub:
        return left - right;
      case Op::Mul:
        return left * right;
      case Op::Div:
        if (!isNonNegative(left) || !isNonNegative(right) || right.is(0)) throw Unknown{};
        return floorDiv(left, right);
      case Op::Mod:
        if (right.is(0)) throw Unknown{};
        return floorMod(left, right);
      case Op::Minimum:
        return min(left, right);
      case Op::Maximum:
        return max(left, right);
      case Op::LogicalAnd:
        return isTrue(left) && isTrue(right);
      case Op::LogicalOr:
        return isTrue(left) || isTrue(right);
      case Op::LogicalXor:
        return isTrue(left) != isTrue(right);
      case Op::Lt:
      case Op::Le:
      case Op::Gt:
      case Op::Ge:
      case Op::Eq:
      case Op::Ne:
        return compare(op, left, right);
      default:
        throw Unknown{};
    }
  }
  static std::vector<Cell> cells(const Contents& contents) {
    if (contents.dims) return *contents.dims;
    if (!contents.constant || isReal(contents.constant->type)) throw Unknown{};
    std::vector<Cell> result;
    for (std::int64_t i = 0; i < contents.constant->size(); ++i)
      result.emplace_back(contents.constant->at<std::int64_t>(i));
    return result;
  }
  static Contents contents(DType, const std::vector<std::int64_t>&, const std::vector<Cell>& cells) {
    return {std::nullopt, cells};
  }
};

}  // namespace sofie
