#pragma once
#include <string>
#include <vector>

#include "sofie/program.hxx"

namespace sofie {

/// What is differentiated by what.
struct Differentiation {
  std::vector<std::string> outputs;  ///< empty: the only floating-point one
  std::vector<std::string> inputs;   ///< empty: all floating-point ones
};

/// The reverse mode of automatic differentiation (Griewank & Walther, Evaluating Derivatives, 2008) over
/// kernels as lowering leaves them.
///
/// The new program takes the inputs and, for every output y that is differentiated, a seed of its type and
/// shape. It gives these outputs and, for every input x, the sum over all elements of the outputs of seed *
/// dy / dx. Seeds are called "seed_<output>", gradients "gradient_<input>", and the program
/// "<name>_gradient".
///
/// \throws Error when there is no such output or input, or it is not of a floating type
/// \throws UnsupportedError naming every kernel on the way that has no derivative
Program differentiate(Program program, const Differentiation& what);

}  // namespace sofie
