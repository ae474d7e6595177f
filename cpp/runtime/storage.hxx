/// \file storage.hxx
/// Element types that tensors are stored in and nothing is computed in: floating-point numbers of 16 and
/// fewer bits, integers of 4 and 2. `cast` converts them; each element takes one or two whole bytes.
///
/// A code is what is stored. The conversions are written once for scalars and vectors: they only use the
/// operators that both have, and `Words`, which storage_vector.hxx specialises.
#ifndef SOFIE_RUNTIME_STORAGE_HXX
#define SOFIE_RUNTIME_STORAGE_HXX

#include <cstdint>
#include <type_traits>

#include "scalar.hxx"

namespace sofie_runtime {

/// IEEE 754's layout of a type that is computed in.
template <class V, class = void>
struct Words;
template <>
struct Words<float> {
  using Unsigned = std::uint32_t;
  using Word = std::uint32_t;
  static constexpr int mantissa = 23, bias = 127, width = 32;
  SOFIE_FN __attribute__((always_inline)) static Unsigned select(bool condition, Unsigned a, Unsigned b) {
    return condition ? a : b;
  }
};
template <>
struct Words<double> {
  using Unsigned = std::uint64_t;
  using Word = std::uint64_t;
  static constexpr int mantissa = 52, bias = 1023, width = 64;
  SOFIE_FN __attribute__((always_inline)) static Unsigned select(bool condition, Unsigned a, Unsigned b) {
    return condition ? a : b;
  }
};

/// What a format has beside finite numbers.
enum class Special {
  InfinityAndNan,     ///< as IEEE 754: the codes with the largest exponent
  Nan,                ///< the largest code of either sign
  NegativeZeroIsNan,  ///< and there is no negative zero
  None,               ///< what is too large becomes the largest number
};

/// A sign, Exponent and Mantissa bits. Conversion to it rounds to the nearest, ties to even.
template <int Exponent, int Mantissa, int Bias, Special Kind>
struct SmallFloat {
  static constexpr int magnitude_bits = Exponent + Mantissa;
  using Code = std::conditional_t<(magnitude_bits < 8), std::uint8_t, std::uint16_t>;
  Code code;

  static constexpr std::uint32_t all = (1u << magnitude_bits) - 1, sign_bit = all + 1;
  static constexpr bool is_ieee = Kind == Special::InfinityAndNan;
  static constexpr std::uint32_t infinity = ((1u << Exponent) - 1) << Mantissa;
  static constexpr std::uint32_t nan = is_ieee                ? infinity | (1u << Mantissa >> 1)
                                       : Kind == Special::Nan ? all
                                                              : sign_bit;
  static constexpr std::uint32_t largest = is_ieee ? infinity - 1 : Kind == Special::Nan ? all - 1 : all;
  static constexpr std::uint32_t overflow = is_ieee ? infinity : Kind == Special::None ? largest : nan;

  /// The codes of floats or doubles, in words of their width.
  template <class V>
  SOFIE_FN __attribute__((always_inline)) static auto encode(V x) {
    using W = Words<V>;
    using U = typename W::Unsigned;
    using Word = typename W::Word;
    constexpr int shift = W::mantissa - Mantissa, rebias = W::bias - Bias;
    constexpr Word one = 1, past_largest = ((one << (W::width - 1 - W::mantissa)) - 1) << W::mantissa;
    const U bits = bit_cast<U>(x), magnitude = bits & (~Word(0) >> 1);
    const U even = magnitude + ((magnitude >> shift) & one) + ((one << (shift - 1)) - one);
    U result = (even >> shift) - (Word(rebias) << Mantissa);
    if constexpr (rebias > 0) {
      // A number whose last bit counts as much as that of the small ones: adding it rounds them.
      constexpr Word magic = Word(rebias + 1 + shift) << W::mantissa;
      const U small = bit_cast<U>(bit_cast<V>(magnitude) + bit_cast<V>(U{} + magic)) - magic;
      result = W::select(magnitude < U{} + (Word(rebias + 1) << W::mantissa), small, result);
    }
    result = W::select(result > U{} + Word(largest), U{} + Word(overflow), result);
    U not_a_number = U{} + Word(nan);
    if constexpr (is_ieee) not_a_number = not_a_number | ((magnitude >> shift) & ((one << Mantissa) - one));
    result = W::select(magnitude > U{} + past_largest, not_a_number, result);
    const U negative = result | ((bits >> (W::width - 1)) << magnitude_bits);
    return Kind == Special::NegativeZeroIsNan ? W::select(result == U{}, result, negative) : negative;
  }

  /// The floats of codes in words of their width.
  template <class V>
  SOFIE_FN __attribute__((always_inline)) static V decode(typename Words<V>::Unsigned codes) {
    using W = Words<V>;
    using U = typename W::Unsigned;
    constexpr int shift = W::mantissa - Mantissa;
    constexpr std::uint32_t rebias = W::bias - Bias, smallest = (rebias + 1) << W::mantissa;
    constexpr std::uint32_t quiet = 0x7fc00000u;
    const U magnitude = (codes & all) << shift;
    U bits = magnitude + (rebias << W::mantissa);
    if constexpr (rebias > 0) {
      const V one_more = bit_cast<V>(magnitude + smallest), one = bit_cast<V>(U{} + smallest);
      bits = W::select(magnitude < U{} + (1u << W::mantissa), bit_cast<U>(one_more - one), bits);
    }
    if constexpr (is_ieee)
      bits = W::select(magnitude >= U{} + (infinity << shift), magnitude | 0x7f800000u, bits);
    else if constexpr (Kind == Special::Nan)
      bits = W::select((codes & all) == U{} + nan, U{} + quiet, bits);
    else if constexpr (Kind == Special::NegativeZeroIsNan)
      bits = W::select(codes == U{} + nan, U{} + quiet, bits);
    return bit_cast<V>(bits | ((codes & sign_bit) << (W::width - 1 - magnitude_bits)));
  }
};

/// A power of two from 2^-127 to 2^127, or NaN. Conversion to it drops the sign and the mantissa.
struct PowerOfTwo {
  using Code = std::uint8_t;
  Code code;

  template <class V>
  SOFIE_FN __attribute__((always_inline)) static auto encode(V x) {
    using W = Words<V>;
    return (bit_cast<typename W::Unsigned>(x) >> W::mantissa) & 0xffu;
  }

  template <class V>
  SOFIE_FN __attribute__((always_inline)) static V decode(typename Words<V>::Unsigned codes) {
    using W = Words<V>;
    using U = typename W::Unsigned;
    const U finite = W::select(codes == U{}, U{} + 0x00400000u, codes << W::mantissa);
    return bit_cast<V>(W::select(codes == U{} + 0xffu, U{} + 0x7fc00000u, finite));
  }
};

/// An integer of fewer than 8 bits. Conversion to it keeps the last bits of an integer.
template <int Bits, bool Signed>
struct SmallInteger {
  using Code = std::uint8_t;
  Code code;

  static constexpr std::uint32_t all = (1u << Bits) - 1, sign_bit = Signed ? 1u << (Bits - 1) : 0;

  template <class V>
  SOFIE_FN __attribute__((always_inline)) static V decode(typename Words<V>::Unsigned codes) {
    // Added to 2^23 the code is the last bits of the mantissa.
    constexpr std::uint32_t magic = 0x4b000000u;
    using U = typename Words<V>::Unsigned;
    return bit_cast<V>(((codes & all) ^ sign_bit) | magic) - bit_cast<V>(U{} + (magic | sign_bit));
  }
};

using Float16 = SmallFloat<5, 10, 15, Special::InfinityAndNan>;
using BFloat16 = SmallFloat<8, 7, 127, Special::InfinityAndNan>;
using Float8E4M3FN = SmallFloat<4, 3, 7, Special::Nan>;
using Float8E4M3FNUZ = SmallFloat<4, 3, 8, Special::NegativeZeroIsNan>;
using Float8E5M2 = SmallFloat<5, 2, 15, Special::InfinityAndNan>;
using Float8E5M2FNUZ = SmallFloat<5, 2, 16, Special::NegativeZeroIsNan>;
using Float8E8M0 = PowerOfTwo;
using Float6E2M3 = SmallFloat<2, 3, 1, Special::None>;
using Float6E3M2 = SmallFloat<3, 2, 3, Special::None>;
using Float4E2M1 = SmallFloat<2, 1, 1, Special::None>;
using Int4 = SmallInteger<4, true>;
using UInt4 = SmallInteger<4, false>;
using Int2 = SmallInteger<2, true>;
using UInt2 = SmallInteger<2, false>;

template <class T>
constexpr bool is_small_integer = false;
template <int Bits, bool Signed>
constexpr bool is_small_integer<SmallInteger<Bits, Signed>> = true;

template <class T>
constexpr bool is_storage = is_small_integer<T> || std::is_same_v<T, PowerOfTwo>;
template <int Exponent, int Mantissa, int Bias, Special Kind>
constexpr bool is_storage<SmallFloat<Exponent, Mantissa, Bias, Kind>> = true;

template <class T>
using IfStorage = std::enable_if_t<is_storage<T>, int>;

template <class T, IfStorage<T> = 0>
SOFIE_FN T select(bool condition, T a, T b) {
  return condition ? a : b;
}

/// To a storage type; from a double without rounding twice, but to a power of two.
template <class To, class From, IfStorage<To> = 0, IfScalar<From> = 0>
SOFIE_FN To cast(From x) {
  using Code = typename To::Code;
  if constexpr (is_small_integer<To> && std::is_floating_point_v<From>) {
    return cast<To>(cast<std::int32_t>(x));
  } else if constexpr (is_small_integer<To>) {
    return {static_cast<Code>(static_cast<std::uint32_t>(x) & To::all)};
  } else if constexpr (std::is_same_v<From, double> && !std::is_same_v<To, PowerOfTwo>) {
    return {static_cast<Code>(To::encode(x))};
  } else {
    return {static_cast<Code>(To::encode(static_cast<float>(x)))};
  }
}

/// From a storage type, whose every number is a float.
template <class To, class From, IfStorage<From> = 0>
SOFIE_FN To cast(From x) {
  const float value = From::template decode<float>(x.code);
  if constexpr (std::is_same_v<To, float>) {
    return value;
  } else {
    return cast<To>(value);
  }
}

}  // namespace sofie_runtime

#endif
