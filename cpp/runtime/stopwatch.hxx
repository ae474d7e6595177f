/// @file
/// The clock of a profile.
#ifndef SOFIE_RUNTIME_STOPWATCH_HXX
#define SOFIE_RUNTIME_STOPWATCH_HXX

#include <chrono>
#include <cstdint>

namespace sofie_runtime {

/// Measures one lap after the other: the clock is read once for each.
class Stopwatch {
 public:
  /// Nanoseconds since the last lap, or since the watch was made.
  std::uint64_t lap() noexcept {
    const auto start = start_;
    start_ = std::chrono::steady_clock::now();
    return static_cast<std::uint64_t>((start_ - start) / std::chrono::nanoseconds(1));
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace sofie_runtime

#endif
