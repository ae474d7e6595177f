#pragma once
#include <vector>

#include "sofie/program.hxx"

namespace sofie {

/// Finds the buffers on the ways from inputs to outputs: the others have no gradient, or none is asked for.
class Activity {
 public:
  Activity(const Program& program, const std::vector<int>& inputs, const std::vector<int>& outputs);

  bool isActive(int buffer) const { return active_[static_cast<std::size_t>(buffer)]; }
  /// True when a gradient passes through the kernel, or through one inside of it.
  bool isActive(const Kernel& kernel) const;

 private:
  std::vector<bool> active_;
};

}  // namespace sofie
