/// @file
/// Transposing in registers: square blocks of vectors, their sums, and a matrix by such blocks.
#ifndef SOFIE_RUNTIME_TRANSPOSE_HXX
#define SOFIE_RUNTIME_TRANSPOSE_HXX

#include "vector.hxx"

namespace sofie_runtime {

namespace detail {

/// Lanes of a and b, numbered one after the other, by a function of the lane.
template <class V, class Index, std::size_t... Lane>
SOFIE_INLINE V pick(V a, V b, Index index, std::index_sequence<Lane...>) {
#if defined(__clang__) || __GNUC__ >= 12
  return __builtin_shufflevector(a, b, index(static_cast<int>(Lane))...);
#else
  constexpr int n = lane_count<V>;
  const auto at = [&](int i) { return i < n ? a[i] : b[i - n]; };
  return V{at(index(static_cast<int>(Lane)))...};
#endif
}

/// Swaps the upper lanes of every pair of groups of S lanes in a with the lower ones in b.
template <int S, class V>
SOFIE_INLINE void exchange(V& a, V& b) {
  constexpr int n = lane_count<V>;
  constexpr auto low = [](int lane) constexpr { return (lane & S) == 0 ? lane : n + lane - S; };
  constexpr auto high = [](int lane) constexpr { return (lane & S) == 0 ? lane + S : n + lane; };
  const V first = a, second = b;
  a = pick(first, second, low, std::make_index_sequence<n>{});
  b = pick(first, second, high, std::make_index_sequence<n>{});
}

template <int S, class V>
SOFIE_INLINE void transpose_from(V (&block)[lane_count<V>]) {
  if constexpr (S < lane_count<V>) {
    SOFIE_UNROLL
    for (int i = 0; i < lane_count<V>; ++i) {
      if ((i & S) == 0) exchange<S>(block[i], block[i + S]);
    }
    transpose_from<2 * S>(block);
  }
}

/// Halves the vectors until one is left; lanes whose numbers differ by S belong to neighbouring vectors.
template <int S, class V, int Count>
SOFIE_INLINE V sums_from(V (&block)[Count]) {
  if constexpr (Count == 1) {
    return block[0];
  } else {
    V half[Count / 2];
    SOFIE_UNROLL
    for (int i = 0; i < Count / 2; ++i) {
      exchange<S>(block[2 * i], block[2 * i + 1]);
      half[i] = block[2 * i] + block[2 * i + 1];
    }
    return sums_from<2 * S>(half);
  }
}

}  // namespace detail

/// Lane i of the result is the sum of the lanes of vector i.
template <class V>
SOFIE_INLINE V sums_of(V (&block)[lane_count<V>]) {
  return detail::sums_from<1>(block);
}

/// Transposes a square block: lane j of vector i becomes lane i of vector j.
template <class V>
SOFIE_INLINE void transpose(V (&block)[lane_count<V>]) {
  detail::transpose_from<1>(block);
}

/// Transposes `count` lines of Length contiguous elements: element k of line i, at in[i * in_step + k], comes
/// to out[k * out_step + i]. Whole vectors are stored: out_step is a multiple of the vector's lanes, and what
/// lies behind the last line, up to such a multiple, is overwritten.
template <std::int64_t Length, class T>
SOFIE_INLINE void transpose(T* out, std::int64_t out_step, const T* in, std::int64_t in_step,
                            std::int64_t count) {
  using V = Vec<T>;
  constexpr int n = lane_count<V>, tail = static_cast<int>(Length % n);
  for (std::int64_t line = 0; line < count; line += n) {
    const T* lines[n];
    for (int i = 0; i < n; ++i) lines[i] = in + (line + i < count ? line + i : count - 1) * in_step;
    for (std::int64_t k = 0; k + n <= Length; k += n) {
      V block[n];
      SOFIE_UNROLL
      for (int i = 0; i < n; ++i) block[i] = load<V>(lines[i] + k);
      transpose(block);
      SOFIE_UNROLL
      for (int i = 0; i < n; ++i) store(out + (k + i) * out_step + line, block[i]);
    }
    if constexpr (tail > 0) {
      V block[n];
      SOFIE_UNROLL
      for (int i = 0; i < n; ++i) block[i] = load_first<V, tail>(lines[i] + (Length - tail));
      transpose(block);
      SOFIE_UNROLL
      for (int i = 0; i < tail; ++i) store(out + (Length - tail + i) * out_step + line, block[i]);
    }
  }
}

}  // namespace sofie_runtime

#endif
