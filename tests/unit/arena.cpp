/// Places blocks that come on standard input: their number, then bytes, first and last kernel of each. Writes
/// the bytes of the arena, the most bytes alive together, and the offsets.
#include "arena.hxx"

#include <iostream>
#include <vector>

int main() {
  for (int count; std::cin >> count;) {
    std::vector<sofie_runtime::Block> blocks(static_cast<std::size_t>(count));
    for (auto& block : blocks) std::cin >> block.bytes >> block.first >> block.last;
    std::vector<int> order(2 * blocks.size());
    const auto most = sofie_runtime::most_alive(blocks.data(), count, order.data());
    std::cout << sofie_runtime::place_blocks(blocks.data(), count, order.data()) << ' ' << most;
    for (const auto& block : blocks) std::cout << ' ' << block.offset;
    std::cout << std::endl;
  }
}
