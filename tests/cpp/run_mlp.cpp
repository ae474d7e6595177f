// Runs the network of emit_mlp.cpp and compares with a plain loop: run_mlp WEIGHTS.
#include <cmath>
#include <cstdio>
#include <vector>

#include "mlp.hxx"

namespace {

std::vector<float> reference(const float* x) {
  const float w0[3][4] = {{1, -2, 3, -4}, {5, -6, 7, -8}, {9, -1, 2, -3}};
  const float b0[4] = {1, 2, 3, 4};
  const float w1[4][2] = {{1, 2}, {-3, 4}, {-5, 6}, {7, -8}};
  std::vector<float> y(4, 0.0f);
  for (int row = 0; row < 2; ++row)
    for (int unit = 0; unit < 4; ++unit) {
      float h = b0[unit];
      for (int k = 0; k < 3; ++k) h += x[row * 3 + k] * w0[k][unit];
      for (int column = 0; column < 2; ++column) y[row * 2 + column] += std::fmax(h, 0.0f) * w1[unit][column];
    }
  return y;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const float x[6] = {0.5f, -1.0f, 2.0f, -0.25f, 3.0f, 1.5f};
  TMVA_SOFIE_mlp::Session session(argv[1]);
  const std::vector<float> expected = reference(x);
  const std::vector<float> result = session.infer(x);
  if (result.size() != expected.size()) return 1;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    std::printf("%zu: %g, expected %g\n", i, result[i], expected[i]);
    if (!(std::fabs(result[i] - expected[i]) <= 1e-5f * std::fabs(expected[i]))) return 1;
  }
  return 0;
}
