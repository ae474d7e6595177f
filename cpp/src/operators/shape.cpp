/// Operators that only look at a tensor in another shape, and those that tell its shape.
#include <algorithm>
#include <numeric>

#include "common.hxx"
#include "sofie/error.hxx"

namespace sofie {
namespace {

void identity_1(Operator& op) { op.output(0, op.item(0)); }

// --- the shape as values -----------------------------------------------------------------------------------

void shape_1(Operator& op) { op.output(0, op.dims(op.stored(0).shape())); }

void shape_15(Operator& op) {
  const Shape shape = op.stored(0).shape();
  const auto rank = static_cast<std::int64_t>(shape.size());
  const auto position = [&](const std::string& name, std::int64_t otherwise) {
    const std::int64_t given = op.integer(name, otherwise);
    return std::clamp<std::int64_t>(given < 0 ? given + rank : given, 0, rank);
  };
  const std::int64_t start = position("start", 0), end = std::max(start, position("end", rank));
  op.output(0, op.dims({shape.begin() + start, shape.begin() + end}));
}

void size_1(Operator& op) { op.output(0, op.map({}, extent(product(op.stored(0).shape())))); }

// --- the same elements in another shape --------------------------------------------------------------------

/// The dim that makes `shape`, whose entry `unknown` is ignored, hold `count` elements.
Dim solve(const Shape& input, const Shape& shape, std::size_t unknown) {
  Dim rest = 1;
  for (std::size_t i = 0; i < shape.size(); ++i)
    if (i != unknown) rest = rest * shape[i];
  const Dim count = product(input);
  const bool fits =
      !rest.is(0) && (!count.isConstant() || !rest.isConstant() || count.constant() % rest.constant() == 0);
  if (!fits)
    throw ShapeError("a tensor of shape " + text(input) + " cannot be reshaped to " + text(shape) +
                     ": no size stands for -1");
  const auto exact = Dim::exactDivide(count, rest);
  return exact ? *exact : floorDiv(count, rest);
}

Tensor reshaped(Operator& op, const Tensor& x, Shape shape, bool zeroCopies) {
  std::size_t unknown = shape.size();
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (shape[i].is(0) && zeroCopies) {
      if (i >= x.rank())
        throw ShapeError("entry " + std::to_string(i) + " of the shape " + text(shape) +
                         " copies a dimension that the input " + text(x.shape()) + " does not have");
      shape[i] = x.dim(i);
    } else if (shape[i].is(-1)) {
      if (unknown != shape.size()) throw ShapeError("the shape " + text(shape) + " has more than one -1");
      unknown = i;
    } else {
      op.atLeast(shape[i], 0, "a size in the shape " + text(shape));
    }
  }
  if (unknown != shape.size()) shape[unknown] = solve(x.shape(), shape, unknown);
  return op.reshape(x, shape);
}

void reshape_1(Operator& op) {
  const auto shape = op.integers("shape");
  op.output(0, reshaped(op, op.stored(0), {shape.begin(), shape.end()}, true));
}

void reshape_5(Operator& op) { op.output(0, reshaped(op, op.stored(0), op.sizesOf(1, false), true)); }

void reshape_14(Operator& op) {
  op.output(0, reshaped(op, op.stored(0), op.sizesOf(1, false), op.integer("allowzero", 0) == 0));
}

void flatten_1(Operator& op) {
  const Tensor x = op.stored(0);
  const std::int64_t given = op.integer("axis", 1);
  const std::size_t axis = given == static_cast<std::int64_t>(x.rank()) ? x.rank() : op.axis(given, x.rank());
  const auto border = x.shape().begin() + static_cast<std::ptrdiff_t>(axis);
  op.output(0, op.reshape(x, {product({x.shape().begin(), border}), product({border, x.shape().end()})}));
}

void squeeze_1(Operator& op) {
  Tensor x = op.stored(0);
  std::vector<std::size_t> axes;
  if (op.hasAxes("axes", 1)) {
    axes = op.axes("axes", 1, x.rank());
  } else {
    for (std::size_t axis = 0; axis < x.rank(); ++axis)
      if (x.dim(axis).is(1)) axes.push_back(axis);
  }
  for (std::size_t i = axes.size(); i-- > 0;) {
    op.agree(x.dim(axes[i]), 1, "the size of axis " + std::to_string(axes[i]) + ", which is squeezed, and 1");
    x = op.squeeze(x, axes[i]);
  }
  op.output(0, x);
}

void unsqueeze_1(Operator& op) {
  Tensor x = op.stored(0);
  const std::size_t count = op.has(1) ? op.dimsOf(1).size() : op.integers("axes").size();
  for (const std::size_t axis : op.axes("axes", 1, x.rank() + count)) x = op.unsqueeze(x, axis);
  op.output(0, x);
}

void transpose_1(Operator& op) {
  const Tensor x = op.stored(0);
  std::vector<std::size_t> permutation(x.rank());
  std::iota(permutation.rbegin(), permutation.rend(), std::size_t(0));
  if (op.hasAttribute("perm")) {
    const auto given = op.integers("perm");
    std::vector<bool> seen(x.rank());
    if (given.size() != x.rank())
      throw ShapeError("perm has " + std::to_string(given.size()) + " axes, the input " + text(x.shape()) +
                       " has " + std::to_string(x.rank()));
    for (std::size_t i = 0; i < given.size(); ++i) {
      permutation[i] = op.axis(given[i], x.rank());
      if (seen[permutation[i]]) throw ShapeError("perm names axis " + std::to_string(given[i]) + " twice");
      seen[permutation[i]] = true;
    }
  }
  op.output(0, op.transpose(x, permutation));
}

void expand_8(Operator& op) {
  const Tensor x = op.stored(0);
  const Shape shape = op.sizesOf(1, false);
  for (const Dim& dim : shape) op.atLeast(dim, 0, "a size in the shape " + text(shape));
  const Shape result = broadcastShapes({x.shape(), shape});
  for (std::size_t i = 0; i < shape.size(); ++i) {
    // Of two dims that only a run knows the result has x's; a kernel repeats what is known to be 1 here.
    const Dim distance = (shape[i] - result[result.size() - shape.size() + i]) * (shape[i] - 1);
    op.agree(distance, 0,
             "Expand of " + text(x.shape()) + " to " + text(shape) +
                 " (a dim that is 1 only when the model runs is not repeated): " + distance.text() +
                 " and 0");
  }
  op.output(0, op.broadcast(x, result));
}

// --- blocks of an image ------------------------------------------------------------------------------------

/// Sizes of an image (batch, channels, height, width). \throws ShapeError when it is not one
Shape image(const Operator& op, const Tensor& x) {
  if (x.rank() != 4)
    throw ShapeError("the input has shape " + text(x.shape()) + ", not (batch, channels, height, width)");
  if (op.integer("blocksize", 0) < 1) op.invalid("blocksize must be positive");
  return x.shape();
}

bool depthFirst(const Operator& op) {
  const std::string mode = op.string("mode", "DCR");
  if (mode != "DCR" && mode != "CRD") op.unsupported("mode is '" + mode + "'; use DCR or CRD");
  return mode == "DCR";
}

Dim divided(const Dim& size, const Dim& block) {
  if (size.isConstant() && size.constant() % block.constant() != 0)
    throw ShapeError("a size of " + size.text() + " is not a multiple of the block of " + block.text());
  return floorDiv(size, block);
}

void depthToSpace_1(Operator& op) {
  const Shape size = image(op, op.stored(0));
  const Dim block = op.integer("blocksize", 1), channels = divided(size[1], block * block);
  const bool first = depthFirst(op);
  const Tensor blocks =
      first ? op.transpose(op.reshape(op.stored(0), {size[0], block, block, channels, size[2], size[3]}),
                           {0, 3, 4, 1, 5, 2})
            : op.transpose(op.reshape(op.stored(0), {size[0], channels, block, block, size[2], size[3]}),
                           {0, 1, 4, 2, 5, 3});
  op.output(0, op.reshape(blocks, {size[0], channels, size[2] * block, size[3] * block}));
}

void spaceToDepth_1(Operator& op) {
  const Shape size = image(op, op.stored(0));
  const Dim block = op.integer("blocksize", 1), rows = divided(size[2], block),
            columns = divided(size[3], block);
  const Tensor blocks = op.reshape(op.stored(0), {size[0], size[1], rows, block, columns, block});
  const Tensor deep =
      depthFirst(op) ? op.transpose(blocks, {0, 3, 5, 1, 2, 4}) : op.transpose(blocks, {0, 1, 3, 5, 2, 4});
  op.output(0, op.reshape(deep, {size[0], size[1] * block * block, rows, columns}));
}

}  // namespace

SOFIE_OPERATOR("Identity", 1, identity_1);
SOFIE_OPERATOR("Shape", 1, shape_1);
SOFIE_OPERATOR("Shape", 15, shape_15);
SOFIE_OPERATOR("Size", 1, size_1);
SOFIE_OPERATOR("Reshape", 1, reshape_1);
SOFIE_OPERATOR("Reshape", 5, reshape_5);
SOFIE_OPERATOR("Reshape", 14, reshape_14);
SOFIE_OPERATOR("Flatten", 1, flatten_1);
SOFIE_OPERATOR("Squeeze", 1, squeeze_1);
SOFIE_OPERATOR("Unsqueeze", 1, unsqueeze_1);
SOFIE_OPERATOR("Transpose", 1, transpose_1);
SOFIE_OPERATOR("Expand", 8, expand_8);
SOFIE_OPERATOR("DepthToSpace", 1, depthToSpace_1);
SOFIE_OPERATOR("SpaceToDepth", 1, spaceToDepth_1);

}  // namespace sofie
