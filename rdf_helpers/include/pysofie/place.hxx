/// \file place.hxx
/// Where sessions wait for their holders: what a pool and the code that Cling compiles share.
#ifndef PYSOFIE_PLACE_HXX
#define PYSOFIE_PLACE_HXX

#include <atomic>
#include <cstddef>

namespace pysofie::rdf {

/// Whoever takes a place has its session alone. No two places share a cache line.
template <class Session>
struct alignas(64) Place {
  std::atomic<bool> taken{false};
  bool isTemporary = false;    ///< made for one holder, in a crowd
  Session* session = nullptr;  ///< made when the place is taken for the first time

  bool take() noexcept {
    return !taken.load(std::memory_order_relaxed) && !taken.exchange(true, std::memory_order_acquire);
  }
  void leave() noexcept { taken.store(false, std::memory_order_release); }
};

/// Of a pool; a slot's place is the one of this number, modulo the count.
constexpr std::size_t placeCount = 256;

}  // namespace pysofie::rdf

#endif
