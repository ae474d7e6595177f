/// @file
/// The different rows of a table.
#ifndef SOFIE_RUNTIME_UNIQUE_HXX
#define SOFIE_RUNTIME_UNIQUE_HXX

#include <cstdint>

#include "scalar.hxx"
#include "sort.hxx"

namespace sofie_runtime {

/// The first place where two rows of `width` differ, or width: NaN equals itself.
template <class T>
SOFIE_FN std::int64_t first_difference(const T* a, const T* b, std::int64_t width) {
  std::int64_t at = 0;
  while (at < width && (a[at] == b[at] || (a[at] != a[at] && b[at] != b[at]))) ++at;
  return at;
}

/// ONNX Unique of n rows: how many different ones there are, in ascending order (NaN last) or in that of
/// their first occurrence; where each first occurs and how often; and the number of every row's
/// representative. `order` and `room` have place for n numbers.
template <class T>
SOFIE_FN void unique(std::int64_t, const T* rows, std::int64_t* first, std::int64_t* inverse,
                     std::int64_t* counts, std::int64_t* count, std::int64_t* order, std::int64_t* room,
                     std::int64_t n, std::int64_t width, std::int64_t sorted) {
  const auto before = [=](std::int64_t a, std::int64_t b) {
    const std::int64_t at = first_difference(rows + a * width, rows + b * width, width);
    return at < width && comes_before(rows[a * width + at], rows[b * width + at], false);
  };
  for (std::int64_t i = 0; i < n; ++i) order[i] = i;
  merge_sort(order, room, n, before);
  // Equal rows are neighbours, the first occurrence in front: `room` leads every row to it.
  std::int64_t found = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    const bool is_new = i == 0 || before(order[i - 1], order[i]);
    room[order[i]] = is_new ? order[i] : room[order[i - 1]];
    if (is_new) first[found++] = order[i];
  }
  if (sorted == 0) {
    found = 0;
    for (std::int64_t i = 0; i < n; ++i)
      if (room[i] == i) first[found++] = i;
  }
  for (std::int64_t group = 0; group < found; ++group) {
    counts[group] = 0;
    inverse[first[group]] = group;
  }
  for (std::int64_t i = 0; i < n; ++i) {
    inverse[i] = inverse[room[i]];
    ++counts[inverse[i]];
  }
  *count = found;
}

}  // namespace sofie_runtime

#endif
