#pragma once
#include "sofie/operator.hxx"

namespace sofie {

/// Averages of x (batch, channels, spatial...) over windows, with the attributes of AveragePool.
Tensor averagePooled(Operator& op, const Tensor& x);
/// Averages over all spatial axes, which keep the size 1.
Tensor globallyAveraged(Operator& op, const Tensor& x);

}  // namespace sofie
