/// @file
/// Contractions with a single column: as many rows as a vector has lanes at once, whose sums become the lanes
/// of one vector, so that the epilogue works on vectors there, too.
#ifndef SOFIE_RUNTIME_DOT_HXX
#define SOFIE_RUNTIME_DOT_HXX

#include "contraction.hxx"
#include "transpose.hxx"

namespace sofie_runtime {

/// The only column of a right operand, its elements one after the other.
template <class T>
struct Column {
  const T* data;
};

template <class T>
constexpr Column<T> column(const T* data) {
  return {data};
}

/// Product with a single column; the innermost k axis has the step 1. The epilogue is called as
/// `epilogue(sums, row, 0, count)` for `count` successive indices on the last row axis, from `row` on.
template <class T, class RowAxes, class K, class Epilogue>
SOFIE_INLINE void contract(const T* a, const RowAxes& row_axes, const K& k, Column<T> right,
                           Epilogue&& epilogue) {
  using namespace detail;
  static_assert(inner_contiguous<K>, "rows are read as vectors");
  constexpr int width = lanes<T>;
  const auto tile = [&](auto rows, const T* left, auto row_step, auto index) __attribute__((always_inline)) {
    Dot<T, rows, chains(rows, (inner_extent<K> + width - 1) / width)> sums;
    sums.clear();
    sums.add(left, row_step, right.data, k);
    Vec<T> block[width];
    SOFIE_UNROLL
    for (int r = 0; r < width; ++r) block[r] = r < rows ? sums.total(r < rows ? r : 0) : Vec<T>{};
    epilogue(sums_of(block), index, std::int64_t{0}, std::integral_constant<int, rows>{});
  };
  for_rows<width, 0>(a, row_axes, RowIndex<RowAxes::rank>{}, tile);
}

}  // namespace sofie_runtime

#endif
