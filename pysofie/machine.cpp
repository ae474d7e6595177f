// The ceilings of one core, measured. Compiled for the machine at hand and loaded with ctypes.

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <memory>

#if defined(__AVX512F__)
constexpr std::size_t vector_bytes = 64;
#define IN_REGISTER(x) "+v"(x)
#elif defined(__SSE2__)
#ifdef __AVX__
constexpr std::size_t vector_bytes = 32;
#else
constexpr std::size_t vector_bytes = 16;
#endif
#define IN_REGISTER(x) "+x"(x)
#else
constexpr std::size_t vector_bytes = 16;
#define IN_REGISTER(x) "+w"(x)
#endif

namespace {

typedef float V __attribute__((vector_size(vector_bytes)));
constexpr std::size_t lanes = vector_bytes / sizeof(float);

/// The least time of many tries: on a shared machine, what is above it is the neighbours'.
template <class Function>
double least_seconds(int tries, Function&& function) {
  double best = 1e9;
  for (int i = 0; i < tries; ++i) {
    const auto start = std::chrono::steady_clock::now();
    function();
    best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  return best;
}

template <class T>
void keep(const T& value) {
  __asm__ volatile("" : : "m"(value) : "memory");
}

}  // namespace

#pragma GCC visibility push(default)
extern "C" {

/// Multiplications and additions per second in float32, in units of 1e9, from registers alone.
double pysofie_fma_gflops() {
  constexpr int sums = vector_bytes == 64 ? 24 : 12, steps = 20000;
  const double best = least_seconds(200, [] {
    V factor = V{} + 0.5f, sum[sums];
#pragma GCC unroll 24
    for (int i = 0; i < sums; ++i) sum[i] = V{} + static_cast<float>(i);
    for (int step = 0; step < steps; ++step) {
#pragma GCC unroll 24
      for (int i = 0; i < sums; ++i) {
        sum[i] = factor * sum[i] + factor;
        __asm__ volatile("" : IN_REGISTER(sum[i]));
      }
    }
    V total{};
#pragma GCC unroll 24
    for (int i = 0; i < sums; ++i) total += sum[i];
    keep(total);
  });
  return 2.0 * steps * sums * lanes / best / 1e9;
}

/// Bytes per second read from a block of the given size, in units of 1e9.
double pysofie_read_gbytes(std::size_t bytes) {
  constexpr std::size_t together = 8;
  const std::size_t count = bytes / sizeof(V) / together * together;
  const std::unique_ptr<V[]> block(new V[count]());
  const std::size_t repeat = std::max<std::size_t>(1, (std::size_t{1} << 22) / bytes);
  const double best = least_seconds(100, [&] {
    V sum[together] = {};
    for (std::size_t again = 0; again < repeat; ++again) {
      for (std::size_t i = 0; i < count; i += together) {
        for (std::size_t part = 0; part < together; ++part) sum[part] += block[i + part];
      }
      keep(sum);
    }
  });
  return static_cast<double>(count * sizeof(V) * repeat) / best / 1e9;
}

}  // extern "C"
#pragma GCC visibility pop
