#include "sofie/lowering.hxx"

#include <algorithm>

#include "sofie/operator.hxx"

namespace sofie {
namespace {

/// Writes the kernels of the nodes that a graph's outputs need.
class Lowering {
 public:
  Lowering(Program& program, const Graph& graph)
      : program_(program), graph_(graph), builder_(program), tensors_(graph.values().size()) {}

  void bind(int value, const Tensor& tensor) { tensors_[static_cast<std::size_t>(value)] = tensor; }

  void run() {
    for (const auto* list : {&graph_.inputs(), &graph_.captures()})
      for (const int id : *list) measure(id);
    const auto needed = neededNodes();
    for (std::size_t i = 0; i < graph_.nodes().size(); ++i)
      if (needed[i]) apply(graph_.nodes()[i]);
  }

  /// The tensor of a value; what is known at generation time is written on first use.
  Tensor tensor(int id) {
    auto& entry = tensors_[static_cast<std::size_t>(id)];
    if (entry) return *entry;
    const Value& value = graph_.value(id);
    if (value.contents.constant) {
      entry = builder_.constant(*value.contents.constant);
    } else {
      builder_.setOrigin("shape value " + value.name);
      entry = builder_.cast(builder_.reshape(builder_.dims(value.contents.dims.value()), value.shape),
                            value.type);
    }
    return *entry;
  }

 private:
  Program& program_;
  const Graph& graph_;
  Builder builder_;
  std::vector<std::optional<Tensor>> tensors_;

  std::vector<bool> neededNodes() const {
    std::vector<bool> wanted(graph_.values().size()), needed(graph_.nodes().size());
    for (const int output : graph_.outputs()) wanted[static_cast<std::size_t>(output)] = true;
    for (std::size_t i = graph_.nodes().size(); i-- > 0;) {
      const Node& node = graph_.nodes()[i];
      for (const int output : node.outputs)
        needed[i] =
            needed[i] ||
            (output >= 0 && (graph_.value(output).measured || (wanted[static_cast<std::size_t>(output)] &&
                                                               !graph_.value(output).contents.known())));
      if (!needed[i]) continue;
      for (const int input : node.inputs)
        if (input >= 0) wanted[static_cast<std::size_t>(input)] = true;
      for (const int capture : node.captures) wanted[static_cast<std::size_t>(capture)] = true;
    }
    return needed;
  }

  void apply(const Node& node) {
    Operator application(graph_, node, program_, [this](int id) { return tensor(id); });
    findOperator(node.domain, node.op, graph_.opset(node.domain))(application);
    for (std::size_t i = 0; i < node.outputs.size(); ++i)
      if (node.outputs[i] >= 0) {
        tensors_[static_cast<std::size_t>(node.outputs[i])] = application.outputs()[i];
        measure(node.outputs[i]);
      }
  }

  /// Gives the symbols of a measured value's elements their values.
  void measure(int id) {
    const Value& value = graph_.value(id);
    if (!value.measured) return;
    const Tensor elements = builder_.reshape(builder_.cast(tensor(id), DType::Int64), {product(value.shape)});
    const auto symbols = graph_.measuredElements(program_, value);
    for (std::size_t i = 0; i < symbols.size(); ++i)
      builder_.write(
          Measure{symbols[i].symbolName().value(),
                  builder_.squeeze(builder_.slice(elements, 0, static_cast<std::int64_t>(i), 1), 0)});
  }
};

void bindInputs(Program& program, const Graph& graph, Lowering& lowering) {
  for (const int input : graph.inputs()) {
    const Value& value = graph.value(input);
    const int buffer =
        program.addBuffer({BufferKind::Input, value.type, value.shape, value.name, std::nullopt});
    program.inputs.push_back(buffer);
    lowering.bind(input, program.tensor(buffer));
    for (const Dim& dim : value.shape) dim.collectSymbols(program.symbols);
  }
}

/// Every output is a buffer of its own: a view, an input, a constant or a value returned twice is copied.
void bindOutput(Program& program, const Value& value, Tensor tensor) {
  const Buffer& source = program.buffers[static_cast<std::size_t>(tensor.view.buffer)];
  const bool whole = source.kind == BufferKind::Temporary && isDense(tensor.view) &&
                     tensor.view.offset.is(0) && product(tensor.shape()) == product(source.shape);
  if (!whole) {
    Builder builder(program);
    builder.setOrigin("output " + value.name);
    tensor = builder.copy(tensor);
  }
  Buffer& buffer = program.buffers[static_cast<std::size_t>(tensor.view.buffer)];
  buffer.kind = BufferKind::Output;
  buffer.name = value.name;
  buffer.shape = value.shape;
  program.outputs.push_back(tensor.view.buffer);
}

}  // namespace

Program lower(const Graph& graph) {
  Program program;
  program.name = graph.name();
  Lowering lowering(program, graph);
  bindInputs(program, graph, lowering);
  lowering.run();
  for (const int output : graph.outputs()) bindOutput(program, graph.value(output), lowering.tensor(output));
  return program;
}

std::vector<Tensor> lowerInto(Program& program, const Graph& graph,
                              const std::function<Tensor(int)>& captured) {
  Lowering lowering(program, graph);
  for (const int capture : graph.captures()) lowering.bind(capture, captured(capture));
  lowering.run();
  std::vector<Tensor> outputs;
  for (const int output : graph.outputs()) outputs.push_back(lowering.tensor(output));
  return outputs;
}

}  // namespace sofie
