#include "gradient/footprint.hxx"

#include <algorithm>

namespace sofie {
namespace {

/// The same addresses with steps that are not negative; nullopt when a sign is not known.
std::optional<Footprint> ascending(Footprint footprint) {
  for (std::size_t i = 0; i < footprint.extents.size(); ++i) {
    Dim& stride = footprint.address.strides[i];
    if (stride.isNonNegative()) continue;
    if (!(Dim(0) - stride).isNonNegative()) return std::nullopt;
    footprint.address.offset = footprint.address.offset + stride * (footprint.extents[i] - 1);
    stride = Dim(0) - stride;
  }
  return footprint;
}

/// True when one step is as long as `b` or longer, for all values of the symbols.
bool isAtLeast(const Dim& a, const Dim& b) {
  return (a - b).isNonNegative() || (!a.is(0) && Dim::exactDivide(a, b).has_value());
}

/// The axis with the greatest stride that divides a step.
std::optional<std::size_t> carrier(const Dim& step, const Shape& shape, const std::vector<Dim>& strides) {
  for (std::size_t axis = 0; axis < shape.size(); ++axis)
    if (!shape[axis].is(1) && Dim::exactDivide(step, strides[axis])) return axis;
  return std::nullopt;
}

/// Adds an offset to the places along the axes.
bool addOffset(const Dim& offset, const Shape& shape, const std::vector<Dim>& strides, Shape& places) {
  if (offset.is(0)) return true;
  const auto found = carrier(offset, shape, strides);
  if (!found) return false;
  std::size_t axis = *found;
  Dim steps = *Dim::exactDivide(offset, strides[axis]);
  for (; axis > 0 && shape[axis].isConstant() && !shape[axis].is(0); --axis) {
    const Dim carried = floorDiv(steps, shape[axis]);
    places[axis] = places[axis] + steps - carried * shape[axis];
    steps = carried;
  }
  places[axis] = places[axis] + steps;
  return true;
}

}  // namespace

Footprint Footprint::over(const std::vector<std::size_t>& loops) const {
  Footprint part{{address.offset, {}}, {}};
  for (const std::size_t loop : loops) {
    part.address.strides.push_back(address.strides[loop]);
    part.extents.push_back(extents[loop]);
  }
  return part;
}

bool isInjective(const Footprint& footprint) {
  const auto upwards = ascending(footprint);
  if (!upwards) return false;
  struct Axis {
    Dim stride, extent;
  };
  std::vector<Axis> axes;  // the longest steps first
  for (std::size_t i = 0; i < upwards->extents.size(); ++i) {
    const Axis axis{upwards->address.strides[i], upwards->extents[i]};
    if (axis.extent.is(1) || axis.extent.is(0)) continue;
    if (axis.stride.is(0)) return false;
    auto place = axes.begin();
    while (place != axes.end() && isAtLeast(place->stride, axis.stride)) ++place;
    axes.insert(place, axis);
  }
  Dim reach = 0;  // of the axes behind
  for (std::size_t i = axes.size(); i-- > 0;) {
    if (!(axes[i].stride - reach - 1).isNonNegative()) return false;
    reach = reach + axes[i].stride * (axes[i].extent - 1);
  }
  return true;
}

std::optional<Box> boxOf(const Footprint& footprint, const Shape& shape) {
  const auto upwards = ascending(footprint);
  if (!upwards) return std::nullopt;
  const auto strides = rowMajor(shape);
  Box box{Shape(shape.size(), 0), {}};
  if (!addOffset(upwards->address.offset, shape, strides, box.first)) return std::nullopt;
  box.last = box.first;
  for (std::size_t i = 0; i < upwards->extents.size(); ++i) {
    const Dim& step = upwards->address.strides[i];
    if (step.is(0) || upwards->extents[i].is(1)) continue;
    const auto axis = carrier(step, shape, strides);
    if (!axis) return std::nullopt;
    box.last[*axis] = box.last[*axis] + *Dim::exactDivide(step, strides[*axis]) * (upwards->extents[i] - 1);
  }
  for (std::size_t axis = 0; axis < shape.size(); ++axis)
    if (!box.first[axis].isNonNegative() || !(shape[axis] - 1 - box.last[axis]).isNonNegative())
      return std::nullopt;
  return box;
}

bool areDisjoint(const Box& a, const Box& b) {
  for (std::size_t axis = 0; axis < a.first.size(); ++axis)
    if ((a.first[axis] - b.last[axis] - 1).isNonNegative() ||
        (b.first[axis] - a.last[axis] - 1).isNonNegative())
      return true;
  return false;
}

}  // namespace sofie
