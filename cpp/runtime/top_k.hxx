/// @file
/// The first elements of a row in order; every target calls this routine, one item (a row) at a time.
///
/// A few elements are selected without branches that depend on the data: a limit that enough elements keep
/// is taken from the least elements of groups, what keeps it (hardly more than is wanted) is collected, and
/// ranked by counting.
#ifndef SOFIE_RUNTIME_TOP_K_HXX
#define SOFIE_RUNTIME_TOP_K_HXX

#include <cstdint>

#include "sort.hxx"

namespace sofie_runtime {

template <class T>
using OrderKey = std::conditional_t<(sizeof(T) <= 4), std::int32_t, std::int64_t>;

/// An integer that is the less the earlier an element comes in the order of TopK: NaN counts as the largest
/// value, and both zeros are one.
template <class T>
SOFIE_FN OrderKey<T> order_key(T x, bool largest) {
  using Key = OrderKey<T>;
  Key key;
  if constexpr (std::is_floating_point_v<T>) {
    const Key bits = bit_cast<Key>(x + T(0));
    const Key magnitude = bits & Limits<Key>::highest;
    key = magnitude > bit_cast<Key>(Limits<T>::infinity)
              ? Limits<Key>::highest
              : bits ^ ((bits >> (8 * sizeof(Key) - 1)) & Limits<Key>::highest);
  } else if constexpr (std::is_unsigned_v<T> && sizeof(T) == sizeof(Key)) {
    key = static_cast<Key>(x ^ (T(1) << (8 * sizeof(T) - 1)));
  } else {
    key = static_cast<Key>(x);
  }
  return largest ? ~key : key;
}

SOFIE_FN int lowest_bit(std::uint64_t word) {
#if defined(__CUDA_ARCH__)
  return __ffsll(static_cast<long long>(word)) - 1;
#else
  return __builtin_ctzll(word);
#endif
}

/// The `count` least of the keys that are added, equal ones in the order in which they came.
template <class Key>
class TopSelection {
 public:
  static constexpr int most = 32, block = 256;

  SOFIE_FN explicit TopSelection(int count) : count_(count) {}

  /// Adds up to `block` keys, of the elements from `first` on; room for `most` more lies behind them.
  SOFIE_FN void add(Key* keys, int n, std::int64_t first) {
    for (int g = 0; g < most; ++g) keys[n + g] = Limits<Key>::highest;
    const Key groups = count_ <= most / 4 ? groupLimit<most / 2>(keys, n) : groupLimit<most>(keys, n);
    limit_ = groups < limit_ ? groups : limit_;
    const Key limit = limit_;
    std::uint8_t within[block] = {};
    for (int i = 0; i < n; ++i) within[i] = keys[i] <= limit;
    int equal = 0;  // to the limit; no more than are wanted count
    for (int start = 0; start < n; start += 64) {
      for (std::uint64_t word = bits(within + start); word != 0; word &= word - 1) {
        const int at = start + lowest_bit(word);
        if (keys[at] == limit && ++equal > count_) continue;
        if (size_ == capacity) order();
        keys_[size_] = keys[at];
        positions_[size_++] = first + at;
      }
    }
  }

  /// Sorts the keys, and leaves out what is behind the first `count`.
  SOFIE_FN void order() {
    if (size_ <= 16)
      rank<16>();
    else if (size_ <= 32)
      rank<32>();
    else
      rank<capacity>();
    if (size_ < count_) return;
    size_ = count_;
    limit_ = keys_[count_ - 1];
  }

  SOFIE_FN std::int64_t position(int i) const { return positions_[i]; }

 private:
  static constexpr int capacity = 2 * most;

  Key keys_[capacity] = {};
  std::int64_t positions_[capacity];
  int count_, size_ = 0;
  Key limit_ = Limits<Key>::highest;

  /// A key that at least `count` keys do not exceed, if there are as many: that of the least keys of groups
  /// which as many of these do not exceed.
  template <int groups>
  SOFIE_FN Key groupLimit(const Key* keys, int n) const {
    Key least[groups];
    for (int g = 0; g < groups; ++g) least[g] = Limits<Key>::highest;
    for (int i = 0; i < n; i += groups)
      for (int g = 0; g < groups; ++g) least[g] = keys[i + g] < least[g] ? keys[i + g] : least[g];
    Key places[groups] = {};
    for (int h = 0; h < groups; ++h)
      for (int g = 0; g < groups; ++g) places[g] += least[h] <= least[g];
    Key limit = Limits<Key>::highest;
    for (int g = 0; g < groups; ++g) {
      const Key candidate = places[g] >= count_ ? least[g] : Limits<Key>::highest;
      limit = candidate < limit ? candidate : limit;
    }
    return limit;
  }

  /// 64 bytes that are 0 or 1 as bits.
  static SOFIE_FN std::uint64_t bits(const std::uint8_t* bytes) {
    std::uint64_t word = 0;
    for (int part = 0; part < 8; ++part) {
      std::uint64_t eight;
      std::memcpy(&eight, bytes + 8 * part, 8);
      word |= (eight * 0x0102040810204080u >> 56) << (8 * part);
    }
    return word;
  }

  /// Sorts up to `lanes` keys, each to the place that is the number of those in front of it.
  template <int lanes>
  SOFIE_FN void rank() {
    Key places[lanes] = {};
    for (int j = 0; j < size_; ++j) {
      const Key key = keys_[j];
      for (int i = 0; i < lanes; ++i) places[i] += key < keys_[i] ? 1 : key == keys_[i] ? j < i : 0;
    }
    Key keys[lanes];
    std::int64_t positions[lanes];
    for (int i = 0; i < size_; ++i) {
      keys[i] = keys_[i];
      positions[i] = positions_[i];
    }
    for (int i = 0; i < size_; ++i) {
      keys_[places[i]] = keys[i];
      positions_[places[i]] = positions[i];
    }
  }
};

/// For few elements: keeps the best so far in order and inserts into them, so a row of n random elements
/// costs n comparisons and about count * log(n / count) insertions.
template <class T>
SOFIE_FN void insert_top(const T* row, T* values, std::int64_t* positions, std::int64_t n, std::int64_t count,
                         bool largest) {
  std::int64_t kept = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    const T candidate = row[i];
    if (kept == count && (count == 0 || !comes_before(candidate, values[count - 1], largest))) continue;
    std::int64_t at = kept < count ? kept++ : count - 1;
    for (; at > 0 && comes_before(candidate, values[at - 1], largest); --at) {
      values[at] = values[at - 1];
      positions[at] = positions[at - 1];
    }
    values[at] = candidate;
    positions[at] = i;
  }
}

/// The order of the elements of a row, by their positions: of equal ones the lower comes first.
template <class T>
struct RowOrder {
  const T* row;
  bool largest;

  SOFIE_FN bool operator()(std::int64_t a, std::int64_t b) const {
    if (comes_before(row[a], row[b], largest)) return true;
    return a < b && !comes_before(row[b], row[a], largest);
  }
};

/// Moves the root of a heap of n numbers, whose last in order is on top, down to its place.
template <class Before>
SOFIE_FN void sift_down(std::int64_t* heap, std::int64_t root, std::int64_t n, const Before& before) {
  const std::int64_t moved = heap[root];
  for (std::int64_t child; (child = 2 * root + 1) < n; root = child) {
    if (child + 1 < n && before(heap[child], heap[child + 1])) ++child;
    if (!before(moved, heap[child])) break;
    heap[root] = heap[child];
  }
  heap[root] = moved;
}

/// For many wanted elements: keeps the best so far in a heap, n * log(count) steps for a row of n elements.
template <class Before>
SOFIE_FN void heap_top(std::int64_t* positions, std::int64_t n, std::int64_t count, const Before& before) {
  for (std::int64_t i = 0; i < count; ++i) positions[i] = i;
  for (std::int64_t root = count / 2; root-- > 0;) sift_down(positions, root, count, before);
  for (std::int64_t i = count; i < n; ++i) {
    if (!before(i, positions[0])) continue;
    positions[0] = i;
    sift_down(positions, 0, count, before);
  }
  for (std::int64_t end = count; end-- > 1;) {
    const std::int64_t last = positions[0];
    positions[0] = positions[end];
    positions[end] = last;
    sift_down(positions, 0, end, before);
  }
}

/// ONNX TopK of row `item`: its first `count` elements in descending (or ascending) order with their
/// positions; of equal elements the one with the lower position comes first.
template <class T>
SOFIE_FN void top_k(std::int64_t item, const T* rows, T* values, std::int64_t* positions, std::int64_t n,
                    std::int64_t count, std::int64_t largest) {
  using Selection = TopSelection<OrderKey<T>>;
  constexpr std::int64_t few = 256;
  rows += item * n;
  values += item * count;
  positions += item * count;
  if (count == 0 || n <= Selection::most || (count > Selection::most && n <= few))
    return insert_top(rows, values, positions, n, count, largest != 0);
  if (count > Selection::most) {
    heap_top(positions, n, count, RowOrder<T>{rows, largest != 0});
  } else {
    Selection selection(static_cast<int>(count));
    for (std::int64_t first = 0; first < n; first += Selection::block) {
      OrderKey<T> keys[Selection::block + Selection::most];
      const int size = static_cast<int>(min(n - first, std::int64_t(Selection::block)));
      for (int i = 0; i < size; ++i) keys[i] = order_key(rows[first + i], largest != 0);
      selection.add(keys, size, first);
    }
    selection.order();
    for (std::int64_t i = 0; i < count; ++i) positions[i] = selection.position(static_cast<int>(i));
  }
  for (std::int64_t i = 0; i < count; ++i) values[i] = rows[positions[i]];
}

}  // namespace sofie_runtime

#endif
