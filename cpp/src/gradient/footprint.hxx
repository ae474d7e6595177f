#pragma once
#include <optional>
#include <vector>

#include "sofie/program.hxx"

namespace sofie {

/// Where loops lie in a buffer: the address of their origin, and what a step of each of them adds.
struct Footprint {
  Affine address;
  Shape extents;  ///< of the loops

  /// A part of the loops; the address must not depend on the others.
  Footprint over(const std::vector<std::size_t>& loops) const;
  Dim points() const { return product(extents); }
};

/// True when it is known that no two points have the same address.
bool isInjective(const Footprint& footprint);

/// First and last place along every axis of a buffer.
struct Box {
  Shape first, last;
};

/// The smallest box of a buffer of that shape that holds the footprint; nullopt when it is not known.
std::optional<Box> boxOf(const Footprint& footprint, const Shape& shape);
/// True when it is known that no element lies in both.
bool areDisjoint(const Box& a, const Box& b);

}  // namespace sofie
