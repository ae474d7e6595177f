#pragma once
#include <functional>
#include <string>

#include "sofie/program.hxx"

namespace sofie {

/// What the kernel text of the device targets calls things outside of the kernels.
struct DeviceNames {
  /// The functor at namespace scope whose members and functions are that text.
  std::function<std::string(const std::string& text)> functor;
  std::function<std::string(const std::string& symbol)> member;  ///< a symbol as a member of a functor
  std::function<std::string(const std::string& symbol)> symbol;  ///< its value, an int64 of the session
  std::function<std::string(int buffer)> buffer;                 ///< a typed device pointer of the session
  std::function<bool(int, int)> overlap;                         ///< whether two buffers may share memory
  std::string fault;                                             ///< the device's fault flag
};

/// The statement that launches a kernel on `queue_`, as a functor. The functor calls its buffers b<position>,
/// in the order in which the kernel meets them, so that equal kernels are one functor.
std::string deviceKernel(const Program& program, const Nest& nest, const DeviceNames& names);

/// True when the nest may raise the fault flag.
bool canFault(const Nest& nest);

}  // namespace sofie
