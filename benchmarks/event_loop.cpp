// The event loop that a functor is compared with: RDataFrame with the generated infer, compiled as one.
// MODEL_HEADER, MODEL_SESSION and MODEL_COLUMNS are given on the command line.
#include <ROOT/RDataFrame.hxx>
#include <chrono>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include MODEL_HEADER

namespace {

template <class Indices>
struct Bare;

template <std::size_t... I>
struct Bare<std::index_sequence<I...>> {
  template <std::size_t>
  using Column = float;

  MODEL_SESSION* session;

  float operator()(Column<I>... columns) const {
    const float x[] = {columns...};
    float y;
    session->infer(x, &y);
    return y;
  }
};

}  // namespace

/// Nanoseconds of the loop over a tree; writes the sum of the scores, as a float like any column of them.
extern "C" __attribute__((visibility("default"))) double run_bare(const char* file, const char* weights,
                                                                  const char* const* names, float* sum) {
  MODEL_SESSION session{std::string(weights)};
  ROOT::RDataFrame events("events", file);
  const std::vector<std::string> columns(names, names + MODEL_COLUMNS);
  const Bare<std::make_index_sequence<MODEL_COLUMNS>> score{&session};
  auto total = events.Define("score", score, columns).Sum<float>("score");
  const auto start = std::chrono::steady_clock::now();
  *sum = *total;
  return std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - start).count();
}
