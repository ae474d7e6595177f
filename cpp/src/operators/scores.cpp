#include "scores.hxx"

#include <cmath>

#include "common.hxx"
#include "sofie/error.hxx"
#include "softmax.hxx"

namespace sofie {

std::vector<double> realsOf(const Operator& op, const std::string& name) {
  const std::string tensor = name + "_as_tensor";
  if (op.hasAttribute(tensor)) {
    const Constant& constant = op.attribute<Constant>(tensor);
    std::vector<double> values;
    for (std::int64_t i = 0; i < constant.size(); ++i) values.push_back(constant.at<double>(i));
    return values;
  }
  // Of an empty list the type is not known.
  if (!op.hasAttribute(name) || std::get_if<std::vector<std::int64_t>>(&op.node().attributes.at(name)))
    return {};
  return op.attribute<std::vector<double>>(name);
}

Tensor realConstant(Operator& op, DType type, const std::vector<std::int64_t>& shape,
                    const std::vector<double>& values) {
  return op.constant(Constant::of(type, shape, values));
}

Tensor samples(Operator& op, std::size_t i) {
  Tensor x = op.input(i);
  if (x.rank() == 1) x = op.unsqueeze(x, 0);
  if (x.rank() != 2)
    throw ShapeError("the input must be a matrix, one row per sample, but has the shape " + text(x.shape()));
  return op.cast(x, x.type == DType::Float64 ? DType::Float64 : DType::Float32);
}

namespace {

/// Zeros stay zeros: their exponential is not counted.
Tensor softmaxOfNonzeros(Operator& op, const Tensor& scores, std::size_t axis) {
  const Tensor greatest = op.reduce(scores, {axis}, true, Combiner::Maximum);
  const Tensor powers = op.elementwise({scores, greatest}, [](const std::vector<Expr>& v) {
    const DType type = v[0].type();
    const Expr counted = binary(Op::Gt, unary(Op::Abs, v[0]), number(type, 1e-7));
    return select(counted, unary(Op::Exp, v[0] - v[1]), v[0] * unary(Op::Exp, unary(Op::Neg, v[1])));
  });
  const Tensor sum = op.reduce(powers, {axis}, true, Combiner::Sum);
  return op.elementwise({powers, sum}, [](const std::vector<Expr>& v) { return v[0] / v[1]; });
}

/// The quantile of the normal distribution, by Winitzki's approximation of the inverse error function.
Expr probit(const Expr& probability) {
  const auto constant = [&](double value) { return number(probability.type(), value); };
  const Expr one = constant(1), x = constant(2) * probability - one;
  const double a = 0.147;
  const Expr log = unary(Op::Log, (one - x) * (one + x));
  const Expr half = constant(2 / (std::acos(-1.0) * a)) + constant(0.5) * log;
  const Expr root = unary(Op::Sqrt, unary(Op::Sqrt, half * half - log / constant(a)) - half);
  const Expr sign = select(binary(Op::Lt, x, constant(0)), constant(-1), one);
  return constant(std::sqrt(2.0)) * sign * root;
}

}  // namespace

std::string postTransform(const Operator& op) { return op.string("post_transform", "NONE"); }

Tensor transformedScores(Operator& op, const Tensor& scores, const std::string& transform) {
  const std::size_t last = scores.rank() - 1;
  if (transform == "NONE") return scores;
  if (transform == "SOFTMAX") return softmax(op, scores, {last});
  if (transform == "SOFTMAX_ZERO") return softmaxOfNonzeros(op, scores, last);
  if (transform != "LOGISTIC" && transform != "PROBIT")
    op.invalid("post_transform is '" + transform + "', not NONE, SOFTMAX, LOGISTIC, SOFTMAX_ZERO or PROBIT");
  return op.elementwise({scores}, [&](const std::vector<Expr>& v) {
    return transform == "LOGISTIC" ? unary(Op::Sigmoid, v[0]) : probit(v[0]);
  });
}

ClassLabels::ClassLabels(const Operator& op, const std::string& integers) : numbers_(op.integers(integers)) {
  const bool named = op.hasAttribute("classlabels_strings") && numbers_.empty();
  count_ = static_cast<std::int64_t>(
      named ? op.attribute<std::vector<std::string>>("classlabels_strings").size() : numbers_.size());
  if (count_ == 0) op.invalid("it has no class labels");
}

void ClassLabels::outputBest(Operator& op, const Tensor& scores) const {
  output(op, op.reduce(scores, {scores.rank() - 1}, false, Combiner::ArgMaximum));
}

void ClassLabels::output(Operator& op, const Tensor& classes) const {
  if (numbers_.empty())
    return op.refuseOutput(0,
                           "its class labels are strings; ask for the other outputs alone, as in "
                           "pysofie.load(model, outputs=[\"probabilities\"]), or train with integer labels");
  const Tensor labels = op.constant(Constant::of(DType::Int64, {count_}, numbers_));
  op.output(0, op.map(classes.shape(), load(labels, {element(classes)})));
}

}  // namespace sofie
