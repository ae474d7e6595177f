// Compares products with narrow weights with a naive sum; prints what differs and returns 0 when nothing
// does. Every operand lies in a heap block of its exact size, so that the address sanitizer sees reads behind
// it.

#include "half_contraction.hxx"

#include <cmath>
#include <cstdio>
#include <random>

#include "exact_block.hxx"
#include "storage_vector.hxx"

namespace rt = sofie_runtime;
using std::int64_t;

namespace {

int failures = 0;
std::mt19937 generator(1);

template <class T>
struct Block : ExactBlock<T> {
  explicit Block(int64_t count)
      : ExactBlock<T>(count, [](int64_t i) {
          // a few are far smaller than the others: denormal as float16
          const float x =
              std::uniform_real_distribution<float>(-1, 1)(generator) * (i % 5 == 0 ? 1e-6f : 1.0f);
          return rt::cast<T>(std::is_same<T, std::int8_t>::value ? 127 * x : x);
        }) {}
};

template <class W>
std::uint32_t bits(W weight) {
  std::uint32_t result = 0;
  std::memcpy(&result, &weight, sizeof(W));
  return result;
}

/// M rows of `Outer` times `Inner` elements, N columns; M = 0 is the form for a single row.
template <class Dot, class A, class W, int M, int Outer, int Inner, int N>
void test(const char* what) {
  constexpr int K = Outer * Inner, rows = M == 0 ? 1 : M;
  const Block<A> a(rows * K);
  const Block<W> weights(K * N);
  const rt::Groups groups{Outer, Inner, N, 4 / static_cast<int>(sizeof(W)), false};
  const Block<std::int32_t> packed(groups.packed_size());
  const Block<float> out(rows * N);
  rt::pack_groups(
      packed.get(), groups, [&](int64_t k, int64_t n) { return bits(weights[k * N + n]); },
      [](int64_t) { return 0; });
  const auto k_axes = rt::nest(rt::axis<Outer, Inner>(), rt::axis<Inner, 1>());
  const auto run = [&](auto row_axes) {
    rt::contract(static_cast<const A*>(a.get()), row_axes, k_axes, rt::PackedGroups<N, Dot>{packed.get()},
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
      double sum = 0, size = 0;
      for (int64_t k = 0; k < K; ++k) {
        const double term =
            double(rt::cast<float>(a[m * K + k])) * double(rt::cast<float>(weights[k * N + n]));
        sum += term;
        size += std::fabs(term);
      }
      if (std::fabs(sum - double(out[m * N + n])) <= 1e-6 * size) continue;
      ++failures;
      std::printf("%s, %d rows, %d x %d deep, %d columns: element (%d, %d) is %g, not %g\n", what, M, Outer,
                  Inner, N, static_cast<int>(m), static_cast<int>(n), double(out[m * N + n]), sum);
      return;
    }
  }
}

template <class Dot, class A, class W>
void all(const char* what) {
  test<Dot, A, W, 0, 1, 64, 200>(what);
  test<Dot, A, W, 0, 1, 7, 8>(what);
  test<Dot, A, W, 1, 2, 5, 16>(what);
  test<Dot, A, W, 7, 3, 5, 9>(what);
  test<Dot, A, W, 5, 2, 3, 5>(what);
  test<Dot, A, W, 30, 3, 24, 33>(what);
}

}  // namespace

int main() {
  all<rt::WeightDot<rt::Bfloat16Weights>, float, rt::BFloat16>("bfloat16");
  all<rt::WeightDot<rt::Float16Weights>, float, rt::Float16>("float16");
  all<rt::WeightDot<rt::ByteWeights>, float, std::int8_t>("int8");
  all<rt::Bfloat16Dot, rt::BFloat16, rt::BFloat16>("bfloat16 both");
  return failures;
}
