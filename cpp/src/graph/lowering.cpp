#include "sofie/lowering.hxx"

#include <algorithm>

#include "sofie/operator.hxx"

namespace sofie {
namespace {

class Lowering {
 public:
  explicit Lowering(const Graph& graph) : graph_(graph), builder_(program_), tensors_(graph.values().size()) {
    program_.name = graph.name();
  }

  Program run() {
    bindInputs();
    const auto needed = neededNodes();
    for (std::size_t i = 0; i < graph_.nodes().size(); ++i)
      if (needed[i]) apply(graph_.nodes()[i]);
    for (const int output : graph_.outputs()) bindOutput(output);
    return std::move(program_);
  }

 private:
  const Graph& graph_;
  Program program_;
  Builder builder_;
  std::vector<std::optional<Tensor>> tensors_;

  void bindInputs() {
    for (const int input : graph_.inputs()) {
      const Value& value = graph_.value(input);
      const int buffer = program_.addBuffer({BufferKind::Input, value.type, value.shape, value.name, std::nullopt});
      program_.inputs.push_back(buffer);
      tensors_[static_cast<std::size_t>(input)] = program_.tensor(buffer);
      for (const Dim& dim : value.shape) dim.collectSymbols(program_.symbols);
    }
  }

  std::vector<bool> neededNodes() const {
    std::vector<bool> wanted(graph_.values().size()), needed(graph_.nodes().size());
    for (const int output : graph_.outputs()) wanted[static_cast<std::size_t>(output)] = true;
    for (std::size_t i = graph_.nodes().size(); i-- > 0;) {
      const Node& node = graph_.nodes()[i];
      for (const int output : node.outputs)
        needed[i] = needed[i] || (output >= 0 && wanted[static_cast<std::size_t>(output)] &&
                                  !graph_.value(output).contents.known());
      if (!needed[i]) continue;
      for (const int input : node.inputs)
        if (input >= 0) wanted[static_cast<std::size_t>(input)] = true;
    }
    return needed;
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
      entry = builder_.cast(builder_.reshape(builder_.dims(value.contents.dims.value()), value.shape), value.type);
    }
    return *entry;
  }

  void apply(const Node& node) {
    Operator application(graph_, node, program_, [this](int id) { return tensor(id); });
    findOperator(node.domain, node.op, graph_.opset(node.domain))(application);
    for (std::size_t i = 0; i < node.outputs.size(); ++i)
      if (node.outputs[i] >= 0) tensors_[static_cast<std::size_t>(node.outputs[i])] = application.outputs()[i];
  }

  /// Every output is a buffer of its own: a view, an input, a constant or a value returned twice is copied.
  void bindOutput(int id) {
    Tensor tensor = this->tensor(id);
    const auto whole = [&] {
      const Buffer& buffer = program_.buffers[static_cast<std::size_t>(tensor.view.buffer)];
      return buffer.kind == BufferKind::Temporary && isDense(tensor.view) && tensor.view.offset.is(0) &&
             product(tensor.shape()) == product(buffer.shape);
    };
    if (!whole()) {
      builder_.setOrigin("output " + graph_.value(id).name);
      tensor = builder_.copy(tensor);
    }
    Buffer& buffer = program_.buffers[static_cast<std::size_t>(tensor.view.buffer)];
    buffer.kind = BufferKind::Output;
    buffer.name = graph_.value(id).name;
    buffer.shape = graph_.value(id).shape;
    program_.outputs.push_back(tensor.view.buffer);
  }
};

}  // namespace

Program lower(const Graph& graph) { return Lowering(graph).run(); }

}  // namespace sofie
