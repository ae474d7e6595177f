#include "sofie/graph.hxx"

#include <algorithm>

#include "sofie/error.hxx"

namespace sofie {

bool Value::known() const {
  if (kind == ValueKind::Tensor) return contents.known();
  return std::all_of(elements.begin(), elements.end(), [](const Value& element) { return element.known(); });
}

int Graph::define(const std::string& name) {
  const int id = static_cast<int>(values_.size());
  if (!names_.emplace(name, id).second)
    throw InvalidModelError("the name '" + name + "' is defined more than once in the graph");
  values_.emplace_back();
  values_.back().name = name;
  return id;
}

int Graph::find(const std::string& name, const std::string& reader) {
  const auto found = names_.find(name);
  if (found == names_.end() && isSubgraph_) {
    captures_.push_back(define(name));
    return captures_.back();
  }
  if (found == names_.end())
    throw InvalidModelError(
        reader + " reads '" + name +
        "', which no input, initializer or earlier node defines: the graph is cyclic, unsorted or "
        "incomplete");
  return found->second;
}

int Graph::idOf(const std::string& name) const {
  const auto found = names_.find(name);
  if (found == names_.end()) throw InvalidModelError("the graph has no value '" + name + "'");
  return found->second;
}

void Graph::bind(int id, const Value& outer) {
  Value& value = values_[static_cast<std::size_t>(id)];
  const std::string name = value.name;
  value = outer;
  value.name = name;
}

void Graph::addInput(const std::string& name, DType type, const Shape& shape) {
  const int id = define(name);
  Value& value = values_.back();
  value.type = type;
  value.shape = shape;
  value.typed = true;
  inputs_.push_back(id);
  std::vector<std::string> symbols;
  for (const Dim& dim : shape) dim.collectSymbols(symbols);
  inputSymbols_.insert(symbols.begin(), symbols.end());
}

void Graph::addSequenceInput(const std::string& name, DType type, const std::vector<Shape>& shapes) {
  inputs_.push_back(define(name));
  Value& value = values_.back();
  value.typed = true;
  value.kind = ValueKind::Sequence;
  for (const Shape& shape : shapes) {
    Value element;
    element.name = elementName(name, value.elements.size());
    element.type = type;
    element.shape = shape;
    element.typed = true;
    value.elements.push_back(element);
  }
}

void Graph::addAbsentInput(const std::string& name) {
  inputs_.push_back(define(name));
  values_.back().typed = true;
  values_.back().kind = ValueKind::Absent;
}

void Graph::addRefused(const std::string& name, const std::string& why) {
  define(name);
  refused_.push_back({-1, name, why, {}});
}

void Graph::addParameter(const std::string& name) { inputs_.push_back(define(name)); }

void Graph::addInitializer(const std::string& name, Constant constant) {
  define(name);
  Value& value = values_.back();
  value.type = constant.type;
  value.shape.assign(constant.shape.begin(), constant.shape.end());
  value.typed = true;
  value.contents.constant = std::move(constant);
}

void Graph::addNode(const std::string& op, const std::string& domain, const std::string& name,
                    const std::vector<std::string>& inputs, const std::vector<std::string>& outputs,
                    std::map<std::string, Attribute> attributes, const std::string& refusal) {
  Node node{op, domain == "ai.onnx" ? "" : domain, name, {}, {}, std::move(attributes), {}, refusal};
  const std::string reader = "node '" + name + "' (" + op + ")";
  for (const std::string& input : inputs) node.inputs.push_back(input.empty() ? -1 : find(input, reader));
  for (const auto& [key, attribute] : node.attributes)
    if (const auto* subgraph = std::get_if<std::shared_ptr<Graph>>(&attribute))
      for (const int capture : (*subgraph)->captures())
        node.captures.push_back(find((*subgraph)->value(capture).name, reader));
  for (const std::string& output : outputs) node.outputs.push_back(output.empty() ? -1 : define(output));
  nodes_.push_back(std::move(node));
}

void Graph::addOutput(const std::string& name) { outputs_.push_back(find(name, "the graph's output")); }

Bounds Graph::bounds(const std::string& symbol) const {
  const auto found = bounds_.find(symbol);
  return found == bounds_.end() ? Bounds{} : found->second;
}

Dim Graph::symbol(const std::string& name) const { return Dim::symbol(name, bounds(name)); }

bool Graph::isInputSymbol(const std::string& name) const { return inputSymbols_.count(name) != 0; }

void Graph::enter(const Graph& outer, const Node& node, const std::optional<Dim>& iteration) {
  owner_ = outer.placeOf(node);
  bounds_ = outer.bounds_;
  inputSymbols_ = outer.inputSymbols_;
  iterations_ = outer.iterations_;
  if (iteration) iterations_.push_back(*iteration);
}

int Graph::placeOf(const Node& node) const {
  return owner_ ? *owner_ : static_cast<int>(&node - nodes_.data());
}

std::string Graph::userName(std::string name) const {
  while (isInputSymbol(name)) name += "_";
  return name;
}

std::string Graph::localName(const std::string& name) const {
  std::string result = userName(name);
  for (const Dim& iteration : iterations_)
    if (const auto number = iteration.value()) result += "@" + std::to_string(*number);
  return userName(result);
}

int Graph::opset(const std::string& domain) const {
  const auto found = opsets_.find(domain);
  if (found != opsets_.end()) return found->second;
  const auto alias = domain.empty() ? opsets_.find("ai.onnx") : opsets_.end();
  return alias == opsets_.end() ? 0 : alias->second;
}

namespace {

std::string describe(const Value& value) {
  std::string result = "'" + value.name + "'";
  if (!value.typed) return result;
  if (value.kind == ValueKind::Absent) return result + " absent";
  if (value.kind == ValueKind::Sequence)
    return result + " sequence of " + std::to_string(value.elements.size());
  return result + " " + std::string(dtypeName(value.type)) + text(value.shape);
}

}  // namespace

std::string elementName(const std::string& sequence, std::size_t position) {
  return sequence + "[" + std::to_string(position) + "]";
}

std::string describe(const Graph& graph, const Node& node) {
  std::string result = "node '" + node.name + "': " + (node.domain.empty() ? "" : node.domain + ".") +
                       node.op + " (opset " + std::to_string(graph.opset(node.domain)) + ")";
  for (std::size_t i = 0; i < node.inputs.size(); ++i)
    result += (i ? ", " : " of ") + (node.inputs[i] < 0 ? "nothing" : describe(graph.value(node.inputs[i])));
  return result;
}

std::string text(const Problem& problem) {
  return (problem.node < 0 ? "" : problem.subject + ": ") + problem.what +
         (problem.remedy.empty() ? "" : "; " + problem.remedy);
}

std::string text(const Graph& graph) {
  std::string result = "graph " + graph.name() + "\n";
  for (const int input : graph.inputs()) result += "  input " + describe(graph.value(input)) + "\n";
  for (const Node& node : graph.nodes()) {
    result += "  " + describe(graph, node) + "\n";
    for (const int output : node.outputs) {
      if (output < 0) continue;
      const Value& value = graph.value(output);
      result += "    -> " + describe(value);
      if (value.contents.constant) result += " (constant)";
      if (value.contents.dims) result += " = " + text(*value.contents.dims);
      result += "\n";
    }
  }
  for (const int output : graph.outputs()) result += "  output " + describe(graph.value(output)) + "\n";
  return result;
}

}  // namespace sofie
