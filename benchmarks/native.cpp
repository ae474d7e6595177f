// What Python cannot time: the ceilings of the machine, and a compiled model in a plain loop. Loaded with
// ctypes.

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>

#include "abi.h"
#include "vector.hxx"

#if SOFIE_VECTOR_BYTES == 64
#define SOFIE_IN_REGISTER(x) "+v"(x)
#elif defined(__SSE2__)
#define SOFIE_IN_REGISTER(x) "+x"(x)
#else
#define SOFIE_IN_REGISTER(x) "+w"(x)
#endif

namespace rt = sofie_runtime;
using V = rt::Vec<float>;

namespace {

template <class Function>
double seconds(Function&& function) {
  const auto start = std::chrono::steady_clock::now();
  function();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// The least time of many tries: on a shared machine, what is above it is the neighbours'.
template <class Function>
double least_seconds(int tries, Function&& function) {
  double best = seconds(function);
  for (int i = 1; i < tries; ++i) best = std::min(best, seconds(function));
  return best;
}

template <class T>
void keep(const T& value) {
  __asm__ volatile("" : : "m"(value) : "memory");
}

}  // namespace

extern "C" {

/// Multiplications and additions per second in float32, in units of 1e9, from registers alone.
double fma_gflops() {
  constexpr int sums = SOFIE_VECTOR_BYTES == 64 ? 24 : 12, steps = 20000;
  const double best = least_seconds(200, [] {
    V factor = rt::splat<V>(0.5f), sum[sums];
#pragma GCC unroll 24
    for (int i = 0; i < sums; ++i) sum[i] = rt::splat<V>(static_cast<float>(i));
    for (int step = 0; step < steps; ++step) {
#pragma GCC unroll 24
      for (int i = 0; i < sums; ++i) {
        sum[i] = factor * sum[i] + factor;
        __asm__ volatile("" : SOFIE_IN_REGISTER(sum[i]));
      }
    }
    V total{};
#pragma GCC unroll 24
    for (int i = 0; i < sums; ++i) total += sum[i];
    keep(total);
  });
  return 2.0 * steps * sums * rt::lanes<float> / best / 1e9;
}

/// Bytes per second read from a block of the given size, in units of 1e9.
double read_gbytes(std::size_t bytes) {
  constexpr std::size_t stride = 8 * rt::lanes<float>;
  const std::size_t count = bytes / sizeof(float) / stride * stride;
  const std::unique_ptr<V[]> block(new V[count / rt::lanes<float>]());
  const float* const data = reinterpret_cast<const float*>(block.get());
  const std::size_t repeat = std::max<std::size_t>(1, (std::size_t{1} << 22) / bytes);
  const double best = least_seconds(100, [&] {
    V sum[8] = {};
    for (std::size_t again = 0; again < repeat; ++again) {
      for (std::size_t i = 0; i < count; i += stride) {
        for (int part = 0; part < 8; ++part) sum[part] += rt::load<V>(data + i + part * rt::lanes<float>);
      }
      keep(sum);
    }
  });
  return static_cast<double>(count * sizeof(float) * repeat) / best / 1e9;
}

/// Nanoseconds per call of a compiled model in a loop of `calls`, the least of `tries`; negative on failure.
double loop_nanoseconds(const pysofie_model* model, const char* weights, const std::int64_t* symbols,
                        const void* const* inputs, void* const* outputs, std::int64_t calls, int tries) {
  char error[256];
  pysofie_session* session = model->create(weights, error, sizeof(error));
  if (session == nullptr) return -1;
  double best = -1;
  const auto prepare = [&] { return model->prepare(session, symbols, error, sizeof(error)) == 0; };
  bool ready = prepare();
  while (ready && model->run(session, inputs, outputs) == 4) ready = prepare();  // sizes without a bound
  if (ready) {
    best = least_seconds(tries, [&] {
      for (std::int64_t i = 0; i < calls; ++i) {
        const int fault = model->run(session, inputs, outputs);
        keep(fault);
      }
    });
    best *= 1e9 / static_cast<double>(calls);
  }
  model->destroy(session);
  return best;
}

}  // extern "C"
