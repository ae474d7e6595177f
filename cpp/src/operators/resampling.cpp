/// Resize and Upsample.
#include <cmath>
#include <numeric>

#include "common.hxx"
#include "interpolation.hxx"
#include "sofie/error.hxx"

namespace sofie {
namespace {

Expr real(double value) { return number(DType::Float64, value); }
Expr real(const Dim& value) { return cast(DType::Float64, extent(value)); }
Expr isOne(const Expr& value) { return binary(Op::Eq, value, real(1)); }

/// One axis that is resized.
struct ResizedAxis {
  std::size_t axis;
  Dim input, output;
  Expr scale;  ///< float64
  Expr width;  ///< the output's size before it was rounded, float64
  Dim reach;   ///< how many elements on either side a filter that is stretched by 1 / scale covers
};

/// How positions and weights are found; the attributes of Resize.
struct Method {
  std::string mode, coordinates, rounding, policy;
  bool antialias, excludesOutside;
  double cubic, extrapolation;

  explicit Method(const Operator& op)
      : mode(op.string("mode", "nearest")),
        coordinates(op.string("coordinate_transformation_mode", "half_pixel")),
        rounding(op.string("nearest_mode", "round_prefer_floor")),
        policy(op.string("keep_aspect_ratio_policy", "stretch")),
        antialias(op.integer("antialias", 0) != 0),
        excludesOutside(op.integer("exclude_outside", 0) != 0),
        cubic(op.real("cubic_coeff_a", -0.75)),
        extrapolation(op.real("extrapolation_value", 0)) {
    if (mode == "bilinear") mode = "linear";  // opset 1
    if (mode != "nearest" && mode != "linear" && mode != "cubic")
      op.invalid("mode '" + mode + "' is none of nearest, linear, cubic");
    if (antialias && mode == "nearest") op.invalid("there is no antialiasing in mode nearest");
  }

  bool isNearest() const { return mode == "nearest"; }
  bool crops() const { return coordinates == "tf_crop_and_resize"; }
  /// Half the width of the filter.
  std::int64_t support() const { return mode == "cubic" ? 2 : 1; }
  Expr weight(const Expr& distance) const {
    return mode == "linear" ? linearWeight(distance) : cubicWeight(distance, cubic);
  }
};

struct Ratio {
  std::int64_t numerator, denominator;
};

/// The simplest fraction that is this number in float32: 0.6 is meant as 3/5, and exact in no binary number.
Ratio simplestRatio(double value) {
  double rest = value;
  Ratio before{0, 1}, ratio{1, 0};
  for (int i = 0; i < 64; ++i) {
    const double whole = std::floor(rest);
    const auto digit = static_cast<std::int64_t>(whole);
    const Ratio next{digit * ratio.numerator + before.numerator,
                     digit * ratio.denominator + before.denominator};
    before = ratio;
    ratio = next;
    const double quotient = static_cast<double>(next.numerator) / static_cast<double>(next.denominator);
    if (static_cast<float>(quotient) == static_cast<float>(value)) break;
    rest = 1 / (rest - whole);
  }
  return ratio;
}

/// The axes that the scales, sizes and regions are about.
std::vector<std::size_t> resizedAxes(const Operator& op, std::size_t rank) {
  std::vector<std::size_t> axes;
  for (const std::int64_t axis : op.integers("axes")) axes.push_back(op.axis(axis, rank));
  if (op.hasAttribute("axes")) return axes;
  axes.resize(rank);
  std::iota(axes.begin(), axes.end(), 0);
  return axes;
}

template <class T>
void requireOnePerAxis(const Operator& op, const std::vector<T>& values, std::size_t axes, const char* what) {
  if (values.size() != axes)
    op.invalid("there are " + std::to_string(values.size()) + " " + what + " for " + std::to_string(axes) +
               " axes");
}

std::vector<ResizedAxis> axesFromScales(Operator& op, const Tensor& x, const Method& method,
                                        const std::vector<double>& scales) {
  const auto axes = resizedAxes(op, x.rank());
  requireOnePerAxis(op, scales, axes.size(), "scales");
  std::vector<ResizedAxis> result;
  for (std::size_t i = 0; i < axes.size(); ++i) {
    const double scale = scales[i];
    if (!(scale > 0 && scale < 1e6))
      op.invalid("its scales must be positive, but one is " + std::to_string(scale));
    const Dim& size = x.dim(axes[i]);
    const Ratio ratio = simplestRatio(scale);
    const double reach = std::ceil(static_cast<double>(method.support()) / std::min(scale, 1.0));
    result.push_back({axes[i], size, floorDiv(size * ratio.numerator, ratio.denominator), real(scale),
                      real(scale) * real(size), static_cast<std::int64_t>(reach)});
  }
  return result;
}

/// Without a policy each axis has its own scale; else they share the smallest or the largest of them.
std::vector<ResizedAxis> axesFromSizes(Operator& op, const Tensor& x, const Method& method,
                                       const std::vector<Dim>& sizes) {
  const auto axes = resizedAxes(op, x.rank());
  requireOnePerAxis(op, sizes, axes.size(), "sizes");
  const bool stretches = method.policy == "stretch", shrinks = method.policy == "not_larger";
  if (!stretches && !shrinks && method.policy != "not_smaller")
    op.invalid("keep_aspect_ratio_policy '" + method.policy +
               "' is none of stretch, not_larger, not_smaller");
  const auto scaleOf = [&](std::size_t k) { return real(sizes[k]) / real(x.dim(axes[k])); };
  std::vector<ResizedAxis> result;
  for (std::size_t i = 0; i < axes.size(); ++i) {
    const Dim& size = x.dim(axes[i]);
    op.atLeast(sizes[i], 0, "a size of the result");
    op.atLeast(size, min(sizes[i], 1), "the size of an axis that is resized to more than nothing");
    ResizedAxis axis{axes[i], size, sizes[i], scaleOf(i), real(sizes[i]), method.support()};
    for (std::size_t k = 0; k < axes.size(); ++k) {
      if (stretches && k != i) continue;
      axis.reach = max(axis.reach, ceilDiv(x.dim(axes[k]) * method.support(), max(sizes[k], 1)));
      if (stretches) continue;
      const Dim& other = x.dim(axes[k]);
      const Dim rounded = floorDiv(sizes[k] * size * 2 + other, other * 2);
      axis.output = k == 0 ? rounded : shrinks ? min(axis.output, rounded) : max(axis.output, rounded);
      axis.scale = k == 0 ? scaleOf(0) : binary(shrinks ? Op::Minimum : Op::Maximum, axis.scale, scaleOf(k));
    }
    if (!stretches) axis.width = axis.scale * real(size);
    result.push_back(axis);
  }
  return result;
}

/// Resizes one tensor.
class Resampling {
 public:
  Resampling(Operator& op, const Tensor& x, Method method, const std::vector<ResizedAxis>& axes)
      : op_(op), x_(x), method_(std::move(method)), shape_(x.shape()) {
    for (std::size_t i = 0; i < axes.size(); ++i) {
      shape_[axes[i].axis] = axes[i].output;
      if (isIdentity(axes[i])) continue;
      axes_.push_back(axes[i]);
      regions_.push_back({region(i), region(axes.size() + i)});
    }
  }

  Tensor run() { return method_.isNearest() ? nearest() : interpolated(); }

 private:
  struct Region {
    Expr begin, end;
  };

  Operator& op_;
  Tensor x_;
  Method method_;
  Shape shape_;
  std::vector<ResizedAxis> axes_;
  std::vector<Region> regions_;

  /// Number i of the input `roi`, which holds all begins, then all ends.
  Expr region(std::size_t i) {
    if (!method_.crops()) return {};
    return cast(DType::Float64, load(op_.input(1), {extent(static_cast<std::int64_t>(i))}));
  }

  bool isIdentity(const ResizedAxis& axis) const {
    const bool isScaled = axis.scale->op != Op::Constant || axis.scale->real != 1;
    return axis.input == axis.output && !isScaled && !method_.crops();
  }

  /// The position in the input of output element i, float64.
  Expr coordinate(std::size_t number, const Expr& i) const {
    const ResizedAxis& axis = axes_[number];
    const std::string& mode = method_.coordinates;
    const Expr here = cast(DType::Float64, i), last = real(axis.input - 1);
    const Expr centre = (here + real(0.5)) / axis.scale;
    if (mode == "half_pixel") return centre - real(0.5);
    if (mode == "asymmetric") return here / axis.scale;
    if (mode == "pytorch_half_pixel") return select(isOne(axis.width), real(0), centre - real(0.5));
    if (mode == "align_corners")
      return select(isOne(axis.width), real(0), here * last / (axis.width - real(1)));
    if (mode == "half_pixel_symmetric") {
      const Expr adjustment = real(axis.output) / axis.width;
      return real(axis.input) / real(2) * (real(1) - adjustment) + centre - real(0.5);
    }
    if (mode != "tf_crop_and_resize") op_.invalid("coordinate_transformation_mode '" + mode + "' is unknown");
    const auto& [begin, end] = regions_[number];
    const Expr along = here * (end - begin) * last / (axis.width - real(1));
    return select(isOne(axis.width), real(0.5) * (begin + end) * last, begin * last + along);
  }

  /// Outside of the input, where cropping puts the extrapolation value.
  static Expr isOutside(const ResizedAxis& axis, const Expr& coordinate) {
    return binary(Op::LogicalOr, binary(Op::Lt, coordinate, real(0)),
                  binary(Op::Gt, coordinate, real(axis.input - 1)));
  }

  static Expr clamped(const ResizedAxis& axis, const Expr& position) {
    return binary(Op::Maximum, integer(DType::Int64, 0),
                  binary(Op::Minimum, position, extent(axis.input - 1)));
  }

  // --- nearest

  Expr rounded(const ResizedAxis& axis, const Expr& coordinate) const {
    const std::string& mode = method_.rounding;
    const bool shrinks = axis.scale->op == Op::Constant && axis.scale->real < 1;
    if (mode == "round_prefer_floor") return unary(Op::Ceil, coordinate - real(0.5));
    if (mode == "round_prefer_ceil") return unary(Op::Floor, coordinate + real(0.5));
    if (mode == "floor" || (mode == "simple" && !shrinks)) return unary(Op::Floor, coordinate);
    if (mode == "ceil" || mode == "simple") return unary(Op::Ceil, coordinate);
    op_.invalid("nearest_mode '" + mode + "' is unknown");
  }

  /// How often each element of the axis comes in a row; zero when that differs.
  std::int64_t repetitions(const ResizedAxis& axis) const {
    const auto quotient = Dim::exactDivide(axis.output, axis.input);
    const std::int64_t factor = quotient ? quotient->value().value_or(0) : 0;
    const bool isScale = axis.scale->op == Op::Constant ? axis.scale->real == static_cast<double>(factor)
                                                        : method_.policy == "stretch";
    if (!isScale) return 0;
    const bool floors = method_.rounding == "floor" || method_.rounding == "simple";
    if (method_.coordinates == "asymmetric") return floors ? factor : 0;
    return method_.coordinates == "half_pixel" && method_.rounding.compare(0, 5, "round") == 0 ? factor : 0;
  }

  /// Elements at positions from one table per axis; where every element is repeated alike, a view is enough.
  Tensor nearest() {
    Shape gathered = x_.shape(), repeated;
    std::vector<Expr> place = indices(x_.rank());
    std::vector<std::int64_t> counts(x_.rank(), 1);
    Expr outside;
    for (std::size_t i = 0; i < axes_.size(); ++i) {
      const std::size_t axis = axes_[i].axis;
      counts[axis] = std::max(repetitions(axes_[i]), std::int64_t(1));
      if (counts[axis] > 1) continue;
      gathered[axis] = axes_[i].output;
      place[axis] = load(positions(i), {index(static_cast<int>(axis))});
      if (!method_.crops()) continue;
      const Expr here = binary(Op::Lt, place[axis], integer(DType::Int64, 0));
      outside = outside ? binary(Op::LogicalOr, outside, here) : here;
    }
    Tensor result = x_;
    if (outside)
      result = op_.map(gathered, select(outside, number(x_.type, method_.extrapolation), load(x_, place)));
    else if (gathered != x_.shape())
      result = op_.map(gathered, load(x_, place));
    for (std::size_t axis = 0, at = 0; axis < counts.size(); ++axis, ++at)
      if (counts[axis] > 1) {
        result = op_.unsqueeze(result, ++at);
        result.view.shape[at] = counts[axis];
      }
    return op_.reshape(result, shape_);
  }

  /// The position of the nearest element for every output element; -1 outside of a cropped input.
  Tensor positions(std::size_t i) {
    const ResizedAxis& axis = axes_[i];
    const Tensor coordinates = op_.map({axis.output}, coordinate(i, index(0)));
    const Expr here = element(coordinates);
    const Expr position = clamped(axis, cast(DType::Int64, rounded(axis, here)));
    if (!method_.crops()) return op_.map({axis.output}, position);
    return op_.map({axis.output}, select(isOutside(axis, here), integer(DType::Int64, -1), position));
  }

  // --- linear and cubic

  /// The filters are products of one per axis, so that the axes are resized one after the other.
  Tensor interpolated() {
    if (axes_.empty()) return x_;
    const DType type = interpolationType(x_.type);
    Tensor result = op_.cast(x_, type);
    for (std::size_t i = axes_.size(); i-- > 0;) result = interpolated(result, i);
    return op_.cast(result, x_.type);
  }

  Tensor interpolated(const Tensor& x, std::size_t i) {
    const ResizedAxis& axis = axes_[i];
    const Dim taps = (method_.antialias ? axis.reach : Dim(method_.support())) * 2;
    const Tensor coordinates = op_.map({axis.output}, coordinate(i, index(0)));
    const Expr first = unary(Op::Floor, load(coordinates, {index(0)})) - real(floorDiv(taps, 2) - 1);
    const Tensor firsts = op_.map({axis.output}, cast(DType::Int64, first));
    const Expr position = load(firsts, {index(0)}) + index(1);
    const Tensor sources = op_.map({axis.output, taps}, clamped(axis, position));
    const Tensor weights = op_.cast(filter(axis, coordinates, firsts, taps), x.type);
    Shape shape = x.shape();
    shape[axis.axis] = axis.output;
    std::vector<Expr> place = indices(x.rank());
    const Expr here = place[axis.axis], tap = index(static_cast<int>(x.rank()));
    place[axis.axis] = load(sources, {here, tap});
    const auto extrapolated = [&](const Expr& sum) {
      const Expr outside = isOutside(axis, load(coordinates, {here}));
      return select(outside, number(x.type, method_.extrapolation), sum);
    };
    return op_.reduce(shape, {taps}, Combiner::Sum, load(weights, {here, tap}) * load(x, place),
                      method_.crops() ? Builder::Term(extrapolated) : Builder::Term());
  }

  /// The weights of the taps of every output element, float64.
  Tensor filter(const ResizedAxis& axis, const Tensor& coordinates, const Tensor& firsts, const Dim& taps) {
    const Expr position = load(firsts, {index(0)}) + index(1);
    Expr distance = cast(DType::Float64, position) - load(coordinates, {index(0)});
    if (method_.antialias) distance = distance * binary(Op::Minimum, axis.scale, real(1));
    const Tensor weights = op_.map({axis.output, taps}, method_.weight(distance));
    if (!method_.antialias && !method_.excludesOutside) return weights;
    const Expr inside = binary(Op::LogicalAnd, binary(Op::Ge, position, integer(DType::Int64, 0)),
                               binary(Op::Lt, position, extent(axis.input)));
    const Expr weight = element(weights);
    const Tensor counted =
        method_.excludesOutside ? op_.map(weights.shape(), select(inside, weight, real(0))) : weights;
    const Tensor sums = op_.reduce(counted, {1}, true, Combiner::Sum);
    return op_.elementwise({counted, sums}, [](const std::vector<Expr>& v) {
      return select(binary(Op::Eq, v[1], real(0)), v[0], v[0] / v[1]);
    });
  }
};

std::vector<double> scalesOf(const Operator& op, std::size_t i) {
  std::vector<double> scales;
  const Constant& constant = op.constantOf(i);
  for (std::int64_t k = 0; k < constant.size(); ++k) scales.push_back(constant.at<double>(k));
  return scales;
}

/// Before opset 11: positions are multiples of 1 / scale, and nearest means the next one in the direction of
/// the resizing.
void resizeSimply(Operator& op, const std::vector<double>& scales) {
  const Tensor x = op.input(0);
  Method method(op);
  method.coordinates = "asymmetric";
  method.rounding = "simple";
  op.output(0, Resampling(op, x, method, axesFromScales(op, x, method, scales)).run());
}

void upsample_1(Operator& op) {
  resizeSimply(op, {1, 1, op.attribute<double>("height_scale"), op.attribute<double>("width_scale")});
}

void upsample_7(Operator& op) { resizeSimply(op, op.attribute<std::vector<double>>("scales")); }

void resize_10(Operator& op) { resizeSimply(op, scalesOf(op, 1)); }

void resize_11(Operator& op) {
  const Tensor x = op.input(0);
  const Method method(op);
  const bool hasScales = op.has(2) && !op.input(2).dim(0).is(0);
  if (hasScales == (op.has(3) && !op.input(3).dim(0).is(0))) op.invalid("it needs either scales or sizes");
  const auto axes = hasScales ? axesFromScales(op, x, method, scalesOf(op, 2))
                              : axesFromSizes(op, x, method, op.sizesOf(3));
  if (method.crops())
    op.agree(op.input(1).dim(0), static_cast<std::int64_t>(2 * axes.size()),
             "the length of roi and twice the number of axes");
  op.output(0, Resampling(op, x, method, axes).run());
}

}  // namespace

SOFIE_OPERATOR("Upsample", 1, upsample_1);
SOFIE_OPERATOR("Upsample", 7, upsample_7);
SOFIE_OPERATOR("Upsample", 9, resize_10);
SOFIE_OPERATOR("Resize", 10, resize_10);
SOFIE_OPERATOR("Resize", 11, resize_11);

}  // namespace sofie
