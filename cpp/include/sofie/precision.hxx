#pragma once
#include <string>
#include <vector>

#include "sofie/program.hxx"

namespace sofie {

/// What may be rounded for the sake of speed and size; sums are always of float32.
enum class Precision : std::uint8_t {
  Float32,          ///< nothing
  BFloat16,         ///< the weights of products and the activations that these multiply, to bfloat16
  BFloat16Weights,  ///< the weights of products, to bfloat16
  Float16Weights,   ///< the same to float16
  Int8Weights,      ///< the same to integers of 8 bits with one scale for each column
};

/// The names of precisions, in the order of the enumeration.
const std::vector<std::string>& precisionNames();
/// \throws Error for a name that there is not
Precision precisionNamed(const std::string& name);

/// Rounds what the precision allows to be rounded in the products of float32. Weights that are few, that are
/// not finite or that the type cannot hold stay as they are.
void reducePrecision(Program& program, Precision precision);

}  // namespace sofie
