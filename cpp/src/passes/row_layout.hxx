#pragma once
#include <optional>
#include <vector>

#include "sofie/dim.hxx"
#include "sofie/expression.hxx"

namespace sofie {

/// One of the loops that kernels share, as it moves through a buffer: `block` of its `extent` points are
/// kept.
struct SharedLoop {
  Dim stride;
  Dim extent;
  Dim block;
};

/// A buffer of which only some points of the shared loops are kept, in the order in which they lay: the
/// mapping from addresses in the whole buffer to those in its contraction. The loops and all other moves
/// through the buffer form a mixed radix system, in which every point of the shared loops has addresses of
/// its own.
class RowLayout {
 public:
  /// nullopt unless the strides of the loops nest, each a multiple of all that lies below it. `loops` are
  /// those of the kernels, in their order.
  static std::optional<RowLayout> of(const std::vector<SharedLoop>& loops);

  /// True when an access keeps to its own points of the shared loops: `form` moves by their strides along
  /// the variables `shared`, and along the others (of the given extents) only above, between or below them.
  bool keepsRows(const Affine& form, const std::vector<int>& shared, const std::vector<Dim>& extents) const;

  /// The stride or offset in the contraction of one in the buffer, but for those of the shared loops.
  Dim contracted(const Dim& stride) const;
  /// The stride in the contraction of a shared loop, by its number among the kernels' loops.
  Dim keptStride(std::size_t loop) const;

 private:
  std::vector<SharedLoop> loops_;    ///< the greatest stride first
  std::vector<std::size_t> number_;  ///< of each of them among the kernels' loops
  std::vector<Dim> kept_;            ///< the stride of each of them in the contraction

  /// The first loop above which a move by `stride` goes; loops_.size() when it stays below all.
  std::size_t region(const Dim& stride) const;
};

}  // namespace sofie
