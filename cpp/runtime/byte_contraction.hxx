/// @file
/// Products of bytes for grouped_contraction.hxx, with exact sums: std::uint8_t or std::int8_t times
/// std::int8_t. Four products and their sum are one instruction (VNNI), two (multiply-add of 16-bit pairs)
/// or, elsewhere, a few each.
///
/// Those instructions take the left operand without sign. A signed one is read as a + 128; the sums then
/// begin at -128 times the sum of the weights of their column, the first row of the packing.
#ifndef SOFIE_RUNTIME_BYTE_CONTRACTION_HXX
#define SOFIE_RUNTIME_BYTE_CONTRACTION_HXX

#include "grouped_contraction.hxx"

namespace sofie_runtime {

#if defined(__AVX512VNNI__) && defined(__AVX512VL__)
#define SOFIE_DOT_BYTES "vpdpbusd %2, %1, %0"
#elif defined(__AVXVNNI__)
#define SOFIE_DOT_BYTES "%{vex%} vpdpbusd %2, %1, %0"
#elif defined(__AVX2__)
#define SOFIE_DOT_PAIRS "vpmaddwd %1, %0, %0"
#elif defined(__SSE2__)
#define SOFIE_DOT_PAIRS "pmaddwd %1, %0"
#endif

/// Four bytes in a lane, multiplied at once, or the even and the odd ones after each other.
struct ByteDot {
  using Sum = std::int32_t;
  static constexpr int group = 4;
  static constexpr bool has_start = true;
#if defined(SOFIE_DOT_BYTES)
  static constexpr int steps = 1;
#else
  static constexpr int steps = 2;
#endif

  template <class V, class A>
  SOFIE_INLINE static V start(const std::int32_t* row) {
    return std::is_signed<A>::value ? load<V>(row) : V{};
  }

  template <class V>
  SOFIE_INLINE static V right(V words, [[maybe_unused]] int step) {
#if defined(SOFIE_DOT_BYTES)
    return words;
#else
    using Pairs = Vec<std::int16_t, 2 * lane_count<V> >;
    const Pairs pairs = bit_cast<Pairs>(words);
    return bit_cast<V>(step == 0 ? (pairs << 8) >> 8 : pairs >> 8);
#endif
  }

  /// Bytes that are not there are zero, or meet weights that are.
  template <class V, int Count, class A>
  SOFIE_INLINE static V left(const A* a, [[maybe_unused]] int step) {
    std::uint32_t word = 0;
    std::memcpy(&word, a, Count);
    if (std::is_signed<A>::value) word ^= 0x80808080u;
#if !defined(SOFIE_DOT_BYTES)
    word = (word >> (8 * step)) & 0x00ff00ffu;
#endif
    return splat<V>(bit_cast<std::int32_t>(word));
  }

  template <class V>
  SOFIE_INLINE static V add(V sum, V left, V right) {
#if defined(SOFIE_DOT_BYTES)
    __asm__(SOFIE_DOT_BYTES : "+v"(sum) : "v"(left), "v"(right));
    return sum;
#else
    return sum + dot_pairs(left, right);
#endif
  }

 private:
#if !defined(SOFIE_DOT_BYTES)
  /// The sum of the products of 16-bit pairs.
  template <class V>
  SOFIE_INLINE static V dot_pairs(V left, V right) {
#if defined(SOFIE_DOT_PAIRS)
    if constexpr (sizeof(V) <= SOFIE_VECTOR_BYTES) {
      __asm__(SOFIE_DOT_PAIRS : "+x"(left) : "x"(right));
      return left;
    }
#endif
    return (left & 0xffff) * ((right << 16) >> 16) + (left >> 16) * (right >> 16);
  }
#endif
};

}  // namespace sofie_runtime

#endif
