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
  // Storage types: tensors hold them, expressions convert them before they compute.
  Float16,
  BFloat16,
  Float8E4M3FN,
  Float8E4M3FNUZ,
  Float8E5M2,
  Float8E5M2FNUZ,
  Float8E8M0,
  Float6E2M3,
  Float6E3M2,
  Float4E2M1,
  Int4,
  UInt4,
  Int2,
  UInt2,
};

/// The name of the type in NumPy or ml_dtypes, as used in Python and in a model's description.
std::string_view dtypeName(DType type);
/// The C++ type that generated code uses.
std::string_view cppType(DType type);
std::size_t sizeOf(DType type);
/// \throws UnsupportedError for a type that pysofie does not know.
DType parseDType(std::string_view name);

inline bool isStorage(DType type) { return type > DType::Float64; }
/// True for floating types to compute in.
inline bool isFloat(DType type) { return type == DType::Float32 || type == DType::Float64; }
inline bool isSigned(DType type) { return type >= DType::Int8 && type <= DType::Int64; }
inline bool isUnsigned(DType type) { return type >= DType::UInt8 && type <= DType::UInt64; }
inline bool isInteger(DType type) { return isSigned(type) || isUnsigned(type); }
/// True for floating types, those that are only stored included.
inline bool isReal(DType type) {
  return isFloat(type) || (type >= DType::Float16 && type <= DType::Float4E2M1);
}
/// The type that the elements of a storage type are converted to and computed in; others are their own.
DType computingType(DType type);
/// The significant bits of an element: 4 of an int4, which takes a whole byte.
int bitsOf(DType type);

struct Range {
  double lowest, highest;
};
/// The finite numbers that a type has.
Range rangeOf(DType type);

/// The number that an element of a storage type stands for.
double decode(DType type, const void* element);
/// Stores the nearest number that the storage type has.
void encode(DType type, double value, void* element);

/// Calls f with a value of the C++ type that elements of the type are computed in.
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
    default:
      break;
  }
  return f(double{});
}

}  // namespace sofie
