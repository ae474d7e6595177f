#include "linear_models.hxx"

#include "scores.hxx"
#include "sofie/error.hxx"

namespace sofie {

Tensor linear(Operator& op, const Tensor& x, const std::vector<double>& rows, std::int64_t count,
              const std::vector<double>& constants) {
  const auto size = static_cast<std::int64_t>(rows.size());
  if (count < 1 || size == 0 || size % count != 0)
    op.invalid("its " + std::to_string(size) + " coefficients do not make " + std::to_string(count) +
               " rows");
  if (!constants.empty() && static_cast<std::int64_t>(constants.size()) != count)
    op.invalid("it has " + std::to_string(constants.size()) + " constants for " + std::to_string(count) +
               " rows");
  op.agree(x.dim(1), size / count, "the number of features and of coefficients");
  const Tensor weights = realConstant(op, x.type, {count, size / count}, rows);
  const Tensor product = op.contraction({x.dim(0), count}, {size / count}, load(x, {index(0), index(2)}),
                                        load(weights, {index(1), index(2)}));
  if (constants.empty()) return product;
  return op.elementwise({product, realConstant(op, x.type, {count}, constants)},
                        [](const std::vector<Expr>& v) { return v[0] + v[1]; });
}

Tensor ofBothClasses(Operator& op, const Tensor& scores) {
  const Expr s = load(scores, {index(0), integer(DType::Int64, 0)});
  const Expr first = binary(Op::Eq, index(1), integer(DType::Int64, 0));
  return op.map({scores.dim(0), 2}, select(first, unary(Op::Neg, s), s));
}

namespace {

constexpr const char* domain = "ai.onnx.ml";

void outputScores(Operator& op, std::size_t i, const Tensor& scores) {
  op.output(i, op.cast(transformedScores(op, scores, postTransform(op)), DType::Float32));
}

void linearRegressor_1(Operator& op) {
  outputScores(op, 0,
               linear(op, samples(op, 0), realsOf(op, "coefficients"), op.integer("targets", 1),
                      realsOf(op, "intercepts")));
}

void linearClassifier_1(Operator& op) {
  const ClassLabels labels(op, "classlabels_ints");
  const Tensor x = samples(op, 0);
  const auto coefficients = realsOf(op, "coefficients"), intercepts = realsOf(op, "intercepts");
  const auto rows = intercepts.empty() ? labels.count() : static_cast<std::int64_t>(intercepts.size());
  Tensor scores = linear(op, x, coefficients, rows, intercepts);
  if (rows == 1 && labels.count() == 2) scores = ofBothClasses(op, scores);
  if (!scores.dim(1).is(labels.count()))
    op.invalid("it has " + scores.dim(1).text() + " rows of coefficients for " +
               std::to_string(labels.count()) + " classes");
  labels.outputBest(op, scores);
  outputScores(op, 1, scores);
}

SOFIE_OPERATOR_OF(domain, "LinearRegressor", 1, linearRegressor_1);
SOFIE_OPERATOR_OF(domain, "LinearClassifier", 1, linearClassifier_1);

}  // namespace
}  // namespace sofie
