/// Discrete Fourier transforms.
#include <algorithm>

#include "common.hxx"
#include "padding.hxx"
#include "sofie/error.hxx"

namespace sofie {
namespace {

/// Up to this length a transform is a product with the matrix of its roots of unity: that runs in the matrix
/// kernel at full speed, where a fast transform of few elements is all overhead. Beyond, n^2 products and a
/// table of as many numbers lose against n log n.
constexpr std::int64_t longestProduct = 128;

/// A transform along one axis of signals whose last axis holds the real and, if there, the imaginary part.
struct Transform {
  Dim length;
  bool inverse = false;
  Dim frequencies;          ///< how many results are wanted
  std::int64_t components;  ///< of a result: 2, or 1 when only its real part is wanted
};

Expr real(const Expr& value) { return cast(DType::Float64, value); }

/// The angle of the root of unity number k, an integer expression below the length.
Expr angle(const Transform& transform, const Expr& k) {
  constexpr double turn = 6.28318530717958647692;
  return real(k) * number(DType::Float64, transform.inverse ? turn : -turn) / real(extent(transform.length));
}

/// What component `in` of element t adds to component `out` of frequency f, as a table (t, in, f, out).
Tensor rootMatrix(Operator& op, const Transform& transform, DType type, const Dim& elements,
                  const Dim& inputs) {
  const Expr in = index(1), out = index(3), zero = integer(DType::Int64, 0);
  const Expr phase = angle(transform, binary(Op::Mod, index(0) * index(2), extent(transform.length)));
  const Expr sine = unary(Op::Sin, phase);
  const Expr crossed = select(binary(Op::Eq, in, zero), sine, unary(Op::Neg, sine));
  Expr entry = select(binary(Op::Eq, in, out), unary(Op::Cos, phase), crossed);
  if (transform.inverse) entry = entry / real(extent(transform.length));
  return op.map({elements, inputs, transform.frequencies, transform.components}, cast(type, entry));
}

Tensor byProduct(Operator& op, const Tensor& x, std::size_t axis, const Transform& transform) {
  const Dim elements = min(x.dim(axis), transform.length);
  const Tensor roots = rootMatrix(op, transform, x.type, elements, x.shape().back());
  Shape axes = x.shape();
  axes[axis] = transform.frequencies;
  axes.back() = transform.components;
  const Expr element = index(static_cast<int>(axes.size())), in = index(static_cast<int>(axes.size()) + 1);
  std::vector<Expr> place = indices(axes.size());
  const Expr frequency = place[axis], out = place.back();
  place[axis] = element;
  place.back() = in;
  return op.contraction(axes, {elements, x.shape().back()}, load(x, place),
                        load(roots, {element, in, frequency, out}));
}

/// The signals cut or filled with zeros to the transform's length.
Tensor fitted(Operator& op, const Tensor& x, std::size_t axis, const Dim& length) {
  const Dim kept = min(x.dim(axis), length);
  std::vector<Dim> before(x.rank(), 0), after(x.rank(), 0);
  after[axis] = length - kept;
  return padConstant(op, op.slice(x, axis, 0, kept), before, after, number(x.type, 0));
}

/// A routine, because each step of a fast transform reads what the one before has written.
Tensor byRoutine(Operator& op, const Tensor& x, std::size_t axis, const Transform& transform) {
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i + 1 < x.rank(); ++i)
    if (i != axis) order.push_back(i);
  order.push_back(axis);
  order.push_back(x.rank() - 1);
  const Tensor rows = op.dense(op.transpose(fitted(op, x, axis, transform.length), order));
  const Expr root = angle(transform, index(0));
  const Expr part =
      select(binary(Op::Eq, index(1), integer(DType::Int64, 0)), unary(Op::Cos, root), unary(Op::Sin, root));
  const Tensor roots = op.map({transform.length, 2}, cast(x.type, part));
  Shape shape = rows.shape();
  shape.back() = 2;
  const Tensor spectrum = op.temporary(x.type, shape), work = op.temporary(x.type, shape);
  const Dim count = product({shape.begin(), shape.end() - 2});
  op.call({"fourier.hxx",
           "fourier_transform",
           count,
           {rows, roots},
           {spectrum, work},
           {transform.length, x.shape().back()}});
  Tensor result = op.slice(spectrum, x.rank() - 2, 0, transform.frequencies);
  result = op.slice(result, x.rank() - 1, 0, transform.components);
  std::vector<std::size_t> back(x.rank());
  for (std::size_t i = 0; i < order.size(); ++i) back[order[i]] = i;
  result = op.transpose(result, back);
  if (!transform.inverse) return result;
  return op.map(result.shape(), element(result) / cast(x.type, extent(transform.length)));
}

/// All frequencies of a real signal from the half that is given: the other half is its complex conjugate.
Tensor hermitian(Operator& op, const Tensor& x, std::size_t axis, const Dim& length) {
  const Tensor half = fitted(op, x, axis, floorDiv(length, 2) + 1);
  Shape shape = half.shape();
  shape[axis] = length;
  std::vector<Expr> place = indices(shape.size());
  const Expr frequency = place[axis];
  place[axis] = extent(length) - frequency;
  const Expr mirrored = load(half, place);
  const Expr isImaginary = binary(Op::Eq, place.back(), integer(DType::Int64, 1));
  const Expr isGiven = binary(Op::Lt, frequency, extent(half.dim(axis)));
  const Expr conjugate = select(isImaginary, unary(Op::Neg, mirrored), mirrored);
  return op.map(shape, select(isGiven, element(half), conjugate));
}

/// The transform of signals (..., axis, ..., 1 or 2). One-sided: of a real signal the frequencies up to half
/// of the length, or back from them to the real signal.
Tensor fourier(Operator& op, Tensor x, std::size_t axis, const Dim& length, bool inverse, bool oneSided) {
  Transform transform{length, inverse, length, 2};
  if (oneSided && inverse) {
    x = hermitian(op, x, axis, length);
    transform.components = 1;
  } else if (oneSided) {
    transform.frequencies = floorDiv(length, 2) + 1;
  }
  const auto size = length.value();
  return size && *size <= longestProduct ? byProduct(op, x, axis, transform)
                                         : byRoutine(op, x, axis, transform);
}

/// The signals, after a check of their last axis.
Tensor signals(Operator& op) {
  const Tensor x = op.input(0);
  requireFloat(op, x);
  const auto last = x.rank() < 2 ? std::nullopt : x.shape().back().value();
  if (!last || *last < 1 || *last > 2)
    throw ShapeError("signals must have the shape (..., 1) or, if complex, (..., 2), but have the shape " +
                     text(x.shape()));
  return x;
}

void dft(Operator& op, std::int64_t axisGiven) {
  const Tensor x = signals(op);
  const std::size_t axis = op.axis(axisGiven, x.rank());
  if (axis + 1 == x.rank()) op.invalid("its axis is the last one, which holds real and imaginary parts");
  const bool inverse = op.integer("inverse", 0) != 0, oneSided = op.integer("onesided", 0) != 0;
  if (oneSided && !inverse && !x.shape().back().is(1))
    op.invalid("a one-sided transform is of real signals, but the last axis has size 2");
  const Dim natural = oneSided && inverse ? (x.dim(axis) - 1) * 2 : x.dim(axis);
  const Dim length = op.has(1) ? dimOf(op, 1) : natural;
  op.atLeast(length, 1, "the length of a Fourier transform");
  op.output(0, fourier(op, x, axis, length, inverse, oneSided));
}

void dft_17(Operator& op) { dft(op, op.integer("axis", 1)); }
void dft_20(Operator& op) { dft(op, op.has(2) ? dimOf(op, 2).constant() : -2); }

/// The length of a frame: given, or that of the window, or that of the signal.
Dim frameLength(const Operator& op, const Tensor& x, const std::optional<Tensor>& window) {
  if (op.has(3)) return dimOf(op, 3);
  return window ? window->dim(0) : x.dim(1);
}

void stft_17(Operator& op) {
  const Tensor x = signals(op);
  if (x.rank() != 3)
    throw ShapeError("signals must have the shape (batch, length, 1 or 2), but have the shape " +
                     text(x.shape()));
  const auto window = op.optionalInput(2);
  if (window) requireOneType(op, {x, *window});
  const Dim step = dimOf(op, 1), length = frameLength(op, x, window);
  op.atLeast(step, 1, "the step between frames");
  op.atLeast(length, 1, "the length of a frame");
  op.atLeast(x.dim(1), length, "the length of the signals");
  const bool oneSided = op.integer("onesided", 1) != 0;
  if (oneSided && !x.shape().back().is(1))
    op.invalid("a one-sided transform is of real signals, but the last axis has size 2");
  Tensor frames = x;  // they overlap: a view
  frames.view.shape = {x.dim(0), floorDiv(x.dim(1) - length, step) + 1, length, x.dim(2)};
  frames.view.strides = {x.view.strides[0], x.view.strides[1] * step, x.view.strides[1], x.view.strides[2]};
  if (window) {
    op.agree(window->dim(0), length, "the length of the window and of a frame");
    frames = op.map(frames.shape(), element(frames) * load(*window, {index(2)}));
  }
  op.output(0, fourier(op, frames, 2, length, false, oneSided));
}

}  // namespace

SOFIE_OPERATOR("DFT", 17, dft_17);
SOFIE_OPERATOR("DFT", 20, dft_20);
SOFIE_OPERATOR("STFT", 17, stft_17);

}  // namespace sofie
