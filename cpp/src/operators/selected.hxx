#pragma once
#include "sofie/operator.hxx"

namespace sofie {

/// The elements of a mask that hold.
struct Selected {
  Tensor before;  ///< int64, of the mask's shape: how many of them lie in front of each element
  Dim count;      ///< a size that the data decide
};

/// \param mask a bool tensor
/// \param what names the size
Selected select(Operator& op, const Tensor& mask, const std::string& what);

}  // namespace sofie
