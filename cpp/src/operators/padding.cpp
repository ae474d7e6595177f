#include "padding.hxx"

#include <algorithm>

#include "sofie/error.hxx"

namespace sofie {
namespace {

bool isNegative(const Dim& dim) { return dim.isConstant() && dim.constant() < 0; }

/// Drops what negative paddings remove and sets those paddings to zero.
Tensor crop(const Builder& builder, Tensor tensor, std::vector<Dim>& before, std::vector<Dim>& after) {
  for (std::size_t axis = 0; axis < tensor.rank(); ++axis) {
    const Dim first = isNegative(before[axis]) ? Dim(-1) * before[axis] : Dim(0);
    const Dim last = isNegative(after[axis]) ? Dim(-1) * after[axis] : Dim(0);
    if (first.is(0) && last.is(0)) continue;
    const Dim count = tensor.dim(axis) - first - last;
    if (isNegative(count))
      throw ShapeError("a padding of " + before[axis].text() + " and " + after[axis].text() +
                       " removes more than the " + tensor.dim(axis).text() + " elements of axis " +
                       std::to_string(axis));
    tensor = builder.slice(tensor, axis, first, count);
    before[axis] = before[axis] + first;
    after[axis] = after[axis] + last;
  }
  return tensor;
}

bool allZero(const std::vector<Dim>& dims) {
  return std::all_of(dims.begin(), dims.end(), [](const Dim& dim) { return dim.is(0); });
}

}  // namespace

Tensor padConstant(Builder& builder, const Tensor& tensor, const std::vector<Dim>& before,
                   const std::vector<Dim>& after, const Expr& value) {
  std::vector<Dim> front = before, back = after;
  const Tensor source = crop(builder, tensor, front, back);
  if (allZero(front) && allZero(back)) return source;
  Shape shape;
  for (std::size_t axis = 0; axis < source.rank(); ++axis)
    shape.push_back(front[axis] + source.dim(axis) + back[axis]);
  const Tensor result = builder.temporary(source.type, shape);
  Tensor rest = result;  // what the axes so far have left open
  for (std::size_t axis = 0; axis < source.rank(); ++axis) {
    const Dim& size = source.dim(axis);
    if (!front[axis].is(0)) builder.store(value, builder.slice(rest, axis, 0, front[axis]));
    if (!back[axis].is(0)) builder.store(value, builder.slice(rest, axis, front[axis] + size, back[axis]));
    rest = builder.slice(rest, axis, front[axis], size);
  }
  builder.store(element(source), rest);
  return result;
}

}  // namespace sofie
