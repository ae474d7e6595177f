/// @file
/// Trigonometric functions of the CPU target and their inverses; see math.hxx.
#ifndef SOFIE_RUNTIME_TRIGONOMETRIC_HXX
#define SOFIE_RUNTIME_TRIGONOMETRIC_HXX

#include "math.hxx"

namespace sofie_runtime {

/// @name Sine, cosine, tangent
/// @{

namespace detail {

/// 2 / pi, and pi / 2 in parts whose products with a quadrant are exact up to `limit`.
template <class T>
struct Quadrants;

template <>
struct Quadrants<float> {
  static constexpr float two_over_pi = 0x1.45f306p-1f, limit = 12000.0f;
  static constexpr float half_pi[] = {0x1.92p+0f, 0x1.fb4p-12f, 0x1.444p-24f, 0x1.68c234p-39f};
};

template <>
struct Quadrants<double> {
  static constexpr double two_over_pi = 6.36619772367581382433e-01, limit = 1.6e6;
  static constexpr double half_pi[] = {1.57079632673412561417e+00, 6.07710050630396597660e-11,
                                       2.02226624871116645580e-21, 8.47842766036889956997e-32};
};

/// Sine and cosine of x - quadrant * pi / 2, which lies within pi / 4 of zero.
template <class V>
struct Quadrant {
  Bits<V> number;
  V sine, cosine;
};

template <class V>
SOFIE_INLINE Quadrant<V> quadrant(V x) {
  // (sin(r) - r) / r^3 and (cos(r) - 1 + r^2 / 2) / r^4 in r^2
  constexpr float sine_single[] = {-0.166666666395582129f, 0.00833332914394246661f, -0.000198392566403408388f,
                                   2.71756450320968337e-6f};
  constexpr double sine_double[] = {-0.166666666666666277,  0.00833333333332128526,  -0.000198412698288699896,
                                    2.75573133559692385e-6, -2.50507040328584686e-8, 1.58935835381107229e-10};
  constexpr float cosine_single[] = {0.0416666666192053744f, -0.00138888834385011408f,
                                     0.0000247994364242306629f, -2.72033148149845207e-7f};
  constexpr double cosine_double[] = {0.0416666666666665911,   -0.0013888888888872598,
                                      0.000024801587288491628, -2.75573140564474156e-7,
                                      2.08756818626457799e-9,  -1.1357447817248786e-11};
  using T = Element<V>;
  using Q = Quadrants<T>;
  const V n = nearest(x * Q::two_over_pi);
  const V r = ((x - n * Q::half_pi[0]) - n * Q::half_pi[1]) - n * Q::half_pi[2] - n * Q::half_pi[3];
  const V t = r * r;
  const V sine = r + r * t * polynomial(t, sine_single, sine_double);
  return {to_bits(n), select(eq(x, V{}), x, sine),  // -0 stays
          (splat<V>(1) - T(0.5) * t) + t * t * polynomial(t, cosine_single, cosine_double)};
}

/// Whether any lane is too large for the reduction by `quadrant`, or not finite.
template <class V>
SOFIE_INLINE bool beyond_quadrants(V x) {
  return !everywhere(le(abs(x), splat<V>(Quadrants<Element<V>>::limit)));
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
/// @name Inverse functions
/// @{

namespace detail {

/// pi / 2 in two parts.
template <class T>
struct HalfPi;

template <>
struct HalfPi<float> {
  static constexpr float high = 0x1.921fb6p+0f, low = -0x1.777a5cp-25f;
};

template <>
struct HalfPi<double> {
  static constexpr double high = 0x1.921fb54442d18p+0, low = 0x1.1a62633145c07p-54;
};

/// asin(x) for x = sqrt(square) <= 1/2.
template <class V>
SOFIE_INLINE V asin_reduced(V x, V square) {
  // (asin(x) - x) / x^3 in x^2
  constexpr float single[] = {0.166667311f, 0.0749566827f, 0.0454657009f, 0.0240570466f, 0.042553596f};
  constexpr double twice[] = {0.166666666666661742,  0.0750000000018931444,  0.0446428569267376835,
                              0.030381955906309667,  0.022371818553598668,   0.0173590115514696886,
                              0.0138902216388723585, 0.0121470108679365815,  0.00658455126133625037,
                              0.0194671833447517905, -0.0162566290101218715, 0.0320113335229546721};
  return x + x * square * polynomial(square, single, twice);
}

/// asin(|x|), or for |x| > 1/2 half of acos(|x|), which is asin(sqrt((1 - |x|) / 2)).
template <class V>
SOFIE_INLINE V asin_or_half_acos(V x) {
  const V a = abs(x);
  const auto outer = gt(a, splat<V>(Element<V>(0.5)));
  const V square = select(outer, Element<V>(0.5) * (splat<V>(1) - a), a * a);
  return asin_reduced(select(outer, sofie_runtime::sqrt(square), a), square);
}

}  // namespace detail

template <class V, require_real<V> = 0>
SOFIE_INLINE V asin(V x) {
  using H = detail::HalfPi<Element<V>>;
  const V angle = detail::asin_or_half_acos(x);
  const V outer = (splat<V>(H::high) - splat<V>(2) * angle) + splat<V>(H::low);
  return copysign(select(gt(abs(x), splat<V>(Element<V>(0.5))), outer, angle), x);
}

template <class V, require_real<V> = 0>
SOFIE_INLINE V acos(V x) {
  using T = Element<V>;
  using H = detail::HalfPi<T>;
  const V angle = detail::asin_or_half_acos(x);
  const V twice = splat<V>(2) * angle;
  const V outer = select(lt(x, V{}), (splat<V>(2 * H::high) - twice) + splat<V>(2 * H::low), twice);
  const V inner = splat<V>(H::high) - (copysign(angle, x) - splat<V>(H::low));
  return select(gt(abs(x), splat<V>(T(0.5))), outer, inner);
}

/// By atan(a) = pi / 4 + atan((a - 1) / (a + 1)) and pi / 2 - atan(1 / a), as in S. Moshier's Cephes library,
/// so that the argument of the polynomial is at most tan(pi / 8).
template <class V, require_real<V> = 0>
SOFIE_INLINE V atan(V x) {
  // (atan(t) - t) / t^3 in t^2
  constexpr float single[] = {-0.333333187f, 0.199985332f, -0.142429712f, 0.105814858f, -0.0603324214f};
  constexpr double twice[] = {-0.333333333333332685,  0.199999999999693095,   -0.142857142813836794,
                              0.111111108265593894,   -0.0909089861240123738, 0.0769206975845388814,
                              -0.0666315905142928282, 0.0584796440068382213,  -0.0503841352138385067,
                              0.0380155890651310489,  -0.017829187473354945};
  using T = Element<V>;
  using H = detail::HalfPi<T>;
  const V a = abs(x), one = splat<V>(1);
  const auto middle = gt(a, splat<V>(T(0.41421356237309504880))),
             upper = gt(a, splat<V>(T(2.41421356237309504880)));
  const V above = select(upper, -one, select(middle, a - one, a));
  const V below = select(upper, a, select(middle, a + one, one));
  const V t = above / below, square = t * t;
  const V turn = select(upper, one, select(middle, splat<V>(T(0.5)), V{}));  // in pi / 2
  const V small = t * square * detail::polynomial(square, single, twice) + turn * H::low;
  return copysign(turn * H::high + (t + small), x);
}

/// @}

}  // namespace sofie_runtime

#endif
