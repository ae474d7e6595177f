/// @file
/// The order of elements, and sorting by it.
#ifndef SOFIE_RUNTIME_SORT_HXX
#define SOFIE_RUNTIME_SORT_HXX

#include <cstdint>

#include "scalar.hxx"

namespace sofie_runtime {

/// Whether a comes before b in the order of TopK: NaN counts as the largest value.
template <class T>
SOFIE_FN bool comes_before(T a, T b, bool largest) {
  if (a != a || b != b) return largest ? a != a && b == b : b != b && a == a;
  return largest ? a > b : a < b;
}

/// Orders n numbers so that before(a, b) holds for none that comes behind; equal ones keep their order.
/// `room` has place for as many.
template <class Before>
SOFIE_FN void merge_sort(std::int64_t* numbers, std::int64_t* room, std::int64_t n, const Before& before) {
  for (std::int64_t width = 1; width < n; width *= 2) {
    for (std::int64_t start = 0; start < n; start += 2 * width) {
      const std::int64_t middle = min(start + width, n), end = min(start + 2 * width, n);
      std::int64_t left = start, right = middle;
      for (std::int64_t to = start; to < end; ++to) {
        const bool takes_right = right < end && (left == middle || before(numbers[right], numbers[left]));
        room[to] = numbers[takes_right ? right++ : left++];
      }
    }
    for (std::int64_t i = 0; i < n; ++i) numbers[i] = room[i];
  }
}

}  // namespace sofie_runtime

#endif
