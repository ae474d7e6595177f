/// \file convert.hxx
/// Numbers of columns as numbers of a model.
#ifndef PYSOFIE_CONVERT_HXX
#define PYSOFIE_CONVERT_HXX

#include <limits>
#include <type_traits>

namespace pysofie::rdf {

/// Value of a column as the model's input type: any arithmetic type to any other. Where a plain cast would be
/// undefined, NaN becomes zero and a value out of range the nearest one that the integer holds.
template <class To, class From>
constexpr To convert(From value) noexcept {
  static_assert(std::is_arithmetic_v<From> && std::is_arithmetic_v<To>, "columns hold numbers");
  if constexpr (std::is_same_v<To, bool>) {
    return value != From{};
  } else if constexpr (std::is_integral_v<To> && std::is_floating_point_v<From>) {
    using Limits = std::numeric_limits<To>;
    if (!(value == value)) return To{};
    if (value <= static_cast<From>(Limits::min())) return Limits::min();
    if (value >= static_cast<From>(Limits::max())) return Limits::max();
    return static_cast<To>(value);
  } else {
    return static_cast<To>(value);
  }
}

}  // namespace pysofie::rdf

#endif
