#pragma once
#include <cstdint>
#include <memory>
#include <new>

/// Elements in a heap block of their exact size, so that the address sanitizer sees reads and writes behind
/// it.
template <class T>
struct ExactBlock {
  struct Free {
    void operator()(T* p) const { ::operator delete[](p, std::align_val_t{64}); }
  };
  std::unique_ptr<T[], Free> data;
  std::int64_t size;

  /// Element i is draw(i).
  template <class Draw>
  ExactBlock(std::int64_t count, Draw draw)
      : data(static_cast<T*>(
            ::operator new[](static_cast<std::size_t>(count) * sizeof(T), std::align_val_t{64}))),
        size(count) {
    for (std::int64_t i = 0; i < count; ++i) data[i] = draw(i);
  }
  T* get() const { return data.get(); }
  T& operator[](std::int64_t i) const { return data[i]; }
};
