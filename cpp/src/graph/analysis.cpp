#include <algorithm>
#include <utility>

#include "sofie/error.hxx"
#include "sofie/operator.hxx"

namespace sofie {
namespace {

/// Folding may grow a value (Expand, Tile of a constant): beyond this it is cheaper to compute it when the
/// model runs.
constexpr std::int64_t largestFold = std::int64_t(1) << 16;

std::int64_t constantElements(const Graph& graph, const Node& node) {
  std::int64_t count = 0;
  for (const int input : node.inputs)
    if (input >= 0 && graph.value(input).contents.constant)
      count += graph.value(input).contents.constant->size();
  return count;
}

/// Quantised weights stay bytes, for the passes to see.
constexpr std::int64_t fewNumbers = 64;

bool widensBytes(const Graph& graph, const Node& node, const Tensor& output, std::int64_t count) {
  if (!isFloat(output.type) || count <= fewNumbers) return false;
  return std::any_of(node.inputs.begin(), node.inputs.end(), [&](int input) {
    if (input < 0 || !graph.value(input).contents.constant) return false;
    const Constant& constant = *graph.value(input).contents.constant;
    return (constant.type == DType::Int8 || constant.type == DType::UInt8) && constant.size() == count;
  });
}

bool worthFolding(const Graph& graph, const Node& node, const Tensor& output) {
  const auto count = product(output.shape()).value();
  if (count && widensBytes(graph, node, output, *count)) return false;
  return count && *count <= std::max(largestFold, 2 * constantElements(graph, node));
}

/// An empty string when the node's operator exists for its opset, else what is missing.
std::string missingOperator(const Graph& graph, const Node& node) {
  const int opset = graph.opset(node.domain);
  if (findOperator(node.domain, node.op, opset)) return {};
  for (const OperatorEntry& entry : registeredOperators())
    if (entry.domain == node.domain && entry.name == node.op)
      return "supported from opset " + std::to_string(entry.since) +
             "; convert the model with onnx.version_converter.convert_version";
  if (node.domain == "com.microsoft.nchwc")
    return "onnxruntime wrote it for the processor it ran on; save the optimised model with "
           "ORT_ENABLE_EXTENDED instead of ORT_ENABLE_ALL";
  return "no such operator in pysofie; rewrite the model with supported operators (`pysofie info "
         "--operators`)";
}

}  // namespace

void Graph::analyse(const Node& node) {
  Program scratch;
  std::vector<Contents> known;
  const auto source = [&](int id) {
    Item item;
    item.kind = values_[static_cast<std::size_t>(id)].kind;
    forEachTensor(values_[static_cast<std::size_t>(id)], [&](const Value& value) {
      const int buffer =
          scratch.addBuffer({BufferKind::Input, value.type, value.shape, value.name, std::nullopt});
      known.resize(static_cast<std::size_t>(buffer) + 1);
      known.back() = value.contents;
      item.tensors.push_back(scratch.tensor(buffer));
    });
    return item;
  };
  const auto infer = [&](Value& value, const Tensor& tensor) {
    value.type = tensor.type;
    value.shape = tensor.shape();
    value.typed = true;
    if (worthFolding(*this, node, tensor)) value.contents = interpret(scratch, known, tensor);
  };
  Operator application(*this, node, scratch, source);
  findOperator(node.domain, node.op, opset(node.domain))(application);
  for (const LocalSymbol& local : scratch.locals) measured_.insert(local.name);
  for (std::size_t i = 0; i < node.outputs.size(); ++i) {
    if (node.outputs[i] < 0) continue;
    const auto& output = application.outputs()[i];
    if (!output && i < application.refusals().size() && !application.refusals()[i].empty()) {
      values_[static_cast<std::size_t>(node.outputs[i])].refusal = application.refusals()[i];
      continue;
    }
    if (!output)
      throw UnsupportedError(describe(*this, node) + ": its output " + std::to_string(i) +
                             " is not supported");
    Value& value = values_[static_cast<std::size_t>(node.outputs[i])];
    value.kind = output->kind;
    value.typed = true;
    value.elements.resize(output->kind == ValueKind::Sequence ? output->tensors.size() : 0);
    for (std::size_t k = 0; k < value.elements.size(); ++k)
      value.elements[k].name = elementName(value.name, k);
    std::size_t k = 0;
    forEachTensor(value, [&](Value& tensor) { infer(tensor, output->tensors[k++]); });
    if (value.measured && !value.known()) setMeasured(node.outputs[i]);
  }
}

void Graph::analyse() {
  while (!tryToAnalyse()) {
  }
}

bool Graph::tryToAnalyse() {
  for (const auto* list : {&inputs_, &captures_})
    for (const int id : *list)
      if (value(id).measured) setMeasured(id);
  std::string problems;
  int count = 0;
  const auto report = [&](const std::string& problem) {
    problems += "\n  " + problem;
    ++count;
  };
  const auto read = [&](int id) {
    if (id < 0) return true;
    Value& value = values_[static_cast<std::size_t>(id)];
    if (!value.refusal.empty()) report(std::exchange(value.refusal, {}));
    return value.typed;
  };
  for (const Node& node : nodes_) {
    if (const std::string missing = missingOperator(*this, node); !missing.empty()) {
      report(describe(*this, node) + ": " + missing);
      continue;
    }
    bool typed = true;
    for (const int input : node.inputs) typed = read(input) && typed;
    for (const int capture : node.captures) typed = read(capture) && typed;
    if (!typed) continue;  // it depends on a node that was reported
    try {
      analyse(node);
    } catch (const Undecided& undecided) {
      for (const int source : sources(undecided.value))
        values_[static_cast<std::size_t>(source)].measured = true;
      return false;
    } catch (const UnsupportedError& error) {
      report(error.what());
    } catch (const ShapeError& error) {
      throw ShapeError(describe(*this, node) + ": " + error.what());
    }
  }
  for (const int output : outputs_) read(output);
  if (count != 0)
    throw UnsupportedError(std::to_string(count) + (count == 1 ? " node is" : " nodes are") +
                           " not supported:" + problems);
  return true;
}

}  // namespace sofie
