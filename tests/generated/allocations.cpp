// Counts what is allocated, by replacing malloc, which operator new calls too.
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "attention.hxx"
#include "conv.hxx"
#include "gather.hxx"
#include "mixed_outputs.hxx"
#include "mlp.hxx"
#include "recurrent.hxx"
#include "two_outputs.hxx"

namespace {
std::size_t allocations = 0, allocatedBytes = 0;

void note(std::size_t bytes) {
  ++allocations;
  allocatedBytes += bytes;
}
}  // namespace

extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);

void* malloc(std::size_t bytes) {
  note(bytes);
  return __libc_malloc(bytes);
}
void* calloc(std::size_t count, std::size_t bytes) {
  note(count * bytes);
  return __libc_calloc(count, bytes);
}
void* realloc(void* old, std::size_t bytes) {
  note(bytes);
  return __libc_realloc(old, bytes);
}
void* memalign(std::size_t alignment, std::size_t bytes) {
  note(bytes);
  return __libc_memalign(alignment, bytes);
}
void* aligned_alloc(std::size_t alignment, std::size_t bytes) { return memalign(alignment, bytes); }
int posix_memalign(void** place, std::size_t alignment, std::size_t bytes) {
  *place = memalign(alignment, bytes);
  return *place ? 0 : ENOMEM;
}
}

namespace {

bool good = true;

template <class Action>
void expectNone(const char* what, Action&& action) {
  const std::size_t before = allocations;
  action();
  if (allocations == before) return;
  std::printf("%s: %zu allocations\n", what, allocations - before);
  good = false;
}

void fixedSizes() {
  TMVA_SOFIE_mlp::Session mlp;
  TMVA_SOFIE_two_outputs::Session two;
  const std::vector<float> x(7, 0.5f);
  std::vector<float> y(7), z(1);
  expectNone("mlp", [&] { mlp.infer(x.data(), y.data()); });
  expectNone("two_outputs", [&] { two.infer(x.data(), x.data(), y.data(), z.data()); });
}

void dynamicSizes() {
  TMVA_SOFIE_conv::Session conv;
  TMVA_SOFIE_attention::Session attention;
  TMVA_SOFIE_mixed_outputs::Session mixed;
  TMVA_SOFIE_gather::Session gather;
  TMVA_SOFIE_recurrent::Session recurrent;
  const std::vector<float> x(72 * 9, 0.5f);
  const std::vector<std::int64_t> ids(9, 3), wrong(9, 99);
  std::vector<float> y(72 * 9), mean(1);
  std::vector<float> states(72), last(4);
  std::vector<std::int64_t> best(9);
  bool passes[45];
  conv.prepare(9);
  attention.prepare(9, 9);
  mixed.prepare(9);
  gather.prepare(9);
  recurrent.prepare(9);
  for (const std::size_t n : {9, 1, 0, 5, 8, 2, 9}) {
    expectNone("conv", [&] {
      conv.prepare(n);
      conv.infer(x.data(), y.data());
    });
    expectNone("attention", [&] {
      attention.prepare(n, 9 - n);
      attention.infer(x.data(), y.data());
    });
    expectNone("mixed_outputs", [&] {
      mixed.prepare(n);
      mixed.infer(x.data(), y.data(), best.data(), passes);
    });
    expectNone("gather", [&] {
      gather.prepare(n);
      gather.infer(ids.data(), y.data(), mean.data());
      gather.infer(wrong.data(), y.data(), mean.data());
    });
    expectNone("recurrent", [&] {
      recurrent.prepare(n);
      recurrent.infer(x.data(), x.data(), y.data(), states.data(), last.data());
    });
  }
}

/// Sessions share their weights: only the first one takes memory for them.
void sharedWeights() {
  const auto costOf = [](auto&& make) {
    const std::size_t before = allocatedBytes;
    auto session = make();
    return std::make_pair(std::move(session), allocatedBytes - before);
  };
  const auto make = [] { return TMVA_SOFIE_conv::Session(); };
  const auto [first, whole] = costOf(make);
  const std::size_t weights = 3 * 64;  // the least that the tables of the network take
  std::remove("conv.dat");             // nobody may read the file again
  const auto [second, share] = costOf(make);
  if (share + weights > whole) {
    std::printf("the first session took %zu bytes, the second %zu\n", whole, share);
    good = false;
  }
}

}  // namespace

int main() {
  fixedSizes();
  dynamicSizes();
  sharedWeights();
  return good ? 0 : 1;
}
