#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "sofie/program.hxx"

namespace sofie {

/// What one run of kernels takes, as dims of the sizes that it is then known for.
struct Cost {
  Dim operations = 0;  ///< on floating-point numbers and integers; a multiply-add counts two
  Dim bytes = 0;       ///< of the distinct elements that are read and written
};

/// What the kernel takes, over the symbols of the model and the sizes that the data decide. Of the branches
/// of a condition the dearer one counts, in loops every iteration. The work of routines is not known.
Cost costOf(const Program& program, const Kernel& kernel);

/// A kernel as a profile shows it: one of the program, or of a block that loops of the program run over.
struct ProfiledKernel {
  const Kernel* kernel;      ///< in the program
  std::size_t place;         ///< of the program's kernels, which one it is or lies in
  std::vector<Loop> blocks;  ///< the loops over blocks around it, outermost first, without their bodies
  Cost cost;                 ///< in one iteration of these, over their counters too
};

/// The kernels that a profile shows, in the order of execution.
std::vector<ProfiledKernel> profiledKernels(const Program& program);

/// What a kernel takes in one run of the model, in numbers.
struct Work {
  std::int64_t calls = 0;
  std::int64_t operations = 0;
  std::int64_t bytes = 0;
};

/// \param symbols  values of the inputs' symbols; sizes that the data decide are as large as they may be, or
/// as the room that sessions begin with
Work workOf(const Program& program, const ProfiledKernel& kernel,
            const std::map<std::string, std::int64_t>& symbols);

/// Operations of one run, for the largest sizes that the data may decide.
Dim operationCount(const Program& program);

}  // namespace sofie
