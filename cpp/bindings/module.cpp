/// \file
/// The Python module pysofie._core.
#include <nanobind/nanobind.h>

#include "register.hxx"

NB_MODULE(_core, m) {
  m.doc() = "The compiler core and the loader of compiled models.";
  register_errors();
  register_custom(m);
  register_graph(m);
  register_description(m);
  register_library(m);
  register_adapters(m);
}
