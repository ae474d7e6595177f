#pragma once
#include <optional>
#include <vector>

#include "sofie/program.hxx"

namespace sofie {

/// A loop as it appears in an address: `index` runs over [0, extent) and moves the address by `stride`.
struct AddressAxis {
  Dim stride;
  Dim extent;
  Expr index;
};

/// Finds, for every point of `from`, the point of `to` with the same address: one index per axis of `to`,
/// affine in the indices of `from`. `offset` is the address of from's origin minus that of to's.
/// \return nullopt when there is no such affine map that is known to stay inside the extents of `to`.
std::optional<std::vector<Expr>> mapPoints(const std::vector<AddressAxis>& from,
                                           const std::vector<AddressAxis>& to, const Dim& offset);

/// The axes of the address at which a nest stores; nullopt for a scatter.
struct StoreAddress {
  Dim offset;
  std::vector<AddressAxis> axes;
};
std::optional<StoreAddress> storeAddress(const Nest& nest);

/// The element of a producer, a Map, at the place that `load` reads; nullopt when that is not known.
std::optional<Expr> elementAt(const Nest& producer, const Expr& load);

}  // namespace sofie
