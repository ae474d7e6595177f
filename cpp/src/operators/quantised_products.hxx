#pragma once
#include <optional>

#include "sofie/operator.hxx"

namespace sofie {

/// A scale or zero point; a single one broadcasts whatever its rank is.
Tensor quantisationParameter(Operator& op, std::size_t i);
/// x less its zero point, as int32.
Tensor centred(Operator& op, const Tensor& x, const std::optional<Tensor>& zeroPoint);

/// @name Between images with the channels at axis 1 and at the last one
/// Either leaves them as they are unless the attribute channels_last says that the node's are at the last
/// one.
/// \throws ShapeError when there is no spatial axis.
/// @{
Tensor channelsFirst(Operator& op, const Tensor& x);
Tensor channelsAsGiven(Operator& op, const Tensor& x);
/// @}

}  // namespace sofie
