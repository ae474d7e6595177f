#include "window.hxx"

#include <algorithm>

#include "sofie/error.hxx"

namespace sofie {

bool Window::isPadded() const {
  const auto nonZero = [](const Dim& dim) { return !dim.is(0); };
  return std::any_of(before.begin(), before.end(), nonZero) ||
         std::any_of(after.begin(), after.end(), nonZero);
}

std::vector<std::int64_t> steps(const Operator& op, const std::string& name, std::size_t rank) {
  auto values = op.integers(name);
  if (values.empty()) values.assign(rank, 1);
  if (values.size() != rank || *std::min_element(values.begin(), values.end()) < 1)
    op.invalid("the attribute '" + name + "' must hold " + std::to_string(rank) + " positive numbers");
  return values;
}

void readPads(const Operator& op, std::vector<Dim>& before, std::vector<Dim>& after) {
  const auto pads = op.integers("pads");
  if (pads.empty()) return;
  if (pads.size() != 2 * before.size() || *std::min_element(pads.begin(), pads.end()) < 0)
    op.invalid("the attribute 'pads' must hold " + std::to_string(2 * before.size()) +
               " non-negative numbers");
  for (std::size_t axis = 0; axis < before.size(); ++axis) {
    before[axis] = pads[axis];
    after[axis] = pads[before.size() + axis];
  }
}

void splitPadding(const Dim& total, bool oddInFront, Dim& before, Dim& after) {
  const Dim half = floorDiv(total, 2);
  before = oddInFront ? total - half : half;
  after = oddInFront ? half : total - half;
}

Shape kernelShape(const Operator& op, std::size_t rank) {
  const auto kernel = op.attribute<std::vector<std::int64_t>>("kernel_shape");
  if (kernel.size() != rank || *std::min_element(kernel.begin(), kernel.end()) < 1)
    op.invalid("the attribute 'kernel_shape' must hold " + std::to_string(rank) + " positive numbers");
  return {kernel.begin(), kernel.end()};
}

std::size_t spatialRank(const Tensor& input) {
  if (input.rank() < 3)
    throw ShapeError("the input must have the axes (batch, channels, spatial...), but has the shape " +
                     text(input.shape()));
  return input.rank() - 2;
}

namespace {

/// Number of windows of one axis; with `ceil` also one that begins inside the input but ends beyond the
/// padding.
Dim positions(const Window& window, std::size_t axis, const Dim& size) {
  const Dim stride = window.strides[axis];
  const Dim room = size + window.before[axis] + window.after[axis] - window.reach(axis);
  if (!window.ceil) return floorDiv(room, stride) + 1;
  return min(ceilDiv(room, stride) + 1, ceilDiv(size + window.before[axis], stride));
}

}  // namespace

Window slidingWindow(Operator& op, const Tensor& input, const Shape& kernel) {
  const std::size_t rank = kernel.size();
  Window window;
  window.kernel = kernel;
  window.strides = steps(op, "strides", rank);
  window.dilations = steps(op, "dilations", rank);
  window.before.assign(rank, 0);
  window.after.assign(rank, 0);
  window.ceil = op.integer("ceil_mode", 0) != 0;
  const std::string mode = op.string("auto_pad", "NOTSET");
  const bool same = mode == "SAME_UPPER" || mode == "SAME_LOWER";
  if (mode == "NOTSET" || mode.empty())
    readPads(op, window.before, window.after);
  else if (!same && mode != "VALID")
    op.invalid("auto_pad '" + mode + "' is none of NOTSET, VALID, SAME_UPPER, SAME_LOWER");
  for (std::size_t axis = 0; axis < rank; ++axis) {
    const Dim& size = input.dim(2 + axis);
    if (same) {
      const Dim count = ceilDiv(size, window.strides[axis]);
      const Dim total = max((count - 1) * window.strides[axis] + window.reach(axis) - size, 0);
      splitPadding(total, mode == "SAME_LOWER", window.before[axis], window.after[axis]);
      window.output.push_back(count);
      continue;
    }
    op.atLeast(size + window.before[axis] + window.after[axis], window.reach(axis),
               "the padded size of spatial axis " + std::to_string(axis) + ", over which a kernel slides,");
    window.output.push_back(positions(window, axis, size));
  }
  if (same) window.ceil = false;
  return window;
}

}  // namespace sofie
