// Compares contractions with a naive sum in double; prints what differs and returns 0 when nothing does.
// Every operand lies in a heap block of its exact size, so that the address sanitizer sees reads and writes
// behind it.

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <random>

#include "columns.hxx"
#include "dot.hxx"
#include "exact_block.hxx"
#include "scalar.hxx"

namespace rt = sofie_runtime;
using rt::axis;
using rt::Fixed;
using rt::nest;
using std::int64_t;

namespace {

int failures = 0;
std::mt19937 generator(1);

template <class T>
struct Block : ExactBlock<T> {
  explicit Block(int64_t count)
      : ExactBlock<T>(count, [](int64_t) { return std::uniform_real_distribution<T>(-1, 1)(generator); }) {}
};

template <class T>
void expect(const char* what, const Block<T>& got, const Block<double>& want, int64_t m, int64_t k,
            int64_t n) {
  const double limit = static_cast<double>(k + 1) * static_cast<double>(std::numeric_limits<T>::epsilon());
  for (int64_t i = 0; i < want.size; ++i) {
    const double a = static_cast<double>(got[i]), b = want[i];
    if (a == b || (std::isnan(a) && std::isnan(b)) || std::fabs(a - b) <= limit) continue;
    ++failures;
    std::printf("%s %zu-byte, %ld x %ld x %ld, element %ld: %g, not %g\n", what, sizeof(T),
                static_cast<long>(m), static_cast<long>(k), static_cast<long>(n), static_cast<long>(i), a, b);
    return;
  }
}

/// out = relu(a w + bias + out) with every form of the same product, M x K x N.
template <class T, int64_t M, int64_t K, int64_t N>
struct Product {
  Block<T> a{M * K}, w{K * N}, bias{N};

  template <class Run>
  void check(const char* what, Run run) const {
    Block<T> out(M * N);
    Block<double> want(M * N);
    for (int64_t i = 0; i < M; ++i) {
      for (int64_t j = 0; j < N; ++j) {
        double sum = static_cast<double>(bias[j] + out[i * N + j]);
        for (int64_t k = 0; k < K; ++k)
          sum += static_cast<double>(a[i * K + k]) * static_cast<double>(w[k * N + j]);
        want[i * N + j] = sum < 0 ? 0 : sum;
      }
    }
    run([&](auto sum, auto row, int64_t n, auto count) {
      using V = decltype(sum);
      T* place = out.get() + n;
      if constexpr (M > 1) place += row[0] * N;
      const V v = sum + rt::load_first<V, count>(bias.get() + n) + rt::load_first<V, count>(place);
      rt::store_first<count>(place, rt::select(rt::lt(v, V{}), V{}, v));
    });
    expect(what, out, want, M, K, N);
  }

  void run() const {
    const auto rows = [] {
      if constexpr (M == 1) {
        return nest();
      } else {
        return nest(axis<M, K>());
      }
    }();
    constexpr int most = rt::panel_granules(K, M == 1);
    Block<T> packed(rt::packed_size(K, N, sizeof(T)));
    rt::pack(packed.get(), K, N, most, [&](int64_t k, int64_t n) { return w[k * N + n]; });
    const rt::Packed<T, N, most> constant{packed.get()};
    check("packed",
          [&](auto epilogue) { rt::contract(a.get(), rows, nest(axis<K, 1>()), constant, epilogue); });
    check("rows", [&](auto epilogue) {
      rt::contract(a.get(), rows, nest(axis<K, 1>()), rt::rows(w.get(), Fixed<N>{}, Fixed<N>{}), epilogue);
    });
    Block<T> transposed(N * K);
    for (int64_t i = 0; i < N * K; ++i) transposed[i] = w[i % K * N + i / K];
    check("columns", [&](auto epilogue) {
      rt::contract(a.get(), rows, nest(axis<K, 1>()),
                   rt::columns<T>(transposed.get(), Fixed<N>{}, Fixed<K>{}), epilogue);
    });
    if constexpr (M > 1 && N > 50) {
      check("dynamic columns", [&](auto epilogue) {
        rt::contract(a.get(), rows, nest(axis<K, 1>()), rt::columns<T>(transposed.get(), N, K), epilogue);
      });
    }
    if constexpr (M > 1) {
      check("dynamic", [&](auto epilogue) {
        rt::contract(a.get(), nest(axis(M, K)), nest(axis(K, int64_t{1})), rt::rows(w.get(), N, N), epilogue);
      });
      check("dynamic rows", [&](auto epilogue) {
        rt::contract(a.get(), nest(axis(M, Fixed<K>{})), nest(axis<K, 1>()), constant, epilogue);
      });
    }
  }
};

/// A convolution: H x W x C in, kernel Y x X, stride S, N channels out, of groups laid out one after another.
template <class T, int64_t H, int64_t W, int64_t C, int64_t Y, int64_t X, int64_t S, int64_t N>
void convolution() {
  constexpr int64_t h = (H - Y) / S + 1, w = (W - X) / S + 1, depth = Y * X * C;
  const Block<T> in(H * W * C), weights(depth * N), out(h * w * N),
      packed(rt::packed_size(depth, N, sizeof(T)));
  const Block<double> want(h * w * N);
  constexpr int most = rt::panel_granules(depth, false);
  rt::pack(packed.get(), depth, N, most, [&](int64_t k, int64_t n) { return weights[k * N + n]; });
  rt::contract(
      in.get(), nest(axis<h, S * W * C>(), axis<w, S * C>()), nest(axis<Y, W * C>(), axis<X * C, 1>()),
      rt::Packed<T, N, most>{packed.get()}, [&](auto sum, auto row, int64_t n, auto count) {
        rt::store_strided<decltype(sum), count>(out.get() + (n * h + row[0]) * w + row[1], h * w, sum);
      });
  for (int64_t n = 0; n < N; ++n) {
    for (int64_t i = 0; i < h * w; ++i) {
      double sum = 0;
      for (int64_t k = 0; k < depth; ++k) {
        const int64_t y = i / w * S + k / (X * C), x = i % w * S + k / C % X;
        sum += static_cast<double>(in[(y * W + x) * C + k % C]) * static_cast<double>(weights[k * N + n]);
      }
      want[n * h * w + i] = sum;
    }
  }
  expect("convolution", out, want, h * w, depth, N);
}

/// The dot products of the rows of windows, Y x X x C of an H x W x C image, with one vector.
template <class T, int64_t H, int64_t W, int64_t C, int64_t Y, int64_t X>
void single_column() {
  constexpr int64_t h = H - Y + 1, w = W - X + 1, depth = Y * X * C;
  const Block<T> in(H * W * C), weights(depth), bias(w), out(h * w);
  const Block<double> want(h * w);
  for (int64_t i = 0; i < h * w; ++i) {
    want[i] = static_cast<double>(bias[i % w]);
    for (int64_t k = 0; k < depth; ++k) {
      const int64_t y = i / w + k / (X * C), x = i % w + k / C % X;
      want[i] += static_cast<double>(in[(y * W + x) * C + k % C]) * static_cast<double>(weights[k]);
    }
  }
  const auto keep = [&](auto sum, auto row, int64_t, auto count) {
    const auto shift = rt::load_first<decltype(sum), count>(bias.get() + row[1]);
    rt::store_first<count>(out.get() + row[0] * w + row[1], sum + shift);
  };
  const auto k = nest(axis<Y, W * C>(), axis<X * C, 1>());
  rt::contract(in.get(), nest(axis<h, W * C>(), axis<w, C>()), k, rt::column<T>(weights.get()), keep);
  expect("single column", out, want, h * w, depth, 1);
  rt::contract(in.get(), nest(axis(h, W * C), axis(w, Fixed<C>{})), k, rt::column<T>(weights.get()), keep);
  expect("dynamic single column", out, want, h * w, depth, 1);
}

/// NaN and infinity reach exactly the results that they belong to.
template <class T>
void special_values() {
  Product<T, 5, 19, 21> product;
  product.a[2 * 19 + 3] = std::numeric_limits<T>::quiet_NaN();
  product.a[4 * 19 + 18] = std::numeric_limits<T>::infinity();
  product.w[7 * 21 + 20] = -std::numeric_limits<T>::infinity();
  product.run();
}

void floats() {
  Product<float, 1, 7, 64>().run();
  Product<float, 1, 64, 1>().run();
  Product<float, 1, 19, 200>().run();
  Product<float, 13, 37, 1>().run();
  Product<float, 25, 33, 5>().run();
  Product<float, 7, 19, 77>().run();
  Product<float, 3, 200, 17>().run();
  Product<float, 4, 20, 113>().run();
  convolution<float, 10, 10, 3, 3, 3, 1, 16>();
  convolution<float, 9, 12, 5, 3, 2, 2, 7>();
  convolution<float, 6, 31, 1, 1, 5, 1, 1>();
  convolution<float, 5, 5, 40, 3, 3, 1, 37>();
  single_column<float, 5, 26, 12, 3, 3>();
  single_column<float, 4, 9, 1, 2, 3>();
  single_column<float, 3, 35, 17, 1, 1>();
}

void doubles() {
  Product<double, 1, 1, 1>().run();
  Product<double, 1, 20, 41>().run();
  Product<double, 9, 3, 1>().run();
  Product<double, 23, 5, 3>().run();
  convolution<double, 9, 12, 5, 3, 2, 2, 7>();
  single_column<double, 5, 12, 5, 3, 2>();
}

}  // namespace

int main() {
  floats();
  doubles();
  special_values<float>();
  return failures > 0;
}
