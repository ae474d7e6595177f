/// @file
/// Linear algebra on one small matrix; every target calls these routines, one item (a matrix) at a time.
#ifndef SOFIE_RUNTIME_LINEAR_ALGEBRA_HXX
#define SOFIE_RUNTIME_LINEAR_ALGEBRA_HXX

#include <cstdint>

#include "scalar.hxx"

namespace sofie_runtime {

/// Determinant of the n x n matrix `item` by LU decomposition with partial pivoting, in `work`, which has the
/// size of the matrices.
template <class T>
SOFIE_FN void determinant(std::int64_t item, const T* matrices, T* results, T* work, std::int64_t n) {
  const auto magnitude = [](T x) { return x < 0 ? -x : x; };
  matrices += item * n * n;
  work += item * n * n;
  for (std::int64_t i = 0; i < n * n; ++i) work[i] = matrices[i];
  T product = 1;
  for (std::int64_t column = 0; column < n; ++column) {
    std::int64_t pivot = column;
    for (std::int64_t row = column + 1; row < n; ++row)
      if (!(magnitude(work[row * n + column]) <= magnitude(work[pivot * n + column])))
        pivot = row;  // NaN stays
    for (std::int64_t i = column; pivot != column && i < n; ++i) {
      const T element = work[column * n + i];
      work[column * n + i] = work[pivot * n + i];
      work[pivot * n + i] = element;
    }
    const T diagonal = work[column * n + column];
    product *= pivot == column ? diagonal : -diagonal;
    if (diagonal == T(0)) break;
    for (std::int64_t row = column + 1; row < n; ++row) {
      const T factor = work[row * n + column] / diagonal;
      for (std::int64_t i = column + 1; i < n; ++i) work[row * n + i] -= factor * work[column * n + i];
    }
  }
  results[item] = product;
}

}  // namespace sofie_runtime

#endif
