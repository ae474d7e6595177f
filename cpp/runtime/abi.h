/// \file
/// The C interface of a compiled model: one exported function returns one versioned table.
///
/// It is embedded in every generated header, and included by whatever loads a compiled model. Only C types
/// cross it, so that a model and its host may be compiled with different standard libraries.
#ifndef PYSOFIE_ABI_H
#define PYSOFIE_ABI_H

#include <stddef.h>
#include <stdint.h>

#define PYSOFIE_ABI_VERSION 4

#ifdef __cplusplus
extern "C" {
#endif

/// What one thread needs to run a model: its memory, and a reference to the shared weights.
typedef struct pysofie_session pysofie_session;

/// The table of a compiled model. All pointers live as long as the library is loaded.
typedef struct pysofie_model {
  /// PYSOFIE_ABI_VERSION of the compiler that wrote the model; a host refuses any other.
  uint32_t abi_version;

  /// JSON: {"name", "target", "inputs": [{"name", "dtype", "shape": [int | "symbol"]}],
  /// "outputs": [{"name", "dtype", "shape": [int | "expression"]}], "symbols": ["batch", ...],
  /// "measured": [names of outputs whose dimensions the data decide]}.
  /// Dtypes are the names of NumPy or ml_dtypes; tensors are dense and row-major; a bool, or an element of
  /// fewer than 8 bits, takes one byte.
  const char* description;

  int32_t symbol_count;
  int32_t input_count;
  int32_t output_count;

  /// A session whose weights come from \p weights_path (ignored when they are inline). The weights are
  /// loaded once per process. Returns NULL on failure and writes the reason to \p error.
  pysofie_session* (*create)(const char* weights_path, char* error, size_t error_size);

  void (*destroy)(pysofie_session*);

  /// Replaces the weights of the session, between two runs, by those of another file for the same code;
  /// other sessions keep theirs. Returns 0, or else writes the reason to \p error, and nothing has changed.
  /// NULL where the weights are inline.
  int (*set_weights)(pysofie_session*, const char* weights_path, char* error, size_t error_size);

  /// Gives the symbols their values, in the order of the description; returns 0, or else writes the reason
  /// to \p error. Cheap when nothing changed. It must be called before the first run, also when there are
  /// no symbols.
  int (*prepare)(pysofie_session*, const int64_t* symbols, char* error, size_t error_size);

  /// Writes the dimensions of an output, as many as its rank; valid after prepare. Where the data decide
  /// them, these are the largest: what a run needs memory for.
  void (*output_shape)(const pysofie_session*, int32_t output, int64_t* shape);

  /// Writes the dimensions that an output had in the last run; its elements lie dense in front.
  void (*result_shape)(const pysofie_session*, int32_t output, int64_t* shape);

  /// Computes the outputs. It allocates nothing, takes no lock and does not throw. Returns 0, or the fault
  /// that the data caused: 1 for an index out of range, 3 for a size that does not fit. With 4 the data ask
  /// for larger sizes than ever before: prepare makes room for them (with the same symbols), then
  /// output_shape tells how large the outputs may be, and it runs.
  int (*run)(pysofie_session*, const void* const* inputs, void* const* outputs);

  /// The size of the memory that the session has for intermediate tensors.
  size_t (*arena_bytes)(const pysofie_session*);

  /// How many kernels are timed, and what they are called; 0 and NULL without profiling.
  int32_t profile_count;
  const char* const* profile_labels;

  /// Writes the time that each kernel has taken so far and how often it ran.
  void (*profile)(const pysofie_session*, uint64_t* nanoseconds, uint64_t* calls);

  /// Writes what each kernel takes for the sizes of the last run: operations (a multiply-add counts two;
  /// those of routines are not known, and 0), and bytes of the distinct elements that are read and written.
  void (*costs)(const pysofie_session*, uint64_t* operations, uint64_t* bytes);
} pysofie_model;

/// The name of the exported function. A host that puts several models in one library renames it for each.
#ifndef PYSOFIE_GET_MODEL
#define PYSOFIE_GET_MODEL pysofie_get_model
#endif

/// The type of the exported function.
typedef const pysofie_model* (*pysofie_get_model_function)(void);

#ifdef __cplusplus
}
#endif

#endif
