// Prints "<type> <function> <worst error in ulp> <argument>" for the elementary functions of math.hxx and its
// families.
// The argument is the step through the bit patterns of float: 1 tries every float.

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <limits>
#include <random>

#include "error_function.hxx"
#include "hyperbolic.hxx"
#include "math.hxx"
#include "power.hxx"
#include "trigonometric.hxx"

using namespace sofie_runtime;

namespace {

/// Distance between a result and the exact value, in units in the last place of T; infinite where only one is
/// NaN or infinite, or where the signs differ.
template <class T>
double ulps(T got, long double exact) {
  const T nearest = static_cast<T>(exact);
  if (std::isnan(exact)) return std::isnan(got) ? 0 : INFINITY;
  if (std::signbit(exact) != std::signbit(got)) return INFINITY;
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

/// Bases and exponents for every case of C's annex F.9.4.4.
template <class T>
const T powers[] = {0,
                    -T(0),
                    1,
                    -1,
                    2,
                    -2,
                    3,
                    -3,
                    T(0.5),
                    T(-0.5),
                    T(1.5),
                    T(-2.5),
                    20,
                    -21,
                    T(1) / 3,
                    T(-1) / 3,
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
                    1 + std::numeric_limits<T>::epsilon(),
                    1 - std::numeric_limits<T>::epsilon() / 2,
                    -1 - std::numeric_limits<T>::epsilon(),
                    1 / std::numeric_limits<T>::epsilon(),
                    1 / std::numeric_limits<T>::epsilon() + 1,
                    1 / std::numeric_limits<T>::epsilon() - 1};

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

/// Any pair of bit patterns; any base with a small integer as its exponent; or a positive base, as near to 1
/// or far from it, with an exponent that takes the power anywhere in the range.
template <class T>
void draw(std::mt19937_64& random, T& base, T& exponent) {
  using U = std::make_unsigned_t<Element<Bits<T>>>;
  std::normal_distribution<double> normal;
  const auto any = [&] { return bit_cast<T>(static_cast<U>(random())); };
  const auto kind = random() % 4;
  base = any();
  if (kind == 0) {
    exponent = any();
  } else if (kind == 1) {
    exponent = static_cast<T>(std::nearbyint(normal(random) * 5));
  } else {
    base =
        kind == 2 ? std::fabs(base) : static_cast<T>(std::exp(normal(random) * std::exp(normal(random) * 3)));
    const double result = std::numeric_limits<T>::max_exponent * (normal(random) * 0.7);
    exponent = static_cast<T>(result / std::log2(static_cast<double>(base)));
  }
}

/// Every special value to the power of every other, and random pairs.
template <class T>
void measure_power(const char* type) {
  constexpr int n = lanes<T>, specials = static_cast<int>(std::size(powers<T>));
  Worst<T> worst;
  T base[n], exponent[n];
  const auto check = [&] {
    T results[n];
    store(results, sofie_runtime::pow(load<Vec<T>>(base), load<Vec<T>>(exponent)));
    const auto exact = [&](int lane) {
      return std::pow(static_cast<long double>(base[lane]), exponent[lane]);
    };
    for (int lane = 0; lane < n; ++lane) worst.add(base[lane], results[lane], exact(lane));
    worst.add(base[0], sofie_runtime::pow(base[0], exponent[0]), exact(0));
  };
  for (int pair = 0; pair < specials * specials; ++pair) {
    for (int lane = 0; lane < n; ++lane) {
      base[lane] = powers<T>[(pair + lane) % specials];
      exponent[lane] = powers<T>[pair / specials];
    }
    check();
  }
  std::mt19937_64 random(1);
  for (int i = 0; i < 50000; ++i) {
    for (int lane = 0; lane < n; ++lane) draw(random, base[lane], exponent[lane]);
    check();
  }
  std::printf("%s pow %.3f %.17g\n", type, worst.error, static_cast<double>(worst.argument));
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
  measure_power<float>("float");
  measure_power<double>("double");
}
