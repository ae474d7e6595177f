/// @file
/// Convolutions with a window of 3 x 3 by Winograd's minimal filtering (Lavin and Gray, arXiv:1509.09308): a
/// tile of 4 x 4 results needs 36 products per pair of channels instead of 144.
///
/// The samples of some tiles' inputs are matrices of tiles and channels, which are multiplied by those of the
/// weights; from the products come the results. A NaN or an infinity (or what the transform makes too large)
/// would spread over its whole tile, so a tile whose results are not all finite is computed again, directly.
#ifndef SOFIE_RUNTIME_WINOGRAD_HXX
#define SOFIE_RUNTIME_WINOGRAD_HXX

#include "contraction.hxx"
#include "winograd_weights.hxx"

namespace sofie_runtime {

/// Weights packed by winograd::pack_weights.
template <class T, std::int64_t Channels, std::int64_t N>
struct WinogradWeights {
  const T* data;
};

namespace winograd {

/// Distances of a tile's rows and columns from the input's origin. Behind the input they stay at its end:
/// what is read there belongs to results that do not exist.
struct Tile {
  std::int64_t y, x;
  std::int64_t rows[samples], columns[samples];

  template <class YAxis, class XAxis>
  SOFIE_INLINE Tile(std::int64_t number, const YAxis& y_axis, const XAxis& x_axis) {
    const std::int64_t height = y_axis.extent, width = x_axis.extent;
    const std::int64_t across = (width + results - 1) / results;
    y = number / across * results;
    x = number % across * results;
    for (std::int64_t i = 0; i < samples; ++i) {
      rows[i] = (y + i < height + window - 1 ? y + i : height + window - 2) * y_axis.step;
      columns[i] = (x + i < width + window - 1 ? x + i : width + window - 2) * x_axis.step;
    }
  }
};

/// The input's polynomial along one axis, reduced at each of the points.
template <class V>
SOFIE_INLINE void transform_input(V (&d)[samples]) {
  using T = Element<V>;
  constexpr T a = T(point), a2 = a * a, a4 = a2 * a2;
  const V even = d[4] - (4 * a2) * d[2], odd = a * (d[3] - (4 * a2) * d[1]);
  const V even2 = d[4] - a2 * d[2], odd2 = (2 * a) * (d[3] - a2 * d[1]);
  d[0] = (4 * a4) * d[0] + (d[4] - (5 * a2) * d[2]);
  d[5] = (4 * a4) * d[1] + (d[5] - (5 * a2) * d[3]);
  d[1] = even + odd;
  d[2] = even - odd;
  d[3] = even2 + odd2;
  d[4] = even2 - odd2;
}

/// The results along one axis from the products at the points.
template <class V>
SOFIE_INLINE void transform_output(const V (&m)[samples], V (&y)[results]) {
  using T = Element<V>;
  constexpr T a = T(point), a2 = a * a, a3 = a2 * a;
  const V even = m[1] + m[2], odd = m[1] - m[2], even2 = m[3] + m[4], odd2 = m[3] - m[4];
  y[0] = (m[0] + even) + even2;
  y[1] = a * odd + (2 * a) * odd2;
  y[2] = a2 * even + (4 * a2) * even2;
  y[3] = (a3 * odd + (8 * a3) * odd2) + m[5];
}

/// Writes the samples of a tile, one row of channels every `step` elements. Rows are whole vectors long.
template <class T>
__attribute__((noinline)) void input_samples(const T* a, const Tile& tile, std::int64_t channels, T* out,
                                             std::int64_t step) {
  using V = Vec<T>;
  for (std::int64_t c = 0; c < channels; c += lanes<T>) {
    V block[samples][samples];
    for (std::int64_t j = 0; j < samples; ++j) {
      V column[samples];
      SOFIE_UNROLL
      for (std::int64_t i = 0; i < samples; ++i) {
        const T* from = a + tile.rows[i] + tile.columns[j] + c;
        column[i] = c + lanes<T> <= channels ? load<V>(from) : load_first<V>(from, channels - c);
      }
      transform_input(column);
      SOFIE_UNROLL
      for (std::int64_t i = 0; i < samples; ++i) block[i][j] = column[i];
    }
    for (std::int64_t i = 0; i < samples; ++i) {
      transform_input(block[i]);
      SOFIE_UNROLL
      for (std::int64_t j = 0; j < samples; ++j) store(out + (i * samples + j) * step + c, block[i][j]);
    }
  }
}

/// The results of a tile, row by row, from products `step` elements apart. \return true when all are finite
template <class V>
__attribute__((noinline)) bool output_results(const Element<V>* products, std::int64_t step,
                                              V (&out)[results * results]) {
  V block[results][samples];
  SOFIE_UNROLL
  for (std::int64_t j = 0; j < samples; ++j) {
    V column[samples], half[results];
    SOFIE_UNROLL
    for (std::int64_t i = 0; i < samples; ++i) column[i] = load<V>(products + (i * samples + j) * step);
    transform_output(column, half);
    SOFIE_UNROLL
    for (std::int64_t i = 0; i < results; ++i) block[i][j] = half[i];
  }
  V nothing{};  // 0 times what is not finite is NaN
  SOFIE_UNROLL
  for (std::int64_t i = 0; i < results; ++i) {
    V row[results];
    transform_output(block[i], row);
    SOFIE_UNROLL
    for (std::int64_t j = 0; j < results; ++j) {
      out[i * results + j] = row[j];
      nothing = row[j] * Element<V>(0) + nothing;
    }
  }
  return all(eq(nothing, nothing));
}

/// The same results as direct sums. `weights` are rows of columns, `step` elements apart.
template <class V>
__attribute__((noinline, cold)) void direct_results(const Element<V>* a, const Tile& tile,
                                                    std::int64_t channels, const Element<V>* weights,
                                                    std::int64_t step, V (&out)[results * results]) {
  for (std::int64_t i = 0; i < results * results; ++i) {
    V sum{};
    const Element<V>* w = weights;
    for (std::int64_t tap = 0; tap < window * window; ++tap) {
      const Element<V>* from =
          a + tile.rows[i / results + tap / window] + tile.columns[i % results + tap % window];
      for (std::int64_t c = 0; c < channels; ++c, w += step) sum = from[c] * load<V>(w) + sum;
    }
    out[i] = sum;
  }
}

/// Convolutions of some tiles at once.
template <class T, int Tiles, std::int64_t Channels, std::int64_t N, class YAxis, class XAxis>
class Convolution {
 public:
  SOFIE_INLINE Convolution(const T* a, const YAxis& y, const XAxis& x,
                           WinogradWeights<T, Channels, N> weights)
      : a_(a), y_(y), x_(x), weights_(weights.data) {}

  template <class Epilogue>
  SOFIE_INLINE void run(Epilogue& epilogue) {
    const std::int64_t height = y_.extent, width = x_.extent;
    const std::int64_t count = ((height + results - 1) / results) * ((width + results - 1) / results);
    for (std::int64_t first = 0; first < count; first += Tiles) {
      const std::int64_t here = count - first < Tiles ? count - first : Tiles;
      for (std::int64_t i = 0; i < Tiles; ++i)  // those that do not exist repeat the last one
        input_samples<T>(a_, Tile(first + (i < here ? i : here - 1), y_, x_), Channels, inputs_ + i * row,
                         Tiles * row);
      const T* data = weights_;
      for (std::int64_t p = 0; p < panels.count; ++p) {
        const std::int64_t n = panels.first(p) * panels.granule;
        if (p < panels.wide)
          data = columns<panels.granules * panels.granule>(data, n, first, here, epilogue);
        else if constexpr (panels.granules > 1)
          data = columns<(panels.granules - 1) * panels.granule>(data, n, first, here, epilogue);
      }
    }
  }

 private:
  static constexpr Panels panels{N, sizeof(T), panel};
  static constexpr std::int64_t row = (Channels + lanes<T> - 1) / lanes<T> * lanes<T>;
  static constexpr std::int64_t widest = panels.granules * panels.granule;
  static constexpr std::int64_t all_columns = padded(N, sizeof(T));

  const T* a_;
  YAxis y_;
  XAxis x_;
  const T* weights_;
  alignas(64) T inputs_[samples * samples * Tiles * row];
  alignas(64) T products_[samples * samples * Tiles * widest];

  /// One panel of columns, the first of which is n. \return what follows its weights
  template <std::int64_t Columns, class Epilogue>
  SOFIE_INLINE const T* columns(const T* data, std::int64_t n, std::int64_t first, std::int64_t here,
                                Epilogue& epilogue) {
    for (std::int64_t sample = 0; sample < samples * samples; ++sample) {
      T* to = products_ + sample * Tiles * Columns;
      const auto keep =
          [to](auto sum, auto tile, std::int64_t column, auto valid)
              __attribute__((always_inline)) { store_first<valid>(to + tile[0] * Columns + column, sum); };
      contract(static_cast<const T*>(inputs_) + sample * Tiles * row, nest(axis<Tiles, row>()),
               nest(axis<Channels, 1>()), Packed<T, Columns, panel>{data}, keep);
      data += Channels * Columns;
    }
    constexpr int width = Columns < lanes<T> ? static_cast<int>(Columns) : lanes<T>;
    using V = typename detail::VectorOrScalar<T, width>::type;
    for (std::int64_t i = 0; i < here; ++i) {
      const Tile tile(first + i, y_, x_);
      for (std::int64_t column = 0; column < Columns && n + column < N; column += width) {
        V block[results * results];
        if (!output_results<V>(products_ + i * Columns + column, Tiles * Columns, block))
          direct_results<V>(a_, tile, Channels,
                            weights_ + samples * samples * Channels * all_columns + n + column, all_columns,
                            block);
        if constexpr (N % width == 0) {
          finish<width>(block, tile, n + column, epilogue);
        } else if (n + column + width <= N) {
          finish<width>(block, tile, n + column, epilogue);
        } else {
          finish<N % width>(block, tile, n + column, epilogue);
        }
      }
    }
    return data;
  }

  template <int Count, class V, class Epilogue>
  SOFIE_INLINE void finish(const V* block, const Tile& tile, std::int64_t n, Epilogue& epilogue) {
    const std::int64_t height = y_.extent, width = x_.extent;
    for (std::int64_t i = 0; i < results && tile.y + i < height; ++i)
      for (std::int64_t j = 0; j < results && tile.x + j < width; ++j)
        epilogue(block[i * results + j], RowIndex<2>{{tile.y + i, tile.x + j}}, n,
                 std::integral_constant<int, Count>{});
  }
};

}  // namespace winograd

/// The convolution of an input whose channels are contiguous, for results along y and x:
///
///     out[y, x, n] = epilogue(sum over i, j < 3 and c of a[(y + i) * y.step + (x + j) * x.step + c] * w[i,
///     j, c, n])
///
/// Tiles of 4 x 4 results are computed `Tiles` at once. The epilogue is called as contract does it.
template <int Tiles, class T, class YAxis, class XAxis, std::int64_t Channels, std::int64_t N, class Epilogue>
SOFIE_INLINE void convolve(const T* a, const YAxis& y, const XAxis& x,
                           WinogradWeights<T, Channels, N> weights, Epilogue&& epilogue) {
  winograd::Convolution<T, Tiles, Channels, N, YAxis, XAxis>(a, y, x, weights).run(epilogue);
}

}  // namespace sofie_runtime

#endif
