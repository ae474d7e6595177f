/// @file
/// Elementary functions of the CPU target, for float and double, for scalars and vectors alike.
///
/// The functions in common use (exp, expm1, log, log1p, tanh, sigmoid, erf in float, sin, cos, tan, rounding)
/// are free of branches that differ between lanes, within 4 ulp (tanh and erf in float within 6), and right
/// for NaN, infinities and denormals. The others call the standard library lane by lane. Polynomials are
/// minimax fits (Remez) of the relative error over the reduced range, the logarithm in double excepted, which
/// is that of fdlibm.
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
  // 2 / pi, and pi / 2 in parts whose products with a quadrant are exact
  static constexpr float two_over_pi = 0x1.45f306p-1f, quadrant_limit = 12000.0f;
  static constexpr float half_pi[] = {0x1.92p+0f, 0x1.fb4p-12f, 0x1.444p-24f, 0x1.68c234p-39f};
  static constexpr float sin_terms[] = {-0.166666666395582129f, 0.00833332914394246661f,
                                        -0.000198392566403408388f, 2.71756450320968337e-6f};
  static constexpr float cos_terms[] = {0.0416666666192053744f, -0.00138888834385011408f,
                                        0.0000247994364242306629f, -2.72033148149845207e-7f};
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
  static constexpr double two_over_pi = 6.36619772367581382433e-01, quadrant_limit = 1.6e6;
  static constexpr double half_pi[] = {1.57079632673412561417e+00, 6.07710050630396597660e-11,
                                       2.02226624871116645580e-21, 8.47842766036889956997e-32};
  static constexpr double sin_terms[] = {-0.166666666666666277,    0.00833333333332128526,
                                         -0.000198412698288699896, 2.75573133559692385e-6,
                                         -2.50507040328584686e-8,  1.58935835381107229e-10};
  static constexpr double cos_terms[] = {0.0416666666666665911,   -0.0013888888888872598,
                                         0.000024801587288491628, -2.75573140564474156e-7,
                                         2.08756818626457799e-9,  -1.1357447817248786e-11};
};

/// Polynomial in x by Horner's scheme; the constant term comes first.
template <class V, std::size_t Count>
SOFIE_INLINE V polynomial(V x, const Element<V> (&terms)[Count]) {
  V result = splat<V>(terms[Count - 1]);
  for (std::size_t i = Count - 1; i-- > 0;) result = result * x + splat<V>(terms[i]);
  return result;
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
  const V r = (x - n * R::ln2_high) - n * R::ln2_low;
  return {n, r + (r * r) * polynomial(r, R::exp_terms)};
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

/// An odd function that goes to 1 as x P(x^2) / Q(x^2), which has come to 1 at `limit`; Q lies between 1 and
/// 2^60.
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
  return splat<V>(2) * (half * e.expm1_r + (half - splat<V>(Element<V>(0.5))));
}

/// 1 / (1 + exp(-x)), with full relative accuracy on both sides.
template <class V, require_real<V> = 0>
SOFIE_INLINE V sigmoid(V x) {
  const V small = exp(-abs(x));
  return detail::quotient(select(lt(x, V{}), small, splat<V>(1)), splat<V>(1) + small);
}

template <class V, require_real<V> = 0>
SOFIE_INLINE V tanh(V x) {
  using T = Element<V>;
  if constexpr (sizeof(T) == sizeof(float)) {
    constexpr T above[] = {0.999999979f, 0.133797185f, 0.0034940352f, 2.05834913e-05f, 1.33190845e-08f};
    constexpr T below[] = {1.0f, 0.467130337f, 0.0258710757f, 0.000328309387f, 7.76202487e-07f};
    return detail::odd_ratio(x, 9.2f, above, below);
  } else {
    const V t = detail::expm1_normal(splat<V>(2) * detail::lesser(splat<V>(20), abs(x)));
    return copysign(t / (t + splat<V>(2)), x);
  }
}

/// @}
/// @name Logarithms
/// @{

template <class V, require_real<V> = 0>
SOFIE_INLINE V log(V x) {
  using T = Element<V>;
  using R = detail::Real<T>;
  using U = detail::Unsigned<V>;
  constexpr T infinity = std::numeric_limits<T>::infinity();
  constexpr T lift = static_cast<T>(std::int64_t{1} << R::mantissa_bits);
  const auto denormal = lt(x, splat<V>(std::numeric_limits<T>::min()));
  const V normal = select(denormal, x * lift, x);

  // normal = 2^k (1 + f) with 1 + f between sqrt(1/2) and sqrt(2)
  const U sqrt_half = splat<U>(static_cast<Element<U>>(R::sqrt_half));
  const U shifted = bit_cast<U>(normal) - sqrt_half;
  const U fraction = shifted & splat<U>((Element<U>(1) << R::mantissa_bits) - 1);
  const V f = bit_cast<V>(fraction + sqrt_half) - splat<V>(1);
  const V exponent = detail::from_bits<V>(bit_cast<Bits<V>>(shifted) >> R::mantissa_bits);
  const V k = exponent - select(denormal, splat<V>(R::mantissa_bits), V{});

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
  return select(finite, log_u + lost / u, log_u);
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
/// @name Trigonometry
/// @{

namespace detail {

/// Sine and cosine of x - quadrant * pi / 2, which lies within pi / 4 of zero.
template <class V>
struct Quadrant {
  Bits<V> number;
  V sine, cosine;
};

template <class V>
SOFIE_INLINE Quadrant<V> quadrant(V x) {
  using T = Element<V>;
  using R = Real<T>;
  const V n = nearest(x * R::two_over_pi);
  const V r = ((x - n * R::half_pi[0]) - n * R::half_pi[1]) - n * R::half_pi[2] - n * R::half_pi[3];
  const V t = r * r;
  return {to_bits(n), r + r * t * polynomial(t, R::sin_terms),
          (splat<V>(1) - T(0.5) * t) + t * t * polynomial(t, R::cos_terms)};
}

/// Whether any lane is too large for the reduction by `quadrant`, or not finite.
template <class V>
SOFIE_INLINE bool beyond_quadrants(V x) {
  const auto inside = le(abs(x), splat<V>(Real<Element<V>>::quadrant_limit));
  if constexpr (is_vector<V>) {
    return !all(inside);
  } else {
    return !inside;
  }
}

/// Sine of the angle that lies `turns` quadrants further.
template <class V>
SOFIE_INLINE V sine(const Quadrant<V>& q, int turns) {
  const Bits<V> number = q.number + turns;
  const V value = select(eq(number & 1, Bits<V>{}), q.sine, q.cosine);
  return select(eq(number & 2, Bits<V>{}), value, -value);
}

}  // namespace detail

template <class V, require_real<V> = 0>
SOFIE_INLINE V sin(V x) {
  if (detail::beyond_quadrants(x)) return detail::lanewise([](auto a) { return std::sin(a); }, x);
  return detail::sine(detail::quadrant(x), 0);
}

template <class V, require_real<V> = 0>
SOFIE_INLINE V cos(V x) {
  if (detail::beyond_quadrants(x)) return detail::lanewise([](auto a) { return std::cos(a); }, x);
  return detail::sine(detail::quadrant(x), 1);
}

template <class V, require_real<V> = 0>
SOFIE_INLINE V tan(V x) {
  if (detail::beyond_quadrants(x)) return detail::lanewise([](auto a) { return std::tan(a); }, x);
  const auto q = detail::quadrant(x);
  const auto even = eq(q.number & 1, Bits<V>{});
  return select(even, q.sine, -q.cosine) / select(even, q.cosine, q.sine);
}

/// @}
/// @name Error function
/// @{

template <class V, require_real<V> = 0>
SOFIE_INLINE V erf(V x) {
  if constexpr (sizeof(Element<V>) == sizeof(float)) {
    constexpr float above[] = {1.12837914f,    0.191551349f,    0.052875584f,
                               0.00380820499f, 0.000284688498f, 2.02589803e-06f};
    constexpr float below[] = {1.0f,          0.503090639f,   0.114560053f,
                               0.0150551785f, 0.00117073581f, 3.78317362e-05f};
    return detail::odd_ratio(x, 4.05f, above, below);
  } else {
    return detail::lanewise([](auto a) { return std::erf(a); }, x);
  }
}

/// @}
/// @name By the standard library, lane by lane
/// @{

template <class V, require_real<V> = 0>
SOFIE_INLINE V sqrt(V x) {
  return detail::lanewise([](auto a) { return std::sqrt(a); }, x);
}
template <class V, require_real<V> = 0>
SOFIE_INLINE V asin(V x) {
  return detail::lanewise([](auto a) { return std::asin(a); }, x);
}
template <class V, require_real<V> = 0>
SOFIE_INLINE V acos(V x) {
  return detail::lanewise([](auto a) { return std::acos(a); }, x);
}
template <class V, require_real<V> = 0>
SOFIE_INLINE V atan(V x) {
  return detail::lanewise([](auto a) { return std::atan(a); }, x);
}
template <class V, require_real<V> = 0>
SOFIE_INLINE V sinh(V x) {
  return detail::lanewise([](auto a) { return std::sinh(a); }, x);
}
template <class V, require_real<V> = 0>
SOFIE_INLINE V cosh(V x) {
  return detail::lanewise([](auto a) { return std::cosh(a); }, x);
}
template <class V, require_real<V> = 0>
SOFIE_INLINE V asinh(V x) {
  return detail::lanewise([](auto a) { return std::asinh(a); }, x);
}
template <class V, require_real<V> = 0>
SOFIE_INLINE V acosh(V x) {
  return detail::lanewise([](auto a) { return std::acosh(a); }, x);
}
template <class V, require_real<V> = 0>
SOFIE_INLINE V atanh(V x) {
  return detail::lanewise([](auto a) { return std::atanh(a); }, x);
}
template <class V, require_real<V> = 0>
SOFIE_INLINE V pow(V x, V y) {
  return detail::lanewise([](auto a, auto b) { return std::pow(a, b); }, x, y);
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
