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
  std::int64_t offset;
};

inline std::int64_t aligned(std::int64_t bytes) { return (bytes + 63) / 64 * 64; }

/// Gives every block an offset, a multiple of 64 bytes, so that blocks alive together do not overlap: the
/// largest blocks first, each in the lowest gap that fits. `order` is scratch for `count` numbers. Allocates
/// nothing.
/// \return the bytes of the arena
inline std::int64_t place_blocks(Block* blocks, int count, int* order) {
  for (int i = 0; i < count; ++i) {
    int at = i;
    for (; at > 0 && blocks[order[at - 1]].bytes < blocks[i].bytes; --at) order[at] = order[at - 1];
    order[at] = i;
  }
  std::int64_t total = 0;
  for (int k = 0; k < count; ++k) {
    Block& block = blocks[order[k]];
    const std::int64_t bytes = aligned(block.bytes);
    std::int64_t offset = 0;
    for (bool moved = true; moved;) {
      moved = false;
      for (int j = 0; j < k; ++j) {
        const Block& other = blocks[order[j]];
        const bool together = block.first <= other.last && other.first <= block.last;
        const bool overlap = offset < other.offset + aligned(other.bytes) && other.offset < offset + bytes;
        if (together && overlap) {
          offset = other.offset + aligned(other.bytes);
          moved = true;
        }
      }
    }
    block.offset = offset;
    if (offset + bytes > total) total = offset + bytes;
  }
  return total;
}

}  // namespace sofie_runtime

#endif
