#pragma once
#include <optional>

#include "sofie/operator.hxx"

namespace sofie {

/// A scale or zero point; a single one broadcasts whatever its rank is.
Tensor quantisationParameter(Operator& op, std::size_t i);
/// x less its zero point, as int32.
Tensor centred(Operator& op, const Tensor& x, const std::optional<Tensor>& zeroPoint);

}  // namespace sofie
