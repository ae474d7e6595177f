#pragma once
#include <functional>
#include <string>

#include "sofie/program.hxx"

namespace sofie {

/// What the kernel text of the device targets calls things outside of the kernels.
struct DeviceNames {
  std::function<std::string(const std::string& symbol)> member;  ///< a symbol as a member of a functor
  std::function<std::string(const std::string& symbol)> symbol;  ///< its value, an int64 of the session
  std::function<std::string(int buffer)> buffer;                 ///< a typed device pointer of the session
  std::function<bool(int, int)> overlap;                         ///< whether two buffers may share memory
  std::string fault;                                             ///< the device's fault flag
};

/// A kernel on a device: a functor at namespace scope, and the statement that launches it on `queue`.
struct DeviceKernel {
  std::string functor;
  std::string launch;
};

DeviceKernel deviceKernel(const Program& program, const Nest& nest, const std::string& name,
                          const DeviceNames& names);

/// True when the nest may raise the fault flag.
bool canFault(const Nest& nest);

}  // namespace sofie
