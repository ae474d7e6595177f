#include "passes/reindex.hxx"

#include <algorithm>

namespace sofie {
namespace {

/// Position of the points in one axis of `to`: a sum of stride * index, and its greatest value.
struct Position {
  Expr expression = integer(DType::Int64, 0);
  Dim greatest = 0;

  void add(const Dim& factor, const AddressAxis& axis) {
    expression = expression + extent(factor) * axis.index;
    greatest = greatest + factor * (axis.extent - 1);
  }
};

bool isNonNegative(const Dim& dim) {
  const auto low = dim.lowerBound();
  return low && *low >= 0;
}

/// The axis of `to` that a move by `stride` belongs to: the one with the greatest stride that divides it.
std::optional<std::size_t> carrier(const Dim& stride, const std::vector<AddressAxis>& to) {
  std::optional<std::size_t> best;
  for (std::size_t j = 0; j < to.size(); ++j) {
    if (to[j].extent.is(1) || to[j].stride.is(0)) continue;
    const auto factor = Dim::exactDivide(stride, to[j].stride);
    if (!factor || !isNonNegative(*factor)) continue;
    if (!best || Dim::exactDivide(to[j].stride, to[*best].stride)) best = j;
  }
  return best;
}

}  // namespace

std::optional<std::vector<Expr>> mapPoints(const std::vector<AddressAxis>& from, const std::vector<AddressAxis>& to,
                                           const Dim& offset) {
  std::vector<Position> positions(to.size());
  for (const AddressAxis& axis : from) {
    if (axis.stride.is(0) || axis.extent.is(1)) continue;
    const auto j = carrier(axis.stride, to);
    if (!j) return std::nullopt;
    positions[*j].add(*Dim::exactDivide(axis.stride, to[*j].stride), axis);
  }
  Dim rest = offset;
  while (!rest.is(0)) {
    const auto j = carrier(rest, to);
    if (j) {
      const Dim steps = *Dim::exactDivide(rest, to[*j].stride);
      positions[*j].expression = positions[*j].expression + extent(steps);
      positions[*j].greatest = positions[*j].greatest + steps;
      break;
    }
    // A constant offset over several axes: take the part of the axis with the greatest constant stride below it.
    const auto value = rest.value();
    if (!value || *value < 0) return std::nullopt;
    std::optional<std::size_t> widest;
    for (std::size_t k = 0; k < to.size(); ++k) {
      const auto stride = to[k].stride.value();
      if (to[k].extent.is(1) || !stride || *stride <= 0 || *stride > *value) continue;
      if (!widest || *stride > *to[*widest].stride.value()) widest = k;
    }
    if (!widest) return std::nullopt;
    const std::int64_t steps = *value / *to[*widest].stride.value();
    positions[*widest].expression = positions[*widest].expression + integer(DType::Int64, steps);
    positions[*widest].greatest = positions[*widest].greatest + steps;
    rest = rest - Dim(steps) * to[*widest].stride;
  }
  std::vector<Expr> result;
  for (std::size_t j = 0; j < to.size(); ++j) {
    if (!isNonNegative(to[j].extent - 1 - positions[j].greatest)) return std::nullopt;
    result.push_back(positions[j].expression);
  }
  return result;
}

std::optional<StoreAddress> storeAddress(const Nest& nest) {
  const auto form = address(nest.target, nest.targetIndex, nest.axes.size());
  if (!form) return std::nullopt;
  StoreAddress result{form->offset, {}};
  for (std::size_t i = 0; i < nest.axes.size(); ++i)
    result.axes.push_back({form->strides[i], nest.axes[i], index(static_cast<int>(i))});
  return result;
}

}  // namespace sofie
