/// Operators of com.microsoft: what onnxruntime's optimiser writes in the place of several of ONNX's.
#include <algorithm>
#include <numeric>
#include <utility>

#include "activations.hxx"
#include "common.hxx"
#include "convolution.hxx"
#include "normalization.hxx"
#include "products.hxx"
#include "sofie/error.hxx"

namespace sofie {
namespace {

constexpr const char* domain = "com.microsoft";

Tensor sum(Operator& op, const std::vector<Tensor>& terms) {
  requireOneType(op, terms);
  return op.elementwise(terms, [](const std::vector<Expr>& v) {
    return std::accumulate(v.begin() + 1, v.end(), v[0], [](const Expr& a, const Expr& b) { return a + b; });
  });
}

/// The inputs that are there.
std::vector<Tensor> inputs(Operator& op, const std::vector<std::size_t>& numbers) {
  std::vector<Tensor> result;
  for (const std::size_t i : numbers)
    if (op.has(i)) result.push_back(op.input(i));
  if (result.empty()) op.invalid("it has no input");
  return result;
}

// --- activations -------------------------------------------------------------------------------------------

void outputActivated(Operator& op, const Tensor& x, const Builder::Term& function) {
  requireFloat(op, x);
  op.output(0, op.elementwise({x}, [&](const std::vector<Expr>& v) { return function(v[0]); }));
}

/// Of the sum of the inputs.
template <bool exact>
void gelu_1(Operator& op) {
  outputActivated(op, sum(op, inputs(op, {0, 1})), [](const Expr& x) { return gelu(x, exact); });
}

void quickGelu_1(Operator& op) {
  const double alpha = op.real("alpha", 1.702f);
  outputActivated(op, op.input(0),
                  [=](const Expr& x) { return x * unary(Op::Sigmoid, number(x.type(), alpha) * x); });
}

void biasAdd_1(Operator& op) { op.output(0, sum(op, inputs(op, {0, 1, 2}))); }

/// The parameters of an activation where the node does not give them.
std::pair<double, double> defaultParameters(const std::string& activation) {
  if (activation == "HardSigmoid") return {0.2f, 0.5};
  if (activation == "LeakyRelu") return {0.01f, 0};
  if (activation == "Selu") return {1.67326319217681884765625f, 1.05070102214813232421875f};
  return {1, 0};
}

/// The activation that follows a product, by the name of ONNX's operator.
Builder::Term activation(const Operator& op, const std::vector<double>& parameters) {
  const std::string name = op.string("activation", "");
  const auto [firstDefault, secondDefault] = defaultParameters(name);
  const double first = parameters.empty() ? firstDefault : parameters[0];
  const double second = parameters.size() < 2 ? secondDefault : parameters[1];
  if (name.empty()) return [](const Expr& x) { return x; };
  if (name == "Relu") return relu;
  if (name == "Tanh") return [](const Expr& x) { return unary(Op::Tanh, x); };
  if (name == "Sigmoid") return [](const Expr& x) { return unary(Op::Sigmoid, x); };
  if (name == "LeakyRelu") return [=](const Expr& x) { return leakyRelu(x, first); };
  if (name == "HardSigmoid") return [=](const Expr& x) { return hardSigmoid(x, first, second); };
  if (name == "Elu") return [=](const Expr& x) { return elu(x, first); };
  if (name == "Selu") return [=](const Expr& x) { return selu(x, first, second); };
  if (name == "ThresholdedRelu") return [=](const Expr& x) { return thresholdedRelu(x, first); };
  if (name == "Softplus") return softplus;
  if (name == "Softsign") return softsign;
  if (name == "Clip" && parameters.size() == 2)
    return [=](const Expr& x) {
      const Expr raised = binary(Op::Maximum, number(x.type(), first), x);
      return binary(Op::Minimum, number(x.type(), second), raised);
    };
  op.unsupported("the activation '" + name + "' is not known");
}

// --- products ----------------------------------------------------------------------------------------------

/// `batch` moves the first axis in front of the columns, `rows` then swaps rows and columns.
Tensor transposed(Operator& op, const Tensor& x, bool batch, bool rows) {
  if (x.rank() < 2) return x;
  std::vector<std::size_t> permutation(x.rank());
  std::iota(permutation.begin(), permutation.end(), 0);
  if (batch) std::rotate(permutation.begin(), permutation.begin() + 1, permutation.end() - 1);
  if (rows) std::swap(permutation.back(), permutation[x.rank() - 2]);
  return op.transpose(x, permutation);
}

void fusedMatMul_1(Operator& op) {
  const auto is = [&](const char* name) { return op.integer(name, 0) != 0; };
  const Tensor product = matrixProduct(op, transposed(op, op.input(0), is("transBatchA"), is("transA")),
                                       transposed(op, op.input(1), is("transBatchB"), is("transB")));
  const double alpha = op.real("alpha", 1);
  if (alpha == 1) return op.output(0, product);
  op.output(0, op.elementwise({product},
                              [&](const std::vector<Expr>& v) { return number(v[0].type(), alpha) * v[0]; }));
}

void fusedGemm_1(Operator& op) {
  std::vector<double> parameters;
  for (const char* name : {"activation_alpha", "activation_beta", "activation_gamma"})
    if (op.hasAttribute(name)) parameters.push_back(op.real(name, 0));
  outputActivated(op, generalProduct(op), activation(op, parameters));
}

/// A fourth input is added before the activation.
void fusedConv_1(Operator& op) {
  std::vector<Tensor> terms{convolutionWithBias(op)};
  if (op.has(3)) terms.push_back(op.input(3));
  std::vector<double> parameters;
  if (op.hasAttribute("activation_params"))
    parameters = op.attribute<std::vector<double>>("activation_params");
  outputActivated(op, sum(op, terms), activation(op, parameters));
}

/// The distances of every row of one matrix from every row of another.
void cDist_1(Operator& op) {
  const Tensor a = op.input(0), b = op.input(1);
  requireOneType(op, {a, b});
  requireFloat(op, a);
  const std::string metric = op.string("metric", "sqeuclidean");
  if (metric != "sqeuclidean" && metric != "euclidean")
    op.unsupported("the metric '" + metric + "'; use 'euclidean' or 'sqeuclidean'");
  if (a.rank() != 2 || b.rank() != 2)
    throw ShapeError("its inputs must be matrices, not " + text(a.shape()) + " and " + text(b.shape()));
  const Dim size = op.agree(a.dim(1), b.dim(1), "the lengths of the rows of both inputs");
  const Expr difference = load(a, {index(0), index(2)}) - load(b, {index(1), index(2)});
  op.output(0, op.reduce({a.dim(0), b.dim(0)}, {size}, Combiner::Sum, difference * difference,
                         [&](const Expr& s) { return metric == "euclidean" ? unary(Op::Sqrt, s) : s; }));
}

// --- normalisation -----------------------------------------------------------------------------------------

double smallEpsilon(const Operator& op) { return op.real("epsilon", 1e-12f); }

void simplifiedLayerNormalization_1(Operator& op) {
  const Tensor x = op.input(0);
  const Normalised y = rmsNormalised(op, x, normalisedAxis(op, x), op.input(1), op.real("epsilon", 1e-5f));
  op.output(0, y.output);
  op.output(1, y.inverseDeviation, y.inverseDeviation.type);
}

/// Inputs: x, skip, gamma, beta, bias; the sum of x, skip and bias is normalised over the last axis.
void skipLayerNormalization_1(Operator& op) {
  const Tensor x = sum(op, inputs(op, {0, 1, 4}));
  const Normalised y =
      layerNormalised(op, x, op.axis(-1, x.rank()), op.input(2), op.optionalInput(3), smallEpsilon(op));
  op.output(0, y.output);
  op.output(1, *y.mean, y.mean->type);
  op.output(2, y.inverseDeviation, y.inverseDeviation.type);
  op.output(3, x);
}

/// Inputs: x, skip, gamma, bias.
void skipSimplifiedLayerNormalization_1(Operator& op) {
  const Tensor x = sum(op, inputs(op, {0, 1, 3}));
  const Normalised y = rmsNormalised(op, x, op.axis(-1, x.rank()), op.input(2), smallEpsilon(op));
  op.output(0, y.output);
  op.output(2, y.inverseDeviation, y.inverseDeviation.type);
  op.output(3, x);
}

/// A row of a table, by its number.
Expr row(const Tensor& table, const Expr& number) {
  return load(table, {checkedIndex(cast(DType::Int64, number), table.dim(0)), index(2)});
}

/// Embeddings of words, positions and segments, added and normalised.
void embedLayerNormalization_1(Operator& op) {
  const Tensor words = op.input(0), table = op.input(2), positions = op.input(3);
  for (const Tensor& matrix : {words, table, positions})
    if (matrix.rank() != 2) throw ShapeError("words and embeddings must be matrices");
  const std::vector<Expr> place{index(0), index(1)};
  const Shape shape{words.dim(0), words.dim(1), table.dim(1)};
  Expr embedding = row(table, load(words, place));
  const Expr position = op.has(8) ? load(op.broadcast(op.input(8), words.shape()), place) : index(1);
  embedding = embedding + row(positions, position);
  if (op.has(1)) embedding = embedding + row(op.input(4), load(op.input(1), place));
  const Tensor x = op.map(shape, embedding);
  const DType type = op.stored(2).type;
  op.output(0, layerNormalised(op, x, 2, op.input(5), op.input(6), smallEpsilon(op)).output, type);
  if (op.wants(1)) {
    const Tensor mask = op.has(7) ? op.cast(op.input(7), DType::Int32)
                                  : op.broadcast(op.scalar(DType::Int32, 0), words.shape());
    op.output(1, op.reduce(mask, {1}, false, Combiner::Sum));
  }
  op.output(2, x, type);
}

SOFIE_OPERATOR_OF(domain, "Gelu", 1, gelu_1<true>);
SOFIE_OPERATOR_OF(domain, "BiasGelu", 1, gelu_1<true>);
SOFIE_OPERATOR_OF(domain, "FastGelu", 1, gelu_1<false>);
SOFIE_OPERATOR_OF(domain, "QuickGelu", 1, quickGelu_1);
SOFIE_OPERATOR_OF(domain, "BiasAdd", 1, biasAdd_1);
SOFIE_OPERATOR_OF(domain, "FusedMatMul", 1, fusedMatMul_1);
SOFIE_OPERATOR_OF(domain, "TransposeMatMul", 1, fusedMatMul_1);
SOFIE_OPERATOR_OF(domain, "FusedGemm", 1, fusedGemm_1);
SOFIE_OPERATOR_OF(domain, "FusedConv", 1, fusedConv_1);
SOFIE_OPERATOR_OF(domain, "CDist", 1, cDist_1);
SOFIE_OPERATOR_OF(domain, "SimplifiedLayerNormalization", 1, simplifiedLayerNormalization_1);
SOFIE_OPERATOR_OF(domain, "SkipLayerNormalization", 1, skipLayerNormalization_1);
SOFIE_OPERATOR_OF(domain, "SkipSimplifiedLayerNormalization", 1, skipSimplifiedLayerNormalization_1);
SOFIE_OPERATOR_OF(domain, "EmbedLayerNormalization", 1, embedLayerNormalization_1);

}  // namespace
}  // namespace sofie
