#include "normalization.hxx"

#include <algorithm>
#include <numeric>

#include "common.hxx"
#include "sofie/error.hxx"

namespace sofie {
namespace {

using Axes = std::vector<std::size_t>;

Axes axesFrom(std::size_t first, std::size_t rank) {
  Axes axes(rank - first);
  std::iota(axes.begin(), axes.end(), first);
  return axes;
}

Tensor mean(Operator& op, const Tensor& x, const Axes& axes, const Builder::Term& term = {},
            const Builder::Term& epilogue = {}) {
  requireFloat(op, x);
  Dim count = 1;
  for (const std::size_t axis : axes) count = count * x.dim(axis);
  return op.reduce(x, axes, true, Combiner::Sum, term, [&](const Expr& sum) {
    const Expr value = sum / cast(sum.type(), extent(count));
    return epilogue ? epilogue(value) : value;
  });
}

Expr square(const Expr& x) { return x * x; }

/// 1 / sqrt(x + epsilon)
Expr inverseRoot(const Expr& x, double epsilon) {
  return unary(Op::Reciprocal, unary(Op::Sqrt, x + number(x.type(), epsilon)));
}

Tensor difference(Operator& op, const Tensor& a, const Tensor& b) {
  return op.elementwise({a, b}, [](const std::vector<Expr>& v) { return v[0] - v[1]; });
}

/// factors[0] * factors[1] * ..., plus `bias` when there is one.
Tensor scaled(Operator& op, std::vector<Tensor> factors, const std::optional<Tensor>& bias) {
  const std::size_t count = factors.size();
  if (bias) factors.push_back(*bias);
  return op.elementwise(factors, [&](const std::vector<Expr>& v) {
    Expr value = v[0];
    for (std::size_t i = 1; i < count; ++i) value = value * v[i];
    return bias ? value + v.back() : value;
  });
}

/// x less its mean, and one over its standard deviation, over some axes.
struct Standardised {
  Tensor mean, centred, inverseDeviation;

  Standardised(Operator& op, const Tensor& x, const Axes& axes, double epsilon)
      : mean(sofie::mean(op, x, axes)),
        centred(difference(op, x, mean)),
        inverseDeviation(sofie::mean(op, centred, axes, square,
                                     [&](const Expr& variance) { return inverseRoot(variance, epsilon); })) {}
};

/// A vector over the channels, axis 1 of `like`, as a tensor that broadcasts to it.
Tensor perChannel(Operator& op, std::size_t i, const Tensor& like) {
  Tensor vector = op.input(i);
  if (vector.rank() != 1 || like.rank() < 2)
    throw ShapeError("input " + std::to_string(i) + " must be a vector over the channels of " +
                     text(like.shape()) + ", but has the shape " + text(vector.shape()));
  op.agree(vector.dim(0), like.dim(1),
           "the length of input " + std::to_string(i) + " and the number of channels");
  vector = op.cast(vector, like.type);
  while (vector.rank() + 1 < like.rank()) vector = op.unsqueeze(vector, vector.rank());
  return vector;
}

/// x * factor + shift, where factor and shift are small tensors of their own and fold to constants.
Tensor batchNormalized(Operator& op, const Tensor& x, const Tensor& scale, const Tensor& bias,
                       const Tensor& mean, const Tensor& variance) {
  requireFloat(op, x);
  const double epsilon = op.real("epsilon", 1e-5f);
  const Tensor factor = op.elementwise(
      {scale, variance}, [&](const std::vector<Expr>& v) { return v[0] * inverseRoot(v[1], epsilon); });
  const Tensor shift =
      op.elementwise({bias, mean, factor}, [](const std::vector<Expr>& v) { return v[0] - v[1] * v[2]; });
  return scaled(op, {x, factor}, shift);
}

void refuseStatistics(const Operator& op) {
  for (std::size_t i = 1; i < op.node().outputs.size(); ++i)
    if (op.wants(i)) op.unsupported("training outputs before opset 14; export the model for inference");
}

/// Up to opset 8, spatial=0 has parameters for every element of a sample instead of every channel.
void batchNormalization_1(Operator& op) {
  refuseStatistics(op);
  const Tensor x = op.input(0);
  const bool spatial = op.integer("spatial", 1) != 0;
  std::vector<Tensor> parameters;
  for (std::size_t i = 1; i <= 4; ++i) parameters.push_back(spatial ? perChannel(op, i, x) : op.input(i));
  op.output(0, batchNormalized(op, x, parameters[0], parameters[1], parameters[2], parameters[3]));
}

void batchNormalization_9(Operator& op) {
  refuseStatistics(op);
  const Tensor x = op.input(0);
  op.output(0, batchNormalized(op, x, perChannel(op, 1, x), perChannel(op, 2, x), perChannel(op, 3, x),
                               perChannel(op, 4, x)));
}

/// training_mode takes the statistics of this batch and moves the running ones towards them.
void batchNormalization_14(Operator& op) {
  if (op.integer("training_mode", 0) == 0) return batchNormalization_9(op);
  const Tensor x = op.input(0);
  Axes axes = axesFrom(1, x.rank());
  axes[0] = 0;
  const Tensor batchMean = mean(op, x, axes);
  const Tensor batchVariance = mean(op, difference(op, x, batchMean), axes, square);
  const double momentum = op.real("momentum", 0.9f);
  const auto running = [&](std::size_t i, const Tensor& batch) {
    const Tensor now = op.reshape(batch, {x.dim(1)});
    return op.elementwise({op.input(i), op.cast(now, op.input(i).type)}, [&](const std::vector<Expr>& v) {
      const DType type = v[0].type();
      return v[0] * number(type, momentum) + v[1] * number(type, 1 - momentum);
    });
  };
  op.output(0, batchNormalized(op, x, perChannel(op, 1, x), perChannel(op, 2, x), batchMean, batchVariance));
  if (op.wants(1)) op.output(1, running(3, batchMean), op.stored(3).type);
  if (op.wants(2)) op.output(2, running(4, batchVariance), op.stored(4).type);
}

void instanceNormalization_1(Operator& op) {
  const Tensor x = op.input(0);
  if (x.rank() < 2)
    throw ShapeError("the input must have a batch and a channel axis, but has the shape " + text(x.shape()));
  const Standardised parts(op, x, axesFrom(2, x.rank()), op.real("epsilon", 1e-5f));
  op.output(0,
            scaled(op, {parts.centred, parts.inverseDeviation, perChannel(op, 1, x)}, perChannel(op, 2, x)));
}

/// The type of the first stage of a normalisation: float32 (stash_type 1) or float64, never narrower than the
/// input.
DType stageType(const Operator& op, const Tensor& x) {
  const std::int64_t stash = op.integer("stash_type", 1);
  if (stash != 1 && stash != 11)
    op.unsupported("stash_type " + std::to_string(stash) + "; use 1 (float32) or 11 (float64)");
  return stash == 11 ? DType::Float64 : x.type;
}

/// A tensor of x's type that broadcasts to x.
Tensor parameter(Operator& op, const Tensor& tensor, const Tensor& x) {
  requireOneType(op, {x, tensor});
  return op.broadcast(tensor, x.shape());
}

/// standardised * scale + bias, in the type of x.
Tensor scaledAs(Operator& op, const Tensor& x, std::vector<Tensor> standardised, const Tensor& scale,
                const std::optional<Tensor>& bias) {
  if (standardised[0].type != x.type)
    standardised = {op.cast(scaled(op, standardised, std::nullopt), x.type)};
  standardised.push_back(parameter(op, scale, x));
  return scaled(op, standardised, bias ? std::optional<Tensor>(parameter(op, *bias, x)) : std::nullopt);
}

}  // namespace

Normalised layerNormalised(Operator& op, const Tensor& x, std::size_t first, const Tensor& scale,
                           const std::optional<Tensor>& bias, double epsilon) {
  const Standardised parts(op, op.cast(x, stageType(op, x)), axesFrom(first, x.rank()), epsilon);
  return {scaledAs(op, x, {parts.centred, parts.inverseDeviation}, scale, bias), parts.mean,
          parts.inverseDeviation};
}

Normalised rmsNormalised(Operator& op, const Tensor& x, std::size_t first, const Tensor& scale,
                         double epsilon) {
  const Tensor stage = op.cast(x, stageType(op, x));
  const Tensor inverse = mean(op, stage, axesFrom(first, x.rank()), square,
                              [&](const Expr& power) { return inverseRoot(power, epsilon); });
  return {scaledAs(op, x, {stage, inverse}, scale, std::nullopt), std::nullopt, inverse};
}

std::size_t normalisedAxis(const Operator& op, const Tensor& x) {
  return op.axis(op.integer("axis", -1), x.rank());
}

namespace {

void layerNormalization_17(Operator& op) {
  const Tensor x = op.input(0);
  const Normalised y = layerNormalised(op, x, normalisedAxis(op, x), op.input(1), op.optionalInput(2),
                                       op.real("epsilon", 1e-5f));
  op.output(0, y.output);
  const DType stash = op.integer("stash_type", 1) == 11 ? DType::Float64 : DType::Float32;
  if (op.wants(1)) op.output(1, *y.mean, stash);
  if (op.wants(2)) op.output(2, y.inverseDeviation, stash);
}

void rmsNormalization_23(Operator& op) {
  const Tensor x = op.input(0);
  op.output(0, rmsNormalised(op, x, normalisedAxis(op, x), op.input(1), op.real("epsilon", 1e-5f)).output);
}

/// x: (batch, groups, channels of the group, spatial...)
struct Groups {
  Tensor input;
  Dim groups, channels;

  explicit Groups(Operator& op) : input(op.input(0)), groups(op.attribute<std::int64_t>("num_groups")) {
    if (input.rank() < 2)
      throw ShapeError("the input must have a channel axis, but has the shape " + text(input.shape()));
    if (groups.constant() < 1) op.invalid("the attribute 'num_groups' must be positive");
    const auto size = Dim::exactDivide(input.dim(1), groups);
    if (!size)
      throw ShapeError(input.dim(1).text() + " channels do not divide into " + groups.text() + " groups");
    channels = *size;
  }

  /// The normalised input times scale plus bias, which have the shape `parameters` when seen over (groups,
  /// channels).
  void normalise(Operator& op, const Shape& parameters) const {
    Shape grouped{input.dim(0), groups, channels};
    grouped.insert(grouped.end(), input.shape().begin() + 2, input.shape().end());
    requireOneType(op, {input, op.input(1), op.input(2)});
    const Tensor x = op.reshape(input, grouped);
    Shape shape = parameters;
    shape.resize(grouped.size() - 1, 1);
    const Standardised parts(op, op.cast(x, stageType(op, x)), axesFrom(2, grouped.size()),
                             op.real("epsilon", 1e-5f));
    std::vector<Tensor> factors{parts.centred, parts.inverseDeviation};
    if (parts.centred.type != x.type) factors = {op.cast(scaled(op, factors, std::nullopt), x.type)};
    factors.push_back(op.reshape(op.input(1), shape));
    op.output(0, op.reshape(scaled(op, factors, op.reshape(op.input(2), shape)), input.shape()));
  }
};

/// Scale and bias of each group.
void groupNormalization_18(Operator& op) {
  const Groups groups(op);
  groups.normalise(op, {groups.groups});
}

/// Scale and bias of each channel.
void groupNormalization_21(Operator& op) {
  const Groups groups(op);
  groups.normalise(op, {groups.groups, groups.channels});
}

/// x / norm, and 0 where the norm is 0.
void lpNormalization_1(Operator& op) {
  const Tensor x = op.input(0);
  requireFloat(op, x);
  const Axes axes{op.axis(op.integer("axis", -1), x.rank())};
  const std::int64_t p = op.integer("p", 2);
  if (p != 1 && p != 2) op.unsupported("p = " + std::to_string(p) + "; ONNX defines 1 and 2");
  const Tensor norm = op.reduce(
      x, axes, true, Combiner::Sum, [&](const Expr& v) { return p == 1 ? unary(Op::Abs, v) : square(v); },
      [&](const Expr& sum) { return p == 1 ? sum : unary(Op::Sqrt, sum); });
  op.output(0, op.elementwise({x, norm}, [&](const std::vector<Expr>& v) {
    const Expr zero = number(x.type, 0);
    return select(binary(Op::Eq, v[1], zero), zero, v[0] / v[1]);
  }));
}

/// (x - mean) / (standard deviation + 1e-9)
void meanVarianceNormalization_9(Operator& op) {
  const Tensor x = op.input(0);
  Axes axes;
  for (const std::int64_t axis : op.integers("axes", {0, 2, 3})) axes.push_back(op.axis(axis, x.rank()));
  std::sort(axes.begin(), axes.end());
  const Tensor centred = difference(op, x, mean(op, x, axes));
  const Tensor inverse = mean(op, centred, axes, square, [](const Expr& variance) {
    return unary(Op::Reciprocal, unary(Op::Sqrt, variance) + number(variance.type(), 1e-9));
  });
  op.output(0, scaled(op, {centred, inverse}, std::nullopt));
}

/// x / (bias + alpha / size * sum of the squares of `size` neighbouring channels)^beta
void lrn_1(Operator& op) {
  const Tensor x = op.input(0);
  requireFloat(op, x);
  const std::int64_t size = op.attribute<std::int64_t>("size");
  if (x.rank() < 2 || size < 1)
    throw ShapeError("needs a channel axis and a positive size, not " + text(x.shape()));
  auto where = indices(x.rank());
  where[1] = where[1] + index(static_cast<int>(x.rank())) - integer(DType::Int64, (size - 1) / 2);
  const Expr inside = binary(Op::LogicalAnd, binary(Op::Ge, where[1], integer(DType::Int64, 0)),
                             binary(Op::Lt, where[1], extent(x.dim(1))));
  const Expr value = load(x, where);
  const Expr zero = number(x.type, 0);
  const double alpha = op.real("alpha", 1e-4f), beta = op.real("beta", 0.75), bias = op.real("bias", 1);
  const Tensor powers =
      op.reduce(x.shape(), {size}, Combiner::Sum, select(inside, value * value, zero), [&](const Expr& sum) {
        const Expr base = number(x.type, bias) + number(x.type, alpha / static_cast<double>(size)) * sum;
        return binary(Op::Pow, base, number(x.type, -beta));
      });
  op.output(0, scaled(op, {x, powers}, std::nullopt));
}

SOFIE_OPERATOR("BatchNormalization", 1, batchNormalization_1);
SOFIE_OPERATOR("BatchNormalization", 9, batchNormalization_9);
SOFIE_OPERATOR("BatchNormalization", 14, batchNormalization_14);
SOFIE_OPERATOR("InstanceNormalization", 1, instanceNormalization_1);
SOFIE_OPERATOR("LayerNormalization", 17, layerNormalization_17);
SOFIE_OPERATOR("GroupNormalization", 18, groupNormalization_18);
SOFIE_OPERATOR("GroupNormalization", 21, groupNormalization_21);
SOFIE_OPERATOR("RMSNormalization", 23, rmsNormalization_23);
SOFIE_OPERATOR("LpNormalization", 1, lpNormalization_1);
SOFIE_OPERATOR("MeanVarianceNormalization", 9, meanVarianceNormalization_9);
SOFIE_OPERATOR("LRN", 1, lrn_1);

}  // namespace
}  // namespace sofie
