// Prints the score of one event, with weights from a file and from the header.
#include <cstdio>

#include "net.hxx"
#include "pysofie/sofie.hxx"
#include "rounded.hxx"

int main() {
  const float event[] = {1, 2, 3, 4, 5, 6, 7};
  TMVA_SOFIE_net::Session net(PYSOFIE_WEIGHTS_net);
  auto functor = pysofie::rdf::SofieFunctor<7, TMVA_SOFIE_rounded::Session>();
  std::printf("%.9g %.9g\n", static_cast<double>(net.infer(event)[0]), functor(0, 1, 2, 3, 4, 5, 6, 7));
}
