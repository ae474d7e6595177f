/// @file
/// What the generator and the generated code must agree on about Winograd's convolutions: see winograd.hxx.
///
/// With the polynomials' values at 0, +-a, +-2a and infinity, the weights of a window (g0, g1, g2) along one
/// axis become six numbers. Points nearer to 1 than the usual +-1 and +-2 keep all factors small: the error
/// is two to three times that of the direct sum, not five to ten times (compare Barabasz et al.,
/// arXiv:1803.10986).
#ifndef SOFIE_RUNTIME_WINOGRAD_WEIGHTS_HXX
#define SOFIE_RUNTIME_WINOGRAD_WEIGHTS_HXX

#include "pack.hxx"

namespace sofie_runtime {
namespace winograd {

constexpr std::int64_t window = 3, results = 4, samples = window + results - 1;
constexpr double point = 0.75;
/// Granules of columns that are multiplied at once.
constexpr int panel = 2;

/// The weights' polynomial at each of the points, divided by what the transform of the input leaves out.
constexpr double filter(std::int64_t sample, const double (&g)[window]) {
  constexpr double a = point, a4 = a * a * a * a;
  switch (sample) {
    case 0:
      return g[0] / (4 * a4);
    case 1:
      return (g[0] + a * g[1] + a * a * g[2]) / (-6 * a4);
    case 2:
      return (g[0] - a * g[1] + a * a * g[2]) / (-6 * a4);
    case 3:
      return (g[0] + 2 * a * g[1] + 4 * a * a * g[2]) / (24 * a4);
    case 4:
      return (g[0] - 2 * a * g[1] + 4 * a * a * g[2]) / (24 * a4);
    default:
      return g[2];
  }
}

/// Columns with those that fill the last granule.
constexpr std::int64_t padded(std::int64_t n, std::size_t element_bytes) {
  return packed_size(1, n, element_bytes);
}

/// Elements of packed weights: the filtered ones, then those of the window itself.
constexpr std::int64_t packed_weights(std::int64_t channels, std::int64_t n, std::size_t element_bytes) {
  return (samples * samples + window * window) * channels * padded(n, element_bytes);
}

/// Packs the weights: `at(y, x, channel, column)` gives them. The filtered ones lie panel by panel, in each
/// one matrix of channels and columns per sample; then those of the window follow as rows (y, x, channel) of
/// columns.
template <class T, class At>
void pack_weights(T* packed, std::int64_t channels, std::int64_t n, At at) {
  const Panels panels(n, sizeof(T), panel);
  const auto filtered = [&](std::int64_t i, std::int64_t j, std::int64_t channel, std::int64_t column) {
    double rows[window] = {};
    for (std::int64_t y = 0; y < window; ++y) {
      const double taps[window] = {at(y, 0, channel, column), at(y, 1, channel, column),
                                   at(y, 2, channel, column)};
      rows[y] = filter(j, taps);
    }
    return filter(i, rows);
  };
  for (std::int64_t p = 0; p < panels.count; ++p) {
    const std::int64_t first = panels.first(p) * panels.granule;
    const std::int64_t behind = first + panels.granules_of(p) * panels.granule;
    for (std::int64_t sample = 0; sample < samples * samples; ++sample)
      for (std::int64_t channel = 0; channel < channels; ++channel)
        for (std::int64_t column = first; column < behind; ++column)
          *packed++ = column < n
                          ? static_cast<T>(filtered(sample / samples, sample % samples, channel, column))
                          : T(0);
  }
  for (std::int64_t tap = 0; tap < window * window; ++tap)
    for (std::int64_t channel = 0; channel < channels; ++channel)
      for (std::int64_t column = 0; column < padded(n, sizeof(T)); ++column)
        *packed++ = column < n ? static_cast<T>(at(tap / window, tap % window, channel, column)) : T(0);
}

}  // namespace winograd
}  // namespace sofie_runtime

#endif
