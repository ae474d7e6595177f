#pragma once
#include <cstddef>
#include <cstring>
#include <memory>
#include <vector>

#include "sofie/dtype.hxx"

namespace sofie {

/// A dense row-major tensor whose elements are known when code is generated; cheap to copy.
struct Constant {
  DType type = DType::Float32;
  std::vector<std::int64_t> shape;
  std::shared_ptr<const std::vector<std::byte>> bytes;

  std::int64_t size() const {
    std::int64_t count = 1;
    for (const std::int64_t dim : shape) count *= dim;
    return count;
  }

  /// \pre T is the C++ type of `type`.
  template <class T>
  const T* data() const {
    return reinterpret_cast<const T*>(bytes->data());
  }

  template <class T>
  static Constant of(DType type, std::vector<std::int64_t> shape, const std::vector<T>& values) {
    std::vector<std::byte> bytes(values.size() * sizeOf(type));
    if (isStorage(type))
      for (std::size_t i = 0; i < values.size(); ++i)
        encode(type, static_cast<double>(values[i]), bytes.data() + i * sizeOf(type));
    else
      dispatch(type, [&](auto zero) {
        using Element = decltype(zero);
        for (std::size_t i = 0; i < values.size(); ++i) {
          const auto element = static_cast<Element>(values[i]);
          std::memcpy(bytes.data() + i * sizeof(Element), &element, sizeof(Element));
        }
      });
    return {type, std::move(shape), std::make_shared<const std::vector<std::byte>>(std::move(bytes))};
  }

  /// The number that element i is, converted to T.
  template <class T>
  T at(std::int64_t i) const {
    if (isStorage(type))
      return static_cast<T>(decode(type, bytes->data() + static_cast<std::size_t>(i) * sizeOf(type)));
    return dispatch(type, [&](auto zero) {
      using Element = decltype(zero);
      Element element;
      std::memcpy(&element, bytes->data() + static_cast<std::size_t>(i) * sizeof(Element), sizeof(Element));
      return static_cast<T>(element);
    });
  }
};

}  // namespace sofie
