/// \file device_contraction.hxx
/// The tiled matrix product of the device targets. A contraction is a functor that knows how to read an
/// element of either operand and where to put a result, so that one routine serves matrix products,
/// convolutions and every fused epilogue:
///
///     struct Kernel {
///       using Value = float;
///       SOFIE_FN float left(int64_t batch, int64_t row, int64_t k) const;
///       SOFIE_FN float right(int64_t batch, int64_t k, int64_t column) const;
///       SOFIE_FN void store(int64_t batch, int64_t row, int64_t column, float sum) const;
///       MatrixProduct<float> product() const;   // only if the operands are plain matrices: see below
///     };
#ifndef SOFIE_RUNTIME_DEVICE_CONTRACTION_HXX
#define SOFIE_RUNTIME_DEVICE_CONTRACTION_HXX

#include <cstdint>
#include <type_traits>
#include <utility>

#include "scalar.hxx"

/// Marks a function that only device code calls.
#if defined(__CUDACC__) || defined(__HIPCC__)
#define SOFIE_DEVICE_FN __device__ inline
#else
#define SOFIE_DEVICE_FN inline
#endif

namespace sofie_runtime {

/// Extents of a batched matrix product: (batch, rows, depth) x (batch, depth, columns).
struct Extents {
  std::int64_t batch, rows, columns, depth;
};

/// A product of plain row-major matrices, as a BLAS library takes it: distances between rows (`leading_*`)
/// and between the matrices of a batch (`stride_*`) in elements. The result is overwritten by the bare
/// product; the library's caller then sends every element through the functor's `store`.
template <class T>
struct MatrixProduct {
  const T* left;
  const T* right;
  T* result;
  std::int64_t leading_left, leading_right, leading_result;
  std::int64_t stride_left, stride_right, stride_result;
  bool transpose_left, transpose_right;
};

/// Whether a contraction functor offers its operands to a BLAS library.
template <class Kernel, class = void>
struct HasProduct : std::false_type {};
template <class Kernel>
struct HasProduct<Kernel, std::void_t<decltype(std::declval<const Kernel&>().product())>> : std::true_type {};

/// Below this many multiplications the launch of a library routine costs more than it saves.
constexpr std::int64_t library_threshold = 64 * 64 * 64;

inline bool worth_a_library(const Extents& e) {
  return e.batch * e.rows * e.columns * e.depth >= library_threshold;
}

/// The second half of a contraction whose first half a library computed in place of the result.
template <class Kernel>
struct Epilogue {
  Kernel kernel;
  MatrixProduct<typename Kernel::Value> product;
  Extents extents;
  SOFIE_FN void operator()(std::int64_t index) const {
    const std::int64_t column = index % extents.columns, row = index / extents.columns % extents.rows;
    const std::int64_t batch = index / (extents.columns * extents.rows);
    kernel.store(batch, row, column,
                 product.result[batch * product.stride_result + row * product.leading_result + column]);
  }
};

template <class T>
SOFIE_FN T multiply_add(T a, T b, T sum) {
  if constexpr (std::is_floating_point_v<T>)
    return a * b + sum;
  else
    return add(mul(a, b), sum);
}

/// A block of Side x Side threads computes a square tile of the result, Each x Each elements per thread, from
/// slices of the operands that the block loads into memory its threads share.
template <class Kernel, int Side, int Each>
struct Tile {
  using T = typename Kernel::Value;
  static constexpr int width = Side * Each, threads = Side * Side, depth = 16;
  static constexpr int shared_elements = width * depth;  ///< of either operand

  SOFIE_FN static std::int64_t across(std::int64_t extent) { return (extent + width - 1) / width; }
  SOFIE_FN static std::int64_t blocks(const Extents& e) {
    return e.batch * across(e.rows) * across(e.columns);
  }

  /// Loads rows [row, row + width) and columns [column, column + width) of the operands at depth [k, k +
  /// depth).
  SOFIE_DEVICE_FN static void load(const Kernel& kernel, const Extents& e, std::int64_t batch,
                                   std::int64_t row, std::int64_t column, std::int64_t k, int thread, T* left,
                                   T* right) {
    for (int i = thread; i < shared_elements; i += threads) {
      const std::int64_t r = row + i / depth, kl = k + i % depth;
      left[i % depth * width + i / depth] = r < e.rows && kl < e.depth ? kernel.left(batch, r, kl) : T(0);
      const std::int64_t c = column + i % width, kr = k + i / width;
      right[i] = c < e.columns && kr < e.depth ? kernel.right(batch, kr, c) : T(0);
    }
  }

  template <class Barrier>
  SOFIE_DEVICE_FN static void compute(const Kernel& kernel, const Extents& e, std::int64_t block, int thread,
                                      T* left, T* right, const Barrier& barrier) {
    const std::int64_t column_tiles = across(e.columns), row_tiles = across(e.rows);
    const std::int64_t column = block % column_tiles * width, row = block / column_tiles % row_tiles * width;
    const std::int64_t batch = block / (column_tiles * row_tiles);
    const int x = thread % Side, y = thread / Side;
    T sum[Each][Each] = {};
    for (std::int64_t k = 0; k < e.depth; k += depth) {
      load(kernel, e, batch, row, column, k, thread, left, right);
      barrier();
      for (int d = 0; d < depth; ++d)
        for (int i = 0; i < Each; ++i)
          for (int j = 0; j < Each; ++j)
            sum[i][j] =
                multiply_add(left[d * width + i * Side + y], right[d * width + j * Side + x], sum[i][j]);
      barrier();
    }
    for (int i = 0; i < Each; ++i)
      for (int j = 0; j < Each; ++j) {
        const std::int64_t r = row + i * Side + y, c = column + j * Side + x;
        if (r < e.rows && c < e.columns) kernel.store(batch, r, c, sum[i][j]);
      }
  }
};

}  // namespace sofie_runtime

#endif
