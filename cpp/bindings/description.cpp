/// \file
/// What became of a model, as data: its kernels, the nodes that they come from and what they take.
#include <nanobind/nanobind.h>
#include <nanobind/stl/map.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/variant.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <array>
#include <set>

#include "register.hxx"
#include "sofie/costs.hxx"
#include "sofie/render.hxx"
#include "types.hxx"

namespace nb = nanobind;
using namespace nb::literals;
using sofie::Program;

namespace {

const char* kindOf(const sofie::Kernel& kernel) {
  static constexpr std::array<const char*, 3> nests{"map", "reduction", "contraction"};
  static constexpr std::array<const char*, 4> others{"condition", "loop", "routine", "measure"};
  if (const auto* nest = std::get_if<sofie::Nest>(&kernel.body))
    return nests[static_cast<std::size_t>(nest->kind)];
  return others[kernel.body.index() - 1];
}

/// The extents of loops; "block" for those over the rows of a block, whose number may differ from block to
/// block.
PyShape loopsOf(const sofie::Shape& extents, const sofie::ProfiledKernel& profiled) {
  PyShape dims = dimsOf(extents);
  for (std::size_t i = 0; i < extents.size(); ++i) {
    std::vector<std::string> symbols;
    extents[i].collectSymbols(symbols);
    for (const sofie::Loop& block : profiled.blocks)
      if (std::find(symbols.begin(), symbols.end(), block.counter) != symbols.end()) dims[i] = "block";
  }
  return dims;
}

Named describeKernel(const Program& program, const sofie::ProfiledKernel& profiled,
                     const std::map<std::string, std::int64_t>& symbols) {
  const sofie::Kernel& kernel = *profiled.kernel;
  std::vector<sofie::Origin> origins;
  sofie::forEachKernel(
      {kernel}, [&](const sofie::Kernel& each) { origins = sofie::joinOrigins(origins, each.origins); });
  nb::list nodes;
  for (const sofie::Origin& origin : origins) nodes.append(nb::make_tuple(origin.node, origin.label));
  std::int64_t weightBytes = 0;
  std::set<int> constants;
  sofie::forEachView(kernel, [&](const sofie::View& view, bool) {
    const sofie::Buffer& buffer = program.buffers[static_cast<std::size_t>(view.buffer)];
    if (buffer.constant && constants.insert(view.buffer).second)
      weightBytes += static_cast<std::int64_t>(buffer.constant->bytes->size());
  });
  const auto* nest = std::get_if<sofie::Nest>(&kernel.body);
  const auto* call = std::get_if<sofie::Call>(&kernel.body);
  const sofie::Work work = sofie::workOf(program, profiled, symbols);
  nb::dict result;
  result["kind"] = kindOf(kernel);
  result["origins"] = nodes;
  result["axes"] = loopsOf(nest ? nest->axes : sofie::Shape{}, profiled);
  result["reduction"] = loopsOf(nest ? nest->reduction : sofie::Shape{}, profiled);
  result["routine"] = call ? call->routine : "";
  result["place"] = profiled.place;
  result["in_blocks"] = !profiled.blocks.empty();
  result["calls"] = work.calls;
  result["operations"] = work.operations;
  result["bytes"] = work.bytes;
  result["weight_bytes"] = weightBytes;
  return result;
}

nb::typed<nb::list, Named> kernels(const Program& program, const std::map<std::string, std::int64_t>& symbols,
                                   const std::string& target) {
  const Program laidOut = sofie::laidOut(program, target);
  nb::list result;
  for (const sofie::ProfiledKernel& kernel : sofie::profiledKernels(laidOut))
    result.append(describeKernel(laidOut, kernel, symbols));
  return result;
}

}  // namespace

void register_description(nb::module_& m) {
  m.def(
      "kernels", kernels, "program"_a, "symbols"_a, "target"_a = "cpu",
      "The kernels of a Program in order, as a profile shows them: kind, the nodes that they come from (-1: "
      "none of the model), loops, and what one run with these values of the symbols takes.");
}
