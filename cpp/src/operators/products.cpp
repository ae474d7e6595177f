#include "products.hxx"

#include "common.hxx"
#include "sofie/error.hxx"
#include "sofie/operator.hxx"

namespace sofie {
namespace {

/// factor * value; integers are scaled as float64.
Expr scaled(double factor, const Expr& value) {
  if (factor == 1) return value;
  if (isFloat(value.type())) return number(value.type(), factor) * value;
  return cast(value.type(), number(DType::Float64, factor) * cast(DType::Float64, value));
}

Tensor matrix(Operator& op, std::size_t i, bool transposed) {
  const Tensor tensor = op.input(i);
  if (tensor.rank() != 2)
    throw ShapeError("input " + std::to_string(i) + " must be a matrix, but has the shape " +
                     text(tensor.shape()));
  return transposed ? op.transpose(tensor, {1, 0}) : tensor;
}

}  // namespace

Tensor generalProduct(Operator& op) {
  const Tensor a = matrix(op, 0, op.integer("transA", 0) != 0);
  const Tensor b = matrix(op, 1, op.integer("transB", 0) != 0);
  requireOneType(op, {a, b});
  const Dim inner = op.agree(a.dim(1), b.dim(0), "the columns of A and the rows of B");
  const double alpha = op.real("alpha", 1), beta = op.real("beta", 1);
  const Expr m = index(0), n = index(1), k = index(2);
  const Tensor product = op.contraction({a.dim(0), b.dim(1)}, {inner}, load(a, {m, k}), load(b, {k, n}));
  std::vector<Tensor> terms{product};
  if (op.has(2) && beta != 0) terms.push_back(op.broadcast(op.input(2), product.shape()));
  requireOneType(op, terms);
  if (terms.size() == 1 && alpha == 1) return product;
  return op.elementwise(terms, [&](const std::vector<Expr>& x) {
    return x.size() == 1 ? scaled(alpha, x[0]) : scaled(alpha, x[0]) + scaled(beta, x[1]);
  });
}

namespace {

void gemm_1(Operator& op) { op.output(0, generalProduct(op)); }

/// The axes in front of a stack of matrices.
Shape stackOf(const Tensor& tensor) {
  if (tensor.rank() == 0)
    throw ShapeError("a matrix product needs vectors or matrices, but an input is a scalar");
  const std::size_t rank = tensor.rank() < 2 ? 0 : tensor.rank() - 2;
  return {tensor.shape().begin(), tensor.shape().begin() + static_cast<std::ptrdiff_t>(rank)};
}

/// Repeats a stack of matrices to the shape `stack`; a vector stays as it is.
Tensor stacked(Operator& op, const Tensor& tensor, Shape stack) {
  if (tensor.rank() < 2) return tensor;
  stack.insert(stack.end(), tensor.shape().end() - 2, tensor.shape().end());
  return op.broadcast(tensor, stack);
}

}  // namespace

Tensor matrixProduct(Operator& op, const Tensor& a, const Tensor& b) {
  requireOneType(op, {a, b});
  const Shape stack = broadcastShapes({stackOf(a), stackOf(b)});
  const Tensor left = stacked(op, a, stack), right = stacked(op, b, stack);
  const bool rows = left.rank() > 1, columns = right.rank() > 1;
  const Dim inner = op.agree(left.shape().back(), right.dim(columns ? right.rank() - 2 : 0),
                             "the columns of the left and the rows of the right matrix");
  Shape axes = stack;
  if (rows) axes.push_back(left.dim(left.rank() - 2));
  if (columns) axes.push_back(right.shape().back());
  const Expr k = index(static_cast<int>(axes.size()));
  std::vector<Expr> leftIndex, rightIndex;
  if (rows) leftIndex = indices(stack.size() + 1);
  leftIndex.push_back(k);
  if (columns) rightIndex = indices(stack.size());
  rightIndex.push_back(k);
  if (columns) rightIndex.push_back(index(static_cast<int>(axes.size()) - 1));
  return op.contraction(axes, {inner}, load(left, leftIndex), load(right, rightIndex));
}

namespace {

void matMul_1(Operator& op) { op.output(0, matrixProduct(op, op.input(0), op.input(1))); }

SOFIE_OPERATOR("Gemm", 1, gemm_1);
SOFIE_OPERATOR("MatMul", 1, matMul_1);

}  // namespace
}  // namespace sofie
