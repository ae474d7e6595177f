#include <algorithm>
#include <exception>
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

Problem problemOf(const Graph& graph, const Node& node, std::string what, std::string remedy = {}) {
  const std::string subject = describe(graph, node), prefix = subject + ": ";
  if (what.compare(0, prefix.size(), prefix) == 0) what.erase(0, prefix.size());
  return {graph.placeOf(node), subject, std::move(what), std::move(remedy)};
}

/// Why there is no rule for the node.
std::optional<Problem> missingRule(const Graph& graph, const Node& node) {
  if (!node.refusal.empty()) return problemOf(graph, node, node.refusal);
  if (ruleOf(graph, node)) return std::nullopt;
  for (const OperatorEntry& entry : registeredOperators())
    if (entry.domain == node.domain && entry.name == node.op)
      return problemOf(graph, node, "supported from opset " + std::to_string(entry.since),
                       "convert the model with onnx.version_converter.convert_version");
  if (node.domain == "com.microsoft.nchwc")
    return problemOf(graph, node, "onnxruntime wrote it for the processor it ran on",
                     "save the optimised model with ORT_ENABLE_EXTENDED instead of ORT_ENABLE_ALL");
  return problemOf(graph, node, "no such operator in pysofie",
                   "say what it means with pysofie.operator, or rewrite the model with supported "
                   "operators (`pysofie info --operators`)");
}

/// The error being handled, when it says more than that something is not supported: the model is wrong.
std::exception_ptr fatalError(const Problem& problem) {
  try {
    throw;
  } catch (const UnsupportedError&) {
    return nullptr;
  } catch (const ShapeError&) {
    return std::make_exception_ptr(ShapeError(text(problem)));
  } catch (...) {
    return std::current_exception();
  }
}

std::string listed(const std::vector<Problem>& problems) {
  std::string text = problems.size() == 1 ? "1 node is not supported:"
                                          : std::to_string(problems.size()) + " nodes are not supported:";
  if (std::any_of(problems.begin(), problems.end(), [](const Problem& each) { return each.node < 0; }))
    text = "the model is not supported:";
  for (const Problem& problem : problems) text += "\n  " + sofie::text(problem);
  return text;
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
  ruleOf(*this, node)(application);
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
  problems_ = refused_;
  std::exception_ptr fatal;
  const auto read = [&](int id) {
    if (id < 0) return true;
    Value& value = values_[static_cast<std::size_t>(id)];
    if (value.refusal.empty()) return value.typed;
    const std::string refusal = std::exchange(value.refusal, {});
    const Node* node = producer(id);
    problems_.push_back(node ? problemOf(*this, *node, refusal) : Problem{-1, value.name, refusal, {}});
    return value.typed;
  };
  for (const Node& node : nodes_) {
    if (const auto missing = missingRule(*this, node)) {
      problems_.push_back(*missing);
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
    } catch (const Error& error) {
      problems_.push_back(problemOf(*this, node, error.what()));
      if (!fatal) fatal = fatalError(problems_.back());
    }
  }
  for (const int output : outputs_) read(output);
  if (fatal) std::rethrow_exception(fatal);
  if (!problems_.empty()) throw UnsupportedError(listed(problems_));
  return true;
}

}  // namespace sofie
