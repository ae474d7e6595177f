/// \file alpaka.hxx
/// What generated code needs from alpaka (1.2 and later 1.x, 2.0): a queue, device memory, launches and
/// matrix products for the accelerator that `Tag` names, under the same names as `sycl.hxx`. Define
/// SOFIE_ALPAKA_CUBLAS or SOFIE_ALPAKA_ROCBLAS (and link the library) to send large matrix products there.
#ifndef SOFIE_RUNTIME_ALPAKA_HXX
#define SOFIE_RUNTIME_ALPAKA_HXX

#include <algorithm>
#include <alpaka/alpaka.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <type_traits>
#include <utility>

// clang-format off: the first of these says whose functions the second calls, and an indented include stays
// in its place when this header is embedded, where the others move to the top.
#include "alpaka_math.hxx"
#include "device_math.hxx"
#include "device_contraction.hxx"
#include "device_memory.hxx"
#include "device_merge.hxx"
#if defined(SOFIE_ALPAKA_CUBLAS)
  #include <cublas_v2.h>
#elif defined(SOFIE_ALPAKA_ROCBLAS)
  #include <rocblas/rocblas.h>
#endif
// clang-format on

/// The accelerator that generated code uses: by default a GPU if alpaka was told of one.
#ifndef SOFIE_ALPAKA_TAG
#if defined(ALPAKA_ACC_GPU_CUDA_ENABLED)
#define SOFIE_ALPAKA_TAG alpaka::TagGpuCudaRt
#elif defined(ALPAKA_ACC_GPU_HIP_ENABLED)
#define SOFIE_ALPAKA_TAG alpaka::TagGpuHipRt
#elif defined(ALPAKA_ACC_CPU_B_OMP2_T_SEQ_ENABLED)
#define SOFIE_ALPAKA_TAG alpaka::TagCpuOmp2Blocks
#elif defined(ALPAKA_ACC_CPU_B_SEQ_T_THREADS_ENABLED)
#define SOFIE_ALPAKA_TAG alpaka::TagCpuThreads
#else
#define SOFIE_ALPAKA_TAG alpaka::TagCpuSerial
#endif
#endif

namespace sofie_runtime {

template <class Tag>
constexpr bool is_gpu = std::is_same_v<Tag, alpaka::TagGpuCudaRt> || std::is_same_v<Tag, alpaka::TagGpuHipRt>;

/// The indices that one thread visits: every thread of a GPU strides over the whole range, so that
/// neighbours touch neighbouring memory; a CPU thread keeps to a stretch of its own.
template <bool Strided>
struct ForEach {
  template <class Accelerator, class Work>
  ALPAKA_FN_ACC void operator()(const Accelerator& accelerator, const Work& work, std::int64_t count) const {
    const std::int64_t thread = alpaka::getIdx<alpaka::Grid, alpaka::Threads>(accelerator)[0];
    const std::int64_t threads = alpaka::getWorkDiv<alpaka::Grid, alpaka::Threads>(accelerator)[0];
    if constexpr (Strided) {
      for (std::int64_t i = thread; i < count; i += threads) work(i);
    } else {
      for (std::int64_t i = count * thread / threads; i < count * (thread + 1) / threads; ++i) work(i);
    }
  }
};

/// Waits for the other threads of the block.
template <class Accelerator>
struct Barrier {
  const Accelerator& accelerator;
  ALPAKA_FN_ACC void operator()() const { alpaka::syncBlockThreads(accelerator); }
};

/// A contraction, one block per tile of the result.
template <int Side, int Each>
struct TiledContraction {
  template <class Accelerator, class Kernel>
  ALPAKA_FN_ACC void operator()(const Accelerator& accelerator, const Kernel& kernel,
                                const Extents& extents) const {
    using Shape = Tile<Kernel, Side, Each>;
    using Slice = typename Kernel::Value[Shape::shared_elements];
    auto& left = alpaka::declareSharedVar<Slice, __COUNTER__>(accelerator);
    auto& right = alpaka::declareSharedVar<Slice, __COUNTER__>(accelerator);
    const std::int64_t block = alpaka::getIdx<alpaka::Grid, alpaka::Blocks>(accelerator)[0];
    const std::int64_t thread = alpaka::getIdx<alpaka::Block, alpaka::Threads>(accelerator)[0];
    Shape::compute(kernel, extents, block, static_cast<int>(thread), left, right,
                   Barrier<Accelerator>{accelerator});
  }
};

#if defined(SOFIE_ALPAKA_CUBLAS)
/// cuBLAS on one stream.
class Library {
 public:
  explicit Library(cudaStream_t stream) {
    cublasHandle_t handle = nullptr;
    check(cublasCreate(&handle));
    handle_.reset(handle, [](cublasHandle_t owned) { cublasDestroy(owned); });
    check(cublasSetStream(handle, stream));
  }
  // The library is column-major: it computes the transpose of our product, with the operands swapped.
  void multiply(const Extents& e, const MatrixProduct<float>& p) const {
    const float one = 1, zero = 0;
    check(cublasSgemmStridedBatched(
        handle_.get(), flip(p.transpose_right), flip(p.transpose_left), int(e.columns), int(e.rows),
        int(e.depth), &one, p.right, int(p.leading_right), p.stride_right, p.left, int(p.leading_left),
        p.stride_left, &zero, p.result, int(p.leading_result), p.stride_result, int(e.batch)));
  }
  void multiply(const Extents& e, const MatrixProduct<double>& p) const {
    const double one = 1, zero = 0;
    check(cublasDgemmStridedBatched(
        handle_.get(), flip(p.transpose_right), flip(p.transpose_left), int(e.columns), int(e.rows),
        int(e.depth), &one, p.right, int(p.leading_right), p.stride_right, p.left, int(p.leading_left),
        p.stride_left, &zero, p.result, int(p.leading_result), p.stride_result, int(e.batch)));
  }

 private:
  static cublasOperation_t flip(bool transposed) { return transposed ? CUBLAS_OP_T : CUBLAS_OP_N; }
  static void check(cublasStatus_t status) {
    if (status != CUBLAS_STATUS_SUCCESS) throw std::runtime_error(cublasGetStatusString(status));
  }
  std::shared_ptr<std::remove_pointer_t<cublasHandle_t>> handle_;
};
#elif defined(SOFIE_ALPAKA_ROCBLAS)
/// rocBLAS on one stream.
class Library {
 public:
  explicit Library(hipStream_t stream) {
    rocblas_handle handle = nullptr;
    check(rocblas_create_handle(&handle));
    handle_.reset(handle, [](rocblas_handle owned) { rocblas_destroy_handle(owned); });
    check(rocblas_set_stream(handle, stream));
  }
  // The library is column-major: it computes the transpose of our product, with the operands swapped.
  void multiply(const Extents& e, const MatrixProduct<float>& p) const {
    const float one = 1, zero = 0;
    check(rocblas_sgemm_strided_batched(
        handle_.get(), flip(p.transpose_right), flip(p.transpose_left), int(e.columns), int(e.rows),
        int(e.depth), &one, p.right, int(p.leading_right), p.stride_right, p.left, int(p.leading_left),
        p.stride_left, &zero, p.result, int(p.leading_result), p.stride_result, int(e.batch)));
  }
  void multiply(const Extents& e, const MatrixProduct<double>& p) const {
    const double one = 1, zero = 0;
    check(rocblas_dgemm_strided_batched(
        handle_.get(), flip(p.transpose_right), flip(p.transpose_left), int(e.columns), int(e.rows),
        int(e.depth), &one, p.right, int(p.leading_right), p.stride_right, p.left, int(p.leading_left),
        p.stride_left, &zero, p.result, int(p.leading_result), p.stride_result, int(e.batch)));
  }

 private:
  static rocblas_operation flip(bool transposed) {
    return transposed ? rocblas_operation_transpose : rocblas_operation_none;
  }
  static void check(rocblas_status status) {
    if (status != rocblas_status_success) throw std::runtime_error(rocblas_status_to_string(status));
  }
  std::shared_ptr<std::remove_pointer_t<rocblas_handle>> handle_;
};
#else
/// No library: every product goes through the generated kernel.
struct Library {
  template <class Stream>
  explicit Library(const Stream&) {}
};
#endif

/// A queue of the accelerator `Tag`, the caller's or one of our own on the first device.
template <class Tag>
class Queue {
 public:
  using Index = std::int64_t;
  using Dimension = alpaka::DimInt<1>;
  using Accelerator = alpaka::TagToAcc<Tag, Dimension, Index>;
  using Native =
      alpaka::Queue<Accelerator, std::conditional_t<is_gpu<Tag>, alpaka::NonBlocking, alpaka::Blocking>>;

  Queue() : Queue(Native(alpaka::getDevByIdx(alpaka::Platform<Accelerator>{}, 0))) {}
  explicit Queue(Native queue) : queue_(std::move(queue)), library_(stream(queue_)) {}

  Native& native() { return queue_; }

  /// Whether memory allocated through one queue may be used through the other.
  bool shares_memory_with(const Queue& other) const {
    return alpaka::getDev(queue_) == alpaka::getDev(other.queue_);
  }

  /// A handle of bytes on the device, which are freed with its last copy.
  class Memory {
   public:
    Memory() = default;
    Memory(const Queue& owner, std::size_t bytes)
        : buffer_(alpaka::allocBuf<std::byte, Index>(alpaka::getDev(owner.queue_),
                                                     extent(std::max(bytes, least)))),
          data_(std::data(*buffer_)),
          bytes_(bytes) {}
    std::byte* data() const { return data_; }
    std::size_t size() const { return bytes_; }

   private:
    static constexpr std::size_t least = 64;
    std::optional<alpaka::Buf<Accelerator, std::byte, Dimension, Index>> buffer_;
    std::byte* data_ = nullptr;
    std::size_t bytes_ = 0;
  };

  void copy_to_device(void* device, const void* host, std::size_t bytes) {
    if (bytes == 0) return;
    auto to = alpaka::createView(alpaka::getDev(queue_), static_cast<std::byte*>(device), extent(bytes));
    const auto from = alpaka::createView(cpu(), static_cast<const std::byte*>(host), extent(bytes));
    alpaka::memcpy(queue_, to, from);
  }
  void copy_to_host(void* host, const void* device, std::size_t bytes) {
    if (bytes == 0) return;
    auto to = alpaka::createView(cpu(), static_cast<std::byte*>(host), extent(bytes));
    const auto from =
        alpaka::createView(alpaka::getDev(queue_), static_cast<const std::byte*>(device), extent(bytes));
    alpaka::memcpy(queue_, to, from);
  }
  void wait() { alpaka::wait(queue_); }

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
  void launch(Index count, const Work& work) {
    if (count <= 0) return;
    constexpr Index threads = is_gpu<Tag> ? 256 : 1;
    const Index blocks = std::min((count + threads - 1) / threads, most_blocks());
    alpaka::exec<Accelerator>(queue_, division(blocks, threads), ForEach<is_gpu<Tag>>{}, work, count);
  }

  /// Runs a contraction (see device_contraction.hxx) over the given extents.
  template <class Kernel>
  void contract(const Extents& extents, const Kernel& kernel) {
    if (extents.batch <= 0 || extents.rows <= 0 || extents.columns <= 0) return;
#if defined(SOFIE_ALPAKA_CUBLAS) || defined(SOFIE_ALPAKA_ROCBLAS)
    if constexpr (HasProduct<Kernel>::value && is_gpu<Tag>) {
      if (worth_a_library(extents)) {
        const auto product = kernel.product();
        library_.multiply(extents, product);
        launch(extents.batch * extents.rows * extents.columns, Epilogue<Kernel>{kernel, product, extents});
        return;
      }
    }
#endif
    if constexpr (is_gpu<Tag>) {
      if (extents.rows >= 64 && extents.columns >= 64)
        tiled<16, 4>(extents, kernel);
      else
        tiled<16, 1>(extents, kernel);
    } else {
      tiled<1, 8>(extents, kernel);
    }
  }

 private:
  using Vector = alpaka::Vec<Dimension, Index>;
  static Vector extent(std::size_t bytes) { return Vector(static_cast<Index>(bytes)); }
  static alpaka::DevCpu cpu() { return alpaka::getDevByIdx(alpaka::PlatformCpu{}, 0); }
  static auto stream(const Native& queue) {
    if constexpr (is_gpu<Tag>)
      return alpaka::getNativeHandle(queue);
    else
      return nullptr;
  }
  static alpaka::WorkDivMembers<Dimension, Index> division(Index blocks, Index threads) {
    return {Vector(blocks), Vector(threads), Vector(Index{1})};
  }
  Index most_blocks() const {
    if constexpr (is_gpu<Tag>)
      return Index{1} << 20;
    else
      return alpaka::getAccDevProps<Accelerator>(alpaka::getDev(queue_)).m_multiProcessorCount;
  }

  template <int Side, int Each, class Kernel>
  void tiled(const Extents& extents, const Kernel& kernel) {
    using Shape = Tile<Kernel, Side, Each>;
    alpaka::exec<Accelerator>(queue_, division(Shape::blocks(extents), Shape::threads),
                              TiledContraction<Side, Each>{}, kernel, extents);
  }

  Native queue_;
  Library library_;
};

}  // namespace sofie_runtime

#endif
