/// @file
/// The matrix product of the CPU target, for Gemm, MatMul and Conv alike:
///
///     out[rows..., n] = epilogue(sum over k of a[row offset + k offset] * right[k][n])
///
/// Rows and k run over nested axes (an extent and a step in elements of `a`), so that a convolution reads its
/// padded input in place, with rows (image, y, x) and k (ky, kx, channel), and no im2col buffer exists.
/// Extents and steps are compile-time constants (`axis<8, 1>()`) wherever they are known, else integers.
///
/// The right operand is `Packed` (weights, see pack.hxx) or `Rows` (a matrix in memory whose columns are
/// contiguous). The sums of a tile of rows and columns stay in registers over all of k. Few rows would leave
/// the multipliers waiting for their own results, so small tiles split k over several independent sums. A
/// single column is a dot product along k.
///
/// The epilogue is called as `epilogue(sums, row, n, count)`: `sums` is a vector (or a scalar) for columns n,
/// n + 1, ..., `row[i]` the index on the i-th row axis and `count` a std::integral_constant, the number of
/// lanes that exist. It is expected to store with `store_first<count>`.
#ifndef SOFIE_RUNTIME_CONTRACTION_HXX
#define SOFIE_RUNTIME_CONTRACTION_HXX

#include "pack.hxx"
#include "vector.hxx"

namespace sofie_runtime {

/// @name Axes
/// @{

/// An integer that the compiler knows.
template <std::int64_t Value>
using Fixed = std::integral_constant<std::int64_t, Value>;

/// One loop: how often, and how far apart in the left operand. Each is Fixed or std::int64_t.
template <class Extent, class Step>
struct Axis {
  Extent extent;
  Step step;
};

template <std::int64_t Extent, std::int64_t Step>
constexpr Axis<Fixed<Extent>, Fixed<Step>> axis() {
  return {};
}
template <std::int64_t Extent>
constexpr Axis<Fixed<Extent>, std::int64_t> axis(std::int64_t step) {
  return {{}, step};
}
template <class Extent, class Step>
constexpr Axis<Extent, Step> axis(Extent extent, Step step) {
  return {extent, step};
}

/// Nested axes, the outermost first.
template <class... Axes>
struct Nest;

template <>
struct Nest<> {
  static constexpr int rank = 0;
};

template <class First, class... Rest>
struct Nest<First, Rest...> {
  static constexpr int rank = 1 + static_cast<int>(sizeof...(Rest));
  First first;
  Nest<Rest...> rest;
};

constexpr Nest<> nest() { return {}; }

template <class First, class... Rest>
constexpr Nest<First, Rest...> nest(First first, Rest... rest) {
  return {first, nest(rest...)};
}

/// Where in the row axes a sum belongs.
template <int Rank>
struct RowIndex {
  std::int64_t at[Rank > 0 ? Rank : 1];
  constexpr std::int64_t operator[](int i) const { return at[i]; }
};

/// @}
/// @name Right operands
/// @{

/// N columns packed by `pack` with at most Most granules per panel.
template <class T, std::int64_t N, int Most>
struct Packed {
  const T* data;
};

/// A matrix in memory: row k begins at data + k * step, its n columns are contiguous. N and Step are Fixed or
/// std::int64_t.
template <class T, class N, class Step>
struct Rows {
  const T* data;
  N n;
  Step step;
};

template <class T, class N, class Step>
constexpr Rows<T, N, Step> rows(const T* data, N n, Step step) {
  return {data, n, step};
}

/// @}

namespace detail {

/// Keeps the compiler from carrying elements from one step of a loop to the next, in registers that the sums
/// need.
template <class T>
SOFIE_INLINE void hide(const T*& p) {
  __asm__("" : "+r"(p));
}

template <class T>
constexpr bool is_fixed = !std::is_same<T, std::int64_t>::value;

/// A Fixed value, or `otherwise` for one known at run time.
template <class T>
constexpr std::int64_t fixed_or(std::int64_t otherwise) {
  if constexpr (is_fixed<T>) {
    return T::value;
  } else {
    return otherwise;
  }
}

/// Sums that fit the registers beside the operands.
constexpr int most_sums = SOFIE_VECTOR_BYTES == 64 ? 24 : 12;
/// Independent sums that hide the latency of a multiplication.
constexpr int enough_sums = SOFIE_VECTOR_BYTES == 64 ? 8 : 10;

/// Independent partial sums per element for tiles of the given size.
constexpr int chains(int tile, std::int64_t inner_extent) {
  const int wanted = tile >= 8 ? 1 : (enough_sums + tile - 1) / tile;
  return wanted < inner_extent ? wanted : static_cast<int>(inner_extent);
}

/// Rows per tile: a divisor of a known extent if a good one exists, else equal parts of it.
constexpr int rows_per_tile(std::int64_t extent, int most) {
  if (extent <= most) return static_cast<int>(extent);
  for (int rows = most; 2 * rows > most; --rows) {
    if (extent % rows == 0) return rows;
  }
  const std::int64_t tiles = (extent + most - 1) / most;
  return static_cast<int>((extent + tiles - 1) / tiles);
}

template <class... Axes>
struct Innermost;
template <>
struct Innermost<Nest<>> {  // sums of one term
  using type = Axis<Fixed<1>, Fixed<1>>;
};
template <class Only>
struct Innermost<Nest<Only>> {
  using type = Only;
};
template <class First, class... Rest>
struct Innermost<Nest<First, Rest...>> : Innermost<Nest<Rest...>> {};

/// The extent of the innermost axis, or a large number for one known at run time.
template <class K>
constexpr std::int64_t inner_extent = fixed_or<decltype(Innermost<K>::type::extent)>(1 << 20);

template <class K>
constexpr bool inner_contiguous = std::is_same<decltype(Innermost<K>::type::step), Fixed<1>>::value;

/// The sums of R rows and C vectors of columns, each in P parts. Only the first Last lanes of the last vector
/// are read.
template <class V, int R, int C, int P, int Last>
struct Tile {
  using T = Element<V>;
  V sums[P][R][C];

  SOFIE_INLINE void clear() {
    SOFIE_UNROLL
    for (int p = 0; p < P; ++p) {
      SOFIE_UNROLL
      for (int r = 0; r < R; ++r) {
        SOFIE_UNROLL
        for (int c = 0; c < C; ++c) sums[p][r][c] = V{};
      }
    }
  }

  template <class RowStep>
  SOFIE_INLINE void add_products(int part, const T* a, RowStep row_step, const T* right) {
    V columns[C];
    SOFIE_UNROLL
    for (int c = 0; c + 1 < C; ++c) columns[c] = load<V>(right + c * lane_count<V>);
    columns[C - 1] = load_first<V, Last>(right + (C - 1) * lane_count<V>);
    SOFIE_UNROLL
    for (int r = 0; r < R; ++r) {
      const V left = splat<V>(a[r * row_step]);
      SOFIE_UNROLL
      for (int c = 0; c < C; ++c) sums[part][r][c] = left * columns[c] + sums[part][r][c];
    }
  }

  /// Adds the products along the k axes; returns the row of the right operand behind those read.
  template <class RowStep, class RightStep, class First, class... Rest>
  SOFIE_INLINE const T* add(const T* a, RowStep row_step, const T* right, RightStep right_step,
                            const Nest<First, Rest...>& k) {
    const std::int64_t extent = k.first.extent;
    if constexpr (sizeof...(Rest) > 0) {
      for (std::int64_t i = 0; i < extent; ++i) {
        right = add(a + i * k.first.step, row_step, right, right_step, k.rest);
      }
    } else {
      const std::int64_t whole = extent - extent % P;
      SOFIE_LONG_TURNS
      for (std::int64_t i = 0; i < whole; i += P) {
        hide(a);
        SOFIE_UNROLL
        for (int p = 0; p < P; ++p) add_products(p, a + p * k.first.step, row_step, right + p * right_step);
        a += P * k.first.step;
        right += P * right_step;
      }
      if constexpr (is_fixed<decltype(First::extent)>) {
        constexpr int left = static_cast<int>(decltype(First::extent)::value % P);
        SOFIE_UNROLL
        for (int p = 0; p < left; ++p)
          add_products(p, a + p * k.first.step, row_step, right + p * right_step);
        right += left * right_step;
      } else if constexpr (P > 1) {
        for (std::int64_t i = whole; i < extent; ++i, a += k.first.step, right += right_step) {
          add_products(0, a, row_step, right);
        }
      }
    }
    return right;
  }

  SOFIE_INLINE V total(int r, int c) const {
    V result = sums[0][r][c];
    SOFIE_UNROLL
    for (int p = 1; p < P; ++p) result += sums[p][r][c];
    return result;
  }

  /// Hands all sums to the epilogue; the tile begins at the given row and column.
  template <int Rank, class Epilogue>
  SOFIE_INLINE void finish(RowIndex<Rank> row, std::int64_t n, Epilogue& epilogue) {
    SOFIE_UNROLL
    for (int r = 0; r < R; ++r) {
      RowIndex<Rank> here = row;
      if constexpr (Rank > 0) here.at[Rank - 1] += r;
      SOFIE_UNROLL
      for (int c = 0; c + 1 < C; ++c) {
        epilogue(total(r, c), here, n + c * lane_count<V>, std::integral_constant<int, lane_count<V>>{});
      }
      epilogue(total(r, C - 1), here, n + (C - 1) * lane_count<V>, std::integral_constant<int, Last>{});
    }
  }
};

/// Sums of R rows and the only column: dot products along a contiguous k axis, in P vectors each.
template <class T, int R, int P>
struct Dot {
  using V = Vec<T>;
  static constexpr int width = lane_count<V>;
  V sums[P][R];

  SOFIE_INLINE void clear() {
    SOFIE_UNROLL
    for (int p = 0; p < P; ++p) {
      SOFIE_UNROLL
      for (int r = 0; r < R; ++r) sums[p][r] = V{};
    }
  }

  template <class RowStep, class Load>
  SOFIE_INLINE void add_products(int part, const T* a, RowStep row_step, const T* right, Load read) {
    const V column = read(right);
    SOFIE_UNROLL
    for (int r = 0; r < R; ++r) sums[part][r] = read(a + r * row_step) * column + sums[part][r];
  }

  template <class RowStep, class First, class... Rest>
  SOFIE_INLINE const T* add(const T* a, RowStep row_step, const T* right, const Nest<First, Rest...>& k) {
    const std::int64_t extent = k.first.extent;
    if constexpr (sizeof...(Rest) > 0) {
      for (std::int64_t i = 0; i < extent; ++i) right = add(a + i * k.first.step, row_step, right, k.rest);
      return right;
    } else {
      const auto whole = [](const T* p) __attribute__((always_inline)) { return load<V>(p); };
      std::int64_t i = 0;
      SOFIE_LONG_TURNS
      for (; i + P * width <= extent; i += P * width) {
        SOFIE_UNROLL
        for (int p = 0; p < P; ++p)
          add_products(p, a + i + p * width, row_step, right + i + p * width, whole);
      }
      for (; i + width <= extent; i += width) add_products(0, a + i, row_step, right + i, whole);
      if constexpr (is_fixed<decltype(First::extent)>) {
        constexpr int left = static_cast<int>(decltype(First::extent)::value % width);
        const auto part = [](const T* p) __attribute__((always_inline)) { return load_first<V, left>(p); };
        if constexpr (left > 0) add_products(P - 1, a + i, row_step, right + i, part);
      } else if (i < extent) {
        add_products(P - 1, a + i, row_step, right + i,
                     [&](const T* p) { return load_first<V>(p, extent - i); });
      }
      return right + extent;
    }
  }

  SOFIE_INLINE V total(int r) const {
    V result = sums[0][r];
    SOFIE_UNROLL
    for (int p = 1; p < P; ++p) result += sums[p][r];
    return result;
  }

  template <int Rank, class Epilogue>
  SOFIE_INLINE void finish(RowIndex<Rank> row, Epilogue& epilogue) {
    SOFIE_UNROLL
    for (int r = 0; r < R; ++r) {
      RowIndex<Rank> here = row;
      if constexpr (Rank > 0) here.at[Rank - 1] += r;
      epilogue(sum(total(r)), here, std::int64_t{0}, std::integral_constant<int, 1>{});
    }
  }
};

/// Runs `tile(std::integral_constant<int, rows>, a, row step, index)` over all rows, at most Most at once.
template <int Most, int Level, int Rank, class T, class Tiling>
SOFIE_INLINE void for_rows(const T* a, const Nest<>&, RowIndex<Rank> index, Tiling& tile) {
  tile(std::integral_constant<int, 1>{}, a, Fixed<0>{}, index);
}

template <int Most, int Level, int Rank, class T, class First, class... Rest, class Tiling>
SOFIE_INLINE void for_rows(const T* a, const Nest<First, Rest...>& axes, RowIndex<Rank> index, Tiling& tile) {
  const auto step = axes.first.step;
  const std::int64_t extent = axes.first.extent;
  if constexpr (sizeof...(Rest) > 0) {
    for (std::int64_t i = 0; i < extent; ++i) {
      index.at[Level] = i;
      for_rows<Most, Level + 1>(a + i * step, axes.rest, index, tile);
    }
  } else {
    constexpr std::int64_t known = fixed_or<decltype(First::extent)>(0);
    constexpr int rows = known > 0 ? rows_per_tile(known, Most) : Most < 8 ? Most : 8;
    const auto run = [&](auto count, std::int64_t i) __attribute__((always_inline)) {
      index.at[Level] = i;
      tile(count, a + i * step, step, index);
    };
    const std::int64_t whole = extent - extent % rows;
    for (std::int64_t i = 0; i < whole; i += rows) run(std::integral_constant<int, rows>{}, i);
    if constexpr (known > 0) {
      constexpr int left = static_cast<int>(known % rows);
      if constexpr (left > 0) run(std::integral_constant<int, left>{}, whole);
    } else {
      std::int64_t i = whole;
      if constexpr (rows >= 4) {
        for (; i + rows / 2 <= extent; i += rows / 2) run(std::integral_constant<int, rows / 2>{}, i);
      }
      for (; i < extent; ++i) run(std::integral_constant<int, 1>{}, i);
    }
  }
}

/// Rows per tile of C vectors of columns.
template <int C>
constexpr int most_rows = most_sums / C < 16 ? most_sums / C : 16;

/// All rows for C vectors of columns from column n on; `right` is the operand's first row at column n.
template <class V, int C, int Last, class T, class RowAxes, class K, class RightStep, class Epilogue>
SOFIE_INLINE void column_tile(const T* a, const RowAxes& row_axes, const K& k, const T* right,
                              RightStep right_step, std::int64_t n, Epilogue& epilogue) {
  const auto tile = [&](auto rows, const T* left, auto row_step, auto index) __attribute__((always_inline)) {
    Tile<V, rows, C, chains(rows * C, inner_extent<K>), Last> sums;
    sums.clear();
    sums.add(left, row_step, right, right_step, k);
    sums.finish(index, n, epilogue);
  };
  for_rows<most_rows<C>, 0>(a, row_axes, RowIndex<RowAxes::rank>{}, tile);
}

/// As column_tile, for any number of vectors: in tiles of at most Most. Last counts the lanes of the last.
template <class V, int Vectors, int Last, int Most, class T, class RowAxes, class K, class RightStep,
          class Epilogue>
SOFIE_INLINE void column_tiles(const T* a, const RowAxes& row_axes, const K& k, const T* right,
                               RightStep right_step, std::int64_t n, Epilogue& epilogue) {
  constexpr int width = lane_count<V>;
  constexpr int tiles = (Vectors + Most - 1) / Most, vectors = (Vectors + tiles - 1) / tiles;
  constexpr int alike = Last == width ? Vectors / vectors : (Vectors - 1) / vectors;
  for (std::int64_t i = 0; i < alike; ++i) {
    column_tile<V, vectors, width>(a, row_axes, k, right, right_step, n, epilogue);
    right += vectors * width;
    n += vectors * width;
  }
  if constexpr (Vectors > alike * vectors) {
    column_tile<V, Vectors - alike * vectors, Last>(a, row_axes, k, right, right_step, n, epilogue);
  }
}

/// The columns from n on, in ever narrower vectors.
template <int Width, class T, class RowAxes, class K, class Step, class Epilogue>
SOFIE_INLINE void narrower_columns(const T* a, const RowAxes& row_axes, const K& k,
                                   const Rows<T, std::int64_t, Step>& right, std::int64_t n,
                                   Epilogue& epilogue) {
  using V = typename VectorOrScalar<T, Width>::type;
  for (; n + Width <= right.n; n += Width) {
    column_tile<V, 1, Width>(a, row_axes, k, right.data + n, right.step, n, epilogue);
  }
  if constexpr (Width > 1) narrower_columns<Width / 2>(a, row_axes, k, right, n, epilogue);
}

SOFIE_INLINE std::int64_t product_of_extents(const Nest<>&) { return 1; }

template <class First, class... Rest>
SOFIE_INLINE std::int64_t product_of_extents(const Nest<First, Rest...>& axes) {
  return axes.first.extent * product_of_extents(axes.rest);
}

/// Vectors of columns per tile: more for a single row, whose operand is used but once.
template <class RowAxes>
constexpr int most_vectors = RowAxes::rank == 0 ? enough_sums : most_sums / 6;

}  // namespace detail

/// Product with a packed operand of N columns.
template <class T, class RowAxes, class K, std::int64_t N, int Most, class Epilogue>
SOFIE_INLINE void contract(const T* a, const RowAxes& row_axes, const K& k, Packed<T, N, Most> right,
                           Epilogue&& epilogue) {
  using namespace detail;
  constexpr Panels panels(N, sizeof(T), Most);
  if constexpr (N == 1 && inner_contiguous<K>) {
    const auto tile = [&](auto rows, const T* left, auto row_step, auto index)
                          __attribute__((always_inline)) {
                            Dot<T, rows, chains(rows, (inner_extent<K> + lanes<T> - 1) / lanes<T>)> sums;
                            sums.clear();
                            sums.add(left, row_step, right.data, k);
                            sums.finish(index, epilogue);
                          };
    for_rows<8, 0>(a, row_axes, RowIndex<RowAxes::rank>{}, tile);
  } else {
    constexpr int width = panels.granule < lanes<T> ? static_cast<int>(panels.granule) : lanes<T>;
    using V = typename VectorOrScalar<T, width>::type;
    constexpr int per_granule = static_cast<int>(panels.granule) / width;
    constexpr int most = most_vectors<RowAxes>;
    // panels with columns behind N are the last; the others come in two widths
    constexpr bool ragged = N % panels.granule != 0;
    constexpr std::int64_t whole = panels.count - (ragged ? 1 : 0);
    constexpr std::int64_t wide = whole < panels.wide ? whole : panels.wide;
    const std::int64_t depth = product_of_extents(k);
    const T* data = right.data;
    std::int64_t n = 0;
    for (std::int64_t panel = 0; panel < wide; ++panel) {
      constexpr int vectors = static_cast<int>(panels.granules) * per_granule;
      column_tiles<V, vectors, width, most>(a, row_axes, k, data, Fixed<vectors * width>{}, n, epilogue);
      data += depth * vectors * width;
      n += vectors * width;
    }
    if constexpr (whole > wide) {
      constexpr int vectors = static_cast<int>(panels.granules - 1) * per_granule;
      for (std::int64_t panel = wide; panel < whole; ++panel) {
        column_tiles<V, vectors, width, most>(a, row_axes, k, data, Fixed<vectors * width>{}, n, epilogue);
        data += depth * vectors * width;
        n += vectors * width;
      }
    }
    if constexpr (ragged) {
      constexpr std::int64_t columns = N - panels.first(panels.count - 1) * panels.granule;
      constexpr int vectors = static_cast<int>((columns + width - 1) / width);
      constexpr int last = static_cast<int>(columns - (vectors - 1) * width);
      constexpr std::int64_t step = panels.granules_of(panels.count - 1) * panels.granule;
      column_tiles<V, vectors, last, most>(a, row_axes, k, data, Fixed<step>{}, n, epilogue);
    }
  }
}

/// Product with a matrix in memory whose columns are contiguous.
template <class T, class RowAxes, class K, class N, class Step, class Epilogue>
SOFIE_INLINE void contract(const T* a, const RowAxes& row_axes, const K& k, Rows<T, N, Step> right,
                           Epilogue&& epilogue) {
  using namespace detail;
  constexpr int most = most_vectors<RowAxes>;
  if constexpr (is_fixed<N>) {
    constexpr std::int64_t columns = granule(N::value, sizeof(T));
    constexpr int width = columns < lanes<T> ? static_cast<int>(columns) : lanes<T>;
    using V = typename VectorOrScalar<T, width>::type;
    constexpr int vectors = static_cast<int>((N::value + width - 1) / width);
    constexpr int last = static_cast<int>(N::value - (vectors - 1) * width);
    column_tiles<V, vectors, last, most>(a, row_axes, k, right.data, right.step, 0, epilogue);
  } else {
    std::int64_t n = 0;
    constexpr int wide = most * lanes<T>;
    for (; n + wide <= right.n; n += wide) {
      column_tile<Vec<T>, most, lanes<T>>(a, row_axes, k, right.data + n, right.step, n, epilogue);
    }
    narrower_columns<lanes<T>>(a, row_axes, k, right, n, epilogue);
  }
}

}  // namespace sofie_runtime

#endif
