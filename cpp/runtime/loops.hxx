/// @file
/// Loops of the CPU target over one contiguous axis, a vector at a time.
///
/// A body is a generic callable body(Lane<V>, i) that handles elements i, i + 1, ... of V's lanes; V is a
/// vector of T or, at the end of the axis, a narrower one and at last T itself. So generated code writes
/// every body once.
#ifndef SOFIE_RUNTIME_LOOPS_HXX
#define SOFIE_RUNTIME_LOOPS_HXX

#include <cstdint>
#include <limits>

#include "math.hxx"
#include "vector.hxx"

namespace sofie_runtime {

/// Names the vector (or scalar) type that a body works on.
template <class V>
struct Lane {
  using type = V;
};

/// Calls body for the elements [0, count), in the widest vectors that fit.
template <class T, int N = lanes<T>, class Body>
SOFIE_INLINE void for_lanes(std::int64_t count, Body&& body, std::int64_t first = 0) {
  std::int64_t i = first;
  if constexpr (N == 1) {
    for (; i < count; ++i) body(Lane<T>{}, i);
  } else {
    for (; i + N <= count; i += N) body(Lane<Vec<T, N>>{}, i);
    constexpr int narrower = N > 8 ? 8 : N > 4 ? 4 : 1;
    if (i < count) for_lanes<T, narrower>(count, body, i);
  }
}

/// The same for a count known at compile time: only the widths that occur are compiled.
template <class T, std::int64_t Count, int N = lanes<T>, class Body>
SOFIE_INLINE void for_lanes(Body&& body, std::int64_t first = 0) {
  constexpr int narrower = N > 8 ? 8 : N > 4 ? 4 : 1;
  if constexpr (Count >= N) {
    for (std::int64_t i = 0; i < Count / N * N; i += N) {
      if constexpr (N == 1)
        body(Lane<T>{}, first + i);
      else
        body(Lane<Vec<T, N>>{}, first + i);
    }
  }
  if constexpr (N > 1 && Count % N != 0) for_lanes<T, Count % N, narrower>(body, first + Count / N * N);
}

/// @name Combiners of reductions: a function of two values and its neutral element
/// @{
struct Sum {
  template <class T>
  static constexpr T identity = T(0);
  template <class V>
  SOFIE_INLINE V operator()(V a, V b) const {
    if constexpr (std::is_integral<Element<V>>::value)
      return add(a, b);
    else
      return a + b;
  }
};
struct Product {
  template <class T>
  static constexpr T identity = T(1);
  template <class V>
  SOFIE_INLINE V operator()(V a, V b) const {
    if constexpr (std::is_integral<Element<V>>::value)
      return mul(a, b);
    else
      return a * b;
  }
};
struct Minimum {
  template <class T>
  static constexpr T identity = std::numeric_limits<T>::has_infinity ? std::numeric_limits<T>::infinity()
                                                                     : std::numeric_limits<T>::max();
  template <class V>
  SOFIE_INLINE V operator()(V a, V b) const {
    return minimum(a, b);
  }
};
struct Maximum {
  template <class T>
  static constexpr T identity = std::numeric_limits<T>::has_infinity ? -std::numeric_limits<T>::infinity()
                                                                     : std::numeric_limits<T>::lowest();
  template <class V>
  SOFIE_INLINE V operator()(V a, V b) const {
    return maximum(a, b);
  }
};
struct And {
  template <class T>
  static constexpr T identity = true;
  SOFIE_INLINE bool operator()(bool a, bool b) const { return a && b; }
};
struct Or {
  template <class T>
  static constexpr T identity = false;
  SOFIE_INLINE bool operator()(bool a, bool b) const { return a || b; }
};
/// @}

/// Combines term(Lane<V>, i) over i in [0, count); several accumulators hide the latency of the combiner.
template <class T, class Combine, class Term>
SOFIE_INLINE T reduce_lanes(std::int64_t count, Combine combine, Term&& term) {
  using V = Vec<T>;
  constexpr std::int64_t step = lanes<T>;
  T result = Combine::template identity<T>;
  std::int64_t i = 0;
  if (count >= step) {
    V partial = splat<V>(result);
    if (count >= 4 * step) {
      V a = partial, b = partial, c = partial, d = partial;
      for (; i + 4 * step <= count; i += 4 * step) {
        a = combine(a, term(Lane<V>{}, i));
        b = combine(b, term(Lane<V>{}, i + step));
        c = combine(c, term(Lane<V>{}, i + 2 * step));
        d = combine(d, term(Lane<V>{}, i + 3 * step));
      }
      partial = combine(combine(a, b), combine(c, d));
    }
    for (; i + step <= count; i += step) partial = combine(partial, term(Lane<V>{}, i));
    result = detail::across(partial, combine);
  }
  for (; i < count; ++i) result = combine(result, term(Lane<T>{}, i));
  return result;
}

}  // namespace sofie_runtime

#endif
