#pragma once
#include <array>
#include <optional>
#include <vector>

#include "sofie/program.hxx"

namespace sofie {

/// A contraction seen as a batched matrix product: result[batch, row, column] = sum over depth of
/// left[batch, row, depth] * right[batch, depth, column]. Each of the four directions is a list of loop
/// variables, outermost first; the innermost variable of the result is a column.
struct MatrixForm {
  enum Direction : std::uint8_t { Batch, Row, Column, Depth };

  std::array<std::vector<int>, 4> variables;
  Expr left, right;  ///< the loads
  Affine leftAddress, rightAddress;

  /// The extent of a direction.
  Dim extent(const Nest& nest, Direction direction) const;
};

/// nullopt when the element is not a product of two loads at affine addresses.
std::optional<MatrixForm> matrixForm(const Nest& nest);

/// The distance that one step along a direction makes in an address, when every step is the same.
std::optional<Dim> stride(const Nest& nest, const std::vector<int>& variables, const Affine& address);

}  // namespace sofie
