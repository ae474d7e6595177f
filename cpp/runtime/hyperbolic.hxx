/// @file
/// Hyperbolic functions of the CPU target and their inverses; see math.hxx.
#ifndef SOFIE_RUNTIME_HYPERBOLIC_HXX
#define SOFIE_RUNTIME_HYPERBOLIC_HXX

#include "math.hxx"

namespace sofie_runtime {

/// @name Hyperbolic functions
/// @{

namespace detail {

/// A little beyond the argument at which exp(x) / 2 overflows, and with it sinh and cosh.
template <class T>
constexpr T hyperbolic_limit = sizeof(T) == sizeof(float) ? T(89.5) : T(710.6);

}  // namespace detail

template <class V, require_real<V> = 0>
SOFIE_INLINE V sinh(V x) {
  using T = Element<V>;
  const V a = abs(x);
  const auto e = detail::exponential(detail::lesser(splat<V>(detail::hyperbolic_limit<T>), a));
  const V quarter = detail::power_of_two<V>(detail::to_bits(e.n) - 2);
  const V half = splat<V>(2) * (quarter * e.expm1_r + (quarter - splat<V>(T(0.25))));  // expm1(a) / 2
  const V bounded = detail::lesser(splat<V>(T(0x1p60)), half);  // infinity / infinity would be NaN
  const V result = half + bounded / (splat<V>(2) * bounded + splat<V>(1));
  // a quarter of a denormal number would be rounded
  return copysign(select(lt(a, splat<V>(std::numeric_limits<T>::epsilon())), a, result), x);
}

template <class V, require_real<V> = 0>
SOFIE_INLINE V cosh(V x) {
  using T = Element<V>;
  const auto e = detail::exponential(detail::lesser(splat<V>(detail::hyperbolic_limit<T>), abs(x)));
  const V half = detail::scaled_by_power_of_two(splat<V>(1) + e.expm1_r, e.n - splat<V>(1));  // exp(|x|) / 2
  return half + splat<V>(T(0.25)) / half;
}

template <class V, require_real<V> = 0>
SOFIE_INLINE V tanh(V x) {
  using T = Element<V>;
  if constexpr (sizeof(T) == sizeof(float)) {
    constexpr T above[] = {0.999999979f, 0.133797185f, 0.0034940352f, 2.05834913e-05f, 1.33190845e-08f};
    constexpr T below[] = {1.0f, 0.467130337f, 0.0258710757f, 0.000328309387f, 7.76202487e-07f};
    return detail::odd_ratio(x, 9.6f, above, below);
  } else {
    const V t = detail::expm1_normal(splat<V>(2) * detail::lesser(splat<V>(20), abs(x)));
    return copysign(t / (t + splat<V>(2)), x);
  }
}

/// @}
/// @name Inverse functions, by their logarithms
/// @{

namespace detail {

/// log(1 + sum), where sum is a - 1 + sqrt(a^2 +- 1), or log(2 a) where a is so large that its square may
/// overflow.
template <class V>
SOFIE_INLINE V log_of_sum(V sum, V a) {
  using T = Element<V>;
  constexpr T limit = sizeof(T) == sizeof(float) ? T(0x1p60f) : T(0x1p500), ln2 = T(0.69314718055994530942);
  const auto large = gt(a, splat<V>(limit));
  return log1p(select(large, a, sum)) + select(large, splat<V>(ln2), V{});
}

}  // namespace detail

template <class V, require_real<V> = 0>
SOFIE_INLINE V asinh(V x) {
  const V one = splat<V>(1), a = abs(x), square = a * a;
  const V sum = a + square / (one + sqrt(square + one));
  return copysign(detail::log_of_sum(sum, a), x);
}

template <class V, require_real<V> = 0>
SOFIE_INLINE V acosh(V x) {
  const V one = splat<V>(1), above = x - one;
  const V result = detail::log_of_sum(above + sqrt(above * (x + one)), x);
  return select(lt(x, one), splat<V>(std::numeric_limits<Element<V>>::quiet_NaN()), result);
}

template <class V, require_real<V> = 0>
SOFIE_INLINE V atanh(V x) {
  const V a = abs(x);
  const V twice = log1p(splat<V>(2) * a / (splat<V>(1) - a));
  return copysign(splat<V>(Element<V>(0.5)) * twice, x);
}

/// @}

}  // namespace sofie_runtime

#endif
