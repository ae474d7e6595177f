#include "sofie/dtype.hxx"

#include <array>
#include <cstring>
#include <limits>

#include "../../runtime/storage.hxx"
#include "sofie/error.hxx"

namespace sofie {
namespace {

struct TypeInfo {
  DType type;
  std::string_view name;
  std::string_view cpp;
  std::size_t size;
};

constexpr std::array<TypeInfo, 25> types{{
    {DType::Bool, "bool", "bool", 1},
    {DType::UInt8, "uint8", "std::uint8_t", 1},
    {DType::UInt16, "uint16", "std::uint16_t", 2},
    {DType::UInt32, "uint32", "std::uint32_t", 4},
    {DType::UInt64, "uint64", "std::uint64_t", 8},
    {DType::Int8, "int8", "std::int8_t", 1},
    {DType::Int16, "int16", "std::int16_t", 2},
    {DType::Int32, "int32", "std::int32_t", 4},
    {DType::Int64, "int64", "std::int64_t", 8},
    {DType::Float32, "float32", "float", 4},
    {DType::Float64, "float64", "double", 8},
    {DType::Float16, "float16", "rt::Float16", 2},
    {DType::BFloat16, "bfloat16", "rt::BFloat16", 2},
    {DType::Float8E4M3FN, "float8_e4m3fn", "rt::Float8E4M3FN", 1},
    {DType::Float8E4M3FNUZ, "float8_e4m3fnuz", "rt::Float8E4M3FNUZ", 1},
    {DType::Float8E5M2, "float8_e5m2", "rt::Float8E5M2", 1},
    {DType::Float8E5M2FNUZ, "float8_e5m2fnuz", "rt::Float8E5M2FNUZ", 1},
    {DType::Float8E8M0, "float8_e8m0fnu", "rt::Float8E8M0", 1},
    {DType::Float6E2M3, "float6_e2m3fn", "rt::Float6E2M3", 1},
    {DType::Float6E3M2, "float6_e3m2fn", "rt::Float6E3M2", 1},
    {DType::Float4E2M1, "float4_e2m1fn", "rt::Float4E2M1", 1},
    {DType::Int4, "int4", "rt::Int4", 1},
    {DType::UInt4, "uint4", "rt::UInt4", 1},
    {DType::Int2, "int2", "rt::Int2", 1},
    {DType::UInt2, "uint2", "rt::UInt2", 1},
}};

const TypeInfo& info(DType type) { return types[static_cast<std::size_t>(type)]; }

/// Calls f with a value of the C++ type of a storage type.
template <class F>
decltype(auto) dispatchStorage(DType type, F&& f) {
  namespace rt = sofie_runtime;
  switch (type) {
    case DType::Float16:
      return f(rt::Float16{});
    case DType::BFloat16:
      return f(rt::BFloat16{});
    case DType::Float8E4M3FN:
      return f(rt::Float8E4M3FN{});
    case DType::Float8E4M3FNUZ:
      return f(rt::Float8E4M3FNUZ{});
    case DType::Float8E5M2:
      return f(rt::Float8E5M2{});
    case DType::Float8E5M2FNUZ:
      return f(rt::Float8E5M2FNUZ{});
    case DType::Float8E8M0:
      return f(rt::Float8E8M0{});
    case DType::Float6E2M3:
      return f(rt::Float6E2M3{});
    case DType::Float6E3M2:
      return f(rt::Float6E3M2{});
    case DType::Float4E2M1:
      return f(rt::Float4E2M1{});
    case DType::Int4:
      return f(rt::Int4{});
    case DType::UInt4:
      return f(rt::UInt4{});
    case DType::Int2:
      return f(rt::Int2{});
    case DType::UInt2:
      return f(rt::UInt2{});
    default:
      throw Error("internal: not a storage type");
  }
}

}  // namespace

std::string_view dtypeName(DType type) { return info(type).name; }
std::string_view cppType(DType type) { return info(type).cpp; }
std::size_t sizeOf(DType type) { return info(type).size; }

DType computingType(DType type) {
  if (!isStorage(type)) return type;
  if (isReal(type)) return DType::Float32;
  return type == DType::UInt4 || type == DType::UInt2 ? DType::UInt8 : DType::Int8;
}

int bitsOf(DType type) {
  switch (type) {
    case DType::Int2:
    case DType::UInt2:
      return 2;
    case DType::Int4:
    case DType::UInt4:
    case DType::Float4E2M1:
      return 4;
    case DType::Float6E2M3:
    case DType::Float6E3M2:
      return 6;
    default:
      return static_cast<int>(8 * sizeOf(type));
  }
}

namespace {

template <class T>
Range rangeOfStorage() {
  namespace rt = sofie_runtime;
  if constexpr (rt::is_small_integer<T>) {
    return {-static_cast<double>(T::sign_bit), static_cast<double>(T::all - T::sign_bit)};
  } else if constexpr (std::is_same_v<T, rt::PowerOfTwo>) {
    return {rt::cast<double>(T{0}), rt::cast<double>(T{0xfe})};
  } else {
    const double highest = rt::cast<double>(T{static_cast<typename T::Code>(T::largest)});
    return {-highest, highest};
  }
}

}  // namespace

Range rangeOf(DType type) {
  if (isStorage(type))
    return dispatchStorage(type, [](auto zero) { return rangeOfStorage<decltype(zero)>(); });
  return dispatch(type, [](auto zero) -> Range {
    using Limits = std::numeric_limits<decltype(zero)>;
    return {static_cast<double>(Limits::lowest()), static_cast<double>(Limits::max())};
  });
}

double decode(DType type, const void* element) {
  return dispatchStorage(type, [&](auto stored) {
    std::memcpy(&stored, element, sizeof stored);
    return sofie_runtime::cast<double>(stored);
  });
}

void encode(DType type, double value, void* element) {
  dispatchStorage(type, [&](auto zero) {
    const auto stored = sofie_runtime::cast<decltype(zero)>(value);
    std::memcpy(element, &stored, sizeof stored);
  });
}

DType parseDType(std::string_view name) {
  for (const TypeInfo& entry : types)
    if (entry.name == name) return entry.type;
  throw UnsupportedError("element type '" + std::string(name) +
                         "' is not supported; cast the tensor to float32, float64, an integer type or bool");
}

}  // namespace sofie
