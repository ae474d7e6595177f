/// \file scalar.hxx
/// The part of the runtime vocabulary that needs no mathematical library: comparisons, logic, selection,
/// conversions and integer arithmetic on scalars. Every target includes it; it is plain C++17 and fit for
/// host, CUDA, HIP and SYCL device code alike. Elementary functions live in the headers of the targets.
///
/// Conventions, chosen to agree with NumPy and ONNX: integers wrap, an integer divided by zero gives zero,
/// `minimum` and `maximum` propagate NaN, `mod` takes the sign of the divisor and `fmod` that of the
/// dividend.
#ifndef SOFIE_RUNTIME_SCALAR_HXX
#define SOFIE_RUNTIME_SCALAR_HXX

#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>

/// Marks a function that kernels may call, on the host and on every device.
#ifndef SOFIE_FN
#if defined(__CUDACC__) || defined(__HIPCC__)
#define SOFIE_FN __host__ __device__ inline
#else
#define SOFIE_FN inline
#endif
#endif

namespace sofie_runtime {

template <class T>
using IfScalar = std::enable_if_t<std::is_arithmetic_v<T>, int>;
template <class T>
using IfFloat = std::enable_if_t<std::is_floating_point_v<T>, int>;
template <class T>
using IfInteger = std::enable_if_t<std::is_integral_v<T> && !std::is_same_v<T, bool>, int>;

/// Unsigned type in which arithmetic on the integer type T wraps without undefined behaviour; narrow types
/// are widened by hand because C++ would promote them to (signed) int.
template <class T>
using Wrapping =
    std::conditional_t<(sizeof(T) < sizeof(std::uint32_t)), std::uint32_t, std::make_unsigned_t<T>>;

/// Limits as constants, because device code may read a constant but not call a host function.
template <class T>
struct Limits {
  static constexpr T lowest = std::numeric_limits<T>::lowest();
  static constexpr T highest = std::numeric_limits<T>::max();
  static constexpr T infinity = std::numeric_limits<T>::infinity();
  static constexpr T nan = std::numeric_limits<T>::quiet_NaN();
  static constexpr int digits = std::numeric_limits<T>::digits;
};

/// Value of To with the bits of x.
template <class To, class From>
SOFIE_FN __attribute__((always_inline)) To bit_cast(const From& x) {
  static_assert(sizeof(To) == sizeof(From), "the same size");
  To result;
  std::memcpy(&result, &x, sizeof(To));
  return result;
}

// --- comparisons, logic, selection -------------------------------------------------------------------------

template <class T, IfScalar<T> = 0>
SOFIE_FN bool lt(T a, T b) {
  return a < b;
}
template <class T, IfScalar<T> = 0>
SOFIE_FN bool le(T a, T b) {
  return a <= b;
}
template <class T, IfScalar<T> = 0>
SOFIE_FN bool gt(T a, T b) {
  return a > b;
}
template <class T, IfScalar<T> = 0>
SOFIE_FN bool ge(T a, T b) {
  return a >= b;
}
template <class T, IfScalar<T> = 0>
SOFIE_FN bool eq(T a, T b) {
  return a == b;
}
template <class T, IfScalar<T> = 0>
SOFIE_FN bool ne(T a, T b) {
  return a != b;
}

SOFIE_FN bool logical_and(bool a, bool b) { return a && b; }
SOFIE_FN bool logical_or(bool a, bool b) { return a || b; }
SOFIE_FN bool logical_xor(bool a, bool b) { return a != b; }
SOFIE_FN bool logical_not(bool a) { return !a; }

template <class T, IfScalar<T> = 0>
SOFIE_FN T select(bool condition, T a, T b) {
  return condition ? a : b;
}

/// The smaller of two values; NaN if either is NaN.
template <class T, IfScalar<T> = 0>
SOFIE_FN T minimum(T a, T b) {
  const T smaller = a < b ? a : b;
  return a != a ? a : smaller;
}
/// The larger of two values; NaN if either is NaN.
template <class T, IfScalar<T> = 0>
SOFIE_FN T maximum(T a, T b) {
  const T larger = a > b ? a : b;
  return a != a ? a : larger;
}

/// @name Whether a candidate replaces the best element so far; the first NaN wins, as in NumPy
/// @{
template <class T, IfScalar<T> = 0>
SOFIE_FN bool better_maximum(T candidate, T best) {
  return candidate > best || (candidate != candidate && best == best);
}
template <class T, IfScalar<T> = 0>
SOFIE_FN bool better_minimum(T candidate, T best) {
  return candidate < best || (candidate != candidate && best == best);
}
/// @}

// --- floating point without a library ----------------------------------------------------------------------

template <class T, IfFloat<T> = 0>
SOFIE_FN T neg(T x) {
  return -x;
}
template <class T, IfFloat<T> = 0>
SOFIE_FN T reciprocal(T x) {
  return T(1) / x;
}
template <class T, IfFloat<T> = 0>
SOFIE_FN T sign(T x) {
  return x != x ? x : static_cast<T>(x > 0) - static_cast<T>(x < 0);
}
template <class T, IfFloat<T> = 0>
SOFIE_FN bool isnan(T x) {
  return x != x;
}
template <class T, IfFloat<T> = 0>
SOFIE_FN bool isinf(T x) {
  return x == Limits<T>::infinity || x == -Limits<T>::infinity;
}

// --- integers ----------------------------------------------------------------------------------------------

template <class T, IfInteger<T> = 0>
SOFIE_FN T add(T a, T b) {
  return static_cast<T>(static_cast<Wrapping<T>>(a) + static_cast<Wrapping<T>>(b));
}
template <class T, IfInteger<T> = 0>
SOFIE_FN T sub(T a, T b) {
  return static_cast<T>(static_cast<Wrapping<T>>(a) - static_cast<Wrapping<T>>(b));
}
template <class T, IfInteger<T> = 0>
SOFIE_FN T mul(T a, T b) {
  return static_cast<T>(static_cast<Wrapping<T>>(a) * static_cast<Wrapping<T>>(b));
}
template <class T, IfInteger<T> = 0>
SOFIE_FN T neg(T x) {
  return sub(T(0), x);
}
template <class T, IfInteger<T> = 0>
SOFIE_FN T abs(T x) {
  if constexpr (std::is_signed_v<T>) return x < 0 ? neg(x) : x;
  return x;
}
template <class T, IfInteger<T> = 0>
SOFIE_FN T sign(T x) {
  if constexpr (std::is_signed_v<T>) {
    if (x < 0) return T(-1);
  }
  return T(x != 0);
}

/// Quotient rounded towards zero; 0 when the divisor is 0; wraps for the lowest value divided by -1.
template <class T, IfInteger<T> = 0>
SOFIE_FN T div(T a, T b) {
  if (b == 0) return 0;
  if constexpr (std::is_signed_v<T>) {
    if (b == -1) return neg(a);
  }
  return static_cast<T>(a / b);
}
/// Remainder of `div`, with the sign of the dividend; 0 when the divisor is 0.
template <class T, IfInteger<T> = 0>
SOFIE_FN T fmod(T a, T b) {
  return b == 0 ? T(0) : sub(a, mul(div(a, b), b));
}
/// Remainder with the sign of the divisor; 0 when the divisor is 0.
template <class T, IfInteger<T> = 0>
SOFIE_FN T mod(T a, T b) {
  const T remainder = fmod(a, b);
  if constexpr (std::is_signed_v<T>) {
    if (remainder != 0 && (remainder < 0) != (b < 0)) return add(remainder, b);
  }
  return remainder;
}
/// Integer power by repeated squaring; a negative exponent gives the truncated value (0 unless base is 1 or
/// -1).
template <class T, IfInteger<T> = 0>
SOFIE_FN T pow(T base, T exponent) {
  if constexpr (std::is_signed_v<T>) {
    if (exponent < 0) return base == 1 ? T(1) : base == -1 ? (exponent % 2 == 0 ? T(1) : T(-1)) : T(0);
  }
  T result = 1;
  for (; exponent != 0; exponent = static_cast<T>(exponent >> 1)) {
    if (exponent & 1) result = mul(result, base);
    base = mul(base, base);
  }
  return result;
}

template <class T, IfInteger<T> = 0>
SOFIE_FN T bit_and(T a, T b) {
  return static_cast<T>(a & b);
}
template <class T, IfInteger<T> = 0>
SOFIE_FN T bit_or(T a, T b) {
  return static_cast<T>(a | b);
}
template <class T, IfInteger<T> = 0>
SOFIE_FN T bit_xor(T a, T b) {
  return static_cast<T>(a ^ b);
}
template <class T, IfInteger<T> = 0>
SOFIE_FN T bit_not(T a) {
  return static_cast<T>(~a);
}
/// Logical shifts; a shift by the width of the type or more (or by a negative count) gives 0.
template <class T, class Count, IfInteger<T> = 0, IfInteger<Count> = 0>
SOFIE_FN T shift_left(T a, Count count) {
  using U = std::make_unsigned_t<T>;
  const bool outside = static_cast<std::uint64_t>(count) >= std::uint64_t(Limits<U>::digits);
  return outside ? T(0) : static_cast<T>(static_cast<Wrapping<T>>(a) << count);
}
template <class T, class Count, IfInteger<T> = 0, IfInteger<Count> = 0>
SOFIE_FN T shift_right(T a, Count count) {
  using U = std::make_unsigned_t<T>;
  const bool outside = static_cast<std::uint64_t>(count) >= std::uint64_t(Limits<U>::digits);
  return outside ? T(0) : static_cast<T>(static_cast<U>(a) >> count);
}

// --- random numbers ----------------------------------------------------------------------------------------

/// The first 64 bits that Philox4x32-10 makes of a key and a counter (J. Salmon, M. Moraes, R. Dror, D. Shaw,
/// "Parallel random numbers: as easy as 1, 2, 3", SC 2011). It has no state, so that elements may be drawn in
/// any order and on any target.
SOFIE_FN std::int64_t random_bits(std::int64_t key, std::int64_t counter) {
  const auto low = [](std::uint64_t x) { return static_cast<std::uint32_t>(x); };
  const auto high = [](std::uint64_t x) { return static_cast<std::uint32_t>(x >> 32); };
  std::uint32_t k0 = low(static_cast<std::uint64_t>(key)), k1 = high(static_cast<std::uint64_t>(key));
  std::uint32_t c0 = low(static_cast<std::uint64_t>(counter)), c1 = high(static_cast<std::uint64_t>(counter));
  std::uint32_t c2 = 0, c3 = 0;
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t a = std::uint64_t(0xD2511F53u) * c0, b = std::uint64_t(0xCD9E8D57u) * c2;
    c0 = high(b) ^ c1 ^ k0;
    c1 = low(b);
    c2 = high(a) ^ c3 ^ k1;
    c3 = low(a);
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  return static_cast<std::int64_t>(std::uint64_t(c1) << 32 | c0);
}

// --- sizes: the functions of symbolic dimensions -----------------------------------------------------------

/// Quotient rounded down; 0 when the divisor is 0.
SOFIE_FN std::int64_t floordiv(std::int64_t a, std::int64_t b) { return div(sub(a, mod(a, b)), b); }
SOFIE_FN std::int64_t floormod(std::int64_t a, std::int64_t b) { return mod(a, b); }
SOFIE_FN std::int64_t min(std::int64_t a, std::int64_t b) { return a < b ? a : b; }
SOFIE_FN std::int64_t max(std::int64_t a, std::int64_t b) { return a > b ? a : b; }

// --- indices from data
// ---------------------------------------------------------------------------------------

/// An index that came from data: counted from the end when negative; outside of the extent it raises the
/// fault flag and gives 0.
SOFIE_FN std::int64_t checked_index(std::int64_t index, std::int64_t extent, std::int32_t* fault) {
  const std::int64_t position = index < 0 ? index + extent : index;
  if (position >= 0 && position < extent) return position;
  *fault = 1;
  return 0;
}

// --- conversion --------------------------------------------------------------------------------------------

/// Converts between scalar types: to bool by comparison with zero, float to integer towards zero and
/// saturating (NaN becomes 0), between integers by wrapping.
template <class To, class From, IfScalar<To> = 0, IfScalar<From> = 0>
SOFIE_FN To cast(From x) {
  if constexpr (std::is_same_v<To, bool>) {
    return x != From(0);
  } else if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To>) {
    constexpr To lowest = Limits<To>::lowest, highest = Limits<To>::highest;
    // one past the highest value: a power of two, so exact where `highest` itself would round
    constexpr From bound = static_cast<From>(highest / 2 + 1) * From(2);
    if (x != x) return 0;
    if (x >= bound) return highest;
    if (x <= static_cast<From>(lowest)) return lowest;
    return static_cast<To>(x);
  } else if constexpr (std::is_same_v<From, bool>) {
    // Where a comparison is an index, GCC 12 gathers with the mask of a vector in the place of zeros and
    // ones. It does not see through this.
    const int bit = x;
    return static_cast<To>((bit | bit << 1) & 1);
  } else {
    return static_cast<To>(x);
  }
}

}  // namespace sofie_runtime

#endif
