/// @file
/// Contractions whose right operand holds its columns, not its rows, contiguously: the scores of attention, Q
/// K^T.
///
/// As many columns as a tile takes are transposed in registers into a small block, which then serves all
/// rows.
#ifndef SOFIE_RUNTIME_COLUMNS_HXX
#define SOFIE_RUNTIME_COLUMNS_HXX

#include "contraction.hxx"
#include "transpose.hxx"

namespace sofie_runtime {

/// A matrix in memory: column n begins at data + n * step, its elements are contiguous. N and Step are Fixed
/// or std::int64_t.
template <class T, class N, class Step>
struct Columns {
  const T* data;
  N n;
  Step step;
};

template <class T, class N, class Step>
constexpr Columns<T, N, Step> columns(const T* data, N n, Step step) {
  return {data, n, step};
}

namespace detail {

/// Depths up to which a tile's columns are transposed; the block lies on the stack and fits the cache.
constexpr std::int64_t most_depth = 128;

}  // namespace detail

/// Product with a matrix in memory whose columns are contiguous, along one k axis.
template <class T, class RowAxes, class Extent, class KStep, class N, class Step, class Epilogue>
SOFIE_INLINE void contract(const T* a, const RowAxes& row_axes, const Nest<Axis<Extent, KStep>>& k,
                           Columns<T, N, Step> right, Epilogue&& epilogue) {
  using namespace detail;
  const auto from = [&](std::int64_t first) __attribute__((always_inline)) {
    return [&epilogue, first](auto sum, auto row, std::int64_t n, auto count)
               __attribute__((always_inline)) { epilogue(sum, row, first + n, count); };
  };
  if constexpr (RowAxes::rank > 0 && fixed_or<Extent>(most_depth + 1) <= most_depth) {
    constexpr std::int64_t depth = fixed_or<Extent>(0), width = lanes<T> * most_vectors<RowAxes>;
    alignas(64) T block[depth * width];
    const auto run = [&](std::int64_t first, auto count) __attribute__((always_inline)) {
      transpose<depth>(block, width, right.data + first * right.step, right.step, count);
      contract(a, row_axes, k, rows(static_cast<const T*>(block), count, Fixed<width>{}), from(first));
    };
    const std::int64_t whole = right.n - right.n % width;
    for (std::int64_t first = 0; first < whole; first += width) run(first, Fixed<width>{});
    if constexpr (!is_fixed<N>) {
      if (whole < right.n) run(whole, right.n - whole);
    } else if constexpr (N::value % width > 0) {
      run(whole, Fixed<N::value % width>{});
    }
  } else {
    for (std::int64_t n = 0; n < right.n; ++n) {
      contract(a, row_axes, k, Packed<T, 1, 1>{right.data + n * right.step}, from(n));
    }
  }
}

}  // namespace sofie_runtime

#endif
