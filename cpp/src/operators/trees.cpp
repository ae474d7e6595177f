/// Ensembles of decision trees.
#include <algorithm>
#include <limits>

#include "common.hxx"
#include "forest.hxx"
#include "scores.hxx"
#include "sofie/error.hxx"

namespace sofie {
namespace {

constexpr const char* domain = "ai.onnx.ml";

/// The trees as tables over places: first the branches, then the leaves, which lead to themselves.
class Walk {
 public:
  Walk(Operator& op, const Forest& forest) : op_(op), forest_(forest) {}

  /// The leaf that each sample reaches in each tree.
  Tensor leaves(const Tensor& x) {
    const Tensor roots = table(forest_.roots.size(), DType::Int32,
                               [&](std::size_t tree) { return place(forest_.roots[tree]); });
    return op_.fold({x.dim(0), roots.dim(0)}, {forest_.depth}, at(roots, index(1)), next(x),
                    [&](const Expr& last) {
                      return sofie::cast(DType::Int32, last - integer(DType::Int64, branches()));
                    });
  }

 private:
  Operator& op_;
  const Forest& forest_;
  const Expr state_ = accumulator(DType::Int64);

  std::int64_t branches() const { return static_cast<std::int64_t>(forest_.branches.size()); }
  std::int64_t place(int node) const { return node < 0 ? branches() + ~node : node; }

  template <class F>
  Tensor table(std::size_t size, DType type, F&& entry) {
    std::vector<double> values(size);
    for (std::size_t i = 0; i < size; ++i) values[i] = static_cast<double>(entry(i));
    return op_.constant(Constant::of(type, {static_cast<std::int64_t>(size)}, values));
  }

  /// A table of the branches; what it says of leaves is no matter.
  template <class F>
  Tensor branchTable(DType type, F&& entry) {
    return table(forest_.branches.size() + forest_.leaves.size(), type, [&](std::size_t i) {
      return i < forest_.branches.size() ? static_cast<double>(entry(forest_.branches[i])) : 0.0;
    });
  }

  static Expr at(const Tensor& table, const Expr& place) {
    return sofie::cast(DType::Int64, load(table, {place}));
  }

  /// The place that follows on the accumulated one.
  Expr next(const Tensor& x) {
    const Tensor features = branchTable(DType::Int32, [](const Branch& branch) { return branch.feature; });
    const Expr value = load(x, {index(0), at(features, state_)});
    const Tensor yes = wayTable(true), no = wayTable(false);
    return select(isTrue(value), at(yes, state_), at(no, state_));
  }

  Tensor wayTable(bool yes) {
    return table(forest_.branches.size() + forest_.leaves.size(), DType::Int32, [&](std::size_t from) {
      if (from >= forest_.branches.size()) return static_cast<std::int64_t>(from);
      return place(yes ? forest_.branches[from].yes : forest_.branches[from].no);
    });
  }

  Expr isTrue(const Expr& value) {
    const Tensor thresholds =
        branchTable(value.type(), [](const Branch& branch) { return branch.threshold; });
    const Expr compared = comparison(value, load(thresholds, {state_}));
    const auto& all = forest_.branches;
    if (std::none_of(all.begin(), all.end(), [](const Branch& branch) { return branch.missingTrue; }))
      return compared;
    const Tensor missing = branchTable(DType::Bool, [](const Branch& branch) { return branch.missingTrue; });
    return binary(Op::LogicalOr, compared,
                  binary(Op::LogicalAnd, unary(Op::IsNan, value), load(missing, {state_})));
  }

  /// Only the comparisons that occur are made.
  Expr comparison(const Expr& value, const Expr& threshold) {
    std::vector<Op> kinds;
    const auto code = [&](Op op) { return std::find(kinds.begin(), kinds.end(), op) - kinds.begin(); };
    for (const Branch& branch : forest_.branches)
      if (code(branch.comparison) == static_cast<std::ptrdiff_t>(kinds.size()))
        kinds.push_back(branch.comparison);
    if (kinds.empty()) return integer(DType::Bool, 0);
    Expr result = binary(kinds[0], value, threshold);
    if (kinds.size() == 1) return result;
    const Tensor codes =
        branchTable(DType::UInt8, [&](const Branch& branch) { return code(branch.comparison); });
    const Expr kind = load(codes, {state_});
    for (std::size_t i = 1; i < kinds.size(); ++i)
      result = select(binary(Op::Eq, kind, integer(DType::UInt8, static_cast<std::int64_t>(i))),
                      binary(kinds[i], value, threshold), result);
    return result;
  }
};

enum class Aggregate { Average, Sum, Minimum, Maximum };

/// Weights by leaf and target; `absent` where a leaf does not vote.
Tensor voteTable(Operator& op, const Forest& forest, Aggregate aggregate, double absent) {
  constexpr std::int64_t largest = std::int64_t(1) << 25;
  const auto leaves = static_cast<std::int64_t>(forest.leaves.size());
  if (forest.targets > largest / std::max<std::int64_t>(leaves, 1))
    op.unsupported("its " + std::to_string(leaves) + " leaves with " + std::to_string(forest.targets) +
                   " targets need too large a table; split the ensemble by target");
  std::vector<double> weights(static_cast<std::size_t>(leaves * forest.targets), absent);
  for (std::size_t leaf = 0; leaf < forest.leaves.size(); ++leaf)
    for (const Vote& vote : forest.leaves[leaf]) {
      double& weight =
          weights[leaf * static_cast<std::size_t>(forest.targets) + static_cast<std::size_t>(vote.target)];
      weight = aggregate == Aggregate::Minimum   ? std::min(weight, vote.weight)
               : aggregate == Aggregate::Maximum ? std::max(weight, vote.weight)
                                                 : weight + vote.weight;
    }
  return realConstant(op, forest.type, {leaves, forest.targets}, weights);
}

/// The votes of the leaves that each sample reaches, combined by target.
Tensor combinedVotes(Operator& op, const Tensor& leaves, const Forest& forest, Aggregate aggregate) {
  const bool minimum = aggregate == Aggregate::Minimum, extreme = minimum || aggregate == Aggregate::Maximum;
  const double infinity = std::numeric_limits<double>::infinity();
  const double absent = extreme ? (minimum ? infinity : -infinity) : 0;
  const Tensor votes = voteTable(op, forest, aggregate, absent);
  const Expr leaf = cast(DType::Int64, load(leaves, {index(0), index(2)}));
  const Combiner combiner = !extreme ? Combiner::Sum : minimum ? Combiner::Minimum : Combiner::Maximum;
  const Dim trees = leaves.dim(1);
  return op.reduce({leaves.dim(0), forest.targets}, {trees}, combiner, load(votes, {leaf, index(1)}),
                   [&](const Expr& combined) {
                     const DType type = combined.type();
                     if (aggregate == Aggregate::Average) return combined / cast(type, extent(trees));
                     if (!extreme) return combined;
                     return select(binary(Op::Eq, combined, number(type, absent)), number(type, 0), combined);
                   });
}

/// The base values, one for each target, are added at the end.
Tensor withBase(Operator& op, const Tensor& scores, const std::vector<double>& base) {
  if (base.empty()) return scores;
  const std::int64_t targets = scores.dim(1).constant();
  if (static_cast<std::int64_t>(base.size()) != targets)
    op.invalid("'base_values' holds " + std::to_string(base.size()) + " numbers for " +
               std::to_string(targets) + " targets");
  return op.elementwise({scores, realConstant(op, scores.type, {targets}, base)},
                        [](const std::vector<Expr>& v) { return v[0] + v[1]; });
}

/// Scores by sample and target, without base values.
Tensor scoresOf(Operator& op, Forest& forest, Aggregate aggregate) {
  Tensor x = samples(op, 0);
  if (x.type == DType::Float64) forest.type = DType::Float64;
  x = op.cast(x, forest.type);
  const auto width = x.dim(1).value();
  if (width && *width < forest.features)
    op.invalid("a node asks for feature " + std::to_string(forest.features - 1) + " of " +
               std::to_string(*width));
  op.atLeast(x.dim(1), forest.features, "the number of features");
  return combinedVotes(op, Walk(op, forest).leaves(x), forest, aggregate);
}

Aggregate namedAggregate(const Operator& op) {
  const std::string name = op.string("aggregate_function", "SUM");
  if (name == "AVERAGE") return Aggregate::Average;
  if (name == "SUM") return Aggregate::Sum;
  if (name == "MIN") return Aggregate::Minimum;
  if (name == "MAX") return Aggregate::Maximum;
  op.invalid("aggregate_function is '" + name + "', not AVERAGE, SUM, MIN or MAX");
}

void treeEnsembleRegressor_1(Operator& op) {
  const std::int64_t targets = op.integer("n_targets", 1);
  if (targets < 1) op.invalid("the attribute 'n_targets' must be positive");
  Forest forest = namedForest(op, "target", targets);
  const Tensor scores = withBase(op, scoresOf(op, forest, namedAggregate(op)), realsOf(op, "base_values"));
  op.output(0, op.cast(transformedScores(op, scores, postTransform(op)), DType::Float32));
}

void treeEnsemble_5(Operator& op) {
  constexpr std::array<const char*, 5> transforms{"NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT"};
  const std::int64_t aggregate = op.integer("aggregate_function", 1),
                     transform = op.integer("post_transform", 0);
  if (aggregate < 0 || aggregate > 3) op.invalid("aggregate_function must be 0, 1, 2 or 3");
  if (transform < 0 || transform > 4) op.invalid("post_transform must be 0, 1, 2, 3 or 4");
  Forest forest = positionalForest(op);
  const Tensor scores = scoresOf(op, forest, static_cast<Aggregate>(aggregate));
  op.output(0, op.cast(transformedScores(op, scores, transforms[static_cast<std::size_t>(transform)]),
                       op.input(0).type));
}

// --- classification ----------------------------------------------------------------------------------------

/// Two classes may share one score p, that of the second: the first then has 1 - p if the trees vote for
/// probabilities, which are not negative, else -p.
bool sharesScore(const Forest& forest, const std::vector<double>& base) {
  if (forest.targets != 2 || base.size() > 1) return false;
  for (const auto& leaf : forest.leaves)
    for (const Vote& vote : leaf)
      if (vote.target != 0) return false;
  return true;
}

bool votesForProbabilities(const Forest& forest) {
  for (const auto& leaf : forest.leaves)
    for (const Vote& vote : leaf)
      if (vote.weight < 0) return false;
  return true;
}

Tensor bothScores(Operator& op, const Tensor& shared, bool complement) {
  const Expr p = load(shared, {index(0), integer(DType::Int64, 0)});
  const Expr other = complement ? number(p.type(), 1) - p : unary(Op::Neg, p);
  return op.map({shared.dim(0), 2}, select(binary(Op::Eq, index(1), integer(DType::Int64, 1)), p, other));
}

void treeEnsembleClassifier_1(Operator& op) {
  const ClassLabels labels(op, "classlabels_int64s");
  if (labels.count() == 1) op.unsupported("it has a single class; leave the node out");
  Forest forest = namedForest(op, "class", labels.count());
  const auto base = realsOf(op, "base_values");
  const std::string transform = postTransform(op);
  const bool shared = sharesScore(forest, base);
  const bool complement = votesForProbabilities(forest) && transform == "NONE";
  if (shared) forest.targets = 1;
  Tensor scores = withBase(op, scoresOf(op, forest, Aggregate::Sum), base);
  if (shared) scores = bothScores(op, scores, complement || transform == "PROBIT");
  labels.outputBest(op, scores);
  op.output(1, op.cast(transformedScores(op, scores, transform), DType::Float32));
}

SOFIE_OPERATOR_OF(domain, "TreeEnsembleRegressor", 1, treeEnsembleRegressor_1);
SOFIE_OPERATOR_OF(domain, "TreeEnsembleClassifier", 1, treeEnsembleClassifier_1);
SOFIE_OPERATOR_OF(domain, "TreeEnsemble", 5, treeEnsemble_5);

}  // namespace
}  // namespace sofie
