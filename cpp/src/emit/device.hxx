#pragma once
#include <string>

#include "sofie/render.hxx"

namespace sofie {

/// What distinguishes one device target from another; their kernels and sessions are the same text.
struct DeviceTarget {
  std::string name;     ///< "sycl"
  std::string runtime;  ///< the header of cpp/runtime
  std::string queue;    ///< the type of its queue, within `namespace rt`
  std::string tag;      ///< the default of `Tag` if sessions are templates of it
};

Files renderDevice(const Program& program, const DeviceTarget& target, const RenderOptions& options);

}  // namespace sofie
