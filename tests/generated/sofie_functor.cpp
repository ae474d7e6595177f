// SofieFunctor without ROOT: what it computes, from many threads, and what it refuses.
#include <atomic>
#include <cmath>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

#include "TMVA/SOFIEHelpers.hxx"
#include "conv.hxx"
#include "double_mlp.hxx"
#include "dynamic_mlp.hxx"
#include "mlp.hxx"

namespace {

using TMVA::Experimental::SofieFunctor;

int faults = 0;

void check(bool holds, const char* what) {
  if (holds) return;
  std::printf("wrong: %s\n", what);
  ++faults;
}

double expected() {
  const float features[] = {1, 2, 3, 4, 5, 6, 7};
  return TMVA_SOFIE_mlp::Session().infer(features)[0];
}

template <class Functor>
double score(Functor& functor, unsigned slot) {
  return functor(slot, 1, 2, 3, 4, 5, 6, 7);
}

void values() {
  auto fixed = SofieFunctor<7, TMVA_SOFIE_mlp::Session>(4);
  static_assert(std::is_same_v<decltype(fixed(0u, 1, 2, 3, 4, 5, 6, 7)), double>);
  auto dynamic = SofieFunctor<7, TMVA_SOFIE_dynamic_mlp::Session>(0, "dynamic_mlp.dat");
  auto doubles = SofieFunctor<7, TMVA_SOFIE_double_mlp::Session, double>();
  check(score(fixed, 0) == expected(), "one event");
  check(score(fixed, 12345) == expected(), "a slot beyond those that were announced");
  check(score(dynamic, 1) == expected(), "a batch of one");
  check(std::abs(score(doubles, 0) - expected()) < 1e-6, "double precision");
}

void threads() {
  auto functor = SofieFunctor<7, TMVA_SOFIE_mlp::Session>(2);
  const double right = expected();
  std::atomic<int> wrong{0};
  std::vector<std::thread> crowd;
  for (unsigned t = 0; t < 6; ++t)
    crowd.emplace_back([=, copy = functor, &wrong]() mutable {
      for (int i = 0; i < 200; ++i)
        if (score(copy, t % 2) != right) ++wrong;
    });
  for (std::thread& thread : crowd) thread.join();
  check(wrong == 0, "threads that share slots");
}

template <class Action>
void refuses(const std::string& words, Action&& action) {
  try {
    action();
    check(false, words.c_str());
  } catch (const std::exception& error) {
    check(std::string(error.what()).find(words) != std::string::npos, error.what());
  }
}

void errors() {
  refuses("reads 7 values per event, and is given 6 columns",
          [] { SofieFunctor<6, TMVA_SOFIE_dynamic_mlp::Session>(); });
  refuses("values per event, where one is needed", [] { SofieFunctor<72, TMVA_SOFIE_conv::Session>(); });
  refuses("nowhere.dat", [] { SofieFunctor<7, TMVA_SOFIE_mlp::Session>(0, "nowhere.dat"); });
}

}  // namespace

int main() {
  values();
  threads();
  errors();
  return faults;
}
