/// @file
/// Probabilities of several classes from those of every pair of them.
#ifndef SOFIE_RUNTIME_PAIRWISE_HXX
#define SOFIE_RUNTIME_PAIRWISE_HXX

#include <cstdint>

#include "scalar.hxx"

namespace sofie_runtime {

/// The second method of Wu, Lin and Weng (J. Mach. Learn. Res. 5, 2004, p. 975) with the steps and the
/// tolerance of libsvm, for matrix `item` of `pairs`, whose element (i, j) is the probability of class i
/// where it is i or j.
/// @param products  scratch memory, one number for each probability
template <class T>
SOFIE_FN void couple_probabilities(std::int64_t item, const T* pairs, T* probabilities, T* products,
                                   std::int64_t classes) {
  const T* const r = pairs + item * classes * classes;
  T* const p = probabilities + item * classes;
  T* const qp = products + item * classes;
  const auto q = [=](std::int64_t i, std::int64_t j) {
    if (i != j) return -r[j * classes + i] * r[i * classes + j];
    T sum = 0;
    for (std::int64_t k = 0; k < classes; ++k)
      if (k != i) sum += r[k * classes + i] * r[k * classes + i];
    return sum;
  };
  for (std::int64_t i = 0; i < classes; ++i) p[i] = T(1) / static_cast<T>(classes);
  for (int step = 0; step < 100; ++step) {
    T pqp = 0, error = 0;
    for (std::int64_t i = 0; i < classes; ++i) {
      qp[i] = 0;
      for (std::int64_t j = 0; j < classes; ++j) qp[i] += q(i, j) * p[j];
      pqp += p[i] * qp[i];
    }
    for (std::int64_t i = 0; i < classes; ++i) {
      const T difference = qp[i] < pqp ? pqp - qp[i] : qp[i] - pqp;
      error = difference > error ? difference : error;
    }
    if (error < T(0.005) / static_cast<T>(classes)) return;
    for (std::int64_t i = 0; i < classes; ++i) {
      const T diagonal = q(i, i), change = (pqp - qp[i]) / diagonal, total = 1 + change;
      p[i] += change;
      pqp = (pqp + change * (change * diagonal + 2 * qp[i])) / total / total;
      for (std::int64_t j = 0; j < classes; ++j) {
        qp[j] = (qp[j] + change * q(i, j)) / total;
        p[j] /= total;
      }
    }
  }
}

}  // namespace sofie_runtime

#endif
