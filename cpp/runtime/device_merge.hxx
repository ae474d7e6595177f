/// \file device_merge.hxx
/// Values that many work items combine at one place.
#ifndef SOFIE_RUNTIME_DEVICE_MERGE_HXX
#define SOFIE_RUNTIME_DEVICE_MERGE_HXX

#include <cstdint>
#include <cstring>
#include <type_traits>

#include "scalar.hxx"

namespace sofie_runtime {

/// Replaces the word if it still is `seen`; else `seen` becomes what it is.
template <class Word>
SOFIE_FN bool replace_word(Word* word, Word& seen, Word next) {
#if defined(SYCL_LANGUAGE_VERSION)
  return sycl::atomic_ref<Word, sycl::memory_order::relaxed, sycl::memory_scope::device,
                          sycl::access::address_space::global_space>(*word)
      .compare_exchange_strong(seen, next);
#elif defined(__CUDA_ARCH__) || defined(__HIP_DEVICE_COMPILE__)
  using Native = std::conditional_t<sizeof(Word) == 8, unsigned long long, unsigned int>;
  const Word found =
      atomicCAS(reinterpret_cast<Native*>(word), static_cast<Native>(seen), static_cast<Native>(next));
  const bool replaced = found == seen;
  seen = found;
  return replaced;
#else
  return __atomic_compare_exchange_n(word, &seen, next, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
#endif
}

/// The value at `place` becomes combine(that value, `value`), as if no other work item did so at the same
/// time. Narrow types are part of a word of 32 bits, because devices exchange nothing smaller.
template <class T, class Combine>
SOFIE_FN void merge(T* place, T value, const Combine& combine) {
  using Word = std::conditional_t<sizeof(T) == 8, std::uint64_t, std::uint32_t>;
  const auto inside = reinterpret_cast<std::uintptr_t>(place) % sizeof(Word);
  auto* const word = reinterpret_cast<Word*>(reinterpret_cast<unsigned char*>(place) - inside);
  Word seen = *word, next;
  do {
    T held;
    std::memcpy(&held, reinterpret_cast<unsigned char*>(&seen) + inside, sizeof(T));
    const T combined = combine(held, value);
    next = seen;
    std::memcpy(reinterpret_cast<unsigned char*>(&next) + inside, &combined, sizeof(T));
  } while (!replace_word(word, seen, next));
}

}  // namespace sofie_runtime

#endif
