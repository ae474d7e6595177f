#pragma once
#include <map>
#include <string>
#include <vector>

#include "gradient/activity.hxx"
#include "gradient/adjoints.hxx"
#include "gradient/contributions.hxx"
#include "gradient/writes.hxx"

namespace sofie {

/// Writes the kernels that pass gradients back through those of a program, the last one first.
class Reverse {
 public:
  /// \param forward  the kernels, which must live as long as this
  Reverse(const Program& forward, const Activity& activity, Builder& builder, Adjoints& adjoints,
          std::vector<std::string>& refusals);

  void run() { reverse(forward_.kernels); }

 private:
  const Program& forward_;
  const Activity& activity_;
  Builder& builder_;
  Adjoints& adjoints_;
  std::vector<std::string>& refusals_;
  Writes writes_;
  ScalarRules rules_;
  Contributions contributions_;
  std::map<const Kernel*, int> positions_;  ///< as `Writes` numbers them
  const Kernel* current_ = nullptr;

  void limitGradients();
  void reverse(const std::vector<Kernel>& kernels);
  void reverse(const Kernel& kernel);
  void reverse(const Nest& nest);
  void reverseMap(const Nest& nest, const Expr& seed);
  void reverseReduce(const Nest& nest, const Expr& seed);
  Expr ofExtreme(const Nest& nest, const Expr& seed);
  Expr ofProduct(const Nest& nest, const Expr& seed);
  void reverse(const Region& region);
  void reverse(const Loop& loop);
  void reverseTopK(const Call& call);
  /// Adds what a nest passes back.
  void pass(const Shape& loops, const Expr& seed, const LoadAdjoints& terms);
  /// The load of what the nest has stored.
  Expr storedValue(const Nest& nest) const;
  void clear(const Nest& nest);
  /// Records kernels that may not run, or run again: gradients that others also add to become shared.
  std::vector<Kernel> inside(const Kernel& kernel, const std::vector<Kernel>& kernels);
  std::vector<int> outerBuffers(const Kernel& kernel) const;
  int position() const { return positions_.at(current_); }
  bool isKept(const Expr& expr) const;
  void refuse(const std::string& reason);
};

}  // namespace sofie
