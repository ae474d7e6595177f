/// TfIdfVectorizer over integers.
#include <algorithm>

#include "common.hxx"
#include "scores.hxx"
#include "sofie/error.hxx"

namespace sofie {
namespace {

/// All n-grams of one length, one after the other, with the outputs that count them and their weights.
struct Grams {
  std::int64_t length = 1;
  std::vector<std::int64_t> elements, outputs;
  std::vector<double> weights;
};

std::vector<Grams> readGrams(const Operator& op) {
  const auto pool = op.attribute<std::vector<std::int64_t>>("pool_int64s");
  const auto starts = op.attribute<std::vector<std::int64_t>>("ngram_counts");
  const auto outputs = op.attribute<std::vector<std::int64_t>>("ngram_indexes");
  auto weights = realsOf(op, "weights");
  if (weights.empty()) weights.assign(outputs.size(), 1);
  if (weights.size() != outputs.size())
    op.invalid("it has " + std::to_string(weights.size()) + " weights for " + std::to_string(outputs.size()) +
               " n-grams");
  const auto size = static_cast<std::int64_t>(pool.size());
  std::vector<Grams> result;
  std::size_t next = 0;  // n-gram of the pool
  for (std::size_t i = 0; i < starts.size(); ++i) {
    const std::int64_t first = starts[i], last = i + 1 < starts.size() ? starts[i + 1] : size;
    if (first < 0 || first > last || last > size)
      op.invalid("'ngram_counts' does not divide the " + std::to_string(size) + " elements of its pool");
    Grams grams{static_cast<std::int64_t>(i) + 1, {}, {}, {}};
    const std::int64_t count = (last - first) / grams.length;
    if (next + static_cast<std::size_t>(count) > outputs.size())
      op.invalid("'ngram_indexes' has fewer elements than there are n-grams");
    const auto from = pool.begin() + first;
    grams.elements.assign(from, from + count * grams.length);
    const auto output = outputs.begin() + static_cast<std::ptrdiff_t>(next);
    grams.outputs.assign(output, output + count);
    const auto weight = weights.begin() + static_cast<std::ptrdiff_t>(next);
    grams.weights.assign(weight, weight + count);
    next += static_cast<std::size_t>(count);
    if (count > 0) result.push_back(std::move(grams));
  }
  return result;
}

/// How often each n-gram occurs in each row of x, its elements up to `distance` places apart.
Tensor occurrences(Operator& op, const Tensor& x, const Grams& grams, const Dim& distance) {
  const auto count = static_cast<std::int64_t>(grams.outputs.size());
  const Tensor elements = op.constant(Constant::of(DType::Int64, {count, grams.length}, grams.elements));
  const Expr row = index(0), gram = index(1), first = index(3);
  const Expr step = index(2) + integer(DType::Int64, 1);
  Expr found = integer(DType::Bool, 1);
  for (std::int64_t k = grams.length; k-- > 0;) {
    const Expr place = first + step * integer(DType::Int64, k);
    const Expr here = cast(DType::Int64, load(x, {row, place}));
    const Expr same = binary(Op::Eq, here, load(elements, {gram, integer(DType::Int64, k)}));
    found = select(binary(Op::Lt, place, extent(x.dim(1))), binary(Op::LogicalAnd, same, found),
                   integer(DType::Bool, 0));
  }
  return op.reduce({x.dim(0), count}, {grams.length == 1 ? Dim(1) : min(distance, x.dim(1)), x.dim(1)},
                   Combiner::Sum, cast(DType::Float32, found));
}

/// What each n-gram adds to its output: how often it occurs (TF), its weight if it does (IDF), or both
/// multiplied.
Tensor contributions(Operator& op, const Tensor& counts, const std::vector<double>& weights) {
  const std::string mode = op.attribute<std::string>("mode");
  if (mode != "TF" && mode != "IDF" && mode != "TFIDF")
    op.invalid("mode is '" + mode + "', not TF, IDF or TFIDF");
  if (mode == "TF") return counts;
  const Tensor factors = realConstant(op, DType::Float32, {counts.dim(1).constant()}, weights);
  return op.elementwise({counts, factors}, [&](const std::vector<Expr>& v) {
    if (mode == "TFIDF") return v[0] * v[1];
    const Expr zero = number(DType::Float32, 0);
    return select(binary(Op::Gt, v[0], zero), v[1], zero);
  });
}

void tfIdfVectorizer_9(Operator& op) {
  constexpr std::int64_t most = std::int64_t(1) << 31;
  if (op.hasAttribute("pool_strings")) op.unsupported("it counts strings; encode them outside of the model");
  Tensor x = op.input(0);
  const bool single = x.rank() < 2;
  while (x.rank() < 2) x = op.unsqueeze(x, 0);
  if (x.rank() != 2)
    throw ShapeError("the input must be a vector or a matrix, but has the shape " + text(x.shape()));
  const auto places = op.attribute<std::vector<std::int64_t>>("ngram_indexes");
  if (places.empty()) op.invalid("'ngram_indexes' is empty");
  const auto [first, last] = std::minmax_element(places.begin(), places.end());
  if (*first < 0 || *last >= most) op.invalid("a number of 'ngram_indexes' is negative or absurdly large");
  const std::int64_t outputs = *last + 1;
  const auto shortest = op.attribute<std::int64_t>("min_gram_length");
  const auto longest = op.attribute<std::int64_t>("max_gram_length");
  const auto skips = op.attribute<std::int64_t>("max_skip_count");
  if (skips < 0 || skips >= most) op.invalid("'max_skip_count' is negative or absurdly large");
  const Tensor result = op.map({x.dim(0), outputs}, number(DType::Float32, 0));
  for (const Grams& grams : readGrams(op)) {
    if (grams.length < shortest || grams.length > longest) continue;
    const Tensor counts = contributions(op, occurrences(op, x, grams, skips + 1), grams.weights);
    const Tensor targets = op.constant(Constant::of(DType::Int64, {counts.dim(1).constant()}, grams.outputs));
    op.scatter(counts.shape(), element(counts), result, {index(0), load(targets, {index(1)})}, Combiner::Sum);
  }
  op.output(0, single ? op.squeeze(result, 0) : result);
}

SOFIE_OPERATOR("TfIdfVectorizer", 9, tfIdfVectorizer_9);

}  // namespace
}  // namespace sofie
