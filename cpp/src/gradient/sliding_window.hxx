#pragma once
#include <optional>

#include "gradient/footprint.hxx"
#include "gradient/scalar_rules.hxx"
#include "sofie/builder.hxx"

namespace sofie {

/// Loops that read an image through a sliding window, element p * stride + k * dilation of an axis at
/// position p and place k, as convolutions do. What they pass back is a convolution of the gradient with the
/// window turned round.
class SlidingWindow {
 public:
  /// A sum over `reduction` for each element of a view.
  struct Sum {
    Shape axes, reduction;
    Expr element;
    View view;
  };

  /// \return nullopt when the load is no such window over all of a view, or `term` uses the positions for
  /// anything else than to read the seed
  static std::optional<SlidingWindow> find(const Shape& loops, const Expr& seed, const LoadAdjoint& term);

  /// \param limit  the part of the buffer whose gradient is wanted; nullptr: all
  /// \param shape  of the buffer
  Sum transposed(Builder& builder, const Box* limit, const Shape& shape) const;

 private:
  /// An axis of the view that is read.
  struct Axis {
    std::optional<std::size_t> loop;      ///< of one that a loop runs along
    std::optional<std::size_t> position;  ///< the loop over the positions of a window
    std::size_t place = 0;                ///< the loop over the elements of a window
    std::int64_t stride = 1, dilation = 1;
    Dim offset = 0;
    std::size_t seedAxis = 0;  ///< along which the seed is read by position
  };

  Shape loops_;
  Expr seed_;
  LoadAdjoint term_;
  std::vector<Axis> axes_;

  bool addAxis(const Expr& index);
  bool isComplete() const;
  std::optional<std::size_t> seedAxisOf(std::size_t position) const;
};

}  // namespace sofie
