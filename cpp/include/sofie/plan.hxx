#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "sofie/program.hxx"

namespace sofie {

/// A temporary in the arena: alive from kernel `first` to kernel `last`, those in regions and loops counted
/// one by one.
struct Slot {
  Dim bytes;
  int first = 0;
  int last = 0;
  std::vector<int> buffers;  ///< several when a kernel works in place
  std::int64_t size = 0;     ///< once placed: the bytes
  std::int64_t offset = 0;   ///< once placed
};

/// Where the temporaries lie. Static when every size is known or bounded; else offsets are computed when a
/// session is prepared, by the same placement (runtime/arena.hxx).
struct Plan {
  std::vector<Slot> slots;
  std::vector<int> slotOf;  ///< slot of each buffer, -1 for those outside of the arena
  bool isStatic = true;
  std::int64_t arenaBytes = 0;  ///< once placed
  std::int64_t lowerBound = 0;  ///< once placed: the most bytes alive at one kernel
};

/// The plan, placed when it is static.
Plan planMemory(const Program& program);
/// The plan as a session places it that is prepared for these values of the symbols.
Plan placed(Plan plan, const std::function<std::int64_t(const std::string&)>& symbolValue);
std::string text(const Plan& plan);

}  // namespace sofie
