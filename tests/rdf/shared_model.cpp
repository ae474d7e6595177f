// Threads that share a model and come with the same slot numbers: each event has its own sizes and result.
#include <cstdio>
#include <thread>
#include <vector>

#include "pysofie/sessions.hxx"
#include "weighted_sum.hxx"

static std::atomic<int> faults{0};

static void score(const pysofie::rdf::Models& models, unsigned thread, int events) {
  for (int event = 0; event < events; ++event) {
    const std::size_t objects = (static_cast<std::size_t>(event) + thread) % 5;
    const auto session = models.session(0, thread % 2);
    session.prepare({static_cast<std::int64_t>(objects)});
    float* x = session.input<float>(0, 3 * objects);
    for (int feature = 0; feature < 3; ++feature)
      pysofie::rdf::lay(x + feature, 3, objects, objects, 0.f,
                        [&](std::size_t i) { return static_cast<float>(i + thread); });
    session.run();
    const auto y = pysofie::rdf::list<std::vector<float>>(session.output<float>(0), session.size(0), 1);
    if (y.size() != objects) ++faults;
    for (std::size_t i = 0; i < y.size(); ++i)
      if (y[i] != 6.f * static_cast<float>(i + thread)) ++faults;
  }
}

int main() {
  const pysofie::rdf::Models models = pysofie::rdf::open(
      {{TMVA_SOFIE_weighted_sum::table(), "weighted_sum", "", {1}, {{sizeof(float), 2, false}}}});
  std::vector<std::thread> crowd;
  for (unsigned thread = 0; thread < 6; ++thread)
    crowd.emplace_back([&models, thread] { score(models, thread, 2000); });
  for (std::thread& thread : crowd) thread.join();
  std::printf("%d faults\n", faults.load());
  return faults;
}
