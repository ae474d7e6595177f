/// Operators that read images at computed points: GridSample, AffineGrid, DeformConv.
#include <algorithm>

#include "common.hxx"
#include "interpolation.hxx"
#include "sofie/error.hxx"
#include "window.hxx"

namespace sofie {
namespace {

/// Which elements along one axis are read for each point, as tables (points..., tap): positions, of which -1
/// stands for a zero, and weights.
struct Taps {
  Tensor positions, weights;
  const Dim& count() const { return positions.shape().back(); }
};

/// How points between the elements and beyond them are read.
class Sampler {
 public:
  enum class Filter : std::uint8_t { Nearest, Linear, Cubic };
  enum class Padding : std::uint8_t { Zeros, Border, Reflection };

  Sampler(Operator& op, Filter filter, Padding padding, bool alignsCorners)
      : op_(op), filter_(filter), padding_(padding), alignsCorners_(alignsCorners) {}

  /// \param coordinates  of all points along an axis of that size, in units of its elements
  Taps taps(const Tensor& coordinates, const Dim& size) const {
    Shape shape = coordinates.shape();
    shape.push_back(filter_ == Filter::Nearest ? 1 : filter_ == Filter::Linear ? 2 : 4);
    const DType type = coordinates.type;
    const Expr point = confined(load(coordinates, indices(coordinates.rank())), size);
    const Expr tap = cast(type, index(static_cast<int>(coordinates.rank())));
    const Expr lead = number(type, filter_ == Filter::Cubic ? 1 : 0);
    const Expr place =
        filter_ == Filter::Nearest ? unary(Op::Round, point) : unary(Op::Floor, point) + tap - lead;
    const Expr distance = place - point;
    const Expr weight = filter_ == Filter::Cubic    ? cubicWeight(distance, -0.75)
                        : filter_ == Filter::Linear ? linearWeight(distance)
                                                    : number(type, 1);
    return {op_.map(shape, position(place, size)), op_.map(shape, weight)};
  }

  /// The image at the points: a loop nest over `shape`, of which `points` are the indices into the tables.
  ///
  /// \param place  indices of the image, of which those behind are the sampled axes and still to be filled in
  Tensor sample(const Tensor& image, const Shape& shape, const std::vector<Expr>& points,
                std::vector<Expr> place, const std::vector<Taps>& taps,
                const Builder::Term& finish = {}) const {
    Shape reduction;
    Expr weight, inside;
    for (std::size_t axis = 0; axis < taps.size(); ++axis) {
      std::vector<Expr> entry = points;
      entry.push_back(index(static_cast<int>(shape.size() + axis)));
      const Expr position = load(taps[axis].positions, entry);
      const Expr factor = load(taps[axis].weights, entry);
      const Expr here = binary(Op::Ge, position, integer(DType::Int64, 0));
      place.push_back(position);
      weight = weight ? weight * factor : factor;
      inside = inside ? binary(Op::LogicalAnd, inside, here) : here;
      reduction.push_back(taps[axis].count());
    }
    Expr value = load(image, place);
    if (padding_ == Padding::Zeros) value = select(inside, value, number(image.type, 0));
    if (filter_ == Filter::Nearest) return op_.map(shape, substitute(value, firstTaps(shape, taps.size())));
    const DType type = interpolationType(image.type);
    const Tensor sums =
        op_.reduce(shape, reduction, Combiner::Sum, cast(type, weight) * cast(type, value), finish);
    return op_.cast(sums, image.type);
  }

 private:
  Operator& op_;
  Filter filter_;
  Padding padding_;
  bool alignsCorners_;

  /// Loop variables in which those of the taps are zero.
  static std::vector<Expr> firstTaps(const Shape& shape, std::size_t axes) {
    std::vector<Expr> variables = indices(shape.size());
    variables.resize(shape.size() + axes, integer(DType::Int64, 0));
    return variables;
  }

  struct Limits {
    Expr low, high;
  };

  /// The first and the last element.
  static Limits elements(DType type, const Dim& size) {
    return {number(type, 0), cast(type, extent(size - 1))};
  }

  /// The ends of the image: the centres of its outermost elements, or their outer edges.
  Limits ends(DType type, const Dim& size) const {
    const auto [low, high] = elements(type, size);
    if (alignsCorners_) return {low, high};
    return {low - number(type, 0.5), high + number(type, 0.5)};
  }

  static Expr clamped(const Expr& value, const Limits& limits) {
    return binary(Op::Minimum, binary(Op::Maximum, value, limits.low), limits.high);
  }

  static Expr isOutside(const Expr& value, const Limits& limits) {
    return binary(Op::LogicalOr, binary(Op::Lt, value, limits.low), binary(Op::Gt, value, limits.high));
  }

  /// With border padding a point beyond the ends is the outermost element itself.
  Expr confined(const Expr& point, const Dim& size) const {
    if (padding_ != Padding::Border) return point;
    const DType type = point.type();
    return select(isOutside(point, ends(type, size)), clamped(point, elements(type, size)), point);
  }

  /// A whole number mirrored at the ends as often as it takes.
  static Expr reflected(const Expr& place, const Limits& ends) {
    const DType type = place.type();
    const Expr range = ends.high - ends.low, away = unary(Op::Abs, place - ends.low);
    const Expr turns = unary(Op::Floor, away / range), rest = away - turns * range;
    const Expr half = turns * number(type, 0.5);
    const Expr isEven = binary(Op::Eq, half, unary(Op::Floor, half));
    return select(isEven, ends.low + rest, ends.high - rest);
  }

  Expr position(const Expr& place, const Dim& size) const {
    const Limits inside = elements(place.type(), size);
    const Expr mirrored =
        padding_ == Padding::Reflection ? reflected(place, ends(place.type(), size)) : place;
    const Expr position = cast(DType::Int64, clamped(mirrored, inside));
    if (padding_ != Padding::Zeros) return position;
    const Expr exists =
        binary(Op::LogicalAnd, binary(Op::Ge, place, inside.low), binary(Op::Le, place, inside.high));
    return select(exists, position, integer(DType::Int64, -1));
  }
};

Sampler sampler(Operator& op) {
  const std::string mode = op.string("mode", "linear"), padding = op.string("padding_mode", "zeros");
  Sampler::Filter filter = Sampler::Filter::Linear;
  if (mode == "nearest")
    filter = Sampler::Filter::Nearest;
  else if (mode == "cubic" || mode == "bicubic")
    filter = Sampler::Filter::Cubic;
  else if (mode != "linear" && mode != "bilinear")
    op.invalid("mode '" + mode + "' is none of nearest, linear, cubic");
  Sampler::Padding beyond = Sampler::Padding::Zeros;
  if (padding == "border")
    beyond = Sampler::Padding::Border;
  else if (padding == "reflection")
    beyond = Sampler::Padding::Reflection;
  else if (padding != "zeros")
    op.invalid("padding_mode '" + padding + "' is none of zeros, border, reflection");
  return {op, filter, beyond, op.integer("align_corners", 0) != 0};
}

/// Coordinates along one axis in units of its elements, from normalised ones: -1 and 1 are the ends of the
/// image.
Tensor denormalised(Operator& op, const Tensor& grid, std::size_t component, const Dim& size) {
  const Shape points(grid.shape().begin(), grid.shape().end() - 1);
  std::vector<Expr> place = indices(points.size());
  place.push_back(extent(static_cast<std::int64_t>(component)));
  const DType type = interpolationType(grid.type);
  const Expr length = cast(type, extent(size)), one = number(type, 1), half = number(type, 0.5);
  const Expr shifted = cast(type, load(grid, place)) + one;
  return op.map(points, op.integer("align_corners", 0) != 0 ? shifted * half * (length - one)
                                                            : (shifted * length - one) * half);
}

void gridSample_16(Operator& op) {
  const Tensor x = op.input(0), grid = op.input(1);
  requireFloat(op, grid);
  const std::size_t axes = spatialRank(x);
  if (grid.rank() != x.rank() || !grid.shape().back().is(static_cast<std::int64_t>(axes)))
    throw ShapeError("a grid of shape " + text(grid.shape()) + " does not fit an input of shape " +
                     text(x.shape()) + "; its last axis holds one coordinate per spatial axis");
  Shape shape{op.agree(x.dim(0), grid.dim(0), "the batch sizes of the input and of the grid"), x.dim(1)};
  shape.insert(shape.end(), grid.shape().begin() + 1, grid.shape().end() - 1);
  const Sampler reader = sampler(op);
  std::vector<Taps> taps;
  for (std::size_t i = 0; i < axes; ++i) {
    const Dim& size = x.dim(2 + i);
    op.atLeast(size, 1, "the size of a sampled axis");
    taps.push_back(reader.taps(denormalised(op, grid, axes - 1 - i, size), size));
  }
  std::vector<Expr> points = indices(shape.size());
  points.erase(points.begin() + 1);
  op.output(0, reader.sample(x, shape, points, indices(2), taps));
}

/// Normalised coordinates of an axis of the grid.
Tensor gridCoordinates(Operator& op, DType type, const Dim& size) {
  const Expr here = cast(type, index(0)), length = cast(type, extent(size));
  const Expr one = number(type, 1), two = number(type, 2);
  if (op.integer("align_corners", 0) == 0) return op.map({size}, (two * here + one) / length - one);
  const Expr steps = binary(Op::Maximum, length - one, one);
  return op.map({size}, two * here / steps - one);
}

/// Each point of a regular grid, times an affine matrix.
void affineGrid_20(Operator& op) {
  const Tensor theta = op.input(0);
  requireFloat(op, theta);
  const std::vector<Dim> size = op.sizesOf(1);
  const std::size_t axes = size.size() < 2 ? 0 : size.size() - 2;
  if (axes != 2 && axes != 3) op.invalid("its size must hold 4 or 5 numbers: batch, channels and an image");
  if (theta.rank() != 3)
    throw ShapeError("theta must hold one matrix per batch, but has the shape " + text(theta.shape()));
  const auto components = static_cast<std::int64_t>(axes);
  op.agree(theta.dim(0), size[0], "the batch sizes of theta and of the size");
  op.agree(theta.dim(1), components, "the rows of the matrices");
  op.agree(theta.dim(2), components + 1, "the columns of the matrices");
  Shape shape{size[0]};
  shape.insert(shape.end(), size.begin() + 2, size.end());
  shape.push_back(components);
  const Expr row = index(static_cast<int>(axes) + 1);
  const auto entry = [&](std::int64_t column) { return load(theta, {index(0), row, extent(column)}); };
  Expr sum = entry(components);
  for (std::size_t i = 0; i < axes; ++i) {
    const Tensor along = gridCoordinates(op, theta.type, size[2 + i]);
    const Expr coordinate = load(along, {index(static_cast<int>(1 + i))});
    sum = sum + entry(components - 1 - static_cast<std::int64_t>(i)) * coordinate;
  }
  op.output(0, op.map(shape, sum));
}

/// A convolution whose kernel elements are displaced: the displaced elements of the image (times a mask) are
/// sampled, and then multiplied with the weights as in any convolution.
class DeformableConvolution {
 public:
  explicit DeformableConvolution(Operator& op)
      : op_(op), x_(op.input(0)), weights_(op.input(1)), offsets_(op.input(2)), axes_(spatialRank(x_)) {
    requireFloat(op, x_);
    requireOneType(op, {x_, weights_, offsets_});
    if (weights_.rank() != x_.rank() || offsets_.rank() != x_.rank())
      throw ShapeError("the input " + text(x_.shape()) + ", the weights " + text(weights_.shape()) +
                       " and the offsets " + text(offsets_.shape()) + " must have the same rank");
    const Shape kernel(weights_.shape().begin() + 2, weights_.shape().end());
    window_ = slidingWindow(op, x_, kernel);
    groups_ = op.integer("group", 1);
    offsetGroups_ = op.integer("offset_group", 1);
    channels_ = blocks(x_.dim(1), offsetGroups_);
    op.agree(x_.dim(1), weights_.dim(1) * groups_, "the channels of the input and of the weights");
    offsets_ = unfolded(offsets_, static_cast<std::int64_t>(axes_), "offsets");
    if (op.has(4)) mask_ = unfolded(op.input(4), 1, "mask");
  }

  Tensor run() { return product(columns()); }

 private:
  Operator& op_;
  Tensor x_, weights_, offsets_;
  std::size_t axes_;
  Window window_;
  std::int64_t groups_ = 1, offsetGroups_ = 1;
  Dim channels_;  ///< that share their offsets
  std::optional<Tensor> mask_;

  /// The size of one of `count` equal blocks of an axis.
  Dim blocks(const Dim& size, std::int64_t count) const {
    if (count < 1) op_.invalid("its numbers of groups must be positive");
    const auto block = Dim::exactDivide(size, count);
    if (!block)
      throw ShapeError(size.text() + " channels do not divide into " + std::to_string(count) + " groups");
    return *block;
  }

  /// (batch, offset groups * kernel... * components, positions...) with all axes apart; the components last
  /// but for the positions.
  Tensor unfolded(const Tensor& tensor, std::int64_t components, const char* name) {
    Shape shape{x_.dim(0), offsetGroups_};
    shape.insert(shape.end(), window_.kernel.begin(), window_.kernel.end());
    shape.push_back(components);
    shape.insert(shape.end(), window_.output.begin(), window_.output.end());
    Shape folded{shape[0], offsetGroups_ * sofie::product(window_.kernel) * components};
    folded.insert(folded.end(), window_.output.begin(), window_.output.end());
    if (tensor.rank() != folded.size())
      throw ShapeError(std::string("the ") + name + " must have the shape " + text(folded) + ", but have " +
                       text(tensor.shape()));
    for (std::size_t i = 0; i < folded.size(); ++i)
      op_.agree(tensor.dim(i), folded[i], std::string("sizes of the ") + name);
    return op_.reshape(tensor, shape);
  }

  /// Loops (batch, offset group, kernel..., positions...) of the tables.
  Shape points() const {
    Shape shape{x_.dim(0), offsetGroups_};
    shape.insert(shape.end(), window_.kernel.begin(), window_.kernel.end());
    shape.insert(shape.end(), window_.output.begin(), window_.output.end());
    return shape;
  }

  /// An element of the offsets or of the mask at these loops.
  Expr component(const Tensor& tensor, std::vector<Expr> point, std::size_t number) const {
    point.insert(point.begin() + 2 + static_cast<std::ptrdiff_t>(axes_),
                 extent(static_cast<std::int64_t>(number)));
    return load(tensor, point);
  }

  /// Coordinates along one axis of what the kernel meets.
  Tensor coordinates(std::size_t axis) {
    const DType type = x_.type;
    const Expr tap = index(static_cast<int>(2 + axis)), here = index(static_cast<int>(2 + axes_ + axis));
    const Expr regular = here * integer(DType::Int64, window_.strides[axis]) +
                         tap * integer(DType::Int64, window_.dilations[axis]) - extent(window_.before[axis]);
    return op_.map(points(), cast(type, regular) + component(offsets_, indices(2 + 2 * axes_), axis));
  }

  /// (batch, offset groups, channels, kernel..., positions...)
  Tensor columns() {
    const Sampler reader(op_, Sampler::Filter::Linear, Sampler::Padding::Zeros, true);
    std::vector<Taps> taps;
    for (std::size_t axis = 0; axis < axes_; ++axis)
      taps.push_back(reader.taps(coordinates(axis), x_.dim(2 + axis)));
    Shape shape = points();
    shape.insert(shape.begin() + 2, channels_);
    std::vector<Expr> point = indices(shape.size());
    point.erase(point.begin() + 2);
    const Expr channel = index(1) * extent(channels_) + index(2);
    const auto masked = [&](const Expr& sum) { return sum * component(*mask_, point, 0); };
    return reader.sample(x_, shape, point, {index(0), channel}, taps,
                         mask_ ? Builder::Term(masked) : Builder::Term());
  }

  Tensor product(const Tensor& columns) {
    const Dim outputs = blocks(weights_.dim(0), groups_), &inputs = weights_.dim(1);
    Shape left{x_.dim(0), groups_, inputs}, right{groups_, outputs, inputs};
    left.insert(left.end(), columns.shape().begin() + 3, columns.shape().end());
    right.insert(right.end(), window_.kernel.begin(), window_.kernel.end());
    Shape axes{x_.dim(0), groups_, outputs}, reduction{inputs};
    axes.insert(axes.end(), window_.output.begin(), window_.output.end());
    reduction.insert(reduction.end(), window_.kernel.begin(), window_.kernel.end());
    const std::vector<Expr> summed = indices(reduction.size(), axes.size());
    std::vector<Expr> column{index(0), index(1)}, weight{index(1), index(2)};
    column.insert(column.end(), summed.begin(), summed.end());
    weight.insert(weight.end(), summed.begin(), summed.end());
    for (const Expr& here : indices(axes_, 3)) column.push_back(here);
    const Tensor sums = op_.contraction(axes, reduction, load(op_.reshape(columns, left), column),
                                        load(op_.reshape(weights_, right), weight));
    Shape shape{x_.dim(0), weights_.dim(0)};
    shape.insert(shape.end(), window_.output.begin(), window_.output.end());
    return biased(op_.reshape(sums, shape));
  }

  Tensor biased(const Tensor& sums) {
    if (!op_.has(3)) return sums;
    Tensor bias = op_.input(3);
    requireOneType(op_, {sums, bias});
    for (std::size_t i = 0; i < axes_; ++i) bias = op_.unsqueeze(bias, bias.rank());
    return op_.elementwise({sums, bias}, [](const std::vector<Expr>& v) { return v[0] + v[1]; });
  }
};

void deformConv_19(Operator& op) { op.output(0, DeformableConvolution(op).run()); }

}  // namespace

SOFIE_OPERATOR("GridSample", 16, gridSample_16);
SOFIE_OPERATOR("AffineGrid", 20, affineGrid_20);
SOFIE_OPERATOR("DeformConv", 19, deformConv_19);

}  // namespace sofie
