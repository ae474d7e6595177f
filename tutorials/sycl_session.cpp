/// \file
/// A Higgs classifier on a SYCL device, whose inputs and outputs stay there.
///
///     pysofie emit $(python -c 'import pysofie.demo; print(pysofie.demo.MODEL)') --target sycl -o .
///     icpx -fsycl -fp-model=precise -O2 -I. tutorials/sycl_session.cpp -o sycl_session && ./sycl_session
///
/// With clang++ say `-fsycl`, with AdaptiveCpp `acpp`; add `-DSOFIE_SYCL_MKL -qmkl` for oneMKL.
#include <cstdio>
#include <vector>

#include "higgs.hxx"

/// Stands for the analysis that fills the features on the device.
struct MakeFeatures {
  float* features;
  void operator()(sycl::id<1> i) const { features[i] = static_cast<float>(i[0] % 28) / 28; }
};

int main() {
  const std::size_t events = 1000, columns = 28;
  sycl::queue queue{sycl::property::queue::in_order()};
  std::printf("device: %s\n", queue.get_device().get_info<sycl::info::device::name>().c_str());

  // The session works on our queue: what we queue before and after it runs before and after it.
  TMVA_SOFIE_higgs::Session session(queue, "higgs.dat", events);
  auto* features = sycl::malloc_device<float>(events * columns, queue);
  auto* scores = sycl::malloc_device<float>(events, queue);
  queue.parallel_for(sycl::range<1>(events * columns), MakeFeatures{features});
  session.enqueue(features, scores);

  std::vector<float> result(events);
  queue.memcpy(result.data(), scores, events * sizeof(float));
  const int fault = session.wait();

  // The same from memory of the host, which the session copies there and back.
  std::vector<float> event(columns);
  for (std::size_t i = 0; i < columns; ++i) event[i] = static_cast<float>(i) / 28;
  const float expected = session.infer(1, event.data())[0];
  std::printf("score: %.6f, from the host: %.6f\n", result[events - 1], expected);

  sycl::free(features, queue);
  sycl::free(scores, queue);
  return fault != 0 || result[events - 1] < expected - 1e-6f || result[events - 1] > expected + 1e-6f;
}
