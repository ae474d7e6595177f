#pragma once
#include "sofie/operator.hxx"

namespace sofie {

/// The correlation of x (batch, channels, spatial...) with the weights w (outputs, channels of a group,
/// kernel...), as the attributes of Conv say; without bias.
Tensor convolution(Operator& op, const Tensor& x, const Tensor& w);

/// The same with inputs and attributes of Conv.
Tensor convolutionWithBias(Operator& op);

/// A vector over the output channels as a tensor that broadcasts to (batch, channels, spatial...).
/// \throws ShapeError when it, which `what` names, is no vector of that length
Tensor alongChannels(Operator& op, const std::string& what, Tensor vector, const Dim& channels,
                     std::size_t spatial);

}  // namespace sofie
