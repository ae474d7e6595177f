// Sessions that are made, given other weights and run by many threads at once give what one gives alone.
#include <atomic>
#include <cstdio>
#include <cstring>
#include <thread>
#include <vector>

#include "attention.hxx"
#include "dynamic_mlp.hxx"
#include "gather.hxx"

namespace {

static_assert(alignof(TMVA_SOFIE_dynamic_mlp::Session) >= 64, "no two of them in one cache line");

constexpr const char* weights[] = {"dynamic_mlp.dat", "retrained.dat"};

std::vector<float> mlpAlone(const std::vector<float>& x, std::size_t events, const char* file) {
  TMVA_SOFIE_dynamic_mlp::Session session;
  session.set_weights(file);
  return session.infer(events, x.data());
}

bool refuses(TMVA_SOFIE_dynamic_mlp::Session& session, const char* file) {
  try {
    session.set_weights(file);
    return false;
  } catch (const std::runtime_error&) {
    return true;
  }
}

std::vector<float> attentionAlone(const std::vector<float>& x, std::size_t jets, std::size_t tokens) {
  return TMVA_SOFIE_attention::Session().infer(jets, tokens, x.data());
}

bool same(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

}  // namespace

int main() {
  std::vector<float> x(70 * 8);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(static_cast<int>(i * 7 % 17) - 8) / 8;
  std::vector<std::vector<float>> scores[2], mixed;
  for (std::size_t n = 0; n < 8; ++n) {
    for (std::size_t w = 0; w < 2; ++w) scores[w].push_back(mlpAlone(x, n * 10, weights[w]));
    mixed.push_back(attentionAlone(x, n, 9 - n));
  }
  std::atomic<int> wrong{0};
  const auto work = [&](std::size_t thread) {
    for (std::size_t round = 0; round < 5; ++round) {
      TMVA_SOFIE_dynamic_mlp::Session mlp;
      TMVA_SOFIE_attention::Session attention;
      TMVA_SOFIE_gather::Session gather;
      const std::int64_t ids[] = {static_cast<std::int64_t>(thread), 3};
      gather.infer(2, ids);
      for (std::size_t i = 0; i < 8; ++i) {
        const std::size_t n = (i + thread) % 8;
        mlp.set_weights(weights[i % 2]);
        if (!refuses(mlp, "attention.dat") || !refuses(mlp, "nowhere.dat")) ++wrong;
        if (!same(mlp.infer(n * 10, x.data()), scores[i % 2][n])) ++wrong;
        if (!same(attention.infer(n, 9 - n, x.data()), mixed[n])) ++wrong;
      }
    }
  };
  if (same(scores[0][7], scores[1][7])) ++wrong;
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < 6; ++t) threads.emplace_back(work, t);
  for (std::thread& thread : threads) thread.join();
  if (wrong) std::printf("%d results differ\n", wrong.load());
  return wrong ? 1 : 0;
}
