/// @file
/// Positions of selected elements; every target calls these routines, one item at a time.
#ifndef SOFIE_RUNTIME_SELECT_HXX
#define SOFIE_RUNTIME_SELECT_HXX

#include <cstdint>

#include "scalar.hxx"

namespace sofie_runtime {

/// How many of the n elements of the mask hold in front of each, and in all.
SOFIE_FN void count_selected(std::int64_t, const bool* mask, std::int64_t* before, std::int64_t* count,
                             std::int64_t n) {
  std::int64_t selected = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    before[i] = selected;
    selected += mask[i];
  }
  *count = selected;
}

}  // namespace sofie_runtime

#endif
