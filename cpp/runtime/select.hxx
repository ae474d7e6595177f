/// @file
/// Positions of selected elements; every target calls these routines, one item at a time.
#ifndef SOFIE_RUNTIME_SELECT_HXX
#define SOFIE_RUNTIME_SELECT_HXX

#include <cstdint>

#include "scalar.hxx"

namespace sofie_runtime {

/// The sum of the n numbers in front of each, and of all; of a mask, how many hold.
template <class T>
SOFIE_FN void count_selected(std::int64_t, const T* numbers, std::int64_t* before, std::int64_t* count,
                             std::int64_t n) {
  std::int64_t selected = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    before[i] = selected;
    selected += numbers[i];
  }
  *count = selected;
}

}  // namespace sofie_runtime

#endif
