#pragma once
#include <string>
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

/// Two dims that must be one number. A number is preferred to a symbol, which must have that value when the
/// model runs.
/// \throws ShapeError when they differ for every value of the symbols, saying what they are.
Dim agree(const Dim& left, const Dim& right, const std::string& what);

}  // namespace sofie
