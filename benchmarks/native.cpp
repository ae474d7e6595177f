// What Python cannot time: calls in a C++ loop, and many threads at once. Loaded with ctypes.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "abi.h"

namespace {

using Clock = std::chrono::steady_clock;
using Call = int (*)(void*);

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// A session of a compiled model with its inputs and outputs.
struct Model {
  const pysofie_model* table;
  pysofie_session* session;
  std::vector<const void*> inputs;
  std::vector<void*> outputs;
};

}  // namespace

extern "C" {

/// A session with its arrays; nullptr on failure.
void* open_model(const pysofie_model* table, const char* weights, const std::int64_t* symbols,
                 const void* const* inputs, void* const* outputs) {
  char error[256];
  pysofie_session* session = table->create(weights, error, sizeof(error));
  if (session == nullptr) return nullptr;
  const auto prepare = [&] { return table->prepare(session, symbols, error, sizeof(error)) == 0; };
  bool ready = prepare();
  while (ready && table->run(session, inputs, outputs) == 4) ready = prepare();  // sizes without a bound
  if (!ready) {
    table->destroy(session);
    return nullptr;
  }
  return new Model{table, session, std::vector<const void*>(inputs, inputs + table->input_count),
                   std::vector<void*>(outputs, outputs + table->output_count)};
}

int call_model(void* opaque) {
  const Model& model = *static_cast<const Model*>(opaque);
  return model.table->run(model.session, model.inputs.data(), model.outputs.data());
}

void close_model(void* opaque) {
  const std::unique_ptr<Model> model(static_cast<Model*>(opaque));
  model->table->destroy(model->session);
}

/// The nanoseconds of each of so many calls.
void time_calls(Call call, void* state, std::int64_t count, std::uint64_t* nanoseconds) {
  for (std::int64_t i = 0; i < count; ++i) {
    const auto start = Clock::now();
    call(state);
    nanoseconds[i] = static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - start).count());
  }
}

/// Nanoseconds per call without a clock between the calls, the least of so many tries.
double plain_nanoseconds(Call call, void* state, std::int64_t calls, int tries) {
  double best = 1e300;
  for (int i = 0; i < tries; ++i) {
    const auto start = Clock::now();
    for (std::int64_t k = 0; k < calls; ++k) call(state);
    best = std::min(best, seconds_since(start) * 1e9 / static_cast<double>(calls));
  }
  return best;
}

/// Calls per second of so many threads together, each with a state of its own.
double calls_per_second(Call call, void* const* states, int count, double seconds) {
  std::atomic<int> waiting{count};
  std::vector<double> rates(static_cast<std::size_t>(count));
  std::vector<std::thread> threads;
  for (int i = 0; i < count; ++i)
    threads.emplace_back([&, i] {
      waiting.fetch_sub(1);
      while (waiting.load() > 0) std::this_thread::yield();
      std::int64_t done = 0;
      const auto start = Clock::now();
      double elapsed = 0;
      do {
        for (int k = 0; k < 16; ++k) call(states[i]);  // so that the clock does not count
        done += 16;
        elapsed = seconds_since(start);
      } while (elapsed < seconds);
      rates[static_cast<std::size_t>(i)] = static_cast<double>(done) / elapsed;
    });
  double total = 0;
  for (std::size_t i = 0; i < threads.size(); ++i) {
    threads[i].join();
    total += rates[i];
  }
  return total;
}

}  // extern "C"
