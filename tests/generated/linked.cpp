// The second translation unit of a program: one model in common with the first, and one of its own.
#include "conv.hxx"
#include "mlp.hxx"

float scoreElsewhere(const float* x) {
  TMVA_SOFIE_mlp::Session session;
  return session.infer(x)[0];
}

float classElsewhere(const float* image) {
  TMVA_SOFIE_conv::Session session;
  return session.infer(1, image)[0];
}
