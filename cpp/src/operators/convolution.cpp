#include "convolution.hxx"

#include <algorithm>
#include <numeric>

#include "common.hxx"
#include "padding.hxx"
#include "sofie/error.hxx"
#include "window.hxx"

namespace sofie {
namespace {

/// x: (batch, groups, channels, spatial...), w: (groups, outputs, channels, kernel...)
/// y: (batch, groups * outputs, positions...), the sum over channels and kernel of
///    x[n, g, c, position * stride + k * dilation...] * w[g, o, c, k...]
///
/// Axes of one group and, when there are several groups, of one channel are left out of the loops.
Tensor correlate(Operator& op, const Tensor& x, const Tensor& w, const Shape& positions,
                 const std::vector<std::int64_t>& strides, const std::vector<std::int64_t>& dilations) {
  const bool grouped = !x.dim(1).is(1);
  const std::size_t rank = positions.size();
  Shape axes, reduction;
  std::vector<std::pair<Shape*, std::size_t>> places;
  const auto variable = [&](Shape& loops, const Dim& size, bool needed) {
    if (needed) loops.push_back(size);
    places.emplace_back(needed ? &loops : nullptr, loops.size() - 1);
  };
  variable(axes, x.dim(0), true);
  variable(axes, x.dim(1), grouped);
  variable(axes, w.dim(1), !grouped || !w.dim(1).is(1));
  for (const Dim& size : positions) variable(axes, size, true);
  variable(reduction, w.dim(2), !grouped || !w.dim(2).is(1));
  for (std::size_t i = 0; i < rank; ++i) variable(reduction, w.dim(3 + i), true);
  const auto loop = [&](std::size_t i) {
    const auto [loops, place] = places[i];
    if (!loops) return integer(DType::Int64, 0);
    return index(static_cast<int>(place + (loops == &reduction ? axes.size() : 0)));
  };
  const Expr group = loop(1), output = loop(2), channel = loop(3 + rank);
  std::vector<Expr> left{loop(0), group, channel}, right{group, output, channel};
  for (std::size_t i = 0; i < rank; ++i) {
    const Expr k = loop(4 + rank + i);
    left.push_back(loop(3 + i) * integer(DType::Int64, strides[i]) + k * integer(DType::Int64, dilations[i]));
    right.push_back(k);
  }
  const Tensor sums = op.contraction(axes, reduction, load(x, left), load(w, right));
  Shape shape{x.dim(0), x.dim(1) * w.dim(1)};
  shape.insert(shape.end(), positions.begin(), positions.end());
  return op.reshape(sums, shape);
}

/// The bias of each output channel as a tensor that broadcasts to (batch, outputs, spatial...).
std::optional<Tensor> channelBias(Operator& op, const Dim& outputs, std::size_t spatial) {
  if (!op.has(2)) return std::nullopt;
  requireOneType(op, {op.input(0), op.input(2)});
  return alongChannels(op, "the bias", op.input(2), outputs, spatial);
}

std::int64_t groupCount(const Operator& op) {
  const std::int64_t groups = op.integer("group", 1);
  if (groups < 1) op.invalid("the attribute 'group' must be positive");
  return groups;
}

Dim perGroup(const Dim& channels, std::int64_t groups) {
  const auto size = Dim::exactDivide(channels, groups);
  if (!size)
    throw ShapeError(channels.text() + " channels do not divide into " + std::to_string(groups) + " groups");
  return *size;
}

/// The kernel's spatial shape. \throws ShapeError when it is not that of the attribute, or of another rank
/// than the input
Shape kernelOf(Operator& op, const Tensor& x, const Tensor& w) {
  requireOneType(op, {x, w});
  const std::size_t rank = spatialRank(x);
  if (w.rank() != x.rank())
    throw ShapeError("input " + text(x.shape()) + " and weights " + text(w.shape()) +
                     " must have the same rank");
  const Shape kernel(w.shape().begin() + 2, w.shape().end());
  if (op.hasAttribute("kernel_shape")) {
    const Shape stated = kernelShape(op, rank);
    for (std::size_t i = 0; i < rank; ++i)
      op.agree(stated[i], kernel[i], "kernel_shape and the shape of the weights");
  }
  return kernel;
}

}  // namespace

Tensor alongChannels(Operator& op, const std::string& what, Tensor vector, const Dim& channels,
                     std::size_t spatial) {
  if (vector.rank() != 1)
    throw ShapeError(what + " must be a vector of " + channels.text() + " numbers, but has the shape " +
                     text(vector.shape()));
  op.agree(vector.dim(0), channels, "the length of " + what + " and the number of output channels");
  for (std::size_t i = 0; i < spatial; ++i) vector = op.unsqueeze(vector, i + 1);
  return vector;
}

Tensor convolution(Operator& op, const Tensor& x, const Tensor& w) {
  const Shape kernel = kernelOf(op, x, w);
  const std::int64_t groups = groupCount(op);
  const Dim outputs = perGroup(w.dim(0), groups);
  op.agree(x.dim(1), Dim(groups) * w.dim(1), "the channels of the input and of the weights");
  const Window window = slidingWindow(op, x, kernel);
  std::vector<Dim> before(2, 0), after(2, 0);
  before.insert(before.end(), window.before.begin(), window.before.end());
  after.insert(after.end(), window.after.begin(), window.after.end());
  const Tensor padded = padConstant(op, x, before, after, number(x.type, 0));
  return correlate(op, splitAxis(padded, 1, groups, w.dim(1)), splitAxis(w, 0, groups, outputs),
                   window.output, window.strides, window.dilations);
}

Tensor convolutionWithBias(Operator& op) {
  const Tensor y = convolution(op, op.input(0), op.input(1));
  const auto bias = channelBias(op, y.dim(1), y.rank() - 2);
  if (!bias) return y;
  return op.elementwise({y, *bias}, [](const std::vector<Expr>& v) { return v[0] + v[1]; });
}

namespace {

void conv_1(Operator& op) { op.output(0, convolutionWithBias(op)); }

/// One spatial axis of a transposed convolution.
struct Transposed {
  std::int64_t stride, dilation, kernel;
  Dim input, output;
  std::int64_t before;  ///< what padding cuts off in front of the output
};

/// The output positions stride * q + r of one axis, r fixed: q-th position is a plain correlation of the
/// input, from element q + start on, with every step-th element of the reversed kernel.
struct Phase {
  std::int64_t first = 0, step = 1, count = 0;  ///< of the kernel, in its own order
  std::int64_t start = 0, dilation = 1;
  Dim positions;

  std::int64_t reach() const { return (count - 1) * dilation; }
  /// Zeros that the input needs in front and behind.
  Dim front() const { return max(Dim(-start), 0); }
  Dim back(const Dim& input) const { return max(positions + start + reach() - input, 0); }
};

Phase phaseOf(const Transposed& axis, std::int64_t r) {
  const std::int64_t common = std::gcd(axis.stride, axis.dilation), shifted = r + axis.before;
  Phase phase;
  phase.positions = axis.input + ceilDiv(axis.output - axis.input * axis.stride - r, axis.stride);
  phase.step = axis.stride / common;
  phase.dilation = axis.dilation / common;
  // Element k of the kernel meets this output where shifted - k * dilation is a multiple of the stride.
  while (phase.first < axis.kernel && (shifted - phase.first * axis.dilation) % axis.stride != 0)
    ++phase.first;
  if (phase.first == axis.kernel) return phase;
  phase.count = (axis.kernel - phase.first - 1) / phase.step + 1;
  phase.start = (shifted - phase.first * axis.dilation) / axis.stride - phase.reach();
  return phase;
}

std::vector<Transposed> transposedAxes(Operator& op, const Tensor& x, const Shape& kernel) {
  const std::size_t rank = kernel.size();
  const auto strides = steps(op, "strides", rank), dilations = steps(op, "dilations", rank);
  const auto extra = op.integers("output_padding", std::vector<std::int64_t>(rank, 0));
  const auto given = op.integers("output_shape");
  const std::string mode = op.string("auto_pad", "NOTSET");
  if (extra.size() != rank) op.invalid("'output_padding' must hold " + std::to_string(rank) + " numbers");
  if (!given.empty() && given.size() != rank)
    op.invalid("'output_shape' must hold " + std::to_string(rank) + " numbers, one per spatial axis");
  std::vector<Dim> before(rank, 0), after(rank, 0);
  if (mode == "NOTSET" && given.empty()) readPads(op, before, after);
  std::vector<Transposed> axes;
  for (std::size_t i = 0; i < rank; ++i) {
    const Dim& size = x.dim(2 + i);
    const Dim full = Dim(strides[i]) * (size - 1) + extra[i] + Dim(dilations[i]) * (kernel[i] - 1) + 1;
    Dim output = full - before[i] - after[i];
    if (!given.empty() || mode == "SAME_UPPER" || mode == "SAME_LOWER") {
      output = given.empty() ? size * strides[i] : Dim(given[i]);
      splitPadding(max(full - output, 0), mode != "SAME_UPPER", before[i], after[i]);
    }
    op.atLeast(output, 1, "the output size of spatial axis " + std::to_string(i));
    axes.push_back({strides[i], dilations[i], kernel[i].constant(), size, output, before[i].constant()});
  }
  return axes;
}

constexpr std::int64_t largestPhaseCount = 1024;

/// Stride s in front of a convolution's result interleaves s plain convolutions per axis, each with its own
/// part of the kernel: no multiplication by inserted zeros.
class TransposedConvolution {
 public:
  explicit TransposedConvolution(Operator& op) : op_(op) {
    const Tensor x = op.input(0), w = op.input(1);
    axes_ = transposedAxes(op, x, kernelOf(op, x, w));
    const std::int64_t groups = groupCount(op);
    const Dim channels = perGroup(x.dim(1), groups);
    op.agree(x.dim(1), w.dim(0), "the channels of the input and of the weights");
    Shape shape{x.dim(0), Dim(groups) * w.dim(1)};
    std::vector<std::size_t> order(w.rank() + 1);
    std::iota(order.begin(), order.end(), 0);
    std::swap(order[1], order[2]);
    weights_ = op.transpose(splitAxis(w, 0, groups, channels), order);
    for (const Transposed& axis : axes_) shape.push_back(axis.output);
    bias_ = channelBias(op, shape[1], axes_.size());
    result_ = op.temporary(x.type, shape);
    pad(x);
    input_ = splitAxis(input_, 1, groups, channels);
  }

  Tensor run() {
    Dim phases = 1;
    for (const Transposed& axis : axes_) phases = phases * axis.stride;
    if (phases.constant() > largestPhaseCount)
      op_.unsupported("its strides need " + phases.text() + " kernels, more than " +
                      std::to_string(largestPhaseCount) +
                      "; use several transposed convolutions of smaller stride");
    for (std::int64_t i = 0; i < phases.constant(); ++i) computePhase(i);
    return result_;
  }

 private:
  Operator& op_;
  std::vector<Transposed> axes_;
  std::vector<Dim> front_;  ///< zeros in front of each spatial axis of input_
  Tensor input_, weights_, result_;
  std::optional<Tensor> bias_;

  void pad(const Tensor& x) {
    std::vector<Dim> before(2, 0), after(2, 0);
    for (const Transposed& axis : axes_) {
      Dim front = 0, back = 0;
      for (std::int64_t r = 0; r < axis.stride; ++r) {
        const Phase phase = phaseOf(axis, r);
        if (phase.count == 0) continue;
        front = max(front, phase.front());
        back = max(back, phase.back(axis.input));
      }
      before.push_back(front);
      after.push_back(back);
    }
    input_ = padConstant(op_, x, before, after, number(x.type, 0));
    front_.assign(before.begin() + 2, before.end());
  }

  /// Fills the outputs of one combination of remainders, the digits of `number`.
  void computePhase(std::int64_t number) {
    Tensor x = input_, w = weights_, target = result_;
    Shape positions;
    std::vector<std::int64_t> dilations;
    bool empty = false;
    for (std::size_t i = 0; i < axes_.size(); ++i) {
      const std::int64_t stride = axes_[i].stride, r = number % stride;
      number /= stride;
      const Phase phase = phaseOf(axes_[i], r);
      empty = empty || phase.count == 0;
      positions.push_back(phase.positions);
      dilations.push_back(phase.dilation);
      target = op_.slice(target, 2 + i, r, phase.positions, stride);
      if (empty) continue;
      x = op_.slice(x, 3 + i, front_[i] + phase.start, phase.positions + phase.reach());
      w = op_.slice(w, 3 + i, phase.first + (phase.count - 1) * phase.step, phase.count, -phase.step);
    }
    const std::vector<std::int64_t> ones(positions.size(), 1);
    const Expr sum =
        empty ? sofie::number(target.type, 0) : element(correlate(op_, x, w, positions, ones, dilations));
    op_.store(bias_ ? sum + element(op_.broadcast(*bias_, target.shape())) : sum, target);
  }
};

void convTranspose_1(Operator& op) { op.output(0, TransposedConvolution(op).run()); }

SOFIE_OPERATOR("Conv", 1, conv_1);
SOFIE_OPERATOR("ConvTranspose", 1, convTranspose_1);

}  // namespace
}  // namespace sofie
