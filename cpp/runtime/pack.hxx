/// @file
/// How the right operand of a contraction lies in memory: one definition for the generator, which packs
/// constant weights, and for the generated code, which reads them and packs what is known only at run time.
///
/// A matrix of k rows and n columns is cut into panels of whole granules of columns. A granule is 16 columns
/// of 4 bytes or 8 of 8 bytes (one cache line), or half or a quarter of that when the matrix is no wider,
/// or 1 for a single column; the last one is padded with zeros. Panels follow one another; within a panel the
/// k rows follow one another, each `granules * granule` elements long. The layout does not depend on the
/// processor.
#ifndef SOFIE_RUNTIME_PACK_HXX
#define SOFIE_RUNTIME_PACK_HXX

#include <cstddef>
#include <cstdint>

namespace sofie_runtime {

/// Granules per panel that suit an operand of k rows: many for a single left row, which reads the operand but
/// once; few where a wide panel would not stay in the first-level cache from one tile of rows to the next.
constexpr int panel_granules(std::int64_t k, bool single_row) { return single_row ? 8 : k <= 192 ? 4 : 2; }

/// Columns per granule of an operand with n columns of elements of the given size.
constexpr std::int64_t granule(std::int64_t n, std::size_t element_bytes) {
  const std::int64_t line = 64 / static_cast<std::int64_t>(element_bytes);
  return n == 1 ? 1 : n <= line / 4 ? line / 4 : n <= line / 2 ? line / 2 : line;
}

/// The panels of an operand with n columns: `wide` panels of `granules`, then panels one granule narrower, so
/// that no panel is a mere remainder.
struct Panels {
  std::int64_t granule, total, count, granules, wide;

  constexpr Panels(std::int64_t n, std::size_t element_bytes, int most)
      : granule(sofie_runtime::granule(n, element_bytes)),
        total((n + granule - 1) / granule),
        count((total + most - 1) / most),
        granules((total + count - 1) / count),
        wide(total - count * (granules - 1)) {}

  constexpr std::int64_t granules_of(std::int64_t panel) const {
    return panel < wide ? granules : granules - 1;
  }

  /// Granules in front of a panel.
  constexpr std::int64_t first(std::int64_t panel) const {
    return panel < wide ? panel * granules : panel * (granules - 1) + wide;
  }
};

/// Elements that k rows and n columns take when packed.
constexpr std::int64_t packed_size(std::int64_t k, std::int64_t n, std::size_t element_bytes) {
  const std::int64_t columns = granule(n, element_bytes);
  return k * ((n + columns - 1) / columns) * columns;
}

/// Packs a matrix; `at(row, column)` gives its elements, rows in the order in which the contraction runs
/// through its reduction axes. `packed` holds packed_size elements and should be aligned to 64 bytes.
template <class T, class At>
void pack(T* packed, std::int64_t k, std::int64_t n, int most_granules, At at) {
  const Panels panels(n, sizeof(T), most_granules);
  for (std::int64_t panel = 0; panel < panels.count; ++panel) {
    const std::int64_t first = panels.first(panel) * panels.granule;
    const std::int64_t width = panels.granules_of(panel) * panels.granule;
    for (std::int64_t row = 0; row < k; ++row) {
      for (std::int64_t column = first; column < first + width; ++column) {
        *packed++ = column < n ? static_cast<T>(at(row, column)) : T(0);
      }
    }
  }
}

/// Weights of fewer than 32 bits in groups along k, see grouped_contraction.hxx: k runs `outer` times over
/// the innermost axis, whose last group zeros fill up. Every granule may begin with a row of 32-bit numbers.
struct Groups {
  std::int64_t outer, inner, n;
  int size;  ///< elements in a group: 2 or 4
  bool has_start;

  constexpr std::int64_t along_inner() const { return (inner + size - 1) / size; }
  constexpr std::int64_t rows() const { return (has_start ? 1 : 0) + outer * along_inner(); }
  constexpr std::int64_t packed_size() const {
    return sofie_runtime::packed_size(rows(), n, sizeof(std::int32_t));
  }
};

/// `code(k, column)` gives the bits of the weights, `start(column)` the number in front.
template <class Code, class Start>
void pack_groups(std::int32_t* packed, const Groups& groups, Code code, Start start) {
  const int bits = 32 / groups.size;
  pack(packed, groups.rows(), groups.n, 1, [&](std::int64_t row, std::int64_t column) {
    if (groups.has_start && row-- == 0) return static_cast<std::int32_t>(start(column));
    const std::int64_t first = row % groups.along_inner() * groups.size;
    const std::int64_t left = groups.inner - first, k = row / groups.along_inner() * groups.inner + first;
    std::uint32_t word = 0;
    for (int i = 0; i < groups.size && i < left; ++i)
      word |= static_cast<std::uint32_t>(code(k + i, column)) << (bits * i);
    return static_cast<std::int32_t>(word);
  });
}

}  // namespace sofie_runtime

#endif
