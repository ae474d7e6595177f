#include "common.hxx"
#include "sofie/error.hxx"

namespace sofie {
namespace {

/// A routine, because the choice of a pivot and the elimination after it depend on each other step by step.
void det_11(Operator& op) {
  const Tensor x = op.input(0);
  requireFloat(op, x);
  if (x.rank() < 2) throw ShapeError("a tensor of shape " + text(x.shape()) + " is not a stack of matrices");
  const Dim size =
      op.agree(x.dim(x.rank() - 2), x.dim(x.rank() - 1), "the rows and columns of a square matrix");
  const Shape stack(x.shape().begin(), x.shape().end() - 2);
  const Tensor result = op.temporary(x.type, stack), work = op.temporary(x.type, x.shape());
  op.call({"linear_algebra.hxx", "determinant", product(stack), {op.dense(x)}, {result, work}, {size}});
  op.output(0, result);
}

}  // namespace

SOFIE_OPERATOR("Det", 11, det_11);

}  // namespace sofie
