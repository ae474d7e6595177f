/// @file
/// Checks that throw: of the sizes with which a model is prepared, and of what a run reports.
#ifndef SOFIE_RUNTIME_DIMS_HXX
#define SOFIE_RUNTIME_DIMS_HXX

#include <cmath>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <type_traits>

namespace sofie_runtime {

/// \throws std::invalid_argument when a symbolic dimension is outside the bounds that the model was compiled
/// for
inline void check_dim(const char* name, std::int64_t value, std::int64_t low, std::int64_t high) {
  if (low <= value && value <= high) return;
  throw std::invalid_argument("the dimension '" + std::string(name) + "' is " + std::to_string(value) +
                              ", but the model was compiled for " + std::to_string(low) + " to " +
                              std::to_string(high));
}

/// The type double if one of the two is double: constants are integers of any width.
template <class A, class B>
using Real = std::enable_if_t<std::is_same<A, double>::value || std::is_same<B, double>::value, double>;

/// @name The functions of symbolic dimensions, on sizes that may exceed 64 bits
/// @{
template <class A, class B>
Real<A, B> floordiv(A a, B b) {
  return b == 0 ? 0 : std::floor(static_cast<double>(a) / static_cast<double>(b));
}
template <class A, class B>
Real<A, B> floormod(A a, B b) {
  return static_cast<double>(a) - static_cast<double>(b) * floordiv(a, b);
}
template <class A, class B>
Real<A, B> min(A a, B b) {
  return a < b ? static_cast<double>(a) : static_cast<double>(b);
}
template <class A, class B>
Real<A, B> max(A a, B b) {
  return a > b ? static_cast<double>(a) : static_cast<double>(b);
}
/// @}

/// \throws std::invalid_argument when a tensor would be larger than any memory
inline void check_bytes(double bytes) {
  if (bytes <= 0x1p46) return;
  throw std::invalid_argument("the dimensions ask for a tensor of " + std::to_string(bytes) + " bytes");
}

/// \throws std::invalid_argument when two sizes that the model needs equal differ
inline void check_equal(const char* what, std::int64_t left, std::int64_t right) {
  if (left == right) return;
  throw std::invalid_argument(std::string(what) + " must be equal, but are " + std::to_string(left) +
                              " and " + std::to_string(right));
}

/// \throws std::invalid_argument when a size is smaller than the model needs
inline void check_least(const char* what, std::int64_t size, std::int64_t least) {
  if (size >= least) return;
  throw std::invalid_argument(std::string(what) + " must be at least " + std::to_string(least) + ", but is " +
                              std::to_string(size));
}

/// Sets a size that the data decide. \return 0, or the fault 3 and no size when it is not one of 0 to `most`
inline int measure(std::int64_t value, std::int64_t most, std::int64_t& size) noexcept {
  const bool fits = 0 <= value && value <= most;
  size = fits ? value : 0;
  return fits ? 0 : 3;
}

/// The same for a size without any bound. \return the fault 4 when there is too little room for it, and more
/// after the next prepare
inline int measure_in_room(std::int64_t value, std::int64_t& room, std::int64_t& size) noexcept {
  if (measure(value, room, size) == 0) return 0;
  if (value < 0) return 3;
  const std::int64_t half_more = room + room / 2;
  room = value > half_more ? value : half_more;
  return 4;
}

/// \throws std::out_of_range or std::runtime_error for what the C interface reports as a number
inline void check_fault(int fault) {
  if (fault == 1) throw std::out_of_range("the data hold an index that lies outside of its tensor");
  if (fault == 3) throw std::length_error("sizes that the data decide do not fit");
  if (fault == 4) throw std::length_error("there is not room enough yet: call prepare, then infer again");
  if (fault != 0) throw std::runtime_error("the device failed");
}

}  // namespace sofie_runtime

#endif
