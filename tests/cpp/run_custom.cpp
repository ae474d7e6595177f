// Runs the model of emit_custom.cpp: run_custom WEIGHTS.
#include <cmath>
#include <cstdio>
#include <vector>

#include "custom.hxx"

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const float x[6] = {3, 1, -8, 0, 5, 1}, y[6] = {4, 1, 6, 2, -12, 0};
  const std::vector<float> expected = {10, 13};
  TMVA_SOFIE_custom::Session session(argv[1]);
  const std::vector<float> result = session.infer(x, y);
  if (result.size() != expected.size()) return 1;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    std::printf("%zu: %g, expected %g\n", i, result[i], expected[i]);
    if (!(std::fabs(result[i] - expected[i]) <= 1e-5f * expected[i])) return 1;
  }
  return 0;
}
