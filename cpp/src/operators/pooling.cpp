#include "pooling.hxx"

#include <limits>
#include <numeric>

#include "common.hxx"
#include "padding.hxx"
#include "sofie/error.hxx"
#include "window.hxx"

namespace sofie {
namespace {

/// Loop variables of a pooling: batch, channel, output positions, then the elements of the window.
struct Pooling {
  Tensor input;
  Window window;
  Shape axes;

  Pooling(Operator& op, const Tensor& x)
      : input(x), window(slidingWindow(op, x, kernelShape(op, spatialRank(x)))), axes{x.dim(0), x.dim(1)} {
    axes.insert(axes.end(), window.output.begin(), window.output.end());
  }

  std::size_t rank() const { return window.rank(); }
  const Dim& size(std::size_t axis) const { return input.dim(2 + axis); }

  /// Position in the input of element k of the window at position p of an axis.
  Expr position(std::size_t axis, const Expr& p, const Expr& k) const {
    return p * integer(DType::Int64, window.strides[axis]) +
           k * integer(DType::Int64, window.dilations[axis]) - extent(window.before[axis]);
  }
  Expr position(std::size_t axis) const {
    return position(axis, index(static_cast<int>(2 + axis)), index(static_cast<int>(2 + rank() + axis)));
  }

  /// True when no window reaches behind the input.
  bool fitsBehind(std::size_t axis) const {
    if (!window.ceil) return window.after[axis].is(0);
    const Dim last = (window.output[axis] - 1) * window.strides[axis] - window.before[axis];
    const auto excess = (last + window.reach(axis) - size(axis)).upperBound();
    return excess && *excess <= 0;
  }

  /// `position` lies in [low, high); empty when every window does.
  Expr inside(const Expr& position, std::size_t axis, const Dim& low, const Dim& high) const {
    Expr condition;
    if (!(window.before[axis] + low).is(0)) condition = binary(Op::Ge, position, extent(low));
    if (fitsBehind(axis)) return condition;
    const Expr below = binary(Op::Lt, position, extent(high));
    return condition ? binary(Op::LogicalAnd, condition, below) : below;
  }

  /// The element of the window, `otherwise` in the padding. Not even the condition is there when no window is
  /// padded.
  Expr element(const Expr& otherwise) const {
    std::vector<Expr> where{index(0), index(1)};
    Expr condition;
    for (std::size_t axis = 0; axis < rank(); ++axis) {
      where.push_back(position(axis));
      const Expr here = inside(where.back(), axis, 0, size(axis));
      if (here) condition = condition ? binary(Op::LogicalAnd, condition, here) : here;
    }
    const Expr value = load(input, where);
    return condition ? select(condition, value, otherwise) : value;
  }

  Tensor reduce(Operator& op, Combiner combiner, const Expr& element,
                const Builder::Term& epilogue = {}) const {
    return op.reduce(axes, window.kernel, combiner, element, epilogue);
  }
};

Expr lowest(DType type) {
  if (isFloat(type)) return number(type, -std::numeric_limits<double>::infinity());
  return dispatch(type, [&](auto zero) {
    return integer(type, static_cast<std::int64_t>(std::numeric_limits<decltype(zero)>::lowest()));
  });
}

/// The flat position in the input of each window's first maximum, from its number in the window.
Tensor indicesOfMaxima(Operator& op, const Pooling& pool, const Expr& element) {
  const Tensor numbers = pool.reduce(op, Combiner::ArgMaximum, element);
  const bool columnMajor = op.integer("storage_order", 0) != 0;
  Expr rest = sofie::element(numbers), spatial = integer(DType::Int64, 0);
  std::vector<Expr> positions(pool.rank());
  for (std::size_t axis = pool.rank(); axis-- > 0;) {
    const Expr size = extent(pool.window.kernel[axis]);
    positions[axis] = pool.position(axis, index(static_cast<int>(2 + axis)), binary(Op::Mod, rest, size));
    rest = rest / size;
  }
  for (std::size_t i = 0; i < pool.rank(); ++i) {
    const std::size_t axis = columnMajor ? pool.rank() - 1 - i : i;
    spatial = spatial * extent(pool.size(axis)) + positions[axis];
  }
  const Expr image = index(0) * extent(pool.input.dim(1)) + index(1);
  const Shape sizes(pool.input.shape().begin() + 2, pool.input.shape().end());
  return op.map(pool.axes, image * extent(product(sizes)) + spatial);
}

void maxPool_1(Operator& op) {
  const Pooling pool(op, op.input(0));
  const Expr element = pool.element(lowest(pool.input.type));
  op.output(0, pool.reduce(op, Combiner::Maximum, element));
  if (op.wants(1)) op.output(1, indicesOfMaxima(op, pool, element));
}

/// How many elements of each window count: the product of `common` and of one vector per padded axis (known
/// at generation time unless the size of that axis is not), shaped to broadcast to the result.
struct WindowSizes {
  Dim common = 1;
  std::vector<Tensor> perAxis;
};

WindowSizes windowSizes(Operator& op, const Pooling& pool, bool includePadding) {
  const DType type = pool.input.type;
  const Window& window = pool.window;
  WindowSizes sizes;
  for (std::size_t axis = 0; axis < pool.rank(); ++axis) {
    const Dim low = includePadding ? Dim(0) - window.before[axis] : Dim(0);
    const Dim high = includePadding ? pool.size(axis) + window.after[axis] : pool.size(axis);
    const bool whole = includePadding && !window.ceil;
    const Expr counted =
        whole ? Expr() : pool.inside(pool.position(axis, index(0), index(1)), axis, low, high);
    if (!counted) {
      sizes.common = sizes.common * window.kernel[axis];
      continue;
    }
    const Expr one = select(counted, number(type, 1), number(type, 0));
    Tensor count = op.reduce({window.output[axis]}, {window.kernel[axis]}, Combiner::Sum, one);
    for (std::size_t i = axis + 1; i < pool.rank(); ++i) count = op.unsqueeze(count, count.rank());
    sizes.perAxis.push_back(count);
  }
  return sizes;
}

}  // namespace

Tensor averagePooled(Operator& op, const Tensor& x) {
  requireFloat(op, x);
  const Pooling pool(op, x);
  const WindowSizes sizes = windowSizes(op, pool, op.integer("count_include_pad", 0) != 0);
  const Expr element = pool.element(number(pool.input.type, 0));
  const auto overCommon = [&](const Expr& sum) { return sum / cast(sum.type(), extent(sizes.common)); };
  const Builder::Term epilogue = sizes.common.is(1) ? Builder::Term() : overCommon;
  std::vector<Tensor> parts{pool.reduce(op, Combiner::Sum, element, epilogue)};
  if (sizes.perAxis.empty()) return parts[0];
  parts.insert(parts.end(), sizes.perAxis.begin(), sizes.perAxis.end());
  return op.elementwise(parts, [](const std::vector<Expr>& v) {
    const Expr count =
        std::accumulate(v.begin() + 2, v.end(), v[1], [](const Expr& a, const Expr& b) { return a * b; });
    return v[0] / count;
  });
}

namespace {

void averagePool_1(Operator& op) { op.output(0, averagePooled(op, op.input(0))); }

/// The p-norm of what is summed: its terms and the root of their sum.
struct Norm {
  double p;

  explicit Norm(Operator& op) : p(exponent(op)) {
    requireFloat(op, op.input(0));
    if (!(p > 0)) op.invalid("the attribute 'p' must be positive");
  }
  /// Before opset 2 a real number.
  static double exponent(const Operator& op) {
    return op.opset() < 2 ? op.real("p", 2) : static_cast<double>(op.integer("p", 2));
  }

  Expr term(const Expr& x) const {
    if (p == 2) return x * x;
    return p == 1 ? unary(Op::Abs, x) : binary(Op::Pow, unary(Op::Abs, x), number(x.type(), p));
  }
  Expr root(const Expr& sum) const {
    if (p == 1) return sum;
    return p == 2 ? unary(Op::Sqrt, sum) : binary(Op::Pow, sum, number(sum.type(), 1 / p));
  }
};

void lpPool_1(Operator& op) {
  const Norm norm(op);
  const Pooling pool(op, op.input(0));
  const Expr term = norm.term(pool.element(number(pool.input.type, 0)));
  op.output(0, pool.reduce(op, Combiner::Sum, term, [&](const Expr& sum) { return norm.root(sum); }));
}

std::vector<std::size_t> spatialAxes(const Tensor& input) {
  std::vector<std::size_t> axes(spatialRank(input));
  std::iota(axes.begin(), axes.end(), 2);
  return axes;
}

}  // namespace

Tensor globallyAveraged(Operator& op, const Tensor& x) {
  requireFloat(op, x);
  const Dim count = product({x.shape().begin() + 2, x.shape().end()});
  return op.reduce(x, spatialAxes(x), true, Combiner::Sum, {},
                   [&](const Expr& sum) { return sum / cast(sum.type(), extent(count)); });
}

namespace {

void globalAveragePool_1(Operator& op) { op.output(0, globallyAveraged(op, op.input(0))); }

void globalMaxPool_1(Operator& op) {
  op.output(0, op.reduce(op.input(0), spatialAxes(op.input(0)), true, Combiner::Maximum));
}

void globalLpPool_1(Operator& op) {
  const Norm norm(op);
  op.output(
      0, op.reduce(
             op.input(0), spatialAxes(op.input(0)), true, Combiner::Sum,
             [&](const Expr& x) { return norm.term(x); }, [&](const Expr& sum) { return norm.root(sum); }));
}

/// Scatters the elements to their flat positions in the tensor that was pooled; with output_shape that tensor
/// is the front corner of a larger one.
void maxUnpool_9(Operator& op) {
  const Tensor x = op.input(0), positions = op.input(1);
  const std::size_t rank = spatialRank(x);
  const Shape kernel = kernelShape(op, rank);
  const auto strides = steps(op, "strides", rank);
  std::vector<Dim> before(rank, 0), after(rank, 0);
  readPads(op, before, after);
  Shape inferred{x.dim(0), x.dim(1)};
  for (std::size_t i = 0; i < rank; ++i)
    inferred.push_back((x.dim(2 + i) - 1) * strides[i] + kernel[i] - before[i] - after[i]);
  const Tensor unpooled = op.map(inferred, number(x.type, 0));
  const Dim count = product(inferred);
  requireElements(op, count, x.shape());
  const Expr place = checkedIndex(element(op.broadcast(positions, x.shape())), count);
  op.scatter(x.shape(), element(x), op.reshape(unpooled, {count}), {place});
  if (!op.has(2)) return op.output(0, unpooled);
  const std::vector<Dim> wanted = op.dimsOf(2);
  if (wanted.size() != x.rank())
    throw ShapeError("output_shape must hold " + std::to_string(x.rank()) + " numbers");
  std::vector<Dim> none(x.rank(), 0), missing;
  for (std::size_t i = 0; i < x.rank(); ++i) {
    op.atLeast(wanted[i], inferred[i], "the output_shape of axis " + std::to_string(i));
    missing.push_back(wanted[i] - inferred[i]);
  }
  op.output(0, padConstant(op, unpooled, none, missing, number(x.type, 0)));
}

SOFIE_OPERATOR("MaxPool", 1, maxPool_1);
SOFIE_OPERATOR("AveragePool", 1, averagePool_1);
SOFIE_OPERATOR("LpPool", 1, lpPool_1);
SOFIE_OPERATOR("GlobalAveragePool", 1, globalAveragePool_1);
SOFIE_OPERATOR("GlobalMaxPool", 1, globalMaxPool_1);
SOFIE_OPERATOR("GlobalLpPool", 1, globalLpPool_1);
SOFIE_OPERATOR("MaxUnpool", 9, maxUnpool_9);

}  // namespace
}  // namespace sofie
