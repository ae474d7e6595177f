#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace sofie {

/// Element types of tensors and scalar expressions.
enum class DType : std::uint8_t {
  Bool,
  UInt8,
  UInt16,
  UInt32,
  UInt64,
  Int8,
  Int16,
  Int32,
  Int64,
  Float32,
  Float64,
};

/// NumPy's name of the type, as used in Python and in a model's description.
std::string_view dtypeName(DType type);
/// The C++ type that generated code uses.
std::string_view cppType(DType type);
std::size_t sizeOf(DType type);
/// \throws UnsupportedError for a type that pysofie does not know.
DType parseDType(std::string_view name);

inline bool isFloat(DType type) { return type == DType::Float32 || type == DType::Float64; }
inline bool isSigned(DType type) { return type >= DType::Int8 && type <= DType::Int64; }
inline bool isUnsigned(DType type) { return type >= DType::UInt8 && type <= DType::UInt64; }
inline bool isInteger(DType type) { return isSigned(type) || isUnsigned(type); }

/// Calls f with a value of the C++ type that stores one element.
template <class F>
decltype(auto) dispatch(DType type, F&& f) {
  switch (type) {
    case DType::Bool:
      return f(bool{});
    case DType::UInt8:
      return f(std::uint8_t{});
    case DType::UInt16:
      return f(std::uint16_t{});
    case DType::UInt32:
      return f(std::uint32_t{});
    case DType::UInt64:
      return f(std::uint64_t{});
    case DType::Int8:
      return f(std::int8_t{});
    case DType::Int16:
      return f(std::int16_t{});
    case DType::Int32:
      return f(std::int32_t{});
    case DType::Int64:
      return f(std::int64_t{});
    case DType::Float32:
      return f(float{});
    case DType::Float64:
      break;
  }
  return f(double{});
}

}  // namespace sofie
