#include "sofie/interpreter.hxx"

#include <algorithm>
#include <cmath>
#include <limits>

#include "sofie/builder.hxx"
#include "sofie/error.hxx"

namespace sofie {
namespace {

/// Thrown when a value cannot be known now.
struct Unknown {};

/// Numbers: `real` of the floating types, `integer` of the others.
struct Number {
  double real = 0;
  std::int64_t integer = 0;
};

std::int64_t wrap(DType type, std::int64_t value) {
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

/// Dims: integers and bools that may depend on symbols.
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
    if (isFloat(from) || isFloat(to)) throw Unknown{};
    if (to == DType::Bool) return asIndex(cell) != 0;
    return cell;
  }
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
    if (!contents.constant || isFloat(contents.constant->type)) throw Unknown{};
    std::vector<Cell> result;
    for (std::int64_t i = 0; i < contents.constant->size(); ++i)
      result.emplace_back(contents.constant->at<std::int64_t>(i));
    return result;
  }
  static Contents contents(DType, const std::vector<std::int64_t>&, const std::vector<Cell>& cells) {
    return {std::nullopt, cells};
  }
};

template <class Domain>
class Interpreter {
 public:
  using Cell = typename Domain::Cell;

  Interpreter(const Program& program, const std::vector<Contents>& known)
      : program_(program), known_(known), memory_(program.buffers.size()) {}

  Contents run(const Tensor& result) {
    for (const Kernel& kernel : program_.kernels) {
      const auto* nest = std::get_if<Nest>(&kernel.body);
      if (!nest) throw Unknown{};
      execute(*nest);
    }
    return read(result);
  }

 private:
  const Program& program_;
  const std::vector<Contents>& known_;
  std::vector<std::optional<std::vector<Cell>>> memory_;
  std::vector<std::int64_t> variables_;
  Cell accumulator_{};

  static std::int64_t number(const Dim& dim) {
    const auto value = dim.value();
    if (!value) throw Unknown{};
    return *value;
  }

  static std::vector<std::int64_t> numbers(const Shape& shape) {
    std::vector<std::int64_t> result;
    for (const Dim& dim : shape) result.push_back(number(dim));
    return result;
  }

  std::vector<Cell>& memory(int buffer) {
    const auto position = static_cast<std::size_t>(buffer);
    auto& cells = memory_[position];
    if (cells) return *cells;
    const Buffer& entry = program_.buffers[position];
    if (entry.constant)
      cells = Domain::cells({entry.constant, std::nullopt});
    else if (position < known_.size() && known_[position].known())
      cells = Domain::cells(known_[position]);
    else if (entry.kind == BufferKind::Temporary)
      cells = std::vector<Cell>(static_cast<std::size_t>(number(product(entry.shape))));
    else
      throw Unknown{};
    return *cells;
  }

  Cell& cell(const View& view, const std::vector<Expr>& indices) {
    std::int64_t position = number(view.offset);
    for (std::size_t axis = 0; axis < indices.size(); ++axis)
      position += number(view.strides[axis]) * Domain::asIndex(evaluate(indices[axis]));
    auto& cells = memory(view.buffer);
    if (position < 0 || position >= static_cast<std::int64_t>(cells.size())) throw Unknown{};
    return cells[static_cast<std::size_t>(position)];
  }

  Cell evaluate(const Expr& expr) {
    const ExprNode& node = *expr;
    switch (node.op) {
      case Op::Constant:
        return isFloat(node.type) ? Domain::real(node.type, node.real)
                                  : Domain::integer(node.type, node.integer);
      case Op::Index:
        return Domain::integer(DType::Int64, variables_[static_cast<std::size_t>(node.integer)]);
      case Op::Extent:
        return Domain::extent(node.dim);
      case Op::Load:
        return cell(node.view, node.args);
      case Op::Accumulator:
        return accumulator_;
      case Op::Cast:
        return Domain::cast(node.args[0].type(), node.type, evaluate(node.args[0]));
      case Op::Select:
        return evaluate(node.args[Domain::isTrue(evaluate(node.args[0])) ? 1 : 2]);
      case Op::CheckedIndex: {
        std::int64_t position = Domain::asIndex(evaluate(node.args[0]));
        const Cell extent = evaluate(node.args[1]);
        if (position < 0) position += Domain::asIndex(extent);
        return Domain::integer(DType::Int64, position);
      }
      default:
        break;
    }
    const DType type = node.args[0].type();
    if (node.args.size() == 1) return Domain::unary(node.op, type, evaluate(node.args[0]));
    return Domain::binary(node.op, type, evaluate(node.args[0]), evaluate(node.args[1]));
  }

  /// Calls visit at every point of the loops at variables [first, first + sizes.size()).
  template <class Visit>
  void loop(const std::vector<std::int64_t>& sizes, std::size_t first, Visit&& visit) {
    for (const std::int64_t size : sizes)
      if (size <= 0) return;
    std::fill_n(variables_.begin() + static_cast<std::ptrdiff_t>(first), sizes.size(), 0);
    while (true) {
      visit();
      std::size_t axis = sizes.size();
      while (axis > 0 && ++variables_[first + axis - 1] == sizes[axis - 1]) variables_[first + --axis] = 0;
      if (axis == 0) return;
    }
  }

  Cell combine(Combiner combiner, DType type, const Cell& left, const Cell& right) {
    switch (combiner) {
      case Combiner::Sum:
        return Domain::binary(Op::Add, type, left, right);
      case Combiner::Product:
        return Domain::binary(Op::Mul, type, left, right);
      case Combiner::Minimum:
        return Domain::binary(Op::Minimum, type, left, right);
      case Combiner::Maximum:
        return Domain::binary(Op::Maximum, type, left, right);
      case Combiner::And:
        return Domain::binary(Op::LogicalAnd, type, left, right);
      case Combiner::Or:
        return Domain::binary(Op::LogicalOr, type, left, right);
      default:
        throw Unknown{};
    }
  }

  void reduce(const Nest& nest, const std::vector<std::int64_t>& sizes) {
    const DType type = nest.element.type();
    if (nest.combiner == Combiner::ArgMinimum || nest.combiner == Combiner::ArgMaximum)
      return findExtreme(nest, sizes);
    bool first = true;
    loop(sizes, nest.axes.size(), [&] {
      const Cell next = evaluate(nest.element);
      accumulator_ = first ? next : combine(nest.combiner, type, accumulator_, next);
      first = false;
    });
    if (first) accumulator_ = identity(nest.combiner, type);
  }

  /// Position of the first extreme element; as in NumPy a NaN is beyond every number.
  void findExtreme(const Nest& nest, const std::vector<std::int64_t>& sizes) {
    const DType type = nest.element.type();
    const Op beyond = nest.combiner == Combiner::ArgMaximum ? Op::Gt : Op::Lt;
    const auto isNan = [&](const Cell& cell) {
      return isFloat(type) && Domain::isTrue(Domain::unary(Op::IsNan, type, cell));
    };
    std::int64_t position = 0, found = 0;
    Cell best{};
    loop(sizes, nest.axes.size(), [&] {
      const Cell next = evaluate(nest.element);
      const bool better = Domain::isTrue(Domain::binary(beyond, type, next, best)) || isNan(next);
      if (position == 0 || (better && !isNan(best))) {
        best = next;
        found = position;
      }
      ++position;
    });
    accumulator_ = Domain::integer(DType::Int64, found);
  }

  /// The combination of no elements.
  static Cell identity(Combiner combiner, DType type) {
    const auto value = [&](int number) {
      return isFloat(type) ? Domain::real(type, number) : Domain::integer(type, number);
    };
    const auto limit = [&](bool greatest) {
      return dispatch(type, [&](auto zero) {
        using Limits = std::numeric_limits<decltype(zero)>;
        if constexpr (Limits::has_infinity)
          return Domain::real(type, greatest ? Limits::infinity() : -Limits::infinity());
        else
          return Domain::integer(type,
                                 static_cast<std::int64_t>(greatest ? Limits::max() : Limits::lowest()));
      });
    };
    switch (combiner) {
      case Combiner::Product:
      case Combiner::And:
        return value(1);
      case Combiner::Minimum:
        return limit(true);
      case Combiner::Maximum:
        return limit(false);
      default:
        return value(0);
    }
  }

  void execute(const Nest& nest) {
    const auto axes = numbers(nest.axes), reduction = numbers(nest.reduction);
    variables_.assign(nest.variables(), 0);
    loop(axes, 0, [&] {
      if (nest.kind != Nest::Kind::Map) reduce(nest, reduction);
      const Cell value = evaluate(nest.stored());
      cell(nest.target, nest.targetIndex) = value;
    });
  }

  Contents read(const Tensor& tensor) {
    const auto shape = numbers(tensor.shape());
    std::vector<Cell> cells;
    variables_.assign(tensor.rank(), 0);
    const Expr value = element(tensor);
    loop(shape, 0, [&] { cells.push_back(evaluate(value)); });
    return Domain::contents(tensor.type, shape, cells);
  }
};

template <class Domain>
Contents tryInterpret(const Program& program, const std::vector<Contents>& known, const Tensor& result) {
  try {
    return Interpreter<Domain>(program, known).run(result);
  } catch (const Unknown&) {
    return {};
  }
}

}  // namespace

Contents interpret(const Program& program, const std::vector<Contents>& known, const Tensor& result) {
  if (const Contents numbers = tryInterpret<NumberDomain>(program, known, result); numbers.known())
    return numbers;
  if (isFloat(result.type)) return {};
  Contents contents = tryInterpret<DimDomain>(program, known, result);
  if (!contents.dims) return contents;
  std::vector<std::int64_t> values;
  for (const Dim& dim : *contents.dims) {
    const auto value = dim.value();
    if (!value) return contents;
    values.push_back(*value);
  }
  return {Constant::of(result.type, staticShape(result.shape()).value(), values), std::nullopt};
}

}  // namespace sofie
