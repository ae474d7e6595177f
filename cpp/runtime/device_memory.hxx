/// \file device_memory.hxx
/// The weights on a device, one copy for all sessions of a process; and the fault flag of kernels.
#ifndef SOFIE_RUNTIME_DEVICE_MEMORY_HXX
#define SOFIE_RUNTIME_DEVICE_MEMORY_HXX

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "scalar.hxx"

namespace sofie_runtime {

/// The weights of a model in memory that `queue` can use. The first session of a process with these weights
/// and this device takes them from `fill(host)`, which writes `bytes` bytes; later ones share them.
template <class Queue, class Fill>
std::shared_ptr<const typename Queue::Memory> device_weights(Queue& queue, const std::string& path,
                                                             std::uint64_t bytes, std::uint64_t checksum,
                                                             const Fill& fill) {
  using Memory = typename Queue::Memory;
  struct Loaded {
    std::string path;
    std::uint64_t checksum;
    Queue queue;
    std::weak_ptr<const Memory> memory;
  };
  static std::mutex mutex;
  // Never destroyed: the device's runtime may be gone before the statics of this library.
  static auto& loaded = *new std::vector<Loaded>;
  const std::lock_guard<std::mutex> lock(mutex);
  loaded.erase(std::remove_if(loaded.begin(), loaded.end(),
                              [](const Loaded& entry) { return entry.memory.expired(); }),
               loaded.end());
  for (const Loaded& entry : loaded)
    if (entry.path == path && entry.checksum == checksum && entry.queue.shares_memory_with(queue))
      if (auto memory = entry.memory.lock()) return memory;
  const auto memory = std::make_shared<const Memory>(queue, static_cast<std::size_t>(bytes));
  std::vector<unsigned char> host(static_cast<std::size_t>(bytes));
  fill(host.data());
  queue.copy_to_device(memory->data(), host.data(), host.size());
  queue.wait();
  loaded.push_back({path, checksum, queue, memory});
  return memory;
}

/// Lowers the fault flag.
struct ClearFault {
  std::int32_t* fault;
  SOFIE_FN void operator()(std::int64_t) const { *fault = 0; }
};

}  // namespace sofie_runtime

#endif
