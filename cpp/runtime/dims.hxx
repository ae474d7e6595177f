/// @file
/// Checks of the sizes with which a model is prepared.
#ifndef SOFIE_RUNTIME_DIMS_HXX
#define SOFIE_RUNTIME_DIMS_HXX

#include <cstdint>
#include <stdexcept>
#include <string>

namespace sofie_runtime {

/// \throws std::invalid_argument when a symbolic dimension is outside the bounds that the model was compiled
/// for
inline void check_dim(const char* name, std::int64_t value, std::int64_t low, std::int64_t high) {
  if (low <= value && value <= high) return;
  throw std::invalid_argument("the dimension '" + std::string(name) + "' is " + std::to_string(value) +
                              ", but the model was compiled for " + std::to_string(low) + " to " +
                              std::to_string(high));
}

}  // namespace sofie_runtime

#endif
