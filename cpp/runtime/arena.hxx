/// @file
/// Placement of the intermediate tensors in one arena: used when code is generated and, for dynamic models,
/// when a session is prepared for new sizes.
#ifndef SOFIE_RUNTIME_ARENA_HXX
#define SOFIE_RUNTIME_ARENA_HXX

#include <cstddef>
#include <cstdint>

namespace sofie_runtime {

/// A tensor that must keep its place from kernel `first` to kernel `last`, both included.
struct Block {
  std::int64_t bytes;
  int first;
  int last;
  std::int64_t offset;  ///< the result
  std::int64_t tried;   ///< the offset in the placement that is being tried
};

inline std::int64_t aligned(std::int64_t bytes) { return (bytes + 63) / 64 * 64; }

/// Sorts the numbers of `count` blocks so that none comes before another that is `before` it.
template <class Before>
inline void sort_blocks(const Block* blocks, int count, int* order, Before&& before) {
  for (int i = 0; i < count; ++i) {
    int at = i;
    for (; at > 0 && before(blocks[i], blocks[order[at - 1]]); --at) order[at] = order[at - 1];
    order[at] = i;
  }
}

/// The most bytes of blocks that are alive at one kernel: no arena is smaller. Blocks must come in the order
/// in which they begin to be alive.
inline std::int64_t most_alive(const Block* blocks, int count, int* order) {
  sort_blocks(blocks, count, order, [](const Block& a, const Block& b) { return a.last < b.last; });
  std::int64_t alive = 0, most = 0;
  for (int i = 0, ended = 0; i < count; ++i) {
    for (; blocks[order[ended]].last < blocks[i].first; ++ended) alive -= aligned(blocks[order[ended]].bytes);
    alive += aligned(blocks[i].bytes);
    if (alive > most) most = alive;
  }
  return most;
}

/// Places the blocks one after the other in the given order, each in the lowest gap that fits. `placed` is
/// scratch.
/// \return the bytes of the arena
inline std::int64_t place_in_order(Block* blocks, int count, const int* order, int* placed) {
  std::int64_t total = 0;
  for (int k = 0; k < count; ++k) {
    Block& block = blocks[order[k]];
    const std::int64_t bytes = aligned(block.bytes);
    std::int64_t offset = 0;
    for (int j = 0; j < k; ++j) {  // by their offsets
      const Block& other = blocks[placed[j]];
      if (block.first > other.last || other.first > block.last) continue;
      if (other.tried - offset >= bytes) break;
      const std::int64_t end = other.tried + aligned(other.bytes);
      if (end > offset) offset = end;
    }
    block.tried = offset;
    int at = k;
    for (; at > 0 && blocks[placed[at - 1]].tried > offset; --at) placed[at] = placed[at - 1];
    placed[at] = order[k];
    if (offset + bytes > total) total = offset + bytes;
  }
  return total;
}

/// Moves the block that ends where the arena does to the front of the order.
inline void highest_first(const Block* blocks, const int* placed, int count, int* order) {
  int highest = placed[0];
  for (int k = 1; k < count; ++k) {
    const Block& block = blocks[placed[k]];
    if (block.tried + aligned(block.bytes) > blocks[highest].tried + aligned(blocks[highest].bytes))
      highest = placed[k];
  }
  int at = 0;
  while (order[at] != highest) ++at;
  for (; at > 0; --at) order[at] = order[at - 1];
  order[0] = highest;
}

/// Tries placements while the arena is clearly larger than what is alive together: first in the given order,
/// then with the block that lay highest before all others.
/// \return the bytes of the arena, if there is a better one than the `best` so far
inline std::int64_t improve_placement(Block* blocks, int count, int* order, std::int64_t best,
                                      std::int64_t bound) {
  int* const placed = order + count;
  for (int tries = 12; tries > 0 && best > bound + bound / 32; --tries) {
    const std::int64_t total = place_in_order(blocks, count, order, placed);
    if (total < best) {
      best = total;
      for (int k = 0; k < count; ++k) blocks[k].offset = blocks[k].tried;
    }
    highest_first(blocks, placed, count, order);
  }
  return best;
}

/// Gives every block an offset, a multiple of 64 bytes, so that blocks alive together do not overlap: large
/// and long-lived blocks first, or else in the order in which they begin to be alive. In this order they must
/// come; `order` is scratch for twice `count` numbers. Allocates nothing.
/// \return the bytes of the arena
inline std::int64_t place_blocks(Block* blocks, int count, int* order) {
  if (count == 0) return 0;
  const std::int64_t bound = most_alive(blocks, count, order);
  sort_blocks(blocks, count, order, [](const Block& a, const Block& b) {
    return a.bytes * (a.last - a.first + 1) > b.bytes * (b.last - b.first + 1);
  });
  const std::int64_t total = improve_placement(blocks, count, order, INT64_MAX, bound);
  sort_blocks(blocks, count, order, [](const Block& a, const Block& b) {
    return a.first != b.first ? a.first < b.first : a.bytes > b.bytes;
  });
  return improve_placement(blocks, count, order, total, bound);
}

}  // namespace sofie_runtime

#endif
