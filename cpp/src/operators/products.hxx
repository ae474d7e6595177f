#pragma once
#include "sofie/operator.hxx"

namespace sofie {

/// NumPy's matmul: a vector on the left is a row, one on the right a column, and neither leaves an axis
/// behind.
Tensor matrixProduct(Operator& op, const Tensor& a, const Tensor& b);

/// alpha * A * B + beta * C, with inputs and attributes of Gemm.
Tensor generalProduct(Operator& op);

}  // namespace sofie
