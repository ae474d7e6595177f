#pragma once
#include <vector>

#include "sofie/operator.hxx"

namespace sofie {

/// The tensors, of one type, one behind the other along an axis. \throws ShapeError when they do not fit
Tensor concatenate(Operator& op, const std::vector<Tensor>& parts, std::size_t axis);

}  // namespace sofie
