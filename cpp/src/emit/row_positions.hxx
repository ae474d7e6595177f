#pragma once
#include <vector>

#include "sofie/program.hxx"

namespace sofie {

/// A nest in which positions that come from data, but are the same for all lanes, are variables: computed
/// once for a row of lanes, they let vectors run along the row.
struct RowPositions {
  Nest nest;
  std::size_t loops;            ///< variables of the nest from this one on are positions
  std::vector<Expr> positions;  ///< their values
};

/// Only positions that every point computes: one behind a condition might be outside where it does not hold.
RowPositions rowPositions(const Nest& nest, int lane);

}  // namespace sofie
