#pragma once
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "gradient/footprint.hxx"

namespace sofie {

/// Who stores into each buffer, and when: kernels that are no region or loop are numbered in their order.
class Writes {
 public:
  explicit Writes(const Program& program);

  /// True when it is known that no element is stored more than once, so that it keeps its value.
  bool isWrittenOnce(int buffer) const;
  /// True when no kernel stores into the buffer after kernel number `position`.
  bool isFinalAfter(int buffer, int position) const;
  /// True when kernel number `position` is the first to store into the buffer.
  bool isFirst(int buffer, int position) const;
  /// The only box of the buffer that kernels number `positions` store into; nullopt when there are several or
  /// it is not known.
  std::optional<Box> onlyBox(const std::vector<int>& positions, int buffer) const;
  /// The numbers of the kernels that store into the buffer.
  std::vector<int> writers(int buffer) const;

 private:
  using Branch = std::pair<const Region*, bool>;

  struct Context {
    std::vector<const Loop*> loops;
    std::vector<Branch> branches;
  };

  struct Write {
    int position;
    bool isMerging;
    std::optional<Footprint> footprint;  ///< in all iterations; nullopt when it is not known
    std::vector<Branch> branches;
  };

  const Program& program_;
  std::map<int, std::vector<Write>> writes_;
  int count_ = 0;

  void collect(const std::vector<Kernel>& kernels, const Context& context);
  void add(int buffer, bool isMerging, std::optional<Footprint> footprint, const Context& context);
  std::optional<Box> box(int buffer, const Write& write) const;
  static bool areExclusive(const Write& a, const Write& b);
};

}  // namespace sofie
