/// @file
/// Fast Fourier transform of one signal; every target calls this routine, one item (a signal) at a time.
#ifndef SOFIE_RUNTIME_FOURIER_HXX
#define SOFIE_RUNTIME_FOURIER_HXX

#include <cstdint>

#include "scalar.hxx"

namespace sofie_runtime {

/// The smallest prime factor of n, n itself if it is prime.
SOFIE_FN std::int64_t smallest_factor(std::int64_t n) {
  for (std::int64_t factor = 2; factor * factor <= n; ++factor)
    if (n % factor == 0) return factor;
  return n;
}

/// One step of Stockham's transform: of every `step`-interleaved transform of length n = radix * rest, the
/// transforms of `radix` elements, each times its root of unity. `roots` are those of the length n * step.
template <class T>
SOFIE_FN void fourier_step(const T* from, T* to, const T* roots, std::int64_t step, std::int64_t radix,
                           std::int64_t rest, std::int64_t components) {
  const std::int64_t length = step * radix * rest;
  for (std::int64_t j = 0; j < rest; ++j)
    for (std::int64_t k = 0; k < radix; ++k) {
      const T* twiddle = roots + 2 * j * k * step;
      for (std::int64_t q = 0; q < step; ++q) {
        T real = 0, imaginary = 0;
        std::int64_t turn = 0;  // r * k * length / radix, modulo the length
        for (std::int64_t r = 0; r < radix; ++r) {
          const T* x = from + components * (q + step * (j + rest * r));
          const T x_real = x[0], x_imaginary = components == 2 ? x[1] : T(0);
          const T cosine = roots[2 * turn], sine = roots[2 * turn + 1];
          real += x_real * cosine - x_imaginary * sine;
          imaginary += x_real * sine + x_imaginary * cosine;
          turn += k * (length / radix);
          if (turn >= length) turn -= length;
        }
        T* y = to + 2 * (q + step * (radix * j + k));
        y[0] = real * twiddle[0] - imaginary * twiddle[1];
        y[1] = real * twiddle[1] + imaginary * twiddle[0];
      }
    }
}

/// Transform of signal `item`: n elements of one (real) or two components to n complex ones. Stockham's
/// autosort algorithm with a step for every prime factor of n (C. Van Loan, Computational Frameworks for the
/// Fast Fourier Transform, 1992, section 1.7): n times the sum of the factors, no bit reversal and no
/// recursion. `roots` are exp(+-2 pi i k / n), whose sign is the direction; `work` is as large as the
/// spectrum.
template <class T>
SOFIE_FN void fourier_transform(std::int64_t item, const T* signals, const T* roots, T* spectra, T* work,
                                std::int64_t n, std::int64_t components) {
  signals += item * n * components;
  spectra += item * n * 2;
  work += item * n * 2;
  std::int64_t steps = 0;
  for (std::int64_t rest = n; rest > 1; rest /= smallest_factor(rest)) ++steps;
  if (steps == 0) {
    spectra[0] = signals[0];
    spectra[1] = components == 2 ? signals[1] : T(0);
  }
  const T* from = signals;
  for (std::int64_t step = 1; step < n; --steps) {
    const std::int64_t radix = smallest_factor(n / step), rest = n / step / radix;
    T* to = steps % 2 == 1 ? spectra : work;  // the last one writes the result
    fourier_step(from, to, roots, step, radix, rest, from == signals ? components : 2);
    from = to;
    step *= radix;
  }
}

}  // namespace sofie_runtime

#endif
