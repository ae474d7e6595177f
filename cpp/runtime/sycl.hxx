/// \file sycl.hxx
/// What generated code needs from SYCL 2020: a queue, device memory, launches and matrix products, under the
/// same names as `alpaka.hxx`. Define SOFIE_SYCL_MKL (and link oneMKL) to send large matrix products there.
#ifndef SOFIE_RUNTIME_SYCL_HXX
#define SOFIE_RUNTIME_SYCL_HXX

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <stdexcept>
#include <sycl/sycl.hpp>
#include <utility>

// clang-format off: the first of these says whose functions the second calls, and an indented include stays
// in its place when this header is embedded, where the others move to the top.
#include "sycl_math.hxx"
#include "device_math.hxx"
#include "device_contraction.hxx"
#include "device_memory.hxx"
#include "device_merge.hxx"
#if defined(SOFIE_SYCL_MKL) && __has_include(<oneapi/mkl/blas.hpp>)
  #include <oneapi/mkl/blas.hpp>
#define SOFIE_SYCL_HAS_MKL 1
#else
#define SOFIE_SYCL_HAS_MKL 0
#endif
// clang-format on

namespace sofie_runtime {

/// One work item per index, striding over the range when there are more indices than work items.
template <class Work>
struct ForEach {
  Work work;
  std::int64_t count;
  void operator()(sycl::nd_item<1> item) const {
    const auto stride = static_cast<std::int64_t>(item.get_global_range(0));
    for (auto i = static_cast<std::int64_t>(item.get_global_id(0)); i < count; i += stride) work(i);
  }
};

/// A contraction, one work group per tile of the result.
template <class Kernel, int Side, int Each>
struct TiledContraction {
  using T = typename Kernel::Value;
  Kernel kernel;
  Extents extents;
  sycl::local_accessor<T, 1> left, right;
  void operator()(sycl::nd_item<1> item) const {
    Tile<Kernel, Side, Each>::compute(kernel, extents, static_cast<std::int64_t>(item.get_group(0)),
                                      static_cast<int>(item.get_local_id(0)), &left[0], &right[0],
                                      [&] { sycl::group_barrier(item.get_group()); });
  }
};

/// An in-order SYCL queue, the caller's or one of our own on the default device.
class Queue {
 public:
  using Native = sycl::queue;

  Queue() : queue_(sycl::default_selector_v, sycl::property::queue::in_order()) {}

  /// \throws std::invalid_argument if the queue is not in order: kernels rely on their sequence.
  explicit Queue(Native queue) : queue_(std::move(queue)) {
    if (!queue_.is_in_order()) throw std::invalid_argument("a session needs an in-order SYCL queue");
  }

  Native& native() { return queue_; }

  /// Whether memory allocated through one queue may be used through the other.
  bool shares_memory_with(const Queue& other) const {
    return queue_.get_context() == other.queue_.get_context() &&
           queue_.get_device() == other.queue_.get_device();
  }

  /// A handle of bytes on the device, which are freed with its last copy.
  class Memory {
   public:
    Memory() = default;
    Memory(const Queue& owner, std::size_t bytes) : bytes_(bytes) {
      constexpr std::size_t alignment = 64;
      sycl::queue queue = owner.queue_;
      auto* data = sycl::aligned_alloc_device<std::byte>(alignment, std::max(bytes, alignment), queue);
      if (data == nullptr) throw std::bad_alloc();
      data_ = std::shared_ptr<std::byte>(data, [queue](std::byte* pointer) mutable {
        queue.wait();  // kernels may still use it
        sycl::free(pointer, queue);
      });
    }
    std::byte* data() const { return data_.get(); }
    std::size_t size() const { return bytes_; }

   private:
    std::shared_ptr<std::byte> data_;
    std::size_t bytes_ = 0;
  };

  void copy_to_device(void* device, const void* host, std::size_t bytes) {
    queue_.memcpy(device, host, bytes);
  }
  void copy_to_host(void* host, const void* device, std::size_t bytes) { queue_.memcpy(host, device, bytes); }
  void wait() { queue_.wait_and_throw(); }

  /// The value at a place on the device, after all that was queued before.
  template <class T>
  T read(const T* device) {
    T value;
    copy_to_host(&value, device, sizeof value);
    wait();
    return value;
  }

  /// Calls `work(i)` on the device for every i in [0, count).
  template <class Work>
  void launch(std::int64_t count, const Work& work) {
    if (count <= 0) return;
    constexpr std::int64_t group = 128, most_groups = std::int64_t{1} << 20;
    const std::int64_t groups = std::min((count + group - 1) / group, most_groups);
    queue_.parallel_for(range(groups, group), ForEach<Work>{work, count});
  }

  /// Runs a contraction (see device_contraction.hxx) over the given extents.
  template <class Kernel>
  void contract(const Extents& extents, const Kernel& kernel) {
    if (extents.batch <= 0 || extents.rows <= 0 || extents.columns <= 0) return;
#if SOFIE_SYCL_HAS_MKL
    if constexpr (HasProduct<Kernel>::value) {
      if (worth_a_library(extents)) {
        const auto product = kernel.product();
        multiply(extents, product);
        launch(extents.batch * extents.rows * extents.columns, Epilogue<Kernel>{kernel, product, extents});
        return;
      }
    }
#endif
    if (extents.rows >= 64 && extents.columns >= 64)
      tiled<16, 4>(extents, kernel);
    else
      tiled<16, 1>(extents, kernel);
  }

 private:
  static sycl::nd_range<1> range(std::int64_t groups, std::int64_t group) {
    return {sycl::range<1>(static_cast<std::size_t>(groups * group)),
            sycl::range<1>(static_cast<std::size_t>(group))};
  }

  template <int Side, int Each, class Kernel>
  void tiled(const Extents& extents, const Kernel& kernel) {
    using Shape = Tile<Kernel, Side, Each>;
    queue_.submit([&](sycl::handler& handler) {
      const sycl::range<1> elements(Shape::shared_elements);
      using Local = sycl::local_accessor<typename Kernel::Value, 1>;
      handler.parallel_for(range(Shape::blocks(extents), Shape::threads),
                           TiledContraction<Kernel, Side, Each>{kernel, extents, Local(elements, handler),
                                                                Local(elements, handler)});
    });
  }

#if SOFIE_SYCL_HAS_MKL
  template <class T>
  void multiply(const Extents& e, const MatrixProduct<T>& p) {
    using oneapi::mkl::transpose;
    const auto flip = [](bool transposed) { return transposed ? transpose::trans : transpose::nontrans; };
    const transpose left = flip(p.transpose_left), right = flip(p.transpose_right);
    if (e.batch == 1)  // the strides of a batch of one need not be valid
      oneapi::mkl::blas::row_major::gemm(queue_, left, right, e.rows, e.columns, e.depth, T(1), p.left,
                                         p.leading_left, p.right, p.leading_right, T(0), p.result,
                                         p.leading_result);
    else
      oneapi::mkl::blas::row_major::gemm_batch(queue_, left, right, e.rows, e.columns, e.depth, T(1), p.left,
                                               p.leading_left, p.stride_left, p.right, p.leading_right,
                                               p.stride_right, T(0), p.result, p.leading_result,
                                               p.stride_result, e.batch);
  }
#endif

  sycl::queue queue_;
};

}  // namespace sofie_runtime

#endif
