/// \file
/// The sessions of event loops, compiled ahead of time for the code that Cling compiles.
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <cstdint>
#include <stdexcept>
#include <string>
#include <tuple>
#include <vector>

#include "pysofie/sessions.hxx"
#include "register.hxx"
#include "sofie/error.hxx"

namespace nb = nanobind;
using namespace nb::literals;

namespace {

/// Python's share of the models; adapters have others.
class AdapterModels {
 public:
  using Output = std::tuple<std::size_t, std::size_t, bool>;
  using Source = std::tuple<std::uintptr_t, std::string, std::string, std::vector<Output>>;

  AdapterModels(const std::vector<Source>& sources, const std::vector<std::int64_t>& symbols)
      : models_(open(sources, symbols)) {}

  std::uintptr_t address() const { return models_.address(); }

 private:
  static pysofie::rdf::Models open(const std::vector<Source>& sources,
                                   const std::vector<std::int64_t>& symbols) {
    std::vector<pysofie::rdf::Source> known;
    for (const auto& [table, name, weights, outputs] : sources) {
      known.push_back({reinterpret_cast<const pysofie_model*>(table), name, weights, symbols, {}});
      for (const auto& [itemsize, rank, isMeasured] : outputs)
        known.back().outputs.push_back({itemsize, rank, isMeasured});
    }
    try {
      return pysofie::rdf::open(known);
    } catch (const std::runtime_error& error) {
      throw sofie::Error(error.what());
    }
  }

  pysofie::rdf::Models models_;
};

}  // namespace

void register_adapters(nb::module_& m) {
  nb::class_<AdapterModels>(m, "AdapterModels",
                            "Compiled models whose sessions all threads of all event loops share.")
      .def(nb::init<const std::vector<AdapterModels::Source>&, const std::vector<std::int64_t>&>(),
           "sources"_a, "symbols"_a,
           "Sources: address of the model's table, name, weights, and itemsize, rank and whether the data "
           "decide the shape, of each output.")
      .def_prop_ro("address", &AdapterModels::address, "What `Models` of adapter.hxx takes.");
}
