#pragma once
#include "sofie/operator.hxx"

namespace sofie {

/// How a kernel slides over the spatial axes of a tensor (batch, channels, spatial...).
struct Window {
  Shape kernel;
  std::vector<std::int64_t> strides, dilations;
  std::vector<Dim> before, after;  ///< padding in front of and behind each spatial axis
  Shape output;                    ///< positions of the kernel
  bool ceil = false;               ///< the last window may reach beyond the padding

  std::size_t rank() const { return kernel.size(); }
  /// Extent of the kernel with its dilation.
  Dim reach(std::size_t axis) const { return Dim(dilations[axis]) * (kernel[axis] - 1) + 1; }
  bool isPadded() const;
};

/// Reads the attributes that convolutions and poolings share: strides, dilations, pads, auto_pad, ceil_mode.
/// \throws ShapeError when the kernel does not fit into the padded input; symbolic sizes are checked when a
/// session is prepared
Window slidingWindow(Operator& op, const Tensor& input, const Shape& kernel);

/// strides or dilations: one positive number per spatial axis, by default ones.
std::vector<std::int64_t> steps(const Operator& op, const std::string& name, std::size_t rank);
/// The attribute `pads`: all numbers in front, then all behind.
void readPads(const Operator& op, std::vector<Dim>& before, std::vector<Dim>& after);
/// auto_pad of SAME_UPPER puts the odd element behind, SAME_LOWER in front.
void splitPadding(const Dim& total, bool oddInFront, Dim& before, Dim& after);
/// The kernel's shape from the attribute kernel_shape.
Shape kernelShape(const Operator& op, std::size_t rank);
/// The spatial rank of an input (batch, channels, spatial...). \throws ShapeError when the input has no such
/// shape.
std::size_t spatialRank(const Tensor& input);

}  // namespace sofie
