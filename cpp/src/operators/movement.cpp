/// Operators that put tensors together and take them apart.
#include "movement.hxx"

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <numeric>

#include "common.hxx"
#include "padding.hxx"
#include "sofie/error.hxx"

namespace sofie {
namespace {

// --- Concat, Split -----------------------------------------------------------------------------------------

Shape concatenated(Operator& op, const std::vector<Tensor>& parts, std::size_t axis) {
  Shape shape = parts[0].shape();
  for (std::size_t i = 1; i < parts.size(); ++i) {
    if (parts[i].rank() != shape.size())
      throw ShapeError("tensors of shapes " + text(shape) + " and " + text(parts[i].shape()) +
                       " differ in rank");
    for (std::size_t k = 0; k < shape.size(); ++k)
      shape[k] = k == axis ? shape[k] + parts[i].dim(k)
                           : op.agree(shape[k], parts[i].dim(k), "sizes of axis " + std::to_string(k));
  }
  return shape;
}

}  // namespace

Tensor concatenate(Operator& op, const std::vector<Tensor>& parts, std::size_t axis) {
  if (parts.size() == 1) return parts[0];
  const Tensor result = op.temporary(parts[0].type, concatenated(op, parts, axis));
  Dim offset = 0;
  for (const Tensor& part : parts) {
    if (!part.dim(axis).is(0)) op.store(element(part), op.slice(result, axis, offset, part.dim(axis)));
    offset = offset + part.dim(axis);
  }
  return result;
}

namespace {

void concat_1(Operator& op) {
  std::vector<Tensor> parts;
  for (std::size_t i = 0; i < op.inputCount(); ++i) parts.push_back(op.stored(i));
  if (parts.empty()) op.invalid("it has no input");
  requireOneType(op, parts);
  op.output(0, concatenate(op, parts, op.axis(op.integer("axis", 1), parts[0].rank())));
}

void splitOutputs(Operator& op, const std::vector<Dim>& sizes, std::size_t axis) {
  if (sizes.size() != op.node().outputs.size())
    throw ShapeError("it has " + std::to_string(op.node().outputs.size()) + " outputs, but splits into " +
                     std::to_string(sizes.size()) + " parts");
  const auto parts = split(op, op.stored(0), sizes, axis);
  for (std::size_t i = 0; i < parts.size(); ++i) op.output(i, parts[i]);
}

std::vector<Dim> equalParts(const Dim& size, std::size_t count) {
  const Dim parts = static_cast<std::int64_t>(count);
  if (size.isConstant() && !floorMod(size, parts).is(0))
    throw ShapeError("a size of " + size.text() + " cannot be split into " + parts.text() + " equal parts");
  return std::vector<Dim>(count, floorDiv(size, parts));
}

/// Equal parts, of which the last ones may be smaller.
std::vector<Dim> unevenParts(const Dim& size, std::size_t count) {
  const Dim part = ceilDiv(size, static_cast<std::int64_t>(count));
  std::vector<Dim> sizes{part};
  for (std::size_t i = 1; i < count; ++i)
    sizes.push_back(min(part, max(0, size - Dim(static_cast<std::int64_t>(i)) * part)));
  return sizes;
}

void split_1(Operator& op) {
  const Tensor x = op.stored(0);
  const std::size_t axis = op.axis(op.integer("axis", 0), x.rank());
  const auto given = op.integers("split");
  if (op.hasAttribute("split")) return splitOutputs(op, {given.begin(), given.end()}, axis);
  splitOutputs(op, op.has(1) ? op.sizesOf(1) : equalParts(x.dim(axis), op.node().outputs.size()), axis);
}

void split_18(Operator& op) {
  const Tensor x = op.stored(0);
  const std::size_t axis = op.axis(op.integer("axis", 0), x.rank());
  if (op.has(1)) return splitOutputs(op, op.sizesOf(1), axis);
  splitOutputs(op, unevenParts(x.dim(axis), op.node().outputs.size()), axis);
}

// --- Slice -------------------------------------------------------------------------------------------------

/// Exporters write such numbers for "to the end" and "from the beginning".
bool isFarBehind(const Dim& dim) {
  return dim.isConstant() && dim.constant() >= std::numeric_limits<std::int32_t>::max();
}
bool isFarBefore(const Dim& dim) {
  return dim.isConstant() && dim.constant() <= -std::numeric_limits<std::int32_t>::max();
}

/// The step, no longer than the axis or, where that is unknown, than such a number: it leads past the end all
/// the same.
std::int64_t shortened(std::int64_t step, const Dim& size) {
  if (step == 0) throw ShapeError("a slice cannot have step 0");
  const std::int64_t longest = size.value().value_or(std::numeric_limits<std::int32_t>::max());
  return std::clamp(step, std::min<std::int64_t>(-longest, -1), std::max<std::int64_t>(longest, 1));
}

Tensor sliced(const Operator& op, const Tensor& x, std::size_t axis, const Dim& start, const Dim& end,
              std::int64_t wanted) {
  const Dim size = x.dim(axis);
  const std::int64_t step = shortened(wanted, size);
  if (step > 0) {
    const Dim begin = isFarBefore(start)   ? Dim(0)
                      : isFarBehind(start) ? size
                                           : max(0, fromStart(start, size));
    const Dim stop = isFarBehind(end) ? size : isFarBefore(end) ? Dim(0) : min(size, fromStart(end, size));
    return op.slice(x, axis, begin, max(0, ceilDiv(stop - begin, step)), step);
  }
  const Dim last = size - 1;
  // Backwards, a start before the axis is its first element.
  const Dim first = isFarBehind(start) ? last : isFarBefore(start) ? Dim(0) : fromStart(start, size);
  const Dim begin = first == last ? last : min(last, max(0, first));
  const Dim stop = isFarBefore(end) ? Dim(-1) : isFarBehind(end) ? last : max(-1, fromStart(end, size));
  return op.slice(x, axis, begin, max(0, ceilDiv(begin - stop, -step)), step);
}

/// Axes that are left out are the first ones, steps are 1.
void completeAxes(std::size_t count, std::vector<std::int64_t>& axes, std::vector<std::int64_t>& steps) {
  if (axes.empty()) {
    axes.resize(count);
    std::iota(axes.begin(), axes.end(), std::int64_t(0));
  }
  if (steps.empty()) steps.assign(count, 1);
  if (axes.size() != count || steps.size() != count)
    throw ShapeError("there are " + std::to_string(count) + " starts, but " + std::to_string(axes.size()) +
                     " axes and " + std::to_string(steps.size()) + " steps");
}

void slice(Operator& op, const std::vector<Dim>& starts, const std::vector<Dim>& ends,
           std::vector<std::int64_t> axes, std::vector<std::int64_t> steps) {
  Tensor x = op.stored(0);
  completeAxes(starts.size(), axes, steps);
  if (ends.size() != starts.size())
    throw ShapeError("there are " + std::to_string(starts.size()) + " starts, but " +
                     std::to_string(ends.size()) + " ends");
  for (std::size_t i = 0; i < starts.size(); ++i)
    x = sliced(op, x, op.axis(axes[i], x.rank()), starts[i], ends[i], steps[i]);
  op.output(0, x);
}

void slice_1(Operator& op) {
  const auto starts = op.integers("starts"), ends = op.integers("ends");
  slice(op, {starts.begin(), starts.end()}, {ends.begin(), ends.end()}, op.integers("axes"), {});
}

/// An axis from and to a position that come from data; a slice is at most as large as the axis.
Tensor measuredSlice(Operator& op, const Tensor& x, std::size_t axis, const Expr& start, const Expr& end,
                     std::int64_t wanted) {
  const Dim size = x.dim(axis);
  const std::int64_t step = shortened(wanted, size);
  const Expr zero = extent(0), high = extent(step > 0 ? size : size - 1);
  const auto clamped = [&](const Expr& position, std::int64_t low) {
    const Expr fromStart = select(binary(Op::Lt, position, zero), position + extent(size), position);
    return binary(Op::Minimum, high, binary(Op::Maximum, extent(low), fromStart));
  };
  const Tensor ends =
      op.map({2}, select(binary(Op::Eq, index(0), zero), clamped(start, 0), clamped(end, step > 0 ? 0 : -1)));
  const Expr begin = load(ends, {zero}), stop = load(ends, {extent(1)});
  const Expr reach = (step > 0 ? stop - begin : begin - stop) + extent(std::abs(step) - 1);
  const Expr count = binary(Op::Div, binary(Op::Maximum, reach, zero), extent(std::abs(step)));
  const std::string place = std::to_string(axis);
  const Dim first = op.measure("slice_start_" + place, op.map({}, binary(Op::Maximum, begin, zero)), size);
  return op.slice(x, axis, first, op.measure("slice_size_" + place, op.map({}, count), size), step);
}

void measuredSlice(Operator& op, std::vector<std::int64_t> axes, std::vector<std::int64_t> steps) {
  Tensor x = op.stored(0);
  const Tensor starts = op.cast(op.input(1), DType::Int64), ends = op.cast(op.input(2), DType::Int64);
  const auto count = static_cast<std::size_t>(product(starts.shape()).constant());
  completeAxes(count, axes, steps);
  op.agree(product(starts.shape()), product(ends.shape()), "the numbers of starts and ends");
  for (std::size_t i = 0; i < count; ++i) {
    const Expr at = extent(static_cast<std::int64_t>(i));
    x = measuredSlice(op, x, op.axis(axes[i], x.rank()), load(starts, {at}), load(ends, {at}), steps[i]);
  }
  op.output(0, x);
}

void slice_10(Operator& op) {
  const auto optional = [&](std::size_t i) {
    return op.has(i) ? op.integersOf(i) : std::vector<std::int64_t>();
  };
  if (op.isKnown(1) && op.isKnown(2)) return slice(op, op.dimsOf(1), op.dimsOf(2), optional(3), optional(4));
  measuredSlice(op, optional(3), optional(4));
}

// --- CenterCropPad -----------------------------------------------------------------------------------------

/// The middle of each axis; where there are too few elements, all of them in the middle of zeros. Of an odd
/// difference the larger half is at the end.
void centerCropPad_18(Operator& op) {
  Tensor x = op.input(0);
  const std::vector<Dim> sizes = op.sizesOf(1);
  std::vector<std::int64_t> axes = op.integers("axes"), steps;
  completeAxes(sizes.size(), axes, steps);
  std::vector<Dim> before(x.rank(), 0), after(x.rank(), 0);
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    const std::size_t axis = op.axis(axes[i], x.rank());
    const Dim size = x.dim(axis), kept = min(size, sizes[i]);
    x = op.slice(x, axis, floorDiv(size - kept, 2), kept);
    before[axis] = floorDiv(sizes[i] - kept, 2);
    after[axis] = sizes[i] - kept - before[axis];
  }
  op.output(0, padConstant(op, x, before, after, number(x.type, 0)));
}

// --- Tile --------------------------------------------------------------------------------------------------

/// Every repeated axis becomes a pair (repetition, place), the first of which reads the same elements.
Tensor tiled(Operator& op, const Tensor& x, const std::vector<Dim>& repeats) {
  if (repeats.size() != x.rank())
    throw ShapeError("there are " + std::to_string(repeats.size()) + " repeats for the " +
                     std::to_string(x.rank()) + " axes of " + text(x.shape()));
  Tensor pairs = x;
  Shape paired, shape;
  for (std::size_t axis = 0; axis < x.rank(); ++axis) {
    op.atLeast(repeats[axis], 0, "the number of repeats of axis " + std::to_string(axis));
    if (!repeats[axis].is(1)) {
      pairs = op.unsqueeze(pairs, paired.size());
      paired.push_back(repeats[axis]);
    }
    paired.push_back(x.dim(axis));
    shape.push_back(repeats[axis] * x.dim(axis));
  }
  if (paired.size() == x.rank()) return x;
  return op.reshape(op.copy(op.broadcast(pairs, paired)), shape);
}

void tile_1(Operator& op) {
  const Tensor x = op.stored(0);
  std::vector<Dim> repeats(x.rank(), 1);
  repeats[op.axis(dimOf(op, 2).constant(), x.rank())] = dimOf(op, 1);
  op.output(0, tiled(op, x, repeats));
}

void tile_6(Operator& op) { op.output(0, tiled(op, op.stored(0), op.sizesOf(1))); }

// --- Pad ---------------------------------------------------------------------------------------------------

using Mapping = Expr (*)(const Expr& place, const Dim& size);

Expr remainder(const Expr& place, const Dim& period) { return binary(Op::Mod, place, extent(period)); }

Expr wrapped(const Expr& place, const Dim& size) { return remainder(place, size); }

Expr nearest(const Expr& place, const Dim& size) {
  return binary(Op::Minimum, binary(Op::Maximum, place, extent(0)), extent(size - 1));
}

/// There and back again: of size 4 the places are 0 1 2 3 2 1 | 0 1 2 3 2 1 ...
Expr reflected(const Expr& place, const Dim& size) {
  const Expr last = extent(size - 1);
  return last - unary(Op::Abs, remainder(place, Dim(2) * (size - 1)) - last);
}

Tensor padMapped(Operator& op, const Tensor& x, const std::vector<Dim>& before, const std::vector<Dim>& after,
                 Mapping mapping) {
  Shape shape;
  std::vector<Expr> places;
  for (std::size_t axis = 0; axis < x.rank(); ++axis) {
    const Expr place = index(static_cast<int>(axis)) - extent(before[axis]);
    const bool padded = !before[axis].is(0) || !after[axis].is(0);
    places.push_back(padded ? mapping(place, x.dim(axis)) : place);
    if (padded)
      op.atLeast(x.dim(axis), 1, "the size of axis " + std::to_string(axis) + ", which is padded by itself,");
    shape.push_back(before[axis] + x.dim(axis) + after[axis]);
    op.atLeast(shape.back(), 0, "the size of axis " + std::to_string(axis) + " after padding");
  }
  return op.map(shape, load(x, places));
}

/// `pads` holds the numbers in front of each of `axes`, then those behind.
void pad(Operator& op, const std::vector<Dim>& pads, const std::vector<std::size_t>& axes,
         const Expr& value) {
  const Tensor x = op.stored(0);
  if (pads.size() != 2 * axes.size())
    throw ShapeError("there are " + std::to_string(pads.size()) + " pads for " + std::to_string(axes.size()) +
                     " axes; two for each are expected");
  std::vector<Dim> before(x.rank(), 0), after(x.rank(), 0);
  for (std::size_t i = 0; i < axes.size(); ++i) {
    before[axes[i]] = pads[i];
    after[axes[i]] = pads[i + axes.size()];
  }
  const std::string mode = op.string("mode", "constant");
  if (mode == "constant") return op.output(0, padConstant(op, x, before, after, value));
  const Mapping mapping = mode == "reflect" ? reflected
                          : mode == "edge"  ? nearest
                          : mode == "wrap"  ? wrapped
                                            : nullptr;
  if (!mapping) op.unsupported("mode is '" + mode + "'; use constant, reflect, edge or wrap");
  op.output(0, padMapped(op, x, before, after, mapping));
}

std::vector<std::size_t> allAxes(const Tensor& x) {
  std::vector<std::size_t> axes(x.rank());
  std::iota(axes.begin(), axes.end(), std::size_t(0));
  return axes;
}

/// Opset 2 renamed the attribute `paddings` to `pads`.
void pad_1(Operator& op) {
  const Tensor x = op.stored(0);
  const auto pads = op.integers(op.hasAttribute("pads") ? "pads" : "paddings");
  pad(op, {pads.begin(), pads.end()}, allAxes(x), number(x.type, op.real("value", 0)));
}

void pad_11(Operator& op) {
  const Tensor x = op.stored(0);
  std::vector<std::size_t> axes = allAxes(x);
  if (op.has(3)) {
    axes.clear();
    for (const std::int64_t axis : op.integersOf(3)) axes.push_back(op.axis(axis, x.rank()));
  }
  if (op.has(2)) requireOneType(op, {x, op.stored(2)});
  pad(op, op.dimsOf(1), axes, op.has(2) ? cast(x.type, scalarOf(op, 2)) : number(x.type, 0));
}

}  // namespace

SOFIE_OPERATOR("CenterCropPad", 18, centerCropPad_18);
SOFIE_OPERATOR("Concat", 1, concat_1);
SOFIE_OPERATOR("Split", 1, split_1);
SOFIE_OPERATOR("Split", 18, split_18);
SOFIE_OPERATOR("Slice", 1, slice_1);
SOFIE_OPERATOR("Slice", 10, slice_10);
SOFIE_OPERATOR("Tile", 1, tile_1);
SOFIE_OPERATOR("Tile", 6, tile_6);
SOFIE_OPERATOR("Pad", 1, pad_1);
SOFIE_OPERATOR("Pad", 11, pad_11);

}  // namespace sofie
