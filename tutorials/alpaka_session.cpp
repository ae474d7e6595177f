/// \file
/// A Higgs classifier with alpaka, whose inputs and outputs stay on the accelerator.
///
///     pysofie emit $(python -c 'import pysofie.demo; print(pysofie.demo.MODEL)') --target alpaka -o .
///     g++ -std=c++20 -O3 -I. -isystem $PYSOFIE_ALPAKA_INCLUDE -DALPAKA_ACC_CPU_B_SEQ_T_SEQ_ENABLED
///       tutorials/alpaka_session.cpp -o alpaka_session && ./alpaka_session
///
/// For a GPU compile the same text by nvcc (`-x cu --expt-relaxed-constexpr -DALPAKA_ACC_GPU_CUDA_ENABLED`,
/// with cuBLAS `-DSOFIE_ALPAKA_CUBLAS -lcublas`) or by hipcc (`-DALPAKA_ACC_GPU_HIP_ENABLED`).
#include <cstdio>
#include <vector>

#include "higgs.hxx"

/// Stands for the analysis that fills the features on the accelerator.
struct MakeFeatures {
  template <class Accelerator>
  ALPAKA_FN_ACC void operator()(const Accelerator& accelerator, float* features, std::int64_t count) const {
    const std::int64_t first = alpaka::getIdx<alpaka::Grid, alpaka::Threads>(accelerator)[0];
    const std::int64_t step = alpaka::getWorkDiv<alpaka::Grid, alpaka::Threads>(accelerator)[0];
    for (std::int64_t i = first; i < count; i += step) features[i] = static_cast<float>(i % 28) / 28;
  }
};

int main() {
  using Queue = TMVA_SOFIE_higgs::Engine::Queue;
  using Accelerator = Queue::Accelerator;
  using Vector = alpaka::Vec<Queue::Dimension, Queue::Index>;
  const std::int64_t events = 1000, columns = 28;

  const auto device = alpaka::getDevByIdx(alpaka::Platform<Accelerator>{}, 0);
  const auto host = alpaka::getDevByIdx(alpaka::PlatformCpu{}, 0);
  Queue::Native queue(device);
  std::printf("accelerator: %s\n", alpaka::getAccName<Accelerator>().c_str());

  // The session works on our queue: what we queue before and after it runs before and after it.
  TMVA_SOFIE_higgs::Session session(queue, "higgs.dat", events);
  auto features = alpaka::allocBuf<float, Queue::Index>(device, Vector(events * columns));
  auto scores = alpaka::allocBuf<float, Queue::Index>(device, Vector(events));
  const alpaka::WorkDivMembers<Queue::Dimension, Queue::Index> division(Vector(events), Vector(1), Vector(1));
  alpaka::exec<Accelerator>(queue, division, MakeFeatures{}, std::data(features), events * columns);
  session.enqueue(std::data(features), std::data(scores));

  auto result = alpaka::allocBuf<float, Queue::Index>(host, Vector(events));
  alpaka::memcpy(queue, result, scores);
  const int fault = session.wait();

  // The same from memory of the host, which the session copies there and back.
  std::vector<float> event(static_cast<std::size_t>(columns));
  for (std::size_t i = 0; i < event.size(); ++i) event[i] = static_cast<float>(i) / 28;
  const float expected = session.infer(1, event.data())[0], found = std::data(result)[events - 1];
  std::printf("score: %.6f, from the host: %.6f\n", found, expected);
  return fault != 0 || found < expected - 1e-6f || found > expected + 1e-6f;
}
