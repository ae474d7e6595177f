#pragma once
#include <vector>

#include "sofie/operator.hxx"

namespace sofie {

/// x times the rows of a constant matrix, plus one constant for each row.
/// \throws InvalidModelError when the coefficients do not make that many rows
Tensor linear(Operator& op, const Tensor& x, const std::vector<double>& rows, std::int64_t count,
              const std::vector<double>& constants);
/// A single score s becomes -s of the first and s of the second class.
Tensor ofBothClasses(Operator& op, const Tensor& scores);

}  // namespace sofie
