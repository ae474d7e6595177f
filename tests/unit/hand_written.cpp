// A model as the loader sees one, written by hand: y = x + b, with faults on demand.
#include <cstdint>
#include <cstdio>
#include <cstring>

#include "abi.h"

struct pysofie_session {
  int64_t rows;
};

static pysofie_session* create(const char* weights, char* error, size_t size) {
  if (std::strcmp(weights, "good") != 0) {
    std::snprintf(error, size, "weights %s are wrong", weights);
    return nullptr;
  }
  return new pysofie_session{0};
}
static void destroy(pysofie_session* session) { delete session; }
static int prepare(pysofie_session* session, const int64_t* symbols, char* error, size_t size) {
  if (symbols[0] > 100) {
    std::snprintf(error, size, "batch is too large");
    return 1;
  }
  session->rows = symbols[0];
  return 0;
}
static void output_shape(const pysofie_session* session, int32_t, int64_t* shape) {
  shape[0] = session->rows;
  shape[1] = 3;
}
static int run(pysofie_session* session, const void* const* inputs, void* const* outputs) {
  const float* x = static_cast<const float*>(inputs[0]);
  const double b = *static_cast<const double*>(inputs[1]);
  float* y = static_cast<float*>(outputs[0]);
  for (int64_t i = 0; i < session->rows * 3; ++i) y[i] = x[i] + static_cast<float>(b);
  return b < 0 ? 1 : 0;
}
static size_t arena_bytes(const pysofie_session*) { return 64; }

static const pysofie_model model = {ABI,
                                    R"({"name": "add", "target": "cpu",
        "inputs": [{"name": "x", "dtype": "float32", "shape": ["batch", 3]},
                   {"name": "b", "dtype": "float64", "shape": []}],
        "outputs": [{"name": "y", "dtype": "float32", "shape": ["batch", 3]}],
        "symbols": ["batch"], "measured": []})",
                                    1,
                                    2,
                                    1,
                                    create,
                                    destroy,
                                    nullptr,
                                    prepare,
                                    output_shape,
                                    output_shape,
                                    run,
                                    arena_bytes,
                                    0,
                                    nullptr,
                                    nullptr,
                                    nullptr};

extern "C" __attribute__((visibility("default"))) const pysofie_model* pysofie_get_model() { return &model; }
