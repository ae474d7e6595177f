/// @file
/// Vectors of storage types: loaded, stored, chosen and converted, but not computed with.
#ifndef SOFIE_RUNTIME_STORAGE_VECTOR_HXX
#define SOFIE_RUNTIME_STORAGE_VECTOR_HXX

#include "arithmetic.hxx"
#include "storage.hxx"
#include "vector.hxx"

namespace sofie_runtime {

/// Lanes of the storage type T, as a vector of its codes.
template <class T, class I>
struct StoredLanes {
  I codes;
};

template <class T, class I>
constexpr bool is_stored<StoredLanes<T, I>> = true;

namespace detail {

template <int Exponent, int Mantissa, int Bias, Special Kind, int N>
struct VectorOf<SmallFloat<Exponent, Mantissa, Bias, Kind>, N> {
  using T = SmallFloat<Exponent, Mantissa, Bias, Kind>;
  using type = StoredLanes<T, typename VectorOf<typename T::Code, N>::type>;
};
template <int Bits, bool Signed, int N>
struct VectorOf<SmallInteger<Bits, Signed>, N> {
  using type = StoredLanes<SmallInteger<Bits, Signed>, typename VectorOf<std::uint8_t, N>::type>;
};
template <int N>
struct VectorOf<PowerOfTwo, N> {
  using type = StoredLanes<PowerOfTwo, typename VectorOf<std::uint8_t, N>::type>;
};

template <class T>
struct Traits<T, std::enable_if_t<is_storage<T>>> {
  using Element = T;
  static constexpr int size = 1;
  static constexpr bool vector = false, mask = false;
};

template <class T, class I>
struct Traits<StoredLanes<T, I>> {
  using Element = T;
  static constexpr int size = Traits<I>::size;
  static constexpr bool vector = false, mask = false;
};

}  // namespace detail

template <class V>
struct Words<V, std::enable_if_t<is_vector<V>>> : Words<Element<V>> {
  using Unsigned = detail::Unsigned<V>;
  template <class Condition>
  SOFIE_INLINE static Unsigned select(Condition condition, Unsigned a, Unsigned b) {
    return condition ? a : b;
  }
};

template <class M, class T, class I>
SOFIE_INLINE StoredLanes<T, I> select(Mask<M> mask, StoredLanes<T, I> a, StoredLanes<T, I> b) {
  return {select(mask, a.codes, b.codes)};
}
template <class T, class I>
SOFIE_INLINE StoredLanes<T, I> select(bool condition, StoredLanes<T, I> a, StoredLanes<T, I> b) {
  return condition ? a : b;
}

/// @name Conversion, as in storage.hxx
/// @{

template <class To, class V, IfStorage<To> = 0, require_vector<V> = 0>
SOFIE_INLINE auto cast(V x) {
  using Code = typename To::Code;
  using Result = StoredLanes<To, Rebind<Code, V>>;
  if constexpr (is_small_integer<To>) {
    return Result{convert<Code>(cast<std::int32_t>(x) & static_cast<std::int32_t>(To::all))};
  } else if constexpr (std::is_same_v<Element<V>, double> && !std::is_same_v<To, PowerOfTwo>) {
    return Result{convert<Code>(To::encode(x))};
  } else {
    return Result{convert<Code>(To::encode(cast<float>(x)))};
  }
}

template <class To, class I, IfStorage<To> = 0>
SOFIE_INLINE auto cast(Mask<I> mask) {
  return cast<To>(cast<float>(mask));
}

template <class To, class T, class I>
SOFIE_INLINE auto cast(StoredLanes<T, I> x) {
  using V = Rebind<float, I>;
  const V value = T::template decode<V>(convert<std::uint32_t>(x.codes));
  if constexpr (std::is_same_v<To, float>) {
    return value;
  } else {
    return cast<To>(value);
  }
}

/// @}

}  // namespace sofie_runtime

#endif
