#pragma once
#include <vector>

#include "sofie/builder.hxx"

namespace sofie {

/// The tensor surrounded by `value`: `before[i]` elements in front of axis i, `after[i]` behind it.
///
/// Only the border is filled; the tensor is then stored into the interior, so that what produces it can write
/// there directly. A negative number known at generation time crops. Without padding it is the (cropped)
/// tensor itself.
///
/// \param value a scalar expression without loop variables
Tensor padConstant(Builder& builder, const Tensor& tensor, const std::vector<Dim>& before,
                   const std::vector<Dim>& after, const Expr& value);

}  // namespace sofie
