/// @file
/// Powers of the CPU target, for reals; see math.hxx.
///
/// The exponent multiplies the error of the logarithm, which therefore is computed with about ten bits
/// more than the result has: as a sum of two numbers, whose first one has so few digits that its products are
/// exact. The steps are those of fdlibm's e_pow.c, on the whole range at once and without its tables; for the
/// method see J.-M. Muller, "Elementary Functions", section on correctly rounded powers.
#ifndef SOFIE_RUNTIME_POWER_HXX
#define SOFIE_RUNTIME_POWER_HXX

#include "math.hxx"

namespace sofie_runtime {

namespace detail {

/// high + low, where high has half of the digits.
template <class V>
struct Split {
  V high, low;
};

/// The upper half of the digits.
template <class V>
SOFIE_INLINE V upper_digits(V x) {
  using U = Unsigned<V>;
  constexpr int dropped = (Real<Element<V>>::mantissa_bits + 2) / 2;
  return bit_cast<V>(bit_cast<U>(x) & splat<U>(~Element<U>(0) << dropped));
}

/// Base 2 logarithm of a positive, finite number, as k + 2 / (3 ln 2) s (3 + s^2 + tail) where
/// s = f / (2 + f) and 2^k (1 + f) is the number.
template <class V>
SOFIE_INLINE Split<V> split_log2(V x) {
  using T = Element<V>;
  constexpr T factor = T(0.96179669392597560491);  // 2 / (3 ln 2)
  constexpr T factor_high = sizeof(T) == sizeof(float) ? T(0x1.ec6p-1) : T(0x1.ec709dp-1);
  constexpr T factor_low = T(0.96179669392597560491L - static_cast<long double>(factor_high));
  // (3 atanh(s) / s - 3 - s^2) / s^4 in s^2
  constexpr float single[] = {0.600001372f, 0.428277387f, 0.349972236f};
  constexpr double twice[] = {0.600000000000005761, 0.428571428564976461, 0.333333335454395285,
                              0.272726961930769192, 0.230792787740708352, 0.199040137339014639,
                              0.19631037029983122};
  const auto parts = scaled(x);
  const V one = splat<V>(1), three = splat<V>(3), f = parts.f, divisor = splat<V>(2) + f;
  const V inverse = one / divisor;

  const V s = f * inverse, s_high = upper_digits(s), divisor_high = upper_digits(divisor);
  const V divisor_low = f - (divisor_high - splat<V>(2));
  const V s_low = ((f - s_high * divisor_high) - s_high * divisor_low) * inverse;
  const V square = s * s, square_high = s_high * s_high;

  const V tail = s_low * (s_high + s) + square * square * polynomial(square, single, twice);
  const V series_high = upper_digits(three + square_high + tail);
  const V series_low = tail - ((series_high - three) - square_high);

  const V product = s_high * series_high, rest = s_low * series_high + series_low * s;
  const V product_high = upper_digits(product + rest), product_low = rest - (product_high - product);

  const V log_f = product_high * factor_high, log_rest = product_low * factor + product_high * factor_low;
  const V high = upper_digits(parts.k + (log_f + log_rest));
  return {high, log_rest - ((high - parts.k) - log_f)};
}

/// 2^(high + low), where low is small beside high.
template <class V>
SOFIE_INLINE V exp2_of_sum(V high, V low) {
  using T = Element<V>;
  using R = Real<T>;
  // where the result has long been 0 or infinite
  constexpr T lowest = -R::bias - R::mantissa_bits - 5, highest = R::bias + 5;
  const V bounded = clamp(high, lowest, highest), correction = clamp(low, -1, 1);
  const V n = nearest(bounded + correction);
  const V r = ((bounded - n) + correction) * T(0.69314718055994530942);
  return scaled_by_power_of_two(splat<V>(1) + expm1_reduced(r), n);
}

/// x^y for positive, finite x.
template <class V>
SOFIE_INLINE V positive_power(V x, V y) {
  using T = Element<V>;
  // no power of a number other than 1 stays finite or above 0 beyond this exponent
  constexpr T limit = sizeof(T) == sizeof(float) ? T(0x1p40f) : T(0x1p70);
  const auto log2 = split_log2(x);
  const V exponent = clamp(y, -limit, limit), exponent_high = upper_digits(exponent);
  return exp2_of_sum(exponent_high * log2.high, (exponent - exponent_high) * log2.high + exponent * log2.low);
}

}  // namespace detail

/// x^y, in the special cases as C's annex F.9.4.4 asks.
template <class V, require_real<V> = 0>
SOFIE_INLINE V pow(V x, V y) {
  using T = Element<V>;
  const V zero{}, one = splat<V>(1), half = splat<V>(T(0.5)), a = abs(x);
  const V infinity = splat<V>(std::numeric_limits<T>::infinity());
  const V nan = splat<V>(std::numeric_limits<T>::quiet_NaN());
  const auto is_integer = [](V value) { return eq(round(value), value); };
  const auto integer = is_integer(y);
  const auto odd = logical_and(integer, logical_not(is_integer(half * y)));

  // the power of 0 or infinity, and of all other numbers
  const V edge = select(eq(eq(a, zero), lt(y, zero)), infinity, zero);
  const auto ordinary = logical_and(gt(a, zero), lt(a, infinity));
  const V magnitude = select(ordinary, detail::positive_power(a, y), edge);

  const auto no_root = logical_and(logical_and(lt(x, zero), ordinary), logical_not(integer));
  const auto undefined = logical_or(logical_or(isnan(x), isnan(y)), no_root);
  const V power = select(undefined, nan, select(odd, copysign(magnitude, x), magnitude));
  return select(logical_or(eq(x, one), eq(y, zero)), one, power);
}

}  // namespace sofie_runtime

#endif
