/// @file
/// Vectors of the CPU target: GNU vector types, so that gcc, clang and Cling read the same text.
///
/// `Vec<T, N>` is N lanes of an arithmetic type with the operators of C++ (`+ - * / & | ^ ~ << >>`), and
/// `Vec<bool, N>` is a `Mask`, which comparisons yield and `select` takes. Every function has the name and
/// the meaning of its scalar twin, and loading, storing and splatting also work on plain scalars, so that
/// generated code is one text for whole vectors and for single elements.
#ifndef SOFIE_RUNTIME_VECTOR_HXX
#define SOFIE_RUNTIME_VECTOR_HXX

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

#include "scalar.hxx"

#if !defined(SOFIE_VECTOR_BYTES)
#if defined(__AVX512F__)
#define SOFIE_VECTOR_BYTES 64
#elif defined(__AVX__)
#define SOFIE_VECTOR_BYTES 32
#else
#define SOFIE_VECTOR_BYTES 16
#endif
#endif

#define SOFIE_INLINE inline __attribute__((always_inline))

/// Before a loop over the registers of a tile, which must not remain a loop.
#define SOFIE_UNROLL _Pragma("GCC unroll 32")

/// Before a loop over many terms that registers gather. Cling's code generator keeps nothing in registers
/// from one turn of a loop to the next, so there turns are made long.
#ifdef __CLING__
#define SOFIE_LONG_TURNS _Pragma("unroll 16")
#else
#define SOFIE_LONG_TURNS
#endif

namespace sofie_runtime {

/// Lanes of T in the widest vector register of the machine that is compiled for.
template <class T>
constexpr int lanes = SOFIE_VECTOR_BYTES / static_cast<int>(sizeof(T));

template <class I>
struct Mask;

namespace detail {

template <class T, int N>
struct VectorOf {
  typedef T type __attribute__((vector_size(N * sizeof(T))));
};

template <int N>
struct VectorOf<bool, N> {
  using type = Mask<typename VectorOf<std::int8_t, N>::type>;
};

template <class V, class = void>
struct Traits {
  using Element = std::remove_cv_t<std::remove_reference_t<decltype(std::declval<V&>()[0])>>;
  static constexpr int size = static_cast<int>(sizeof(V) / sizeof(Element));
  static constexpr bool vector = true, mask = false;
};

template <class V>
struct Traits<V, std::enable_if_t<std::is_arithmetic<V>::value>> {
  using Element = V;
  static constexpr int size = 1;
  static constexpr bool vector = false, mask = false;
};

template <class I>
struct Traits<Mask<I>> {
  using Element = bool;
  static constexpr int size = Traits<I>::size;
  static constexpr bool vector = false, mask = true;
};

/// The signed integer as wide as T.
template <std::size_t Bytes>
struct SignedOf;
template <>
struct SignedOf<1> {
  using type = std::int8_t;
};
template <>
struct SignedOf<2> {
  using type = std::int16_t;
};
template <>
struct SignedOf<4> {
  using type = std::int32_t;
};
template <>
struct SignedOf<8> {
  using type = std::int64_t;
};

}  // namespace detail

/// N lanes of T; `Vec<bool, N>` is a Mask.
template <class T, int N = lanes<T>>
using Vec = typename detail::VectorOf<T, N>::type;

/// The lane type of a vector, or the scalar itself.
template <class V>
using Element = typename detail::Traits<V>::Element;

/// Number of lanes: 1 for a scalar.
template <class V>
constexpr int lane_count = detail::Traits<V>::size;

template <class V>
constexpr bool is_vector = detail::Traits<V>::vector;

template <class V>
constexpr bool is_mask = detail::Traits<V>::mask;

/// True for lanes of a type that is only stored, which storage_vector.hxx defines: a vector of `codes`.
template <class V>
constexpr bool is_stored = false;

template <class V>
using require_vector = std::enable_if_t<is_vector<V>, int>;

namespace detail {

template <class T, int N>
struct VectorOrScalar {
  using type = Vec<T, N>;
};

template <class T>
struct VectorOrScalar<T, 1> {
  using type = T;
};

}  // namespace detail

/// What V becomes when its lanes are converted to T: a vector as long as V, or the scalar T.
template <class T, class V>
using Rebind = typename detail::VectorOrScalar<T, lane_count<V>>::type;

/// Signed integers of the width of V's lanes: bit patterns and comparison results.
template <class V>
using Bits = Rebind<typename detail::SignedOf<sizeof(Element<V>)>::type, V>;

/// Truth per lane, held as integers that are 0 or -1. I is a vector of signed integers.
template <class I>
struct Mask {
  I bits;

  /// The same truth in lanes of another width, as a store of bools needs it after a comparison of floats.
  template <class J>
  operator Mask<J>() const;
};

/// @name Memory
/// @{

namespace detail {

/// V with the alignment of its lanes, and free to alias them.
template <class V>
struct Unaligned {
  typedef V type __attribute__((aligned(alignof(Element<V>)), may_alias));
};

/// The codes at p of what is only stored.
template <class V>
SOFIE_INLINE auto codes_at(Element<V>* p) {
  return reinterpret_cast<Element<decltype(V::codes)>*>(p);
}
template <class V>
SOFIE_INLINE auto codes_at(const Element<V>* p) {
  return reinterpret_cast<const Element<decltype(V::codes)>*>(p);
}

}  // namespace detail

/// All lanes equal to x.
template <class V>
SOFIE_INLINE V splat(Element<V> x) {
  if constexpr (is_mask<V>) {
    using I = decltype(V::bits);
    return {x ? ~I{} : I{}};
  } else if constexpr (is_stored<V>) {
    return {splat<decltype(V::codes)>(x.code)};
  } else if constexpr (is_vector<V>) {
    return x - V{};
  } else {
    return x;
  }
}

/// One lane of a vector; the scalar itself.
template <class V>
SOFIE_INLINE Element<V> lane_of(V x, [[maybe_unused]] int lane) {
  if constexpr (is_vector<V>)
    return x[lane];
  else
    return x;
}

/// Lanes 0, 1, 2, ... plus first.
template <class V>
SOFIE_INLINE V iota(Element<V> first = 0) {
  if constexpr (is_vector<V>) {
    V result{};
    for (int lane = 0; lane < lane_count<V>; ++lane) result[lane] = static_cast<Element<V>>(first + lane);
    return result;
  } else {
    return first;
  }
}

namespace detail {

/// The integer through which GCC converts From to To in whole vectors, where it would not do so directly: as
/// wide as a real on the other side, else no more than twice or half as wide. From itself where there is no
/// need.
template <class From, class To>
constexpr auto stepping_stone() {
  constexpr bool from_real = std::is_floating_point<From>::value, to_real = std::is_floating_point<To>::value;
  if constexpr (from_real && !to_real && sizeof(To) < sizeof(From)) {
    return typename SignedOf<sizeof(From)>::type{};
  } else if constexpr (!from_real && to_real && sizeof(From) < sizeof(To)) {
    return typename SignedOf<sizeof(To)>::type{};
  } else if constexpr (!from_real && !to_real && sizeof(To) > 2 * sizeof(From)) {
    return typename SignedOf<sizeof(To) / 2>::type{};
  } else if constexpr (!from_real && !to_real && sizeof(From) > 2 * sizeof(To) && SOFIE_VECTOR_BYTES < 64) {
    return typename SignedOf<sizeof(From) / 2>::type{};
  } else {
    return From{};
  }
}

}  // namespace detail

/// Lanes converted to T as by static_cast; see `cast` for the meaning that models need.
template <class T, class V>
SOFIE_INLINE Rebind<T, V> convert(V x) {
  if constexpr (is_vector<V>) {
    using Step = decltype(detail::stepping_stone<Element<V>, T>());
    if constexpr (std::is_same<T, Element<V>>::value) {
      return x;
    } else if constexpr (!std::is_same<Step, Element<V>>::value) {
      return convert<T>(convert<Step>(x));
    } else {
      return __builtin_convertvector(x, Rebind<T, V>);
    }
  } else {
    return static_cast<T>(x);
  }
}

/// Consecutive elements from p, of any alignment.
template <class V>
SOFIE_INLINE V load(const Element<V>* p) {
  if constexpr (is_mask<V>) {
    using I = decltype(V::bits);
    const auto bytes = load<Rebind<std::int8_t, I>>(reinterpret_cast<const std::int8_t*>(p));
    return {convert<Element<I>>(-bytes)};
  } else if constexpr (is_stored<V>) {
    return {load<decltype(V::codes)>(detail::codes_at<V>(p))};
  } else if constexpr (is_vector<V>) {
    return *reinterpret_cast<const typename detail::Unaligned<V>::type*>(p);
  } else {
    return *p;
  }
}

/// Stores all lanes of x at p, of any alignment.
template <class V>
SOFIE_INLINE void store(Element<V>* p, V x) {
  if constexpr (is_mask<V>) {
    store(reinterpret_cast<std::int8_t*>(p), -convert<std::int8_t>(x.bits));
  } else if constexpr (is_stored<V>) {
    store(detail::codes_at<V>(p), x.codes);
  } else if constexpr (is_vector<V>) {
    *reinterpret_cast<typename detail::Unaligned<V>::type*>(p) = x;
  } else {
    *p = x;
  }
}

namespace detail {

/// Lanes [First, First + sizeof...(I)) of x.
template <int First, class V, std::size_t... I>
SOFIE_INLINE auto slice(V x, std::index_sequence<I...>) {
#if defined(__clang__) || __GNUC__ >= 12
  return __builtin_shufflevector(x, x, (First + static_cast<int>(I))...);
#else
  return Rebind<Element<V>, Vec<Element<V>, sizeof...(I)>>{x[First + I]...};
#endif
}

template <class V, class Half, std::size_t... I>
SOFIE_INLINE V concatenate(Half low, Half high, std::index_sequence<I...>) {
  if constexpr (!is_vector<Half>) {
    return V{low, high};
  } else {
#if defined(__clang__) || __GNUC__ >= 12
    return __builtin_shufflevector(low, high, static_cast<int>(I)...);
#else
    V result;
    std::memcpy(&result, &low, sizeof(Half));
    std::memcpy(reinterpret_cast<char*>(&result) + sizeof(Half), &high, sizeof(Half));
    return result;
#endif
  }
}

constexpr int power_of_two_up_to(int n) {
  int power = 1;
  while (2 * power <= n) power *= 2;
  return power;
}

}  // namespace detail

/// N lanes of x, beginning with lane First; N is a power of two.
template <int First, int N, class V>
SOFIE_INLINE auto slice(V x) {
  if constexpr (N == lane_count<V>) {
    return x;
  } else if constexpr (N == 1) {
    return static_cast<Element<V>>(x[First]);
  } else {
    return detail::slice<First>(x, std::make_index_sequence<N>{});
  }
}

/// Stores the first Count lanes of x at p and touches nothing behind them.
template <int Count, class V>
SOFIE_INLINE void store_first(Element<V>* p, V x) {
  static_assert(Count >= 0 && Count <= lane_count<V>, "no more lanes than there are");
  if constexpr (Count == lane_count<V>) {
    store(p, x);
  } else if constexpr (is_mask<V>) {
    store_first<Count>(reinterpret_cast<std::int8_t*>(p), -convert<std::int8_t>(x.bits));
  } else if constexpr (is_stored<V>) {
    store_first<Count>(detail::codes_at<V>(p), x.codes);
  } else if constexpr (Count > 0) {
    constexpr int piece = detail::power_of_two_up_to(Count);
    store(p, slice<0, piece>(x));
    if constexpr (Count > piece) store_first<Count - piece>(p + piece, slice<piece, piece>(x));
  }
}

/// Loads Count elements from p and touches nothing behind them; the other lanes are zero.
template <class V, int Count>
SOFIE_INLINE V load_first(const Element<V>* p) {
  static_assert(Count >= 0 && Count <= lane_count<V>, "no more lanes than there are");
  if constexpr (Count == lane_count<V>) {
    return load<V>(p);
  } else if constexpr (is_mask<V>) {
    using I = decltype(V::bits);
    const auto bytes = load_first<Rebind<std::int8_t, I>, Count>(reinterpret_cast<const std::int8_t*>(p));
    return {convert<Element<I>>(-bytes)};
  } else if constexpr (is_stored<V>) {
    return {load_first<decltype(V::codes), Count>(detail::codes_at<V>(p))};
  } else if constexpr (Count == 0) {
    return V{};
  } else {
    constexpr int n = lane_count<V> / 2;
    using Half = typename detail::VectorOrScalar<Element<V>, n>::type;
    const Half low = load_first<Half, (Count < n ? Count : n)>(p);
    const Half high = load_first<Half, (Count < n ? 0 : Count - n)>(p + n);
    return detail::concatenate<V>(low, high, std::make_index_sequence<2 * n>{});
  }
}

/// As store_first, for a count known at run time.
template <class V>
SOFIE_INLINE void store_first(Element<V>* p, V x, std::int64_t count) {
  for (std::int64_t lane = 0; lane < count; ++lane) {
    if constexpr (is_mask<V>) {
      p[lane] = x.bits[lane] != 0;
    } else {
      p[lane] = x[lane];
    }
  }
}

/// As load_first, for a count known at run time.
template <class V>
SOFIE_INLINE V load_first(const Element<V>* p, std::int64_t count) {
  if constexpr (is_mask<V>) {
    V result{};
    for (std::int64_t lane = 0; lane < count; ++lane) result.bits[lane] = p[lane] ? -1 : 0;
    return result;
  } else {
    V result{};
    for (std::int64_t lane = 0; lane < count; ++lane) result[lane] = p[lane];
    return result;
  }
}

/// Elements p[0], p[stride], p[2 * stride], ...; the first Count, the other lanes are zero.
template <class V, int Count = lane_count<V>>
SOFIE_INLINE V load_strided(const Element<V>* p, std::int64_t stride) {
  if constexpr (is_vector<V>) {
    V result{};
    for (int lane = 0; lane < Count; ++lane) result[lane] = p[lane * stride];
    return result;
  } else if constexpr (is_mask<V>) {
    V result{};
    for (int lane = 0; lane < Count; ++lane) result.bits[lane] = p[lane * stride] ? -1 : 0;
    return result;
  } else if constexpr (is_stored<V>) {
    return {load_strided<decltype(V::codes), Count>(detail::codes_at<V>(p), stride)};
  } else {
    return *p;
  }
}

/// Lanes of x to p[0], p[stride], p[2 * stride], ...; only the first Count.
template <class V, int Count = lane_count<V>>
SOFIE_INLINE void store_strided(Element<V>* p, std::int64_t stride, V x) {
  if constexpr (is_vector<V>) {
    for (int lane = 0; lane < Count; ++lane) p[lane * stride] = x[lane];
  } else if constexpr (is_mask<V>) {
    for (int lane = 0; lane < Count; ++lane) p[lane * stride] = x.bits[lane] != 0;
  } else if constexpr (is_stored<V>) {
    store_strided<decltype(V::codes), Count>(detail::codes_at<V>(p), stride, x.codes);
  } else if constexpr (Count > 0) {
    *p = x;
  }
}

/// Elements p[index[0]], p[index[1]], ...
template <class V, class I>
SOFIE_INLINE V gather(const Element<V>* p, I index) {
  if constexpr (is_vector<V>) {
    V result{};
    for (int lane = 0; lane < lane_count<V>; ++lane) result[lane] = p[index[lane]];
    return result;
  } else if constexpr (is_mask<V>) {
    V result{};
    for (int lane = 0; lane < lane_count<V>; ++lane) result.bits[lane] = p[index[lane]] ? -1 : 0;
    return result;
  } else {
    return p[index];
  }
}

/// @}
/// @name Comparison, logic, choice
/// @{

template <class V, require_vector<V> = 0>
SOFIE_INLINE auto lt(V a, V b) -> Mask<Bits<V>> {
  return {convert<Element<Bits<V>>>(a < b)};
}
template <class V, require_vector<V> = 0>
SOFIE_INLINE auto le(V a, V b) -> Mask<Bits<V>> {
  return {convert<Element<Bits<V>>>(a <= b)};
}
template <class V, require_vector<V> = 0>
SOFIE_INLINE auto gt(V a, V b) -> Mask<Bits<V>> {
  return {convert<Element<Bits<V>>>(a > b)};
}
template <class V, require_vector<V> = 0>
SOFIE_INLINE auto ge(V a, V b) -> Mask<Bits<V>> {
  return {convert<Element<Bits<V>>>(a >= b)};
}
template <class V, require_vector<V> = 0>
SOFIE_INLINE auto eq(V a, V b) -> Mask<Bits<V>> {
  return {convert<Element<Bits<V>>>(a == b)};
}
template <class V, require_vector<V> = 0>
SOFIE_INLINE auto ne(V a, V b) -> Mask<Bits<V>> {
  return {convert<Element<Bits<V>>>(a != b)};
}

template <class I>
template <class J>
SOFIE_INLINE Mask<I>::operator Mask<J>() const {
  return {convert<Element<J>>(bits)};
}

/// Masks of different lane widths meet in the width of the first.
template <class I, class J>
SOFIE_INLINE Mask<I> logical_and(Mask<I> a, Mask<J> b) {
  return {a.bits & convert<Element<I>>(b.bits)};
}
template <class I, class J>
SOFIE_INLINE Mask<I> logical_or(Mask<I> a, Mask<J> b) {
  return {a.bits | convert<Element<I>>(b.bits)};
}
template <class I, class J>
SOFIE_INLINE Mask<I> logical_xor(Mask<I> a, Mask<J> b) {
  return {a.bits ^ convert<Element<I>>(b.bits)};
}
template <class I>
SOFIE_INLINE Mask<I> logical_not(Mask<I> a) {
  return {~a.bits};
}
template <class I, class J>
SOFIE_INLINE Mask<I> eq(Mask<I> a, Mask<J> b) {
  return logical_not(logical_xor(a, b));
}
template <class I, class J>
SOFIE_INLINE Mask<I> ne(Mask<I> a, Mask<J> b) {
  return logical_xor(a, b);
}

/// a where the mask holds, else b.
template <class I, class V, require_vector<V> = 0>
SOFIE_INLINE V select(Mask<I> mask, V a, V b) {
  return convert<Element<Bits<V>>>(mask.bits) ? a : b;
}
template <class I, class J, class K>
SOFIE_INLINE Mask<J> select(Mask<I> mask, Mask<J> a, Mask<K> b) {
  const J chosen = convert<Element<J>>(mask.bits);
  return {(a.bits & chosen) | (convert<Element<J>>(b.bits) & ~chosen)};
}
template <class V, require_vector<V> = 0>
SOFIE_INLINE V select(bool condition, V a, V b) {
  return condition ? a : b;
}

/// @}
/// @name Over the lanes of one vector
/// @{

namespace detail {

/// Combines all lanes in a tree; the order is fixed by the number of lanes alone.
template <class V, class Combine>
SOFIE_INLINE Element<V> across(V x, Combine combine) {
  constexpr int n = lane_count<V>;
  if constexpr (n == 1) {
    return x;
  } else if constexpr (n == 2) {
    return combine(static_cast<Element<V>>(x[0]), static_cast<Element<V>>(x[1]));
  } else {
    return across(combine(sofie_runtime::slice<0, n / 2>(x), sofie_runtime::slice<n / 2, n / 2>(x)), combine);
  }
}

}  // namespace detail

template <class V>
SOFIE_INLINE Element<V> sum(V x) {
  return detail::across(x, [](auto a, auto b) { return static_cast<decltype(a)>(a + b); });
}

template <class V>
SOFIE_INLINE Element<V> product(V x) {
  return detail::across(x, [](auto a, auto b) { return static_cast<decltype(a)>(a * b); });
}

/// Whether any, or every lane is true.
template <class I>
SOFIE_INLINE bool any(Mask<I> mask) {
  return detail::across(mask.bits, [](auto a, auto b) { return static_cast<decltype(a)>(a | b); }) != 0;
}
template <class I>
SOFIE_INLINE bool all(Mask<I> mask) {
  return detail::across(mask.bits, [](auto a, auto b) { return static_cast<decltype(a)>(a & b); }) != 0;
}

/// @}

}  // namespace sofie_runtime

#endif
