/// @file
/// Elementary functions of the CPU target, for float and double, for scalars and vectors alike: exponentials,
/// logarithms, rounding, remainders. The other families have headers of their own, which a model includes
/// that needs them.
///
/// All but the remainders are free of branches that differ between lanes, within 4 ulp (tanh and erf in float
/// within 7), and right for NaN, infinities and denormals. Polynomials are minimax fits (Remez) of the
/// relative error over the reduced range, the logarithm in double excepted, which is that of fdlibm.
///
/// Compile with -fno-math-errno and without -ffast-math: the roundings written here are meant.
#ifndef SOFIE_RUNTIME_MATH_HXX
#define SOFIE_RUNTIME_MATH_HXX

#include <cmath>

#include "arithmetic.hxx"
#include "instructions.hxx"

namespace sofie_runtime {

namespace detail {

template <class T>
struct Real;

template <>
struct Real<float> {
  static constexpr int mantissa_bits = 23, bias = 127;
  static constexpr float magic = 0x1.8p23f;  // adding it rounds to an integer, held in the lowest bits
  static constexpr float log2e = 0x1.715476p0f, ln2_high = 0.693359375f, ln2_low = -2.12194440e-4f;
  // beyond these exp is 0 or infinite, expm1 is -1
  static constexpr float exp_low = -104.0f, exp_high = 89.0f, expm1_low = -20.0f;
  // (exp(r) - 1 - r) / r^2 on |r| < ln(2) / 2
  static constexpr float exp_terms[] = {0.500000004923475213f,   0.166666668262363472f,
                                        0.0416663421289108588f,  0.0083332706262024682f,
                                        0.00139420460064418936f, 0.000199156220070251532f};
  static constexpr std::int32_t sqrt_half = 0x3f3504f3;
};

template <>
struct Real<double> {
  static constexpr int mantissa_bits = 52, bias = 1023;
  static constexpr double magic = 0x1.8p52;
  static constexpr double log2e = 1.44269504088896338700, ln2_high = 6.93147180369123816490e-01,
                          ln2_low = 1.90821492927058770002e-10;
  static constexpr double exp_low = -746.0, exp_high = 710.0, expm1_low = -40.0;
  static constexpr double exp_terms[] = {0.5,
                                         0.166666666666666776,
                                         0.041666666666666705,
                                         0.00833333333332065454,
                                         0.00138888888888650199,
                                         0.000198412698888933091,
                                         0.0000248015873641627925,
                                         2.75572411636666143e-6,
                                         2.7557239674059495e-7,
                                         2.5110179021803355e-8,
                                         2.09253959390759054e-9};
  static constexpr std::int64_t sqrt_half = 0x3fe6a09e667f3bcd;
};

/// Polynomial in x by Horner's scheme; the constant term comes first.
template <class V, std::size_t Count>
SOFIE_INLINE V polynomial(V x, const Element<V> (&terms)[Count]) {
  V result = splat<V>(terms[Count - 1]);
  for (std::size_t i = Count - 1; i-- > 0;) result = result * x + splat<V>(terms[i]);
  return result;
}

/// The same with terms for either type.
template <class V, std::size_t Single, std::size_t Twice>
SOFIE_INLINE V polynomial(V x, const float (&single)[Single], const double (&twice)[Twice]) {
  if constexpr (is_single<V>) {
    return polynomial(x, single);
  } else {
    return polynomial(x, twice);
  }
}

/// Whether a condition holds in every lane.
template <class M>
SOFIE_INLINE bool everywhere(M condition) {
  if constexpr (is_mask<M>) {
    return all(condition);
  } else {
    return condition;
  }
}

/// Nearest integer to x, ties to even, for |x| far below 2^mantissa_bits.
template <class V>
SOFIE_INLINE V nearest(V x) {
  const V magic = splat<V>(Real<Element<V>>::magic);
  return (x + magic) - magic;
}

/// Small integers held in floating point, as integers.
template <class V>
SOFIE_INLINE Bits<V> to_bits(V integer) {
  const V magic = splat<V>(Real<Element<V>>::magic);
  return bit_cast<Bits<V>>(integer + magic) - bit_cast<Bits<V>>(magic);
}

/// Small integers, as floating point.
template <class V>
SOFIE_INLINE V from_bits(Bits<V> integer) {
  const V magic = splat<V>(Real<Element<V>>::magic);
  return bit_cast<V>(integer + bit_cast<Bits<V>>(magic)) - magic;
}

/// 2^n for n within the range of normal numbers.
template <class V>
SOFIE_INLINE V power_of_two(Bits<V> n) {
  using R = Real<Element<V>>;
  using U = Rebind<std::make_unsigned_t<Element<Bits<V>>>, V>;  // what becomes of NaN may be any number
  return bit_cast<V>((bit_cast<U>(n) + static_cast<Element<U>>(R::bias)) << R::mantissa_bits);
}

/// exp(r) - 1 for |r| <= ln(2) / 2.
template <class V>
SOFIE_INLINE V expm1_reduced(V r) {
  return r + (r * r) * polynomial(r, Real<Element<V>>::exp_terms);
}

/// x = n ln 2 + r with |r| <= ln(2) / 2, and exp(r) - 1.
template <class V>
struct Exponential {
  V n;
  V expm1_r;
};

template <class V>
SOFIE_INLINE Exponential<V> exponential(V x) {
  using R = Real<Element<V>>;
  const V n = nearest(x * R::log2e);
  return {n, expm1_reduced((x - n * R::ln2_high) - n * R::ln2_low)};
}

/// expm1 for arguments above expm1_low and far below overflow.
template <class V>
SOFIE_INLINE V expm1_normal(V x) {
  const auto e = exponential(x);
  const V scale = power_of_two<V>(to_bits(e.n));
  return scale * e.expm1_r + (scale - splat<V>(1));
}

/// x * 2^n for an integer n held in floating point, |n| < 2 bias; denormals are rounded once.
template <class V>
SOFIE_INLINE V scaled_by_power_of_two(V x, V n) {
  if constexpr (is_native<V>) {
    V result;
    if constexpr (is_single<V>) {
      __asm__("vscalefps %2, %1, %0" : "=v"(result) : "v"(x), "v"(n));
    } else {
      __asm__("vscalefpd %2, %1, %0" : "=v"(result) : "v"(x), "v"(n));
    }
    return result;
  } else {
    const Bits<V> whole = to_bits(n), half = whole >> 1;  // in two steps neither overflows
    return x * power_of_two<V>(half) * power_of_two<V>(whole - half);
  }
}

/// An odd function that goes to 1 as x P(x^2) / Q(x^2), which at `limit` is above 1 by more than its
/// rounding; Q lies between 1 and 2^60.
template <class V, std::size_t Above, std::size_t Below>
SOFIE_INLINE V odd_ratio(V x, Element<V> limit, const Element<V> (&above)[Above],
                         const Element<V> (&below)[Below]) {
  const V inside = clamp(x, -limit, limit), square = inside * inside;
  return clamp(quotient(inside * polynomial(square, above), polynomial(square, below)), -1, 1);
}

}  // namespace detail

/// @name Exponentials
/// @{

template <class V, require_real<V> = 0>
SOFIE_INLINE V exp(V x) {
  using R = detail::Real<Element<V>>;
  // Where the result is 0, as for what a softmax masks, no arithmetic underflows: that takes processors a
  // hundred cycles.
  const auto vanishes = lt(x, splat<V>(R::exp_low));
  const auto e = detail::exponential(detail::lesser(splat<V>(R::exp_high), select(vanishes, V{}, x)));
  return select(vanishes, V{}, detail::scaled_by_power_of_two(splat<V>(1) + e.expm1_r, e.n));
}

template <class V, require_real<V> = 0>
SOFIE_INLINE V expm1(V x) {
  using R = detail::Real<Element<V>>;
  const auto e = detail::exponential(detail::clamp(x, R::expm1_low, R::exp_high));
  const V half = detail::power_of_two<V>(detail::to_bits(e.n) - 1);
  return copysign(splat<V>(2) * (half * e.expm1_r + (half - splat<V>(Element<V>(0.5)))), x);
}

/// 1 / (1 + exp(-x)), with full relative accuracy on both sides.
template <class V, require_real<V> = 0>
SOFIE_INLINE V sigmoid(V x) {
  const V small = exp(-abs(x));
  return detail::quotient(select(lt(x, V{}), small, splat<V>(1)), splat<V>(1) + small);
}

/// @}
/// @name Logarithms
/// @{

namespace detail {

/// 2^k (1 + f) with 1 + f between sqrt(1/2) and sqrt(2).
template <class V>
struct Scaled {
  V k, f;
};

/// What x is, if it is positive and finite.
template <class V>
SOFIE_INLINE Scaled<V> scaled(V x) {
  using T = Element<V>;
  using R = Real<T>;
  using U = Unsigned<V>;
  constexpr T lift = static_cast<T>(std::int64_t{1} << R::mantissa_bits);
  const auto denormal = lt(x, splat<V>(std::numeric_limits<T>::min()));
  const V normal = select(denormal, x * lift, x);
  const U sqrt_half = splat<U>(static_cast<Element<U>>(R::sqrt_half));
  const U shifted = bit_cast<U>(normal) - sqrt_half;
  const U fraction = shifted & splat<U>((Element<U>(1) << R::mantissa_bits) - 1);
  const V exponent = from_bits<V>(bit_cast<Bits<V>>(shifted) >> R::mantissa_bits);
  return {exponent - select(denormal, splat<V>(R::mantissa_bits), V{}),
          bit_cast<V>(fraction + sqrt_half) - splat<V>(1)};
}

}  // namespace detail

template <class V, require_real<V> = 0>
SOFIE_INLINE V log(V x) {
  using T = Element<V>;
  using R = detail::Real<T>;
  constexpr T infinity = std::numeric_limits<T>::infinity();
  const auto parts = detail::scaled(x);
  const V k = parts.k, f = parts.f;
  V finite;
  if constexpr (sizeof(T) == sizeof(float)) {
    // (log(1 + f) - f + f^2 / 2) / f^3
    constexpr T terms[] = {0.333333104453943665f,  -0.249999865766104822f, 0.200022263170443691f,
                           -0.166692518042687592f, 0.142186638406866015f,  -0.123843352934460776f,
                           0.118729260116941854f,  -0.117898642777216835f, 0.0691553945943864811f};
    const V square = f * f;
    const V tail = square * f * detail::polynomial(f, terms) + k * R::ln2_low;
    finite = (f + (tail - T(0.5) * square)) + k * R::ln2_high;
  } else {
    constexpr T terms[] = {6.666666666666735130e-01, 3.999999999940941908e-01, 2.857142874366239149e-01,
                           2.222219843214978396e-01, 1.818357216161805012e-01, 1.531383769920937332e-01,
                           1.479819860511658591e-01};
    const V s = f / (splat<V>(2) + f), z = s * s, half_square = T(0.5) * f * f;
    const V tail = s * (half_square + z * detail::polynomial(z, terms)) + k * R::ln2_low;
    finite = k * R::ln2_high - ((half_square - tail) - f);
  }
  const V edge = select(eq(x, V{}), splat<V>(-infinity), splat<V>(std::numeric_limits<T>::quiet_NaN()));
  return select(gt(x, V{}), select(lt(x, splat<V>(infinity)), finite, x), edge);
}

template <class V, require_real<V> = 0>
SOFIE_INLINE V log1p(V x) {
  const V one = splat<V>(1), u = one + x, back = u - one;
  const V lost = (one - (u - back)) + (x - back);  // what rounding took from u
  const V log_u = log(u);
  const auto finite = logical_and(gt(u, V{}), lt(u, splat<V>(std::numeric_limits<Element<V>>::infinity())));
  return copysign(select(finite, log_u + lost / u, log_u), x);
}

/// @}
/// @name Rounding to integers
/// @{

namespace detail {

/// Applies a rounding that is right below 2^mantissa_bits; larger numbers are integers, and NaN stays.
template <class V, class Rounding>
SOFIE_INLINE V round_with(V x, Rounding rounding) {
  const V limit = splat<V>(static_cast<Element<V>>(std::int64_t{1} << Real<Element<V>>::mantissa_bits));
  const V a = abs(x);
  const V rounded = copysign((a + limit) - limit, x);
  return select(lt(a, limit), copysign(rounding(rounded), x), x);
}

}  // namespace detail

/// Nearest integer, ties to even.
template <class V, require_real<V> = 0>
SOFIE_INLINE V round(V x) {
  return detail::round_with(x, [](V r) { return r; });
}

template <class V, require_real<V> = 0>
SOFIE_INLINE V floor(V x) {
  return detail::round_with(x, [x](V r) { return r - select(gt(r, x), splat<V>(1), V{}); });
}

template <class V, require_real<V> = 0>
SOFIE_INLINE V ceil(V x) {
  return detail::round_with(x, [x](V r) { return r + select(lt(r, x), splat<V>(1), V{}); });
}

template <class V, require_real<V> = 0>
SOFIE_INLINE V trunc(V x) {
  return copysign(floor(abs(x)), x);
}

/// @}
/// @name Square root and remainders, by the standard library lane by lane
/// @{

template <class V, require_real<V> = 0>
SOFIE_INLINE V sqrt(V x) {
  return detail::lanewise([](auto a) { return std::sqrt(a); }, x);
}
/// Remainder with the sign of the dividend.
template <class V, require_real<V> = 0>
SOFIE_INLINE V fmod(V x, V y) {
  return detail::lanewise([](auto a, auto b) { return std::fmod(a, b); }, x, y);
}

/// Remainder with the sign of the divisor.
template <class V, require_real<V> = 0>
SOFIE_INLINE V mod(V x, V y) {
  const V r = fmod(x, y), zero{};
  const auto opposite = logical_and(ne(r, zero), ne(lt(r, zero), lt(y, zero)));
  return select(opposite, r + y, r);
}

/// @}

}  // namespace sofie_runtime

#endif
