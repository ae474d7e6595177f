/// @file
/// Pooling over regions of images; every target calls these routines, one item (a channel of a region) at a
/// time. Regions are (left, top, right, bottom) in units of elements.
#ifndef SOFIE_RUNTIME_REGIONS_HXX
#define SOFIE_RUNTIME_REGIONS_HXX

#include <cstdint>

#include "scalar.hxx"

namespace sofie_runtime {

template <class T>
SOFIE_FN T larger(T a, T b) {
  return a > b ? a : b;
}

/// x rounded up, as an integer.
template <class T>
SOFIE_FN std::int64_t ceiling(T x) {
  const std::int64_t whole = cast<std::int64_t>(x);
  return static_cast<T>(whole) < x ? whole + 1 : whole;
}

/// x rounded to the nearest integer, halves away from zero.
template <class T>
SOFIE_FN std::int64_t rounded(T x) {
  return x < 0 ? -cast<std::int64_t>(-x + T(0.5)) : cast<std::int64_t>(x + T(0.5));
}

/// The sampled points of one bin along one axis: start + (i + 1/2) * step for i in [0, count), of which those
/// outside of [first, last) lie beyond the image.
template <class T>
struct BinSamples {
  T start, step;
  std::int64_t count, first, last;

  /// \param fixed  the number of samples, 0 for about one per element
  SOFIE_FN BinSamples(T begin, T bin, std::int64_t fixed, std::int64_t size)
      : start(begin), step(bin), count(fixed > 0 ? fixed : ceiling(bin)), first(0), last(count) {
    step = bin / static_cast<T>(count > 0 ? count : 1);
    if (fixed > 0 || count <= 0) return;
    // A region may be larger than the image by any factor: only what is near the image is visited.
    const std::int64_t low = cast<std::int64_t>((T(-1) - start) / step);
    const std::int64_t high = cast<std::int64_t>((static_cast<T>(size) - start) / step);
    first = min(max(low, 2) - 2, count);
    last = min(high, count - 2) + 2;
  }

  SOFIE_FN T at(std::int64_t i) const { return start + (static_cast<T>(i) + T(0.5)) * step; }
  SOFIE_FN bool leavesOut() const { return first > 0 || last < count; }
};

/// The two elements next to a point along an axis, and the weight of the second one.
template <class T>
struct Neighbours {
  std::int64_t low, high;
  T weight;

  SOFIE_FN Neighbours(T point, std::int64_t size) {
    const T inside = larger(point, T(0));
    low = min(cast<std::int64_t>(inside), size - 1);
    high = min(low + 1, size - 1);
    weight = low == high ? T(0) : inside - static_cast<T>(low);
  }
};

/// ONNX RoiAlign of one bin: the mean of its samples, or the largest of the four weighted elements around
/// them.
template <class T>
SOFIE_FN T aligned_bin(const T* image, const BinSamples<T>& rows, const BinSamples<T>& columns,
                       std::int64_t height, std::int64_t width, bool maximum) {
  T sum = 0, best = 0;
  bool isFirst = !rows.leavesOut() && !columns.leavesOut();  // what is left out counts as 0
  for (std::int64_t i = rows.first; i < rows.last; ++i)
    for (std::int64_t j = columns.first; j < columns.last; ++j) {
      const T y = rows.at(i), x = columns.at(j);
      T parts[4] = {0, 0, 0, 0};
      if (y >= T(-1) && y <= static_cast<T>(height) && x >= T(-1) && x <= static_cast<T>(width)) {
        const Neighbours<T> v(y, height), h(x, width);
        parts[0] = (1 - v.weight) * (1 - h.weight) * image[v.low * width + h.low];
        parts[1] = (1 - v.weight) * h.weight * image[v.low * width + h.high];
        parts[2] = v.weight * (1 - h.weight) * image[v.high * width + h.low];
        parts[3] = v.weight * h.weight * image[v.high * width + h.high];
      }
      sum += parts[0] + parts[1] + parts[2] + parts[3];
      const T part = larger(larger(parts[0], parts[1]), larger(parts[2], parts[3]));
      best = isFirst ? part : larger(best, part);
      isFirst = false;
    }
  if (maximum) return best;
  return sum / larger(static_cast<T>(rows.count) * static_cast<T>(columns.count), T(1));
}

/// ONNX RoiAlign of channel and region `item`.
template <class T>
SOFIE_FN void roi_align(std::int64_t item, const T* images, const T* regions, const std::int64_t* batches,
                        T* results, std::int64_t channels, std::int64_t height, std::int64_t width,
                        std::int64_t bins_down, std::int64_t bins_across, std::int64_t samples,
                        std::int64_t maximum, std::int64_t least) {
  const std::int64_t region = item / channels, channel = item % channels;
  const T* image = images + (batches[region] * channels + channel) * height * width;
  const T* corner = regions + region * 4;
  T region_width = corner[2] - corner[0], region_height = corner[3] - corner[1];
  if (least != 0) {
    region_width = larger(region_width, T(1));
    region_height = larger(region_height, T(1));
  }
  const T across = region_width / static_cast<T>(bins_across),
          down = region_height / static_cast<T>(bins_down);
  for (std::int64_t p = 0; p < bins_down; ++p)
    for (std::int64_t q = 0; q < bins_across; ++q) {
      const BinSamples<T> rows(corner[1] + static_cast<T>(p) * down, down, samples, height);
      const BinSamples<T> columns(corner[0] + static_cast<T>(q) * across, across, samples, width);
      results[(item * bins_down + p) * bins_across + q] =
          aligned_bin(image, rows, columns, height, width, maximum != 0);
    }
}

/// The elements of bin `number` of an axis on which a region lies.
struct BinRange {
  std::int64_t first, last;

  template <class T>
  SOFIE_FN static BinRange of(T low, T high, std::int64_t number, std::int64_t bins, std::int64_t size) {
    const std::int64_t start = rounded(low), length = max(sub(rounded(high), start), 0) + 1;
    const T bin = static_cast<T>(length) / static_cast<T>(bins);
    const std::int64_t first = cast<std::int64_t>(static_cast<T>(number) * bin);
    const std::int64_t last = ceiling(static_cast<T>(number + 1) * bin);
    return {min(max(add(first, start), 0), size), min(max(add(last, start), 0), size)};
  }
};

/// ONNX MaxRoiPool of channel and region `item`: the largest element of each bin, 0 where a bin is empty.
template <class T>
SOFIE_FN void max_roi_pool(std::int64_t item, const T* images, const T* regions, const std::int64_t* batches,
                           T* results, std::int64_t channels, std::int64_t height, std::int64_t width,
                           std::int64_t bins_down, std::int64_t bins_across) {
  const std::int64_t region = item / channels, channel = item % channels;
  const T* image = images + (batches[region] * channels + channel) * height * width;
  const T* corner = regions + region * 4;
  for (std::int64_t p = 0; p < bins_down; ++p)
    for (std::int64_t q = 0; q < bins_across; ++q) {
      const BinRange rows = BinRange::of(corner[1], corner[3], p, bins_down, height);
      const BinRange columns = BinRange::of(corner[0], corner[2], q, bins_across, width);
      const bool isEmpty = rows.first >= rows.last || columns.first >= columns.last;
      T best = isEmpty ? T(0) : image[rows.first * width + columns.first];
      for (std::int64_t y = rows.first; y < rows.last; ++y)
        for (std::int64_t x = columns.first; x < columns.last; ++x)
          best = maximum(best, image[y * width + x]);
      results[(item * bins_down + p) * bins_across + q] = best;
    }
}

}  // namespace sofie_runtime

#endif
