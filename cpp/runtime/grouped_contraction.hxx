/// @file
/// The matrix product of the CPU target for weights that are narrower than 32 bits:
///
///     out[rows..., n] = epilogue(sum over k of a[row offset + k offset] * right[k][n])
///
/// The weights of consecutive k lie together, a group in each 32-bit lane of the columns. How a group is
/// multiplied is the business of a `Dot` (byte_contraction.hxx, half_contraction.hxx):
///
///     struct Dot {
///       using Sum;                          what is summed: std::int32_t or float
///       static constexpr int group;         elements of k in a lane
///       static constexpr int steps;         multiplications that a group takes
///       static constexpr bool has_start;    the packing begins with a row of 32-bit numbers, for `start`
///       static V start<V, A>(row);          what sums begin with
///       static right<V>(words, step);       the weights of one step, ready to be multiplied
///       static left<V, Count>(a, step);     the same of Count elements of the left operand, in every lane
///       static V add(V sum, left, right);
///     };
///
/// All else is as in contraction.hxx, but that the k axes have known extents and the innermost one is
/// contiguous in `a`.
#ifndef SOFIE_RUNTIME_GROUPED_CONTRACTION_HXX
#define SOFIE_RUNTIME_GROUPED_CONTRACTION_HXX

#include "arithmetic.hxx"
#include "contraction.hxx"

/// Before a loop whose body is long.
#define SOFIE_NO_UNROLL _Pragma("GCC unroll 1")

namespace sofie_runtime {

/// N columns of weights in groups along k, packed by pack_groups.
template <std::int64_t N, class Dot>
struct PackedGroups {
  const std::int32_t* data;
};

namespace detail {

/// Granules of groups, one behind the other: granule g begins at data + g * step.
struct GroupColumns {
  const std::int32_t* data;
  std::int64_t step;
};

/// The sums of R rows and C vectors of columns, each in P parts. Granule is the length of the packing's.
template <class Dot, class V, int R, int C, int P, int Last, int Granule>
struct GroupTile {
  static constexpr int width = lane_count<V>;
  V sums[P][R][C];

  SOFIE_INLINE static const std::int32_t* column(GroupColumns right, int c) {
    return right.data + c * width / Granule * right.step + c * width % Granule;
  }

  template <class A>
  SOFIE_INLINE void start(GroupColumns right) {
    SOFIE_UNROLL
    for (int p = 0; p < P; ++p) {
      SOFIE_UNROLL
      for (int r = 0; r < R; ++r) {
        SOFIE_UNROLL
        for (int c = 0; c < C; ++c) {
          sums[p][r][c] = V{};
          if constexpr (Dot::has_start)
            if (p == 0) sums[p][r][c] = Dot::template start<V, A>(column(right, c));
        }
      }
    }
  }

  template <int Count, class A, class RowStep>
  SOFIE_INLINE void add_group(int part, const A* a, RowStep row_step, GroupColumns right) {
    SOFIE_UNROLL
    for (int step = 0; step < Dot::steps; ++step) {
      decltype(Dot::template right<V>(Bits<V>{}, 0)) columns[C];
      SOFIE_UNROLL
      for (int c = 0; c < C; ++c) columns[c] = Dot::template right<V>(load<Bits<V>>(column(right, c)), step);
      SOFIE_UNROLL
      for (int r = 0; r < R; ++r) {
        const auto left = Dot::template left<V, Count>(a + r * row_step, step);
        SOFIE_UNROLL
        for (int c = 0; c < C; ++c) sums[part][r][c] = Dot::add(sums[part][r][c], left, columns[c]);
      }
    }
  }

  /// Adds the products along the k axes; returns the operand behind the rows that were read.
  template <class A, class RowStep, class First, class... Rest>
  SOFIE_INLINE GroupColumns add(const A* a, RowStep row_step, GroupColumns right,
                                const Nest<First, Rest...>& k) {
    constexpr std::int64_t extent = decltype(First::extent)::value;
    if constexpr (sizeof...(Rest) > 0) {
      for (std::int64_t i = 0; i < extent; ++i) {
        right = add(a + i * k.first.step, row_step, right, k.rest);
      }
    } else {
      constexpr std::int64_t groups = extent / Dot::group, whole = groups - groups % P;
      SOFIE_LONG_TURNS
      for (std::int64_t i = 0; i < whole; i += P) {
        SOFIE_UNROLL
        for (int p = 0; p < P; ++p) add_group<Dot::group>(p, a + Dot::group * p, row_step, next(right, p));
        a += Dot::group * P;
        right = next(right, P);
      }
      constexpr int left = static_cast<int>(groups - whole), last = static_cast<int>(extent % Dot::group);
      SOFIE_UNROLL
      for (int p = 0; p < left; ++p) add_group<Dot::group>(p, a + Dot::group * p, row_step, next(right, p));
      right = next(right, left);
      if constexpr (last > 0) {
        add_group<last>(P - 1, a + Dot::group * left, row_step, right);
        right = next(right, 1);
      }
    }
    return right;
  }

  SOFIE_INLINE static GroupColumns next(GroupColumns right, int rows) {
    return {right.data + rows * Granule, right.step};
  }

  /// Hands all sums to the epilogue, in loops: that of quantised numbers is long.
  template <int Rank, class Epilogue>
  SOFIE_INLINE void finish(RowIndex<Rank> row, std::int64_t n, Epilogue& epilogue) {
    V totals[R][C];
    SOFIE_UNROLL
    for (int r = 0; r < R; ++r) {
      SOFIE_UNROLL
      for (int c = 0; c < C; ++c) totals[r][c] = total(r, c);
    }
    constexpr int whole = Last == width ? C : C - 1;
    SOFIE_NO_UNROLL
    for (int r = 0; r < R; ++r) {
      RowIndex<Rank> here = row;
      if constexpr (Rank > 0) here.at[Rank - 1] += r;
      SOFIE_NO_UNROLL
      for (int c = 0; c < whole; ++c)
        epilogue(totals[r][c], here, n + c * width, std::integral_constant<int, width>{});
      if constexpr (whole < C)
        epilogue(totals[r][C - 1], here, n + (C - 1) * width, std::integral_constant<int, Last>{});
    }
  }

  SOFIE_INLINE V total(int r, int c) const {
    V result = sums[0][r][c];
    SOFIE_UNROLL
    for (int p = 1; p < P; ++p) result += sums[p][r][c];
    return result;
  }
};

/// Rows of groups along the k axes.
template <int Group>
SOFIE_INLINE constexpr std::int64_t group_rows(const Nest<>&) {
  return 1;
}
template <int Group, class First, class... Rest>
SOFIE_INLINE constexpr std::int64_t group_rows(const Nest<First, Rest...>& k) {
  constexpr std::int64_t extent = decltype(First::extent)::value;
  if constexpr (sizeof...(Rest) == 0) {
    return (extent + Group - 1) / Group;
  } else {
    return extent * group_rows<Group>(k.rest);
  }
}

}  // namespace detail

/// Product with weights in groups.
template <class A, class RowAxes, class K, std::int64_t N, class Dot, class Epilogue>
SOFIE_INLINE void contract(const A* a, const RowAxes& row_axes, const K& k, PackedGroups<N, Dot> packed,
                           Epilogue&& epilogue) {
  using namespace detail;
  constexpr int columns = static_cast<int>(granule(N, sizeof(std::int32_t)));
  constexpr int width = columns < lanes<std::int32_t> ? columns : lanes<std::int32_t>;
  using V = Vec<typename Dot::Sum, width>;
  constexpr std::int64_t groups = inner_extent<K> / Dot::group;
  constexpr int vectors = static_cast<int>((N + width - 1) / width);
  constexpr int tiles = (vectors + most_vectors<RowAxes> - 1) / most_vectors<RowAxes>;
  // a tile begins where a granule does
  constexpr int per_granule = columns / width;
  constexpr int per_tile = ((vectors + tiles - 1) / tiles + per_granule - 1) / per_granule * per_granule;
  constexpr int start = Dot::has_start ? 1 : 0;
  const std::int64_t step = (group_rows<Dot::group>(k) + start) * columns;
  const auto run = [&](auto count, auto last, std::int64_t first) __attribute__((always_inline)) {
    const GroupColumns right{packed.data + first / per_granule * step, step};
    const auto tile = [&](auto rows, const A* left, auto row_step, auto index)
                          __attribute__((always_inline)) {
                            constexpr int parts = chains(rows * count, groups > 0 ? groups : 1);
                            GroupTile<Dot, V, rows, count, parts, last, columns> sums;
                            sums.template start<A>(right);
                            sums.add(left, row_step, sums.next(right, start), k);
                            sums.finish(index, first * width, epilogue);
                          };
    for_rows<most_rows<count>, 0>(a, row_axes, RowIndex<RowAxes::rank>{}, tile);
  };
  constexpr int last = static_cast<int>(N - (vectors - 1) * width);
  constexpr int alike = last == width ? vectors / per_tile : (vectors - 1) / per_tile;
  for (std::int64_t i = 0; i < alike; ++i)
    run(std::integral_constant<int, per_tile>{}, std::integral_constant<int, width>{}, i * per_tile);
  if constexpr (vectors > alike * per_tile)
    run(std::integral_constant<int, vectors - alike * per_tile>{}, std::integral_constant<int, last>{},
        alike * per_tile);
}

}  // namespace sofie_runtime

#endif
