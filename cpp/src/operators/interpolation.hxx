#pragma once
#include "sofie/expression.hxx"

namespace sofie {

/// The floating type in which elements of a type are interpolated: integers of more than 16 bits need
/// float64.
DType interpolationType(DType type);
/// Weight of an element at a distance: a triangle of half width 1.
Expr linearWeight(const Expr& distance);
/// Weight of an element at a distance: the cubic convolution of half width 2 of R. Keys, "Cubic convolution
/// interpolation for digital image processing", IEEE ASSP 29 (1981), equation (4).
Expr cubicWeight(const Expr& distance, double a);

}  // namespace sofie
