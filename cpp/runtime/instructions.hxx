/// @file
/// Instructions of x86 processors that compilers do not find in operations on vector types, each beside the
/// same in vector types for all other processors. Written as assembly, for gcc, clang and Cling alike.
#ifndef SOFIE_RUNTIME_INSTRUCTIONS_HXX
#define SOFIE_RUNTIME_INSTRUCTIONS_HXX

#include "vector.hxx"

namespace sofie_runtime::detail {

/// Vectors of float or double that instructions named in assembly take.
template <class V>
constexpr bool is_native =
#if defined(__AVX512VL__)
    is_vector<V> && std::is_floating_point<Element<V>>::value && sizeof(V) >= 16 && sizeof(V) <= 64;
#else
    false;
#endif

template <class V>
constexpr bool is_single = sizeof(Element<V>) == sizeof(float);

/// a where it is less than b, else b: so b where one is NaN.
template <class V>
SOFIE_INLINE V lesser(V a, V b) {
  if constexpr (is_native<V>) {
    V result;
    if constexpr (is_single<V>) {
      __asm__("vminps %2, %1, %0" : "=v"(result) : "v"(a), "v"(b));
    } else {
      __asm__("vminpd %2, %1, %0" : "=v"(result) : "v"(a), "v"(b));
    }
    return result;
  } else {
    return select(lt(a, b), a, b);
  }
}

/// a where it is greater than b, else b: so b where one is NaN.
template <class V>
SOFIE_INLINE V greater(V a, V b) {
  if constexpr (is_native<V>) {
    V result;
    if constexpr (is_single<V>) {
      __asm__("vmaxps %2, %1, %0" : "=v"(result) : "v"(a), "v"(b));
    } else {
      __asm__("vmaxpd %2, %1, %0" : "=v"(result) : "v"(a), "v"(b));
    }
    return result;
  } else {
    return select(gt(a, b), a, b);
  }
}

/// x limited to [low, high]; NaN stays.
template <class V>
SOFIE_INLINE V clamp(V x, Element<V> low, Element<V> high) {
  return lesser(splat<V>(high), greater(splat<V>(low), x));
}

/// a / b within 2 ulp, for |b| between 2^-60 and 2^60: a division of 16 floats takes as long as 16 products.
template <class V>
SOFIE_INLINE V quotient(V a, V b) {
  if constexpr (is_native<V> && is_single<V> && sizeof(V) == 64) {
    V estimate;  // within 2^-14 of 1 / b; a step of Newton's method squares the error
    __asm__("vrcp14ps %1, %0" : "=v"(estimate) : "v"(b));
    return a * (estimate * (splat<V>(2) - b * estimate));
  } else {
    return a / b;
  }
}

}  // namespace sofie_runtime::detail

#endif
