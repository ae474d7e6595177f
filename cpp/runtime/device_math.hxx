/// \file device_math.hxx
/// Elementary functions of the runtime vocabulary for kernels that run on a device. The including header
/// says whose they are: it declares `sofie_runtime::math_library` as an alias of `sycl`, or of `std`, which
/// CUDA and HIP compilers overload for device code.
#ifndef SOFIE_RUNTIME_DEVICE_MATH_HXX
#define SOFIE_RUNTIME_DEVICE_MATH_HXX

#include <cstdint>

#include "scalar.hxx"

namespace sofie_runtime {

#define SOFIE_UNARY(name, function)                   \
  template <class T, IfFloat<T> = 0>                  \
  SOFIE_FN T name(T x) {                              \
    return static_cast<T>(math_library::function(x)); \
  }
SOFIE_UNARY(abs, fabs)
SOFIE_UNARY(floor, floor)
SOFIE_UNARY(ceil, ceil)
SOFIE_UNARY(trunc, trunc)
SOFIE_UNARY(round, rint)
SOFIE_UNARY(sqrt, sqrt)
SOFIE_UNARY(exp, exp)
SOFIE_UNARY(log, log)
SOFIE_UNARY(log1p, log1p)
SOFIE_UNARY(expm1, expm1)
SOFIE_UNARY(sin, sin)
SOFIE_UNARY(cos, cos)
SOFIE_UNARY(tan, tan)
SOFIE_UNARY(asin, asin)
SOFIE_UNARY(acos, acos)
SOFIE_UNARY(atan, atan)
SOFIE_UNARY(sinh, sinh)
SOFIE_UNARY(cosh, cosh)
SOFIE_UNARY(tanh, tanh)
SOFIE_UNARY(asinh, asinh)
SOFIE_UNARY(acosh, acosh)
SOFIE_UNARY(atanh, atanh)
SOFIE_UNARY(erf, erf)
#undef SOFIE_UNARY

template <class T, IfFloat<T> = 0>
SOFIE_FN T sigmoid(T x) {
  return T(1) / (T(1) + exp(-x));
}
template <class T, IfFloat<T> = 0>
SOFIE_FN T pow(T base, T exponent) {
  return math_library::pow(base, exponent);
}
/// Remainder with the sign of the dividend.
template <class T, IfFloat<T> = 0>
SOFIE_FN T fmod(T a, T b) {
  return math_library::fmod(a, b);
}
/// Remainder with the sign of the divisor.
template <class T, IfFloat<T> = 0>
SOFIE_FN T mod(T a, T b) {
  const T remainder = fmod(a, b);
  return remainder != 0 && (remainder < 0) != (b < 0) ? remainder + b : remainder;
}

}  // namespace sofie_runtime

#endif
