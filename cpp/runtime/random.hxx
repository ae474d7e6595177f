/// @file
/// What an engine of a model with random numbers remembers from run to run; for the host.
#ifndef SOFIE_RUNTIME_RANDOM_HXX
#define SOFIE_RUNTIME_RANDOM_HXX

#include <cstdint>
#include <random>

namespace sofie_runtime {

/// Lives in the engine, so that a run takes no lock and touches no global.
struct RandomState {
  std::int64_t run = 0;
  /// Drawn once, when the engine is made; threads with an engine each get numbers of their own.
  std::int64_t seed = [] {
    std::random_device device;
    return static_cast<std::int64_t>(std::uint64_t(device()) << 32 | device());
  }();
};

}  // namespace sofie_runtime

#endif
