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

  void shift(const Dim& steps) {
    expression = expression + extent(steps);
    greatest = greatest + steps;
  }
};

/// The axis of `to` that a move by `stride` belongs to: the one with the greatest stride that divides it.
std::optional<std::size_t> carrier(const Dim& stride, const std::vector<AddressAxis>& to) {
  std::optional<std::size_t> best;
  for (std::size_t j = 0; j < to.size(); ++j) {
    if (to[j].extent.is(1) || to[j].stride.is(0)) continue;
    const auto factor = Dim::exactDivide(stride, to[j].stride);
    if (!factor || !factor->isNonNegative()) continue;
    if (!best || Dim::exactDivide(to[j].stride, to[*best].stride)) best = j;
  }
  return best;
}

/// Distributes a constant offset over the axes, the widest strides first.
bool addConstantOffset(std::int64_t rest, const std::vector<AddressAxis>& to,
                       std::vector<Position>& positions) {
  while (rest > 0) {
    std::optional<std::size_t> widest;
    for (std::size_t j = 0; j < to.size(); ++j) {
      const auto stride = to[j].stride.value();
      if (to[j].extent.is(1) || !stride || *stride <= 0 || *stride > rest) continue;
      if (!widest || *stride > *to[*widest].stride.value()) widest = j;
    }
    if (!widest) return false;
    const std::int64_t stride = *to[*widest].stride.value();
    positions[*widest].shift(rest / stride);
    rest %= stride;
  }
  return rest == 0;
}

bool addOffset(const Dim& offset, const std::vector<AddressAxis>& to, std::vector<Position>& positions) {
  if (const auto value = offset.value()) return addConstantOffset(*value, to, positions);
  const auto j = carrier(offset, to);
  if (j) positions[*j].shift(*Dim::exactDivide(offset, to[*j].stride));
  return j.has_value();
}

}  // namespace

std::optional<std::vector<Expr>> mapPoints(const std::vector<AddressAxis>& from,
                                           const std::vector<AddressAxis>& to, const Dim& offset) {
  std::vector<Position> positions(to.size());
  for (const AddressAxis& axis : from) {
    if (axis.stride.is(0) || axis.extent.is(1)) continue;
    const auto j = carrier(axis.stride, to);
    if (!j) return std::nullopt;
    positions[*j].add(*Dim::exactDivide(axis.stride, to[*j].stride), axis);
  }
  if (!addOffset(offset, to, positions)) return std::nullopt;
  std::vector<Expr> result;
  for (std::size_t j = 0; j < to.size(); ++j) {
    if (!(to[j].extent - 1 - positions[j].greatest).isNonNegative()) return std::nullopt;
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

std::optional<Expr> elementAt(const Nest& producer, const Expr& load) {
  const auto store = storeAddress(producer);
  if (!store) return std::nullopt;
  std::vector<AddressAxis> axes;
  for (std::size_t i = 0; i < load->args.size(); ++i)
    axes.push_back({load->view.strides[i], load->view.shape[i], load->args[i]});
  const auto point = mapPoints(axes, store->axes, load->view.offset - store->offset);
  if (!point) return std::nullopt;
  return substitute(producer.element, *point);
}

}  // namespace sofie
