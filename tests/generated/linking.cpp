// The same models in two translation units: linked.cpp is the other one.
#include <cstdio>

#include "dynamic_mlp.hxx"
#include "mlp.hxx"

float scoreElsewhere(const float* x);
float classElsewhere(const float* image);

int main() {
  float x[7] = {1, 2, 3, 4, 5, 6, 7}, image[72] = {};
  TMVA_SOFIE_mlp::Session mlp;
  TMVA_SOFIE_dynamic_mlp::Session dynamic;
  const float here = mlp.infer(x)[0];
  const bool right = here == scoreElsewhere(x) && here == dynamic.infer(1, x)[0] && classElsewhere(image) > 0;
  if (!right) std::puts("the translation units disagree");
  return right ? 0 : 1;
}
