#pragma once
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

/// What each kernel of the program takes.
std::vector<Cost> costsOf(const Program& program);

/// Operations of one run, for the largest sizes that the data may decide.
Dim operationCount(const Program& program);

}  // namespace sofie
