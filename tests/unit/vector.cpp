// Compares the vector functions with their scalar twins, lane by lane, for every element type; prints nothing
// and returns 0 when all agree.

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <random>

#include "math.hxx"
#include "power.hxx"

namespace rt = sofie_runtime;

namespace {

int failures = 0;
std::mt19937_64 generator(1);

template <class T>
bool same(T a, T b) {
  return a == b || (a != a && b != b);
}

template <class T>
void expect(bool good, const char* what, T a, T b) {
  if (good) return;
  ++failures;
  std::printf("%s of %zu-byte %s at %g, %g\n", what, sizeof(T),
              std::is_signed<T>::value ? "signed" : "unsigned", static_cast<double>(a),
              static_cast<double>(b));
}

template <class T>
T random_value() {
  using L = std::numeric_limits<T>;
  const std::uint64_t bits = generator();
  const T edges[] = {T(0),        T(1), T(-1), L::max(),
                     L::lowest(), T(2), T(7),  L::has_quiet_NaN ? L::quiet_NaN() : T(3)};
  if (bits % 3 == 0) return edges[bits / 3 % 8];
  if constexpr (std::is_floating_point<T>::value) {
    return static_cast<T>(static_cast<double>(bits >> 11) * 0x1p-53 * 200 - 100);
  } else {
    return static_cast<T>(bits >> 8);
  }
}

template <class T>
struct Pair {
  static constexpr int n = rt::lanes<T>;
  using V = rt::Vec<T>;
  T a[n], b[n];

  Pair() {
    for (int i = 0; i < n; ++i) a[i] = random_value<T>(), b[i] = random_value<T>();
  }

  template <class Function>
  void binary(const char* what, Function f) const {
    T results[n];
    rt::store(results, f(rt::load<V>(a), rt::load<V>(b)));
    for (int i = 0; i < n; ++i) expect(same(results[i], f(a[i], b[i])), what, a[i], b[i]);
  }

  template <class Function>
  void compare(const char* what, Function f) const {
    bool results[n];
    rt::store(results, f(rt::load<V>(a), rt::load<V>(b)));
    for (int i = 0; i < n; ++i) expect(results[i] == f(a[i], b[i]), what, a[i], b[i]);
  }

  template <class To>
  void cast() const {
    constexpr int both = sizeof(T) > sizeof(To) ? rt::lanes<T> : rt::lanes<To>;
    To results[both];
    rt::store(results, rt::cast<To>(rt::load<rt::Vec<T, both>>(a)));
    for (int i = 0; i < both; ++i) expect(same(results[i], rt::cast<To>(a[i])), "cast", a[i], T(sizeof(To)));
  }

  template <int Count>
  void partial() const {
    T results[n];
    for (T& result : results) result = T(42);
    rt::store_first<Count>(results, rt::load<V>(a));
    for (int i = 0; i < n; ++i)
      expect(same(results[i], i < Count ? a[i] : T(42)), "store_first", a[i], T(Count));
    rt::store(results, rt::load_first<V, Count>(a));
    for (int i = 0; i < n; ++i)
      expect(same(results[i], i < Count ? a[i] : T(0)), "load_first", a[i], T(Count));
    rt::store(results, rt::load_first<V>(a, Count));
    for (int i = 0; i < n; ++i)
      expect(same(results[i], i < Count ? a[i] : T(0)), "load_first", a[i], T(Count));
    if constexpr (Count < n) partial<Count + 1>();
  }

  void run() const {
    binary("minimum", [](auto x, auto y) { return rt::minimum(x, y); });
    binary("maximum", [](auto x, auto y) { return rt::maximum(x, y); });
    binary("sign", [](auto x, auto) { return rt::sign(x); });
    binary("neg", [](auto x, auto) { return rt::neg(x); });
    binary("fmod", [](auto x, auto y) { return rt::fmod(x, y); });
    binary("mod", [](auto x, auto y) { return rt::mod(x, y); });
    binary("select", [](auto x, auto y) { return rt::select(rt::lt(x, y), y, x); });
    compare("lt", [](auto x, auto y) { return rt::lt(x, y); });
    compare("le", [](auto x, auto y) { return rt::le(x, y); });
    compare("gt", [](auto x, auto y) { return rt::gt(x, y); });
    compare("ge", [](auto x, auto y) { return rt::ge(x, y); });
    compare("eq", [](auto x, auto y) { return rt::eq(x, y); });
    compare("ne", [](auto x, auto y) { return rt::ne(x, y); });
    compare("logic", [](auto x, auto y) {
      return rt::logical_or(rt::logical_and(rt::lt(x, y), rt::cast<bool>(x)), rt::logical_not(rt::eq(x, y)));
    });
    if constexpr (std::is_integral<T>::value) {
      binary("add", [](auto x, auto y) { return rt::add(x, y); });
      binary("sub", [](auto x, auto y) { return rt::sub(x, y); });
      binary("mul", [](auto x, auto y) { return rt::mul(x, y); });
      binary("div", [](auto x, auto y) { return rt::div(x, y); });
      binary("abs", [](auto x, auto) { return rt::abs(x); });
      binary("pow", [](auto x, auto y) { return rt::pow(x, rt::bit_and(y, y)); });
      binary("bit_not", [](auto x, auto) { return rt::bit_not(x); });
      binary("shift_left", [](auto x, auto y) { return rt::shift_left(x, y); });
      binary("shift_right", [](auto x, auto y) { return rt::shift_right(x, y); });
    } else {
      binary("pow", [](auto x, auto y) { return rt::pow(x, y); });
      binary("copysign", [](auto x, auto y) { return rt::copysign(x, y); });
      compare("isnan", [](auto x, auto) { return rt::isnan(x); });
      compare("isinf", [](auto x, auto y) { return rt::isinf(x / y); });
    }
    cast<float>();
    cast<double>();
    cast<std::int8_t>();
    cast<std::uint8_t>();
    cast<std::int32_t>();
    cast<std::int64_t>();
    partial<0>();
  }
};

template <class... T>
void all_types() {
  for (int i = 0; i < 200; ++i) (Pair<T>().run(), ...);
}

}  // namespace

int main() {
  all_types<float, double, std::int8_t, std::uint8_t, std::int16_t, std::uint16_t, std::int32_t,
            std::uint32_t, std::int64_t, std::uint64_t>();
  return failures > 0;
}
