/// @file
/// Vector twins of scalar.hxx: signs, minimum and maximum, integer arithmetic, bits, conversion.
#ifndef SOFIE_RUNTIME_ARITHMETIC_HXX
#define SOFIE_RUNTIME_ARITHMETIC_HXX

#include <limits>
#include <utility>

#include "scalar.hxx"
#include "vector.hxx"

namespace sofie_runtime {

template <class V>
constexpr bool is_real = std::is_floating_point<Element<V>>::value;

/// Floating-point scalars and vectors.
template <class V>
using require_real = std::enable_if_t<is_real<V>, int>;
template <class V>
using require_real_vector = std::enable_if_t<is_vector<V> && is_real<V>, int>;
template <class V>
using require_integer_vector = std::enable_if_t<is_vector<V> && std::is_integral<Element<V>>::value, int>;

namespace detail {

template <class Function, std::size_t... I, class... V>
SOFIE_INLINE auto lanewise(Function function, std::index_sequence<I...>, V... x) {
  const auto at = [&](auto lane) { return function(static_cast<Element<V>>(x[lane])...); };
  return Rebind<decltype(at(0)), std::common_type_t<V...>>{at(I)...};
}

/// A scalar function applied lane by lane: to scalars, or to vectors of one length.
template <class Function, class V, class... W>
SOFIE_INLINE auto lanewise(Function function, V x, W... others) {
  if constexpr (is_vector<V>) {
    return lanewise(function, std::make_index_sequence<lane_count<V>>{}, x, others...);
  } else {
    return function(x, others...);
  }
}

/// The unsigned integers that wrap where V would overflow.
template <class V>
using Unsigned = Rebind<std::make_unsigned_t<typename SignedOf<sizeof(Element<V>)>::type>, V>;

}  // namespace detail

/// @name Signs, smallest, largest
/// @{

template <class V, require_real<V> = 0>
SOFIE_INLINE V abs(V x) {
  using U = detail::Unsigned<V>;
  return bit_cast<V>(bit_cast<U>(x) & splat<U>(std::numeric_limits<Element<U>>::max() >> 1));
}

/// Magnitude of x with the sign of y.
template <class V, require_real<V> = 0>
SOFIE_INLINE V copysign(V x, V y) {
  using U = detail::Unsigned<V>;
  const U magnitude = splat<U>(std::numeric_limits<Element<U>>::max() >> 1);
  return bit_cast<V>((bit_cast<U>(x) & magnitude) | (bit_cast<U>(y) & ~magnitude));
}

template <class V, require_real_vector<V> = 0>
SOFIE_INLINE V neg(V x) {
  return -x;
}
template <class V, require_real_vector<V> = 0>
SOFIE_INLINE V reciprocal(V x) {
  return splat<V>(1) / x;
}
template <class V, require_real_vector<V> = 0>
SOFIE_INLINE V sign(V x) {
  const V zero{};
  return select(lt(x, zero), splat<V>(-1), select(gt(x, zero), splat<V>(1), x + zero));
}
template <class V, require_real_vector<V> = 0>
SOFIE_INLINE auto isnan(V x) {
  return ne(x, x);
}
template <class V, require_real_vector<V> = 0>
SOFIE_INLINE auto isinf(V x) {
  return eq(abs(x), splat<V>(std::numeric_limits<Element<V>>::infinity()));
}

/// The smaller, the larger of two values; NaN if either is NaN.
template <class V, require_vector<V> = 0>
SOFIE_INLINE V minimum(V a, V b) {
  if constexpr (is_real<V>) return select(logical_or(lt(a, b), ne(a, a)), a, b);
  return select(lt(a, b), a, b);
}
template <class V, require_vector<V> = 0>
SOFIE_INLINE V maximum(V a, V b) {
  if constexpr (is_real<V>) return select(logical_or(gt(a, b), ne(a, a)), a, b);
  return select(gt(a, b), a, b);
}

/// The smallest, the largest lane; NaN if any is NaN.
template <class V, require_vector<V> = 0>
SOFIE_INLINE Element<V> minimum(V x) {
  return detail::across(x, [](auto a, auto b) { return minimum(a, b); });
}
template <class V, require_vector<V> = 0>
SOFIE_INLINE Element<V> maximum(V x) {
  return detail::across(x, [](auto a, auto b) { return maximum(a, b); });
}

/// @}
/// @name Integers, as in scalar.hxx: wrapping, and 0 for a division by 0
/// @{

template <class V, require_integer_vector<V> = 0>
SOFIE_INLINE V add(V a, V b) {
  using U = detail::Unsigned<V>;
  return bit_cast<V>(bit_cast<U>(a) + bit_cast<U>(b));
}
template <class V, require_integer_vector<V> = 0>
SOFIE_INLINE V sub(V a, V b) {
  using U = detail::Unsigned<V>;
  return bit_cast<V>(bit_cast<U>(a) - bit_cast<U>(b));
}
template <class V, require_integer_vector<V> = 0>
SOFIE_INLINE V mul(V a, V b) {
  using U = detail::Unsigned<V>;
  return bit_cast<V>(bit_cast<U>(a) * bit_cast<U>(b));
}
template <class V, require_integer_vector<V> = 0>
SOFIE_INLINE V neg(V x) {
  return sub(V{}, x);
}
template <class V, require_integer_vector<V> = 0>
SOFIE_INLINE V abs(V x) {
  return select(lt(x, V{}), neg(x), x);
}
template <class V, require_integer_vector<V> = 0>
SOFIE_INLINE V sign(V x) {
  return detail::lanewise([](auto a) { return sign(a); }, x);
}
template <class V, require_integer_vector<V> = 0>
SOFIE_INLINE V div(V a, V b) {
  return detail::lanewise([](auto p, auto q) { return div(p, q); }, a, b);
}
template <class V, require_integer_vector<V> = 0>
SOFIE_INLINE V fmod(V a, V b) {
  return detail::lanewise([](auto p, auto q) { return fmod(p, q); }, a, b);
}
template <class V, require_integer_vector<V> = 0>
SOFIE_INLINE V mod(V a, V b) {
  return detail::lanewise([](auto p, auto q) { return mod(p, q); }, a, b);
}
template <class V, require_integer_vector<V> = 0>
SOFIE_INLINE V pow(V a, V b) {
  return detail::lanewise([](auto p, auto q) { return pow(p, q); }, a, b);
}
template <class V, require_integer_vector<V> = 0>
SOFIE_INLINE V bit_and(V a, V b) {
  return a & b;
}
template <class V, require_integer_vector<V> = 0>
SOFIE_INLINE V bit_or(V a, V b) {
  return a | b;
}
template <class V, require_integer_vector<V> = 0>
SOFIE_INLINE V bit_xor(V a, V b) {
  return a ^ b;
}
template <class V, require_integer_vector<V> = 0>
SOFIE_INLINE V bit_not(V a) {
  return ~a;
}
template <class V, require_integer_vector<V> = 0>
SOFIE_INLINE V shift_left(V a, V count) {
  return detail::lanewise([](auto p, auto q) { return shift_left(p, q); }, a, count);
}
template <class V, require_integer_vector<V> = 0>
SOFIE_INLINE V shift_right(V a, V count) {
  return detail::lanewise([](auto p, auto q) { return shift_right(p, q); }, a, count);
}

/// @}
/// @name Conversion, as in scalar.hxx
/// @{

/// To bool by comparison with zero; real to integer towards zero, saturating, 0 for NaN; else as static_cast.
template <class To, class V, IfScalar<To> = 0, require_vector<V> = 0>
SOFIE_INLINE auto cast(V x) {
  if constexpr (std::is_same<To, bool>::value) {
    return ne(x, V{});
  } else if constexpr (is_real<V> && std::is_integral<To>::value && sizeof(To) < sizeof(Element<V>) &&
                       Limits<To>::digits <= std::numeric_limits<Element<V>>::digits) {
    const V number = select(eq(x, x), x, V{});
    const V high = splat<V>(static_cast<Element<V>>(Limits<To>::highest));
    const V low = splat<V>(static_cast<Element<V>>(Limits<To>::lowest));
    const V raised = select(gt(number, low), number, low);
    return convert<To>(select(lt(raised, high), raised, high));
  } else if constexpr (is_real<V> && std::is_integral<To>::value) {
    using T = Element<V>;
    using Target = Rebind<To, V>;
    constexpr To lowest = Limits<To>::lowest, highest = Limits<To>::highest;
    constexpr T bound = static_cast<T>(highest / 2 + 1) * T(2);
    const auto low = le(x, splat<V>(static_cast<T>(lowest)));
    const auto high = ge(x, splat<V>(bound));
    const auto outside = logical_or(logical_or(low, high), ne(x, x));
    const Target inside = convert<To>(select(outside, V{}, x));
    return select(high, splat<Target>(highest), select(low, splat<Target>(lowest), inside));
  } else {
    return convert<To>(x);
  }
}

/// Masks become 0 and 1.
template <class To, class I, IfScalar<To> = 0>
SOFIE_INLINE auto cast(Mask<I> mask) {
  if constexpr (std::is_same<To, bool>::value) {
    return mask;
  } else {
    using Target = Rebind<To, I>;
    return select(mask, splat<Target>(1), Target{});
  }
}

/// @}

}  // namespace sofie_runtime

#endif
