// Prints "<type> <function> <worst error in ulp> <argument>" for the elementary functions of math.hxx.
// The argument is the step through the bit patterns of float: 1 tries every float.

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <random>

#include "math.hxx"

using namespace sofie_runtime;

namespace {

/// Distance between a result and the exact value, in units in the last place of T.
template <class T>
double ulps(T got, long double exact) {
  const T nearest = static_cast<T>(exact);
  if (std::isnan(exact)) return std::isnan(got) ? 0 : INFINITY;
  if (std::isinf(nearest) || std::isinf(got)) return got == nearest ? 0 : INFINITY;
  constexpr int digits = std::numeric_limits<T>::digits,
                lowest = std::numeric_limits<T>::min_exponent - digits;
  int exponent;
  std::frexp(nearest, &exponent);
  const int last = exponent - digits < lowest ? lowest : exponent - digits;
  return static_cast<double>(std::fabs(static_cast<long double>(got) - exact) / std::ldexp(1.0L, last));
}

template <class T>
struct Worst {
  double error = 0;
  T argument = 0;

  void add(T x, T got, long double exact) {
    const double error_here = ulps(got, exact);
    if (error_here > error) error = error_here, argument = x;
  }
};

/// Errors of a vector of arguments, and of its first lane as a scalar.
template <class T, class Function, class Exact>
void compare(const T* x, Function function, Exact exact, Worst<T>& worst) {
  T results[lanes<T>];
  store(results, function(load<Vec<T>>(x)));
  for (int lane = 0; lane < lanes<T>; ++lane) worst.add(x[lane], results[lane], exact(x[lane]));
  worst.add(x[0], function(x[0]), exact(x[0]));
}

template <class T>
const T specials[16] = {0,
                        -T(0),
                        1,
                        -1,
                        std::numeric_limits<T>::infinity(),
                        -std::numeric_limits<T>::infinity(),
                        std::numeric_limits<T>::quiet_NaN(),
                        std::numeric_limits<T>::max(),
                        std::numeric_limits<T>::lowest(),
                        std::numeric_limits<T>::min(),
                        -std::numeric_limits<T>::min(),
                        std::numeric_limits<T>::denorm_min(),
                        -std::numeric_limits<T>::denorm_min(),
                        std::numeric_limits<T>::epsilon(),
                        T(0.5),
                        T(-2.5)};

template <class Function, class Exact>
void measure(const char* name, std::uint64_t step, Function function, Exact exact_of) {
  const auto exact = [&](auto x) { return static_cast<long double>(exact_of(static_cast<long double>(x))); };
  const auto fast = [&](float x) { return static_cast<long double>(exact_of(static_cast<double>(x))); };

  Worst<float> single;
  for (int i = 0; i < 16; i += lanes<float>) compare(specials<float> + i, function, fast, single);
  for (std::uint64_t bits = 0; bits < (std::uint64_t{1} << 32); bits += step * lanes<float>) {
    float x[lanes<float>];
    for (int lane = 0; lane < lanes<float>; ++lane) {
      x[lane] = bit_cast<float>(static_cast<std::uint32_t>(bits + static_cast<std::uint64_t>(lane) * step));
    }
    compare(x, function, fast, single);
  }
  std::printf("float %s %.3f %.9g\n", name, single.error, static_cast<double>(single.argument));

  Worst<double> twice;
  for (int i = 0; i < 16; i += lanes<double>) compare(specials<double> + i, function, exact, twice);
  std::mt19937_64 random(1);
  std::normal_distribution<double> normal;
  for (int i = 0; i < 50000; ++i) {
    double x[lanes<double>];
    for (auto& value : x) {
      const std::uint64_t bits = random();
      value = i % 2 ? bit_cast<double>(bits) : normal(random) * std::exp(normal(random) * 3);
    }
    compare(x, function, exact, twice);
  }
  std::printf("double %s %.3f %.17g\n", name, twice.error, twice.argument);
}

}  // namespace

#define MEASURE(name, exact) \
  measure(#name, step, [](auto x) { return sofie_runtime::name(x); }, [](auto x) { return exact; })

int main(int count, char** arguments) {
  const std::uint64_t step = count > 1 ? std::strtoull(arguments[1], nullptr, 10) : 997;
  MEASURE(exp, std::exp(x));
  MEASURE(expm1, std::expm1(x));
  MEASURE(log, std::log(x));
  MEASURE(log1p, std::log1p(x));
  MEASURE(tanh, std::tanh(x));
  MEASURE(sigmoid, 1 / (1 + std::exp(-x)));
  MEASURE(erf, std::erf(x));
  MEASURE(sin, std::sin(x));
  MEASURE(cos, std::cos(x));
  MEASURE(tan, std::tan(x));
  MEASURE(sqrt, std::sqrt(x));
  MEASURE(floor, std::floor(x));
  MEASURE(ceil, std::ceil(x));
  MEASURE(round, std::nearbyint(x));
  MEASURE(trunc, std::trunc(x));
  MEASURE(asin, std::asin(x));
  MEASURE(acos, std::acos(x));
  MEASURE(atan, std::atan(x));
  MEASURE(sinh, std::sinh(x));
  MEASURE(cosh, std::cosh(x));
  MEASURE(asinh, std::asinh(x));
  MEASURE(acosh, std::acosh(x));
  MEASURE(atanh, std::atanh(x));
}
