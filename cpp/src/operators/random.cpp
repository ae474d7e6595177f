/// Random numbers: a function of a key and of the position of an element, so that every target draws the same
/// ones.
///
/// With a seed the key is made of the seed and of the number of the session's run: every session draws the
/// same numbers in its first run, others in its second, and nodes of the same seed draw alike. Without one,
/// of a number that the session draws when it is made, of the node and of the run.
#include <cmath>
#include <cstring>

#include "common.hxx"
#include "sofie/error.hxx"

namespace sofie {
namespace {

Expr bits(const Expr& key, const Expr& position) { return binary(Op::RandomBits, key, position); }

std::int64_t seedOf(const Operator& op) {
  const double seed = op.real("seed", 0);
  std::int64_t pattern = 0;
  std::memcpy(&pattern, &seed, sizeof seed);
  return pattern;
}

/// A number of the node: FNV-1a of the name of its output, which no other node has.
std::int64_t numberOf(const std::string& name) {
  std::uint64_t hash = 14695981039346656037u;
  for (const char letter : name) hash = (hash ^ static_cast<unsigned char>(letter)) * 1099511628211u;
  return static_cast<std::int64_t>(hash);
}

/// Draws numbers for one node.
class Generator {
 public:
  explicit Generator(Operator& op) {
    const Expr run = extent(op.draw(Draw::Kind::Run));
    Expr base = integer(DType::Int64, seedOf(op));
    if (!op.hasAttribute("seed"))
      base = bits(extent(op.draw(Draw::Kind::Seed)), integer(DType::Int64, numberOf(op.outputName(0))));
    base = bits(base, run);
    for (const Dim& iteration : op.iterations()) base = bits(base, extent(iteration));
    key_ = op.map({}, base);
  }

  /// A number of [0, 1) with as many random digits as the type has.
  Expr uniform(DType type, const Expr& position) const {
    const int digits = type == DType::Float64 ? 53 : 24;
    const Expr number = binary(Op::ShiftRight, draw(position), integer(DType::Int64, 64 - digits));
    return cast(type, number) * sofie::number(type, std::ldexp(1.0, -digits));
  }

  /// A float64 number of (0, 1), between the multiples of 2^-52.
  Expr inside(const Expr& position) const {
    const Expr number = binary(Op::ShiftRight, draw(position), integer(DType::Int64, 12));
    return (cast(DType::Float64, number) + real(0.5)) * real(std::ldexp(1.0, -52));
  }

  /// A normal float64 number, of two uniform ones (G. Box, M. Muller, "A note on the generation of random
  /// normal deviates", Ann. Math. Statist. 29 (1958)).
  Expr normal(const Expr& position) const {
    const Expr two = integer(DType::Int64, 2), one = integer(DType::Int64, 1);
    const Expr radius = unary(Op::Sqrt, real(-2) * unary(Op::Log, inside(position * two)));
    return radius * unary(Op::Cos, real(6.28318530717958647692) * inside(position * two + one));
  }

 private:
  Tensor key_;

  static Expr real(double value) { return number(DType::Float64, value); }
  Expr draw(const Expr& position) const { return bits(load(key_, {}), position); }
};

DType floatingType(const Operator& op, DType otherwise) {
  const DType type = op.hasAttribute("dtype") ? onnxType(op, op.integer("dtype", 1)) : otherwise;
  if (!isFloat(type))
    op.invalid("random numbers of type " + std::string(dtypeName(type)) + " are not defined");
  return type;
}

/// A tensor of numbers that are drawn for consecutive positions.
Tensor drawn(Operator& op, const Shape& shape, const Expr& number) {
  return op.reshape(op.map({product(shape)}, number), shape);
}

void uniform(Operator& op, const Shape& shape, DType type) {
  const double low = op.real("low", 0), high = op.real("high", 1);
  const Expr drawing = Generator(op).uniform(type, index(0));
  op.output(0, drawn(op, shape, drawing * number(type, high - low) + number(type, low)));
}

void normal(Operator& op, const Shape& shape, DType type) {
  const Expr mean = number(DType::Float64, op.real("mean", 0)),
             scale = number(DType::Float64, op.real("scale", 1));
  op.output(0, drawn(op, shape, cast(type, Generator(op).normal(index(0)) * scale + mean)));
}

Shape shapeAttribute(const Operator& op) {
  const auto& sizes = op.attribute<std::vector<std::int64_t>>("shape");
  for (const std::int64_t size : sizes)
    if (size < 0) op.invalid("the attribute 'shape' holds the size " + std::to_string(size));
  return {sizes.begin(), sizes.end()};
}

void randomUniform_1(Operator& op) { uniform(op, shapeAttribute(op), floatingType(op, DType::Float32)); }
void randomNormal_1(Operator& op) { normal(op, shapeAttribute(op), floatingType(op, DType::Float32)); }

void randomUniformLike_1(Operator& op) {
  const Tensor x = op.input(0);
  uniform(op, x.shape(), floatingType(op, x.type));
}

void randomNormalLike_1(Operator& op) {
  const Tensor x = op.input(0);
  normal(op, x.shape(), floatingType(op, x.type));
}

void bernoulli_15(Operator& op) {
  const Tensor x = op.input(0);
  requireFloat(op, x);
  const DType type = op.hasAttribute("dtype") ? onnxType(op, op.integer("dtype", 1)) : x.type;
  const Tensor drawing = drawn(op, x.shape(), Generator(op).uniform(x.type, index(0)));
  op.output(0, op.elementwise({drawing, x}, [&](const std::vector<Expr>& v) {
    return cast(type, binary(Op::Lt, v[0], v[1]));
  }));
}

/// Classes by their logarithmic probabilities, up to a constant: the class of the largest sum of that and of
/// Gumbel noise (E. Gumbel, "Statistical theory of extreme values", 1954).
void multinomial_7(Operator& op) {
  const Tensor x = op.input(0);
  requireFloat(op, x);
  if (x.rank() != 2)
    throw ShapeError("the input must have the shape (batch, classes), but has the shape " + text(x.shape()));
  const std::int64_t samples = op.integer("sample_size", 1);
  if (samples < 1) op.invalid("the attribute 'sample_size' must be positive");
  const DType type = onnxType(op, op.integer("dtype", 6));
  if (type != DType::Int32 && type != DType::Int64) op.invalid("its output must be of type int32 or int64");
  op.atLeast(x.dim(1), 1, "the number of classes to choose from");
  const Expr position = (index(0) * extent(samples) + index(1)) * extent(x.dim(1)) + index(2);
  const Expr uniform = Generator(op).inside(position);
  const Expr noise = unary(Op::Neg, unary(Op::Log, unary(Op::Neg, unary(Op::Log, uniform))));
  const Expr score = cast(DType::Float64, load(x, {index(0), index(2)})) + noise;
  op.output(0, op.reduce({x.dim(0), samples}, {x.dim(1)}, Combiner::ArgMaximum, score,
                         [&](const Expr& place) { return cast(type, place); }));
}

}  // namespace

SOFIE_OPERATOR("RandomUniform", 1, randomUniform_1);
SOFIE_OPERATOR("RandomNormal", 1, randomNormal_1);
SOFIE_OPERATOR("RandomUniformLike", 1, randomUniformLike_1);
SOFIE_OPERATOR("RandomNormalLike", 1, randomNormalLike_1);
SOFIE_OPERATOR("Bernoulli", 15, bernoulli_15);
SOFIE_OPERATOR("Multinomial", 7, multinomial_7);

}  // namespace sofie
