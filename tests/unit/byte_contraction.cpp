// Compares products of bytes with a naive sum; prints what differs and returns 0 when nothing does. Every
// operand lies in a heap block of its exact size, so that the address sanitizer sees reads behind it.

#include "byte_contraction.hxx"

#include <cstdio>
#include <random>

#include "exact_block.hxx"

namespace rt = sofie_runtime;
using std::int64_t;

namespace {

int failures = 0;
std::mt19937 generator(1);

template <class T>
struct Block : ExactBlock<T> {
  explicit Block(int64_t count) : ExactBlock<T>(count, [](int64_t) { return static_cast<T>(generator()); }) {}
};

/// M rows of `Outer` times `Inner` bytes, N columns; M = 0 is the form for a single row.
template <class A, int M, int Outer, int Inner, int N>
void test() {
  constexpr int K = Outer * Inner, rows = M == 0 ? 1 : M;
  const Block<A> a(rows * K);
  const Block<std::int8_t> weights(K * N);
  const rt::Groups groups{Outer, Inner, N, 4, true};
  const Block<std::int32_t> packed(groups.packed_size()), out(rows * N);
  const auto code = [&](int64_t k, int64_t n) { return static_cast<std::uint8_t>(weights[k * N + n]); };
  const auto start = [&](int64_t n) {
    std::int32_t sum = 0;
    for (int64_t k = 0; k < K; ++k) sum += weights[k * N + n];
    return -128 * sum;
  };
  rt::pack_groups(packed.get(), groups, code, start);
  const auto k_axes = rt::nest(rt::axis<Outer, Inner>(), rt::axis<Inner, 1>());
  const auto run = [&](auto row_axes) {
    rt::contract(static_cast<const A*>(a.get()), row_axes, k_axes,
                 rt::PackedGroups<N, rt::ByteDot>{packed.get()},
                 [&](auto sums, auto row, int64_t n, auto count) {
                   int64_t first = n;
                   if constexpr (M > 0) first += row[0] * N;
                   rt::store_first<decltype(count)::value>(out.get() + first, sums);
                 });
  };
  if constexpr (M == 0)
    run(rt::nest());
  else
    run(rt::nest(rt::axis<M, K>()));
  for (int64_t m = 0; m < rows; ++m) {
    for (int64_t n = 0; n < N; ++n) {
      std::int32_t sum = 0;
      for (int64_t k = 0; k < K; ++k) sum += a[m * K + k] * weights[k * N + n];
      if (sum == out[m * N + n]) continue;
      ++failures;
      std::printf("%d rows, %d x %d deep, %d columns: element (%d, %d) is %d, not %d\n", M, Outer, Inner, N,
                  static_cast<int>(m), static_cast<int>(n), out[m * N + n], sum);
      return;
    }
  }
}

template <class A>
void all() {
  test<A, 0, 1, 64, 200>();
  test<A, 0, 1, 7, 8>();
  test<A, 1, 2, 5, 16>();
  test<A, 7, 3, 5, 9>();
  test<A, 13, 1, 128, 64>();
  test<A, 5, 2, 3, 5>();
  test<A, 9, 3, 9, 20>();
  test<A, 30, 3, 48, 33>();
  test<A, 4, 2, 8, 130>();
}

}  // namespace

int main() {
  all<std::uint8_t>();
  all<std::int8_t>();
  return failures;
}
