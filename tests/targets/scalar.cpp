// The scalar vocabulary of all targets: every function with every integer type, and the corners.
#include "scalar.hxx"

#include <cmath>
#include <cstdio>

namespace rt = sofie_runtime;

static int failures = 0;

static void check(bool right, int line) {
  if (right) return;
  std::fprintf(stderr, "line %d\n", line);
  ++failures;
}
#define CHECK(condition) check(condition, __LINE__)

template <class T>
static void integers() {
  const T five = 5, three = 3, zero = 0, lowest = rt::Limits<T>::lowest, highest = rt::Limits<T>::highest;
  CHECK(rt::add(five, three) == T(8) && rt::sub(five, three) == T(2) && rt::mul(five, three) == T(15));
  CHECK(rt::add(highest, T(1)) == lowest && rt::sub(lowest, T(1)) == highest);
  CHECK(rt::div(five, three) == T(1) && rt::div(five, zero) == zero);
  CHECK(rt::mod(five, three) == T(2) && rt::mod(five, zero) == zero && rt::fmod(five, zero) == zero);
  CHECK(rt::pow(five, three) == T(125) && rt::pow(three, zero) == T(1));
  CHECK(rt::neg(rt::neg(five)) == five && rt::abs(five) == five && rt::sign(zero) == zero &&
        rt::sign(five) == T(1));
  CHECK(rt::bit_and(five, three) == T(1) && rt::bit_or(five, three) == T(7) &&
        rt::bit_xor(five, three) == T(6));
  CHECK(rt::bit_not(rt::bit_not(five)) == five);
  CHECK(rt::shift_left(five, T(1)) == T(10) && rt::shift_right(five, T(1)) == T(2));
  CHECK(rt::shift_left(five, T(64)) == zero && rt::shift_right(five, T(64)) == zero);
  CHECK(rt::minimum(five, three) == three && rt::maximum(five, three) == five);
  CHECK(rt::lt(three, five) && rt::le(three, three) && rt::gt(five, three) && rt::ge(five, five));
  CHECK(rt::eq(five, five) && rt::ne(five, three) && rt::select(true, five, three) == five);
  CHECK(rt::cast<T>(1e30f) == highest && rt::cast<T>(-1e30) == lowest && rt::cast<T>(NAN) == zero);
  CHECK(rt::cast<T>(5.9f) == five && rt::cast<float>(five) == 5.f && rt::cast<T>(true) == T(1) &&
        rt::cast<bool>(five));
}

template <class T>
static void negatives() {
  const T lowest = rt::Limits<T>::lowest;
  CHECK(rt::div(lowest, T(-1)) == lowest && rt::fmod(lowest, T(-1)) == 0 && rt::abs(lowest) == lowest);
  CHECK(rt::div(T(-7), T(2)) == T(-3) && rt::fmod(T(-7), T(3)) == T(-1));
  CHECK(rt::mod(T(-7), T(3)) == T(2) && rt::mod(T(7), T(-3)) == T(-2));
  CHECK(rt::pow(T(2), T(-1)) == 0 && rt::pow(T(-1), T(-3)) == T(-1) && rt::sign(T(-4)) == T(-1));
  CHECK(rt::shift_left(T(1), T(-1)) == 0);
}

/// Known answers of Philox4x32-10, from the authors' Random123.
static void random_numbers() {
  CHECK(static_cast<std::uint64_t>(rt::random_bits(0, 0)) == 0xe169c58d6627e8d5u);
  CHECK(rt::random_bits(1, 0) != rt::random_bits(0, 1));
}

template <class T>
static void reals() {
  const T nan = rt::Limits<T>::nan, infinity = rt::Limits<T>::infinity;
  CHECK(rt::isnan(rt::minimum(nan, T(1))) && rt::isnan(rt::minimum(T(1), nan)));
  CHECK(rt::isnan(rt::maximum(nan, T(1))) && rt::isnan(rt::maximum(T(1), nan)) && rt::isnan(rt::sign(nan)));
  CHECK(rt::isinf(infinity) && rt::isinf(-infinity) && !rt::isinf(nan) && !rt::isnan(infinity));
  CHECK(rt::sign(T(-2)) == T(-1) && rt::reciprocal(T(4)) == T(0.25) && rt::neg(T(3)) == T(-3));
  CHECK(rt::cast<bool>(nan) && !rt::cast<bool>(T(0)) && rt::cast<std::int8_t>(T(-128.5)) == -128);
}

int main() {
  integers<std::int8_t>();
  integers<std::int16_t>();
  integers<std::int32_t>();
  integers<std::int64_t>();
  integers<std::uint8_t>();
  integers<std::uint16_t>();
  integers<std::uint32_t>();
  integers<std::uint64_t>();
  negatives<std::int8_t>();
  negatives<std::int16_t>();
  negatives<std::int32_t>();
  negatives<std::int64_t>();
  reals<float>();
  reals<double>();
  random_numbers();
  CHECK(rt::floordiv(-7, 2) == -4 && rt::floormod(-7, 2) == 1 && rt::min(2, 3) == 2 && rt::max(2, 3) == 3);
  std::int32_t fault = 0;
  CHECK(rt::checked_index(-1, 5, &fault) == 4 && fault == 0);
  CHECK(rt::checked_index(5, 5, &fault) == 0 && fault == 1);
  return failures != 0;
}
