#include "sofie/lowering.hxx"

#include <algorithm>
#include <set>

#include "sofie/error.hxx"
#include "sofie/operator.hxx"

namespace sofie {
namespace {

/// What the outputs of a graph need: values, and the symbols in their sizes and elements.
class Needs {
 public:
  explicit Needs(const Graph& graph) : graph_(graph), values_(graph.values().size()) {}

  std::vector<bool> nodes() {
    for (const int output : graph_.outputs()) want(output);
    std::vector<bool> needed(graph_.nodes().size());
    for (std::size_t i = graph_.nodes().size(); i-- > 0;) {
      const Node& node = graph_.nodes()[i];
      needed[i] = std::any_of(node.outputs.begin(), node.outputs.end(),
                              [&](int output) { return isNeeded(node, output); });
      if (!needed[i]) continue;
      for (const auto* list : {&node.inputs, &node.captures, &node.outputs})
        for (const int id : *list) want(id);
    }
    return needed;
  }

 private:
  const Graph& graph_;
  std::vector<bool> values_;
  std::set<std::string> symbols_;

  void want(int id) {
    if (id < 0) return;
    values_[static_cast<std::size_t>(id)] = true;
    for (const std::string& symbol : symbolsOf(id)) symbols_.insert(symbol);
  }

  std::vector<std::string> symbolsOf(int id) const {
    std::vector<std::string> symbols;
    forEachTensor(graph_.value(id), [&](const Value& value) {
      for (const Dim& dim : value.shape) dim.collectSymbols(symbols);
      if (value.contents.dims)
        for (const Dim& dim : *value.contents.dims) dim.collectSymbols(symbols);
    });
    return symbols;
  }

  /// Even a value that nothing reads is needed if it decides a size that is wanted.
  bool isNeeded(const Node& node, int output) const {
    if (output < 0) return false;
    const Value& value = graph_.value(output);
    if (value.measured || (values_[static_cast<std::size_t>(output)] && !value.known())) return true;
    const auto symbols = symbolsOf(output);
    return std::any_of(symbols.begin(), symbols.end(), [&](const std::string& symbol) {
      return symbols_.count(symbol) != 0 && !isRead(node, symbol);
    });
  }

  /// True when an input of the node has the symbol among its sizes or elements.
  bool isRead(const Node& node, const std::string& symbol) const {
    const auto has = [&](int id) {
      if (id < 0) return false;
      const auto symbols = symbolsOf(id);
      return std::find(symbols.begin(), symbols.end(), symbol) != symbols.end();
    };
    return std::any_of(node.inputs.begin(), node.inputs.end(), has) ||
           std::any_of(node.captures.begin(), node.captures.end(), has);
  }
};

/// Writes the kernels of the nodes that a graph's outputs need.
class Lowering {
 public:
  Lowering(Program& program, const Graph& graph)
      : program_(program), graph_(graph), builder_(program), items_(graph.values().size()) {}

  void bind(int value, const Item& item) { items_[static_cast<std::size_t>(value)] = item; }

  void run() {
    for (const auto* list : {&graph_.inputs(), &graph_.captures()})
      for (const int id : *list) measure(id);
    const auto needed = neededNodes(graph_);
    for (std::size_t i = 0; i < graph_.nodes().size(); ++i)
      if (needed[i]) apply(graph_.nodes()[i]);
  }

  /// The tensors of a value; what is known at generation time is written on first use.
  Item item(int id) {
    auto& entry = items_[static_cast<std::size_t>(id)];
    if (entry) return *entry;
    const Value& value = graph_.value(id);
    entry = Item();
    entry->kind = value.kind;
    forEachTensor(value, [&](const Value& tensor) { entry->tensors.push_back(write(tensor)); });
    return *entry;
  }

 private:
  Program& program_;
  const Graph& graph_;
  Builder builder_;
  std::vector<std::optional<Item>> items_;

  /// A tensor that is known at generation time.
  Tensor write(const Value& value) {
    if (value.contents.constant) return builder_.constant(*value.contents.constant);
    builder_.setOrigins({{"shape value " + value.name}});
    return builder_.cast(builder_.reshape(builder_.dims(value.contents.dims.value()), value.shape),
                         value.type);
  }

  void apply(const Node& node) {
    // What is known at generation time must be written before kernels that may not run, or run again.
    for (const int capture : node.captures) item(capture);
    Operator application(graph_, node, program_, [this](int id) { return item(id); });
    ruleOf(graph_, node)(application);
    for (std::size_t i = 0; i < node.outputs.size(); ++i)
      if (node.outputs[i] >= 0) {
        items_[static_cast<std::size_t>(node.outputs[i])] = application.outputs()[i];
        measure(node.outputs[i]);
      }
  }

  /// Gives the symbols of a measured value's elements their values.
  void measure(int id) {
    const Value& value = graph_.value(id);
    if (!value.measured) return;
    const Tensor elements =
        builder_.reshape(builder_.cast(item(id).tensors[0], DType::Int64), {product(value.shape)});
    const auto symbols = graph_.measuredElements(program_, value);
    for (std::size_t i = 0; i < symbols.size(); ++i)
      builder_.write(
          Measure{symbols[i].symbolName().value(),
                  builder_.squeeze(builder_.slice(elements, 0, static_cast<std::int64_t>(i), 1), 0)});
  }
};

Port portOf(const Value& value) {
  const auto count = static_cast<int>(value.elements.size());
  return {value.name, value.kind == ValueKind::Sequence ? std::optional<int>(count) : std::nullopt,
          value.kind == ValueKind::Absent};
}

void bindInputs(Program& program, const Graph& graph, Lowering& lowering) {
  for (const int input : graph.inputs()) {
    Item item;
    item.kind = graph.value(input).kind;
    forEachTensor(graph.value(input), [&](const Value& value) {
      const int buffer =
          program.addBuffer({BufferKind::Input, value.type, value.shape, value.name, std::nullopt});
      program.inputs.push_back(buffer);
      item.tensors.push_back(program.tensor(buffer));
      for (const Dim& dim : value.shape) dim.collectSymbols(program.symbols);
    });
    program.inputPorts.push_back(portOf(graph.value(input)));
    lowering.bind(input, item);
  }
}

/// Every output is a buffer of its own: a view, an input, a constant or a value returned twice is copied.
void bindOutput(Program& program, const Value& value, Tensor tensor) {
  const Buffer& source = program.buffers[static_cast<std::size_t>(tensor.view.buffer)];
  const bool whole = source.kind == BufferKind::Temporary && isDense(tensor.view) &&
                     tensor.view.offset.is(0) && product(tensor.shape()) == product(source.shape);
  if (!whole) {
    Builder builder(program);
    builder.setOrigins({{"output " + value.name}});
    tensor = builder.copy(tensor);
  }
  Buffer& buffer = program.buffers[static_cast<std::size_t>(tensor.view.buffer)];
  buffer.kind = BufferKind::Output;
  buffer.name = value.name;
  buffer.shape = value.shape;
  program.outputs.push_back(tensor.view.buffer);
}

}  // namespace

std::vector<bool> neededNodes(const Graph& graph) { return Needs(graph).nodes(); }

Program lower(const Graph& graph) {
  Program program;
  program.name = graph.name();
  Lowering lowering(program, graph);
  bindInputs(program, graph, lowering);
  lowering.run();
  for (const int output : graph.outputs()) {
    const Value& value = graph.value(output);
    const Item item = lowering.item(output);
    std::size_t i = 0;
    forEachTensor(value, [&](const Value& tensor) { bindOutput(program, tensor, item.tensors[i++]); });
    program.outputPorts.push_back(portOf(value));
  }
  if (program.outputs.empty())
    throw UnsupportedError("the outputs of the model are empty sequences or optionals: nothing to compute");
  return program;
}

std::vector<Item> lowerInto(Program& program, const Graph& graph, const std::vector<Item>& arguments,
                            const std::function<Item(int)>& captured) {
  Lowering lowering(program, graph);
  for (std::size_t i = 0; i < arguments.size(); ++i) lowering.bind(graph.inputs()[i], arguments[i]);
  for (const int capture : graph.captures()) lowering.bind(capture, captured(capture));
  lowering.run();
  std::vector<Item> outputs;
  for (const int output : graph.outputs()) outputs.push_back(lowering.item(output));
  return outputs;
}

}  // namespace sofie
