/// \file
/// The compiler: Graph takes a model's nodes, Program turns an analysed graph into source code.
#include "sofie/graph.hxx"

#include <nanobind/nanobind.h>
#include <nanobind/stl/map.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/variant.h>
#include <nanobind/stl/vector.h>

#include <memory>

#include "custom.hxx"
#include "register.hxx"
#include "sofie/costs.hxx"
#include "sofie/error.hxx"
#include "sofie/gradient.hxx"
#include "sofie/lowering.hxx"
#include "sofie/operator.hxx"
#include "sofie/passes.hxx"
#include "sofie/plan.hxx"
#include "sofie/precision.hxx"
#include "sofie/render.hxx"
#include "types.hxx"

namespace nb = nanobind;
using namespace nb::literals;
using sofie::Graph;
using sofie::Program;

namespace {

sofie::Constant constant(const std::string& dtype, const std::vector<std::int64_t>& shape,
                         const nb::bytes& data) {
  const sofie::DType type = sofie::parseDType(dtype);
  std::int64_t count = static_cast<std::int64_t>(sofie::sizeOf(type));
  for (const std::int64_t dim : shape)
    if (dim < 0 || __builtin_mul_overflow(count, dim, &count))
      throw sofie::ShapeError("a constant has an absurd shape");
  if (count != static_cast<std::int64_t>(data.size()))
    throw sofie::InvalidModelError("a constant of " + std::to_string(count) + " bytes comes with " +
                                   std::to_string(data.size()) + " bytes of data");
  const auto* first = static_cast<const std::byte*>(data.data());
  return {type, shape, std::make_shared<const std::vector<std::byte>>(first, first + data.size())};
}

std::string bytesText(const nb::handle& value) {
  const auto bytes = nb::cast<nb::bytes>(value);
  return {static_cast<const char*>(bytes.data()), bytes.size()};
}

sofie::Attribute listAttribute(const nb::list& list) {
  if (list.size() == 0) return std::vector<std::int64_t>{};
  if (nb::isinstance<nb::int_>(list[0])) return nb::cast<std::vector<std::int64_t>>(list);
  if (nb::isinstance<nb::float_>(list[0])) return nb::cast<std::vector<double>>(list);
  std::vector<std::string> strings;
  for (const nb::handle item : list) strings.push_back(bytesText(item));
  return strings;
}

sofie::Attribute attribute(const nb::handle& value) {
  if (nb::isinstance<nb::bytes>(value)) return bytesText(value);
  if (nb::isinstance<nb::int_>(value)) return nb::cast<std::int64_t>(value);
  if (nb::isinstance<nb::float_>(value)) return nb::cast<double>(value);
  if (nb::isinstance<Graph>(value)) return nb::cast<std::shared_ptr<Graph>>(value);
  if (nb::isinstance<nb::list>(value)) return listAttribute(nb::cast<nb::list>(value));
  const auto [kind, dtype, shape, data] =
      nb::cast<std::tuple<std::string, std::string, std::vector<std::int64_t>, nb::bytes>>(value);
  return constant(dtype, shape, data);
}

using PyTensor = std::tuple<std::string, std::string, PyShape>;

sofie::Shape shape(const Graph& graph, const PyShape& dims) {
  sofie::Shape result;
  for (const auto& dim : dims) {
    if (const auto* number = std::get_if<std::int64_t>(&dim))
      result.emplace_back(*number);
    else
      result.push_back(graph.symbol(std::get<std::string>(dim)));
  }
  return result;
}

/// Without a dtype when nothing is known of the value.
PyTensor tensor(const sofie::Value& value) {
  return {value.name, value.typed ? std::string(sofie::dtypeName(value.type)) : "", dimsOf(value.shape)};
}

std::vector<PyTensor> tensors(const Graph& graph, const std::vector<int>& ids) {
  std::vector<PyTensor> result;
  for (const int id : ids)
    if (id >= 0)
      forEachTensor(graph.value(id), [&](const sofie::Value& value) { result.push_back(tensor(value)); });
  return result;
}

std::vector<std::string> valueNames(const Graph& graph, const std::vector<int>& ids) {
  std::vector<std::string> names;
  for (const int id : ids)
    if (id >= 0) names.push_back(graph.value(id).name);
  return names;
}

/// What is known of a node's outputs when code is generated: "constant", "sizes" (dims), or nothing.
std::string knowledge(const Graph& graph, const sofie::Node& node) {
  bool known = true, symbolic = false;
  for (const int id : node.outputs) {
    if (id < 0) continue;
    known = known && graph.value(id).typed && graph.value(id).known();
    forEachTensor(graph.value(id), [&](const sofie::Value& value) {
      symbolic = symbolic || (value.contents.dims && !value.contents.constant);
    });
  }
  return !known ? "" : symbolic ? "sizes" : "constant";
}

nb::typed<nb::list, Named> nodes(const Graph& graph) {
  nb::list result;
  const std::vector<bool> needed = sofie::neededNodes(graph);
  for (const sofie::Node& node : graph.nodes()) {
    nb::dict entry;
    entry["op"] = node.op;
    entry["domain"] = node.domain;
    entry["name"] = node.name;
    entry["inputs"] = tensors(graph, node.inputs);
    entry["outputs"] = tensors(graph, node.outputs);
    entry["reads"] = valueNames(graph, node.inputs);
    entry["captures"] = valueNames(graph, node.captures);
    entry["writes"] = valueNames(graph, node.outputs);
    entry["known"] = knowledge(graph, node);
    entry["needed"] = static_cast<bool>(needed[static_cast<std::size_t>(graph.placeOf(node))]);
    result.append(entry);
  }
  return result;
}

nb::typed<nb::list, Named> problems(const Graph& graph) {
  nb::list result;
  for (const sofie::Problem& problem : graph.problems()) {
    nb::dict entry;
    entry["node"] = problem.node;
    entry["value"] = problem.node < 0 ? problem.subject : "";
    entry["what"] = lossyText(problem.what);
    entry["remedy"] = problem.remedy;
    result.append(entry);
  }
  return result;
}

/// Names of outputs and of inputs.
using Gradient = std::optional<std::pair<std::vector<std::string>, std::vector<std::string>>>;

Program compile(const Graph& graph, const std::vector<std::string>& disabledPasses,
                const std::string& precision, const Gradient& gradient) {
  const sofie::Precision least = sofie::precisionNamed(precision);
  Program program = sofie::lower(graph);
  if (gradient) program = sofie::differentiate(std::move(program), {gradient->first, gradient->second});
  sofie::optimise(program, disabledPasses);
  sofie::reducePrecision(program, least);
  return program;
}

/// The memory plan for these values of the symbols. Sizes that the data decide, and no symbol bounds, have
/// the room that sessions begin with.
Named memory(const Program& program, const std::map<std::string, std::int64_t>& symbols,
             const std::string& target) {
  const Program laidOut = sofie::laidOut(program, target);
  const sofie::Plan plan = sofie::placed(sofie::planMemory(laidOut), [&](const std::string& symbol) {
    const auto found = symbols.find(symbol);
    return found == symbols.end() ? sofie::Room::first : found->second;
  });
  nb::list blocks, kernels;
  for (const sofie::Slot& slot : plan.slots)
    blocks.append(nb::make_tuple(slot.first, slot.last, slot.offset, slot.size));
  sofie::forEachKernel(laidOut.kernels,
                       [&](const sofie::Kernel& kernel) { kernels.append(sofie::text(kernel.origins)); });
  nb::dict result;
  result["is_static"] = plan.isStatic;
  result["arena_bytes"] = plan.arenaBytes;
  result["lower_bound"] = plan.lowerBound;
  result["blocks"] = blocks;
  result["kernels"] = kernels;
  return result;
}

Named statistics(const Program& program) {
  std::int64_t weightBytes = 0;
  const sofie::Uses uses = sofie::countUses(program);
  for (std::size_t id = 0; id < program.buffers.size(); ++id)
    if (program.buffers[id].constant && uses.reads[id] > 0)
      weightBytes += static_cast<std::int64_t>(program.buffers[id].constant->bytes->size());
  nb::dict result;
  result["kernels"] = program.kernels.size();
  result["weight_bytes"] = weightBytes;
  result["operations"] = sofie::operationCount(program).text();
  return result;
}

nb::typed<nb::dict, nb::str, nb::bytes> renderFiles(const Program& program, const std::string& target,
                                                    const std::string& weights, bool profile) {
  if (weights != "file" && weights != "inline")
    throw sofie::Error("weights must be \"file\" or \"inline\", not \"" + weights + "\"");
  const sofie::RenderOptions options{
      weights == "file" ? sofie::WeightStorage::File : sofie::WeightStorage::Inline, profile};
  nb::dict files;
  for (const auto& [name, content] : sofie::render(program, target, options))
    files[name.c_str()] = nb::bytes(content.data(), content.size());
  return files;
}

std::string dump(const Program& program, const std::string& stage) {
  if (stage == "kernels") return sofie::text(program);
  if (stage == "plan") return sofie::text(sofie::planMemory(program));
  throw sofie::Error("there is no stage '" + stage + "'; the stages are kernels and plan");
}

}  // namespace

void register_graph(nb::module_& m) {
  nb::class_<Graph>(m, "Graph", nb::dynamic_attr(),
                    "Level 1: a model's nodes over typed values with symbolic dims.")
      .def(
          "keep", [](const nb::object& self, const nb::object& rules) { nb::setattr(self, "rules", rules); },
          "rules"_a, "Keeps the rules of nodes alive, which the nodes themselves borrow.")
      .def(
          "__init__",
          [](Graph* self, const std::string& name, const std::map<std::string, int>& opsets,
             bool isSubgraph) { new (self) Graph(sofie::identifier(name), opsets, isSubgraph); },
          "name"_a, "opsets"_a, "is_subgraph"_a = false)
      .def(
          "add_input",
          [](Graph& self, const std::string& name, const std::string& dtype, const PyShape& dims) {
            self.addInput(name, sofie::parseDType(dtype), shape(self, dims));
          },
          "name"_a, "dtype"_a, "shape"_a)
      .def(
          "add_sequence_input",
          [](Graph& self, const std::string& name, const std::string& dtype,
             const std::vector<PyShape>& shapes) {
            std::vector<sofie::Shape> elements;
            for (const PyShape& dims : shapes) elements.push_back(shape(self, dims));
            self.addSequenceInput(name, sofie::parseDType(dtype), elements);
          },
          "name"_a, "dtype"_a, "shapes"_a)
      .def("add_parameter", &Graph::addParameter, "name"_a,
           "An input of a subgraph, whose type comes from outside.")
      .def("add_absent_input", &Graph::addAbsentInput, "name"_a, "An optional that will not be given.")
      .def("add_refused", &Graph::addRefused, "name"_a, "why"_a,
           "An input or constant that stands against the model; nothing is known of it.")
      .def(
          "set_bounds",
          [](Graph& self, const std::string& symbol, std::int64_t low, std::int64_t high) {
            self.setBounds(symbol, {low, high});
          },
          "symbol"_a, "low"_a, "high"_a, "Limits a symbol; to be called before the inputs that use it.")
      .def(
          "add_initializer",
          [](Graph& self, const std::string& name, const std::string& dtype,
             const std::vector<std::int64_t>& dims,
             const nb::bytes& data) { self.addInitializer(name, constant(dtype, dims, data)); },
          "name"_a, "dtype"_a, "shape"_a, "data"_a)
      .def(
          "add_node",
          [](Graph& self, const std::string& op, const std::string& domain, const std::string& name,
             const std::vector<std::string>& inputs, const std::vector<std::string>& outputs,
             const Named& values, const std::string& refusal, const nb::object& rule) {
            std::map<std::string, sofie::Attribute> attributes;
            for (const auto [key, value] : values)
              attributes.emplace(nb::cast<std::string>(key), attribute(value));
            self.addNode(op, domain, name, inputs, outputs, std::move(attributes), refusal);
            if (!rule.is_none()) self.setRule(customRule(rule));
          },
          "op_type"_a, "domain"_a, "name"_a, "inputs"_a, "outputs"_a, "attributes"_a, "refusal"_a = "",
          "rule"_a.none() = nb::none(),
          "A node; `refusal` says why it stands against the model, if it does, and `rule` what it means, if "
          "its "
          "operator is a user's: somebody must keep it alive.")
      .def("add_output", &Graph::addOutput, "name"_a)
      .def("analyse", nb::overload_cast<>(&Graph::analyse), "Infers shapes and types and folds constants.")
      .def_prop_ro("inputs", [](const Graph& self) { return tensors(self, self.inputs()); })
      .def_prop_ro("outputs", [](const Graph& self) { return tensors(self, self.outputs()); })
      .def_prop_ro(
          "measured",
          [](const Graph& self) {
            return std::vector<std::string>(self.measured().begin(), self.measured().end());
          },
          "Symbols whose values the data decide, known once the graph is analysed.")
      .def("nodes", nodes,
           "The nodes in order: operator, tensors, names of the values that it reads and writes, what of "
           "these "
           "is known when code is generated, and whether it must be computed when the model runs.")
      .def(
          "problems", problems,
          "What the last analysis refused the model for: the node, or -1 for an input or constant; its name; "
          "what; and a remedy.")
      .def("dump", [](const Graph& self) { return sofie::text(self); });

  nb::class_<Program>(m, "Program", "Level 2: the kernels of an analysed graph, optimised.")
      .def(
          "__init__",
          [](Program* self, const Graph& graph, const std::vector<std::string>& disabled,
             const std::string& precision,
             const Gradient& gradient) { new (self) Program(compile(graph, disabled, precision, gradient)); },
          "graph"_a, "disabled_passes"_a = std::vector<std::string>{}, "precision"_a = "float32",
          "gradient"_a.none() = nb::none(),
          "With `gradient`, names of outputs and of inputs (none: all floating-point ones), it computes the "
          "gradients of these outputs, too.")
      .def("dump", dump, "stage"_a)
      .def(
          "memory", memory, "symbols"_a, "target"_a = "cpu",
          "The arena for these values of the symbols: its bytes, the most bytes that are alive together, the "
          "blocks (first and last kernel, offset, bytes), and the nodes that kernels come from.")
      .def("statistics", statistics)
      .def("render", renderFiles, "target"_a, "weights"_a, "profile"_a);

  m.def("sanitize", &sofie::identifier, "name"_a, "A C++ identifier made from any text.");
  m.def(
      "operators",
      [] {
        std::vector<std::tuple<std::string, std::string, int>> result;
        for (const auto& entry : sofie::registeredOperators())
          result.emplace_back(entry.domain, entry.name, entry.since);
        return result;
      },
      "Domain, name and first opset of every operator rule.");
  m.def(
      "passes",
      [] {
        std::vector<std::string> result;
        for (const sofie::Pass& pass : sofie::passes()) result.emplace_back(pass.name);
        for (const sofie::Layout& layout : sofie::layouts()) result.emplace_back(layout.name);
        return result;
      },
      "Names of the passes over kernels and of their layouts, as Program(disabled_passes=...) takes them.");
}
