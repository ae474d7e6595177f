#include "sofie/dtype.hxx"

#include <array>

#include "sofie/error.hxx"

namespace sofie {
namespace {

struct TypeInfo {
  DType type;
  std::string_view name;
  std::string_view cpp;
  std::size_t size;
};

constexpr std::array<TypeInfo, 11> types{{
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
}};

const TypeInfo& info(DType type) { return types[static_cast<std::size_t>(type)]; }

}  // namespace

std::string_view dtypeName(DType type) { return info(type).name; }
std::string_view cppType(DType type) { return info(type).cpp; }
std::size_t sizeOf(DType type) { return info(type).size; }

DType parseDType(std::string_view name) {
  for (const TypeInfo& entry : types)
    if (entry.name == name) return entry.type;
  throw UnsupportedError("element type '" + std::string(name) +
                         "' is not supported; cast the tensor to float32, float64, an integer type or bool");
}

}  // namespace sofie
