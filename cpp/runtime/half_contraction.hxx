/// @file
/// Products of floats and narrow weights for grouped_contraction.hxx: the weights are widened in registers,
/// so that half or a quarter of their bytes stream through the caches; and products of bfloat16 with
/// bfloat16.
#ifndef SOFIE_RUNTIME_HALF_CONTRACTION_HXX
#define SOFIE_RUNTIME_HALF_CONTRACTION_HXX

#include "grouped_contraction.hxx"

namespace sofie_runtime {

/// @name How a lane of 32 bits holds weights
/// @{

struct Bfloat16Weights {
  static constexpr int group = 2;
  template <class V>
  SOFIE_INLINE static V element(Bits<V> words, int i) {
    using U = detail::Unsigned<V>;
    const U bits = bit_cast<U>(words);
    return bit_cast<V>(i == 0 ? bits << 16 : bits & 0xffff0000u);
  }
};

struct Float16Weights {
  static constexpr int group = 2;
  template <class V>
  SOFIE_INLINE static V element(Bits<V> words, int i) {
    using U = detail::Unsigned<V>;
    const U bits = bit_cast<U>(words) >> static_cast<unsigned>(16 * i);
    // exponent and fraction of a float that is 2^-112 of the value; no arithmetic on it, as it may be
    // denormal
    const U tiny = (bits & 0x7fffu) << 13;
    const V normal = bit_cast<V>(tiny + (112u << 23)), denormal = bit_cast<V>(tiny + (113u << 23)) - 0x1p-14f;
    const V magnitude = tiny < (1u << 23) ? denormal : normal;
    return bit_cast<V>(bit_cast<U>(magnitude) | ((bits & 0x8000u) << 16));
  }
};

struct ByteWeights {
  static constexpr int group = 4;
  template <class V>
  SOFIE_INLINE static V element(Bits<V> words, int i) {
    return convert<float>((words << (24 - 8 * i)) >> 24);
  }
};

/// @}

/// Floats times weights.
template <class Weights>
struct WeightDot {
  using Sum = float;
  static constexpr int group = Weights::group, steps = group;
  static constexpr bool has_start = false;

  template <class V>
  SOFIE_INLINE static V right(Bits<V> words, int step) {
    return Weights::template element<V>(words, step);
  }
  template <class V, int Count>
  SOFIE_INLINE static V left(const float* a, int step) {
    return step < Count ? splat<V>(a[step]) : V{};
  }
  template <class V>
  SOFIE_INLINE static V add(V sum, V left, V right) {
    return left * right + sum;
  }
};

/// bfloat16 times bfloat16, two products and their sum at once where the processor has an instruction for it.
struct Bfloat16Dot {
  using Sum = float;
  static constexpr int group = 2;
  static constexpr bool has_start = false;
#if defined(__AVX512BF16__) && defined(__AVX512VL__)
  static constexpr bool native = true;
#else
  static constexpr bool native = false;
#endif
  static constexpr int steps = native ? 1 : 2;

  template <class V>
  SOFIE_INLINE static V right(Bits<V> words, int step) {
    return native ? bit_cast<V>(words) : Bfloat16Weights::element<V>(words, step);
  }
  template <class V, int Count, class A>
  SOFIE_INLINE static V left(const A* a, int step) {
    static_assert(sizeof(A) == 2, "codes of bfloat16");
    std::uint32_t word = 0;
    std::memcpy(&word, a, 2 * Count);
    const Bits<V> words = splat<Bits<V>>(bit_cast<std::int32_t>(word));
    return right<V>(words, step);
  }
  template <class V>
  SOFIE_INLINE static V add(V sum, V left, V right) {
#if defined(__AVX512BF16__) && defined(__AVX512VL__)
    __asm__("vdpbf16ps %2, %1, %0" : "+v"(sum) : "v"(left), "v"(right));
    return sum;
#else
    return left * right + sum;
#endif
  }
};

}  // namespace sofie_runtime

#endif
