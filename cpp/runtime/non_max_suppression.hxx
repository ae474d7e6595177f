/// @file
/// Boxes that do not overlap better ones.
#ifndef SOFIE_RUNTIME_NON_MAX_SUPPRESSION_HXX
#define SOFIE_RUNTIME_NON_MAX_SUPPRESSION_HXX

#include <cstdint>

#include "scalar.hxx"
#include "sort.hxx"

namespace sofie_runtime {

/// A box by its least and greatest coordinates along two axes.
template <class T>
struct Box {
  T low[2], high[2];

  /// From two opposite corners, or from centre and size.
  SOFIE_FN static Box read(const T* box, bool is_centred) {
    Box result;
    for (int axis = 0; axis < 2; ++axis) {
      const T a = box[axis], b = box[axis + 2];
      result.low[axis] = is_centred ? a - b / 2 : minimum(a, b);
      result.high[axis] = is_centred ? a + b / 2 : maximum(a, b);
    }
    return result;
  }
  SOFIE_FN T area() const { return (high[0] - low[0]) * (high[1] - low[1]); }
};

/// Whether the intersection of two boxes is more than a part of their union.
template <class T>
SOFIE_FN bool overlap(const Box<T>& a, const Box<T>& b, T threshold) {
  T shared = 1;
  for (int axis = 0; axis < 2; ++axis) {
    const T length = minimum(a.high[axis], b.high[axis]) - maximum(a.low[axis], b.low[axis]);
    if (!(length > 0)) return false;
    shared *= length;
  }
  const T both = a.area() + b.area() - shared;
  return a.area() > 0 && b.area() > 0 && both > 0 && shared / both > threshold;
}

/// ONNX NonMaxSuppression of one class of one image: up to `*most` of the n boxes, those with the highest
/// scores first. `order` and `room` have place for n numbers each.
template <class T>
SOFIE_FN void non_max_suppression(std::int64_t item, const T* boxes, const T* scores,
                                  const std::int64_t* most, const T* overlap_threshold,
                                  const T* score_threshold, std::int64_t* chosen, std::int64_t* count,
                                  std::int64_t* order, std::int64_t* room, std::int64_t n,
                                  std::int64_t classes, std::int64_t has_score_threshold,
                                  std::int64_t is_centred) {
  boxes += item / classes * n * 4;
  scores += item * n;
  chosen += item * n;
  order += item * n;
  room += item * n;
  std::int64_t candidates = 0;
  for (std::int64_t i = 0; i < n; ++i)
    if (has_score_threshold == 0 || scores[i] > *score_threshold) order[candidates++] = i;
  merge_sort(order, room, candidates,
             [=](std::int64_t a, std::int64_t b) { return comes_before(scores[a], scores[b], true); });
  std::int64_t kept = 0;
  for (std::int64_t i = 0; i < candidates && kept < *most; ++i) {
    const auto box = Box<T>::read(boxes + order[i] * 4, is_centred != 0);
    bool is_free = true;
    for (std::int64_t k = 0; k < kept && is_free; ++k)
      is_free = !overlap(box, Box<T>::read(boxes + chosen[k] * 4, is_centred != 0), *overlap_threshold);
    if (is_free) chosen[kept++] = order[i];
  }
  count[item] = kept;
}

}  // namespace sofie_runtime

#endif
