#pragma once
#include "sofie/operator.hxx"

namespace sofie {

/// What a mask, or numbers for each place, select.
struct Selected {
  Tensor before;  ///< int64, of the mask's shape: how many of them lie in front of each element
  Dim count;      ///< a size that the data decide
};

/// \param numbers a bool tensor, or int64 numbers
/// \param most the largest sum that there can be
/// \param what names the size
Selected select(Operator& op, const Tensor& numbers, const Dim& most, const std::string& what);

}  // namespace sofie
