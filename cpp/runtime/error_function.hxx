/// @file
/// The error function of the CPU target; see math.hxx.
#ifndef SOFIE_RUNTIME_ERROR_FUNCTION_HXX
#define SOFIE_RUNTIME_ERROR_FUNCTION_HXX

#include "math.hxx"

namespace sofie_runtime {

namespace detail {

/// 1 - erf(x) for 1 <= x: exp(x^2) (1 - erf(x)) is a polynomial in (x - 2.5) / (x + 2.5), after M. M.
/// Shepherd and J. G. Laframboise, "Chebyshev approximation of (1 + 2x) exp(x^2) erfc x in 0 <= x < inf",
/// Math. Comp. 36 (1981) 249. It need not be as exact as the difference from 1, beside which it is small.
template <class V>
SOFIE_INLINE V complement_of_erf(V x) {
  constexpr double terms[] = {0.210806364061143708,     -0.371736733948976967,     0.251713193217174307,
                              -0.125033052381765959,    0.0399225390972959802,     -0.00399370059517330058,
                              -0.00264236265758580014,  0.000875913118699788125,   0.000228262653660865208,
                              -0.000129504286690466507, -0.0000357809816309767901, 0.0000167189280847872072,
                              7.51146393942489432e-6};
  const V inside = lesser(splat<V>(6), x), centre = splat<V>(2.5);
  return exp(-inside * inside) * polynomial((inside - centre) / (inside + centre), terms);
}

}  // namespace detail

template <class V, require_real<V> = 0>
SOFIE_INLINE V erf(V x) {
  if constexpr (sizeof(Element<V>) == sizeof(float)) {
    constexpr float above[] = {1.12837914f,    0.191551349f,    0.052875584f,
                               0.00380820499f, 0.000284688498f, 2.02589803e-06f};
    constexpr float below[] = {1.0f,          0.503090639f,   0.114560053f,
                               0.0150551785f, 0.00117073581f, 3.78317362e-05f};
    return detail::odd_ratio(x, 4.15f, above, below);
  } else {
    // erf(x) / x on |x| <= 1
    constexpr double terms[] = {1.12837916709551257,    -0.3761263890318352,       0.112837916709442003,
                                -0.0268661706431134137, 0.00522397760613084217,    -0.00085483259297662443,
                                0.0001205529358693695,  -0.0000149247124395348141, 1.6447132699786621e-6,
                                -1.6206318752969209e-7, 1.37109887041905231e-8,    -7.77946297176159689e-10};
    const V one = splat<V>(1), a = abs(x);
    const V outer = copysign(one - detail::complement_of_erf(a), x);
    return select(lt(a, one), x * detail::polynomial(x * x, terms), outer);
  }
}

}  // namespace sofie_runtime

#endif
