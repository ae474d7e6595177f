/// Support vector machines.
#include <algorithm>
#include <numeric>

#include "common.hxx"
#include "linear_models.hxx"
#include "scores.hxx"
#include "sofie/error.hxx"

namespace sofie {
namespace {

constexpr const char* domain = "ai.onnx.ml";

/// The kernel function of the attributes kernel_type and kernel_params (gamma, coef0, degree).
class KernelFunction {
 public:
  explicit KernelFunction(const Operator& op) : kind_(op.string("kernel_type", "LINEAR")) {
    const auto parameters = realsOf(op, "kernel_params");
    if (kind_ != "LINEAR" && kind_ != "POLY" && kind_ != "RBF" && kind_ != "SIGMOID")
      op.invalid("kernel_type is '" + kind_ + "', not LINEAR, POLY, RBF or SIGMOID");
    if (kind_ != "LINEAR" && parameters.size() < 3)
      op.invalid("'kernel_params' must hold gamma, coef0 and degree");
    if (parameters.size() >= 3) gamma_ = parameters[0], coef0_ = parameters[1], degree_ = parameters[2];
  }

  /// Of every sample with every support vector, the rows of a constant matrix.
  Tensor operator()(Operator& op, const Tensor& x, const std::vector<double>& vectors,
                    std::int64_t count) const {
    if (kind_ == "RBF") return radial(op, x, vectors, count);
    const Tensor products = linear(op, x, vectors, count, {});
    if (kind_ == "LINEAR") return products;
    return op.elementwise({products}, [&](const std::vector<Expr>& v) {
      const Expr s = number(v[0].type(), gamma_) * v[0] + number(v[0].type(), coef0_);
      return kind_ == "SIGMOID" ? unary(Op::Tanh, s) : binary(Op::Pow, s, number(s.type(), degree_));
    });
  }

 private:
  std::string kind_;
  double gamma_ = 0, coef0_ = 0, degree_ = 0;

  Tensor radial(Operator& op, const Tensor& x, const std::vector<double>& vectors, std::int64_t count) const {
    const auto features = static_cast<std::int64_t>(vectors.size()) / count;
    op.agree(x.dim(1), features, "the number of features and the length of a support vector");
    const Tensor rows = realConstant(op, x.type, {count, features}, vectors);
    const Expr distance = load(x, {index(0), index(2)}) - load(rows, {index(1), index(2)});
    return op.reduce(
        {x.dim(0), count}, {features}, Combiner::Sum, distance * distance,
        [&](const Expr& square) { return unary(Op::Exp, number(square.type(), -gamma_) * square); });
  }
};

/// Vectors of equal length, one behind the other.
std::vector<double> supportVectors(const Operator& op, std::int64_t count) {
  const auto vectors = realsOf(op, "support_vectors");
  if (vectors.empty() || static_cast<std::int64_t>(vectors.size()) % count != 0)
    op.invalid("its " + std::to_string(vectors.size()) + " numbers do not make " + std::to_string(count) +
               " support vectors");
  return vectors;
}

void svmRegressor_1(Operator& op) {
  const Tensor x = samples(op, 0);
  const std::int64_t count = op.integer("n_supports", 0);
  const auto coefficients = realsOf(op, "coefficients"), rho = realsOf(op, "rho");
  if (rho.empty()) op.invalid("the attribute 'rho' is missing");
  const Tensor kernels = count > 0 ? KernelFunction(op)(op, x, supportVectors(op, count), count) : x;
  Tensor scores = linear(op, kernels, coefficients, 1, {rho[0]});
  if (op.integer("one_class", 0) != 0)
    scores = op.elementwise({scores}, [](const std::vector<Expr>& v) {
      const auto value = [&](double number) { return sofie::number(v[0].type(), number); };
      return select(binary(Op::Gt, v[0], value(0)), value(1), value(-1));
    });
  op.output(0, op.cast(transformedScores(op, scores, postTransform(op)), DType::Float32));
}

// --- classification ----------------------------------------------------------------------------------------

/// Classes that are told apart in pairs, each by the support vectors of both.
class PairwiseClassifier {
 public:
  PairwiseClassifier(Operator& op, std::int64_t classes)
      : op_(op), classes_(classes), rho_(realsOf(op, "rho")) {
    sizes_ = op.integers("vectors_per_class");
    if (static_cast<std::int64_t>(sizes_.size()) != classes ||
        *std::min_element(sizes_.begin(), sizes_.end()) < 0)
      op.invalid("'vectors_per_class' must hold a number for each of its " + std::to_string(classes) +
                 " classes");
    const std::int64_t pairs = classes * (classes - 1) / 2;
    if (static_cast<std::int64_t>(rho_.size()) != pairs)
      op.invalid("'rho' must hold a number for each of its " + std::to_string(pairs) + " pairs of classes");
    for (std::int64_t i = 0; i < classes; ++i)
      for (std::int64_t j = i + 1; j < classes; ++j) pairs_.emplace_back(i, j);
  }

  void run() {
    scores_ = pairScores();
    ClassLabels(op_, "classlabels_ints").outputBest(op_, votes());
    const bool probable = !realsOf(op_, "prob_a").empty();
    Tensor scores = probable ? probabilities() : scores_;
    if (!probable && classes_ == 2) scores = ofBothClasses(op_, scores);
    op_.output(1, op_.cast(transformedScores(op_, scores, postTransform(op_)), DType::Float32));
  }

 private:
  Operator& op_;
  std::int64_t classes_;
  std::vector<double> rho_;
  std::vector<std::int64_t> sizes_;
  std::vector<std::pair<std::int64_t, std::int64_t>> pairs_;  ///< first and second class
  Tensor scores_;  ///< of each sample and pair, positive for the first class

  std::int64_t pairCount() const { return static_cast<std::int64_t>(pairs_.size()); }

  /// A vector's coefficient against class j is in row j - 1 where its own class comes before j, else in row
  /// j.
  Tensor pairScores() {
    const std::int64_t count = std::accumulate(sizes_.begin(), sizes_.end(), std::int64_t(0));
    const auto coefficients = realsOf(op_, "coefficients");
    if (static_cast<std::int64_t>(coefficients.size()) != (classes_ - 1) * count)
      op_.invalid("it has " + std::to_string(coefficients.size()) + " coefficients for " +
                  std::to_string(count) + " support vectors and " + std::to_string(classes_) + " classes");
    std::vector<double> rows(pairs_.size() * static_cast<std::size_t>(count), 0);
    const auto fill = [&](std::size_t pair, std::int64_t own, std::int64_t row) {
      const auto classSizes = sizes_.begin();
      const std::int64_t first = std::accumulate(classSizes, classSizes + own, std::int64_t(0));
      for (std::int64_t v = first; v < first + sizes_[static_cast<std::size_t>(own)]; ++v)
        rows[pair * static_cast<std::size_t>(count) + static_cast<std::size_t>(v)] =
            coefficients[static_cast<std::size_t>(row * count + v)];
    };
    for (std::size_t pair = 0; pair < pairs_.size(); ++pair) {
      fill(pair, pairs_[pair].first, pairs_[pair].second - 1);
      fill(pair, pairs_[pair].second, pairs_[pair].first);
    }
    const Tensor kernels = KernelFunction(op_)(op_, samples(op_, 0), supportVectors(op_, count), count);
    return linear(op_, kernels, rows, pairCount(), rho_);
  }

  /// How many pairs decide for each class.
  Tensor votes() {
    std::vector<std::int64_t> first, second;
    for (const auto& [i, j] : pairs_) first.push_back(i), second.push_back(j);
    const auto classOf = [&](const std::vector<std::int64_t>& list) {
      return load(op_.constant(Constant::of(DType::Int64, {pairCount()}, list)), {index(2)});
    };
    const Expr positive = binary(Op::Gt, load(scores_, {index(0), index(2)}), number(scores_.type, 0));
    const Expr chosen = select(positive, classOf(first), classOf(second));
    return op_.reduce({scores_.dim(0), classes_}, {pairCount()}, Combiner::Sum,
                      cast(DType::Int32, binary(Op::Eq, chosen, index(1))));
  }

  /// Platt's sigmoid of every pair's score, coupled to probabilities of the classes.
  Tensor probabilities() {
    const auto a = parameters("prob_a"), b = parameters("prob_b");
    const Tensor pairs = op_.elementwise({scores_, a, b}, [](const std::vector<Expr>& v) {
      const DType type = v[0].type();
      const Expr p = unary(Op::Sigmoid, unary(Op::Neg, v[0] * v[1] + v[2]));
      const Expr raised = binary(Op::Maximum, number(type, 1e-7), p);
      return binary(Op::Minimum, number(type, 1 - 1e-7), raised);
    });
    const Dim samples = scores_.dim(0);
    const Tensor matrix = op_.map({samples, classes_, classes_}, number(pairs.type, 0));
    for (std::size_t pair = 0; pair < pairs_.size(); ++pair) {
      const auto [i, j] = pairs_[pair];
      const Expr p = load(pairs, {index(0), integer(DType::Int64, static_cast<std::int64_t>(pair))});
      const auto place = [&](std::int64_t row, std::int64_t column) {
        return op_.squeeze(op_.squeeze(op_.slice(op_.slice(matrix, 1, row, 1), 2, column, 1), 2), 1);
      };
      op_.store(p, place(i, j));
      op_.store(number(p.type(), 1) - p, place(j, i));
    }
    const Tensor result = op_.temporary(pairs.type, {samples, classes_});
    const Tensor scratch = op_.temporary(pairs.type, {samples, classes_});
    op_.call({"pairwise.hxx", "couple_probabilities", samples, {matrix}, {result, scratch}, {classes_}});
    return result;
  }

  Tensor parameters(const std::string& name) {
    const auto values = realsOf(op_, name);
    if (values.size() != pairs_.size())
      op_.invalid("'" + name + "' must hold a number for each of its " + std::to_string(pairs_.size()) +
                  " pairs");
    return realConstant(op_, scores_.type, {pairCount()}, values);
  }
};

void svmClassifier_1(Operator& op) {
  const ClassLabels labels(op, "classlabels_ints");
  if (labels.count() < 2) op.unsupported("it has a single class; leave the node out");
  if (!op.integers("vectors_per_class").empty()) return PairwiseClassifier(op, labels.count()).run();
  const auto rho = realsOf(op, "rho");
  if (rho.empty()) op.invalid("the attribute 'rho' is missing");
  const std::vector<double> constants(static_cast<std::size_t>(labels.count()), rho[0]);
  const Tensor scores = linear(op, samples(op, 0), realsOf(op, "coefficients"), labels.count(), constants);
  labels.outputBest(op, scores);
  op.output(1, op.cast(transformedScores(op, scores, postTransform(op)), DType::Float32));
}

SOFIE_OPERATOR_OF(domain, "SVMRegressor", 1, svmRegressor_1);
SOFIE_OPERATOR_OF(domain, "SVMClassifier", 1, svmClassifier_1);

}  // namespace
}  // namespace sofie
