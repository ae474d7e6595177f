#pragma once
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "gradient/expand_loops.hxx"
#include "gradient/footprint.hxx"
#include "sofie/builder.hxx"

namespace sofie {

/// Collects, for every buffer, the tensors whose sum is its gradient. They are laid out as the buffer is, so
/// that each view of it is one of its gradient; of an expanded buffer they hold the row of one iteration.
class Adjoints {
 public:
  Adjoints(Builder& builder, const Expansions& expansions) : builder_(builder), expansions_(expansions) {}

  /// States that an input of the new program is a part of the gradient.
  void seed(int buffer, const Tensor& tensor);
  /// Limits what is wanted of a gradient to a box of the buffer.
  void limit(int buffer, const Box& box) { limits_[buffer] = box; }
  const Box* limitOf(int buffer) const;

  /// The view of the buffer's gradient, which is complete; nullopt when it is zero.
  std::optional<Tensor> total(int buffer, const View& view);
  /// A place for a contribution: every point of the footprint is stored exactly once.
  View place(int buffer, const View& view, const Footprint& footprint);
  /// A place to which contributions are added.
  View sum(int buffer, const View& view);
  /// True while contributions must be added, because a loop or a branch makes them.
  bool isShared(int buffer) const { return shared_.count(buffer) != 0; }
  /// Makes the gradient one tensor that loops and branches add to until `unshare`; false if it was so before.
  bool share(int buffer);
  void unshare(int buffer) { shared_.erase(buffer); }
  /// Replaces the gradient by a copy, in which the caller may store zeros.
  View ownCopy(int buffer, const View& view);
  /// The type that gradients of a buffer are computed in.
  DType type(int buffer) const;
  /// Shape of the gradient.
  const Shape& shape(int buffer) const;

  /// Removes the zeros that were stored where contributions turned out to leave no gap.
  void removeNeedlessZeros();

 private:
  struct Part {
    int buffer;
    bool isSeed = false;
    bool takesSums = false;   ///< contributions are added to it
    std::vector<Box> boxes;   ///< what has been stored, if that is all in boxes
    std::optional<Dim> left;  ///< how many elements have not been stored
  };

  Builder& builder_;
  const Expansions& expansions_;
  std::map<int, std::vector<Part>> parts_;
  std::map<int, Box> limits_;
  std::set<int> shared_;
  std::set<int> covered_;  ///< parts that need no zeros

  View moved(int buffer, int part, View view) const;
  int zeros(int buffer);
  int collapse(int buffer);
  bool isAll(int buffer, const std::optional<Box>& box, const Dim& points) const;
};

}  // namespace sofie
