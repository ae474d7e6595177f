#include "sofie/interpreter.hxx"

#include <algorithm>
#include <map>
#include <string>

#include "kernels/dim_domain.hxx"
#include "kernels/number_domain.hxx"
#include "sofie/builder.hxx"
#include "sofie/error.hxx"

namespace sofie {
namespace {

template <class Domain>
class Interpreter {
 public:
  using Cell = typename Domain::Cell;

  Interpreter(const Program& program, const std::vector<Contents>& known)
      : program_(program), known_(known), memory_(program.buffers.size()) {}

  Contents run(const Tensor& result) {
    const std::vector<bool> needed = neededKernels(result.view.buffer);
    for (std::size_t k = 0; k < needed.size(); ++k)
      if (needed[k]) execute(program_.kernels[k]);
    return read(result);
  }

 private:
  /// More work inside of loops is better done when the model runs.
  static constexpr std::int64_t mostPointsInLoops = std::int64_t(1) << 22;

  /// Whether each kernel computes something that the buffer depends on.
  std::vector<bool> neededKernels(int buffer) const {
    const std::vector<Kernel>& kernels = program_.kernels;
    std::vector<bool> wanted(program_.buffers.size()), needed(kernels.size());
    wanted[static_cast<std::size_t>(buffer)] = true;
    for (std::size_t k = kernels.size(); k-- > 0;) {
      for (const int written : writtenBuffers(kernels[k]))
        if (wanted[static_cast<std::size_t>(written)]) needed[k] = true;
      if (!needed[k]) continue;
      forEachView(kernels[k],
                  [&](const View& view, bool) { wanted[static_cast<std::size_t>(view.buffer)] = true; });
    }
    return needed;
  }

  const Program& program_;
  const std::vector<Contents>& known_;
  std::vector<std::optional<std::vector<Cell>>> memory_;
  std::vector<std::int64_t> variables_;
  Cell accumulator_{};
  std::map<std::string, std::int64_t> locals_;
  int depth_ = 0;  ///< of loops
  std::int64_t pointsInLoops_ = 0;

  std::int64_t number(const Dim& dim) const {
    if (const auto value = dim.value()) return *value;
    return dim.evaluate([&](const std::string& symbol) {
      const auto local = locals_.find(symbol);
      if (local == locals_.end()) throw Unknown{};
      return local->second;
    });
  }

  bool isLocal(const Dim& dim) const {
    std::vector<std::string> symbols;
    dim.collectSymbols(symbols);
    return std::any_of(symbols.begin(), symbols.end(),
                       [&](const std::string& symbol) { return locals_.count(symbol) != 0; });
  }

  std::vector<std::int64_t> numbers(const Shape& shape) const {
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
      cells = std::vector<Cell>(static_cast<std::size_t>(number(program_.most(product(entry.shape)))));
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
        return isLocal(node.dim) ? Domain::integer(DType::Int64, number(node.dim)) : Domain::extent(node.dim);
      case Op::Load:
        return cell(node.view, node.args);
      case Op::Accumulator:
        return accumulator_;
      case Op::Cast:
        return Domain::cast(node.args[0].type(), node.type, evaluate(node.args[0]));
      case Op::BitCast:
        return Domain::bitCast(node.args[0].type(), node.type, evaluate(node.args[0]));
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
      if (depth_ > 0 && ++pointsInLoops_ > mostPointsInLoops) throw Unknown{};
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
    if (nest.combiner == Combiner::Fold) {
      accumulator_ = evaluate(nest.initial);
      return loop(sizes, nest.axes.size(), [&] { accumulator_ = evaluate(nest.element); });
    }
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

  void execute(const std::vector<Kernel>& kernels) {
    for (const Kernel& kernel : kernels) execute(kernel);
  }

  void execute(const Kernel& kernel) {
    if (const auto* nest = std::get_if<Nest>(&kernel.body))
      execute(*nest);
    else if (const auto* region = std::get_if<Region>(&kernel.body))
      execute(holds(region->condition) ? region->then : region->otherwise);
    else if (const auto* loop = std::get_if<Loop>(&kernel.body))
      execute(*loop);
    else
      throw Unknown{};
  }

  bool holds(const Tensor& condition) { return Domain::isTrue(cell(condition.view, {})); }

  void execute(const Loop& loop) {
    const std::int64_t trips = number(loop.trips);
    ++depth_;
    for (std::int64_t i = 0; i < trips && (!loop.condition || holds(*loop.condition)); ++i) {
      if (++pointsInLoops_ > mostPointsInLoops) throw Unknown{};
      locals_[loop.counter] = i;
      execute(loop.body);
    }
    locals_.erase(loop.counter);
    --depth_;
  }

  void execute(const Nest& nest) {
    const auto axes = numbers(nest.axes), reduction = numbers(nest.reduction);
    variables_.assign(nest.variables(), 0);
    loop(axes, 0, [&] {
      if (nest.guard && !Domain::isTrue(evaluate(nest.guard))) return;
      if (nest.kind != Nest::Kind::Map) reduce(nest, reduction);
      const Cell value = evaluate(nest.stored());
      Cell& place = cell(nest.target, nest.targetIndex);
      place = nest.merge ? combine(*nest.merge, nest.stored().type(), place, value) : value;
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
  } catch (const ShapeError&) {  // no size is that large, but an element may be: it wraps round
    return {};
  }
}

}  // namespace

Contents interpret(const Program& program, const std::vector<Contents>& known, const Tensor& result) {
  if (const Contents numbers = tryInterpret<NumberDomain>(program, known, result); numbers.known())
    return numbers;
  if (isReal(result.type)) return {};
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
