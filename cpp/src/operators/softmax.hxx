#pragma once
#include <vector>

#include "sofie/operator.hxx"

namespace sofie {

/// Exponentials that sum to one over the axes.
Tensor softmax(Operator& op, const Tensor& x, const std::vector<std::size_t>& axes);

}  // namespace sofie
