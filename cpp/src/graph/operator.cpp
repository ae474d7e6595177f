#include "sofie/operator.hxx"

#include <algorithm>
#include <tuple>

#include "sofie/error.hxx"
#include "sofie/lowering.hxx"

namespace sofie {

Operator::Operator(const Graph& graph, const Node& node, Program& program, Source source)
    : Builder(program),
      graph_(graph),
      node_(node),
      source_(std::move(source)),
      outputs_(node.outputs.size()) {
  setOrigins({{node.name.empty() ? node.op : node.op + " " + node.name, graph.placeOf(node)}});
}

namespace {

Constant converted(const Constant& constant, DType type) {
  std::vector<double> values(static_cast<std::size_t>(constant.size()));
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = constant.at<double>(static_cast<std::int64_t>(i));
  return Constant::of(type, constant.shape, values);
}

}  // namespace

int Operator::opset() const { return graph_.opset(node_.domain); }

const Value& Operator::valueOf(std::size_t i) const {
  if (!has(i)) invalid("input " + std::to_string(i) + " is missing");
  return graph_.value(node_.inputs[i]);
}

Tensor Operator::stored(std::size_t i) {
  const Item value = item(i);
  if (value.kind != ValueKind::Tensor)
    invalid("input " + std::to_string(i) + " must be a tensor, not a sequence or an empty optional");
  return value.tensors[0];
}

Tensor Operator::input(std::size_t i) {
  if (const auto known = converted_.find(i); known != converted_.end()) return known->second;
  const Tensor tensor = stored(i);
  if (!isStorage(tensor.type)) return tensor;
  const DType type = computingType(tensor.type);
  // A weight is converted once, when code is generated, however large it is.
  const auto& known = contentsOf(i).constant;
  return converted_.emplace(i, known ? constant(converted(*known, type)) : cast(tensor, type)).first->second;
}

Item Operator::item(std::size_t i) {
  valueOf(i);
  return source_(node_.inputs[i]);
}

std::vector<Tensor> Operator::sequence(std::size_t i) {
  const Item value = item(i);
  if (value.kind != ValueKind::Sequence) invalid("input " + std::to_string(i) + " must be a sequence");
  return value.tensors;
}

std::optional<Tensor> Operator::optionalInput(std::size_t i) {
  return has(i) ? std::optional<Tensor>(input(i)) : std::nullopt;
}

std::vector<Dim> Operator::dimsOf(std::size_t i) const {
  const Value& value = valueOf(i);
  if (value.contents.dims) return *value.contents.dims;
  if (!value.contents.constant)
    unsupported("input " + std::to_string(i) + " '" + value.name +
                "' is computed from data, but it decides a shape and must be known when code is generated");
  std::vector<Dim> dims;
  for (std::int64_t k = 0; k < value.contents.constant->size(); ++k)
    dims.emplace_back(value.contents.constant->at<std::int64_t>(k));
  return dims;
}

std::vector<Dim> Operator::sizesOf(std::size_t i, bool asWhole) const {
  const int id = node_.inputs[i];
  if (!valueOf(i).contents.known() && graph_.canMeasure(id, asWhole)) throw Undecided{id};
  return dimsOf(i);
}

std::vector<std::int64_t> Operator::integersOf(std::size_t i) const {
  std::vector<std::int64_t> numbers;
  for (const Dim& dim : dimsOf(i)) numbers.push_back(dim.constant());
  return numbers;
}

const Constant& Operator::constantOf(std::size_t i) const {
  const Value& value = valueOf(i);
  if (!value.contents.constant)
    unsupported("input " + std::to_string(i) + " '" + value.name + "' must be a constant");
  return *value.contents.constant;
}

template <class T>
const T& Operator::attribute(const std::string& name) const {
  const auto found = node_.attributes.find(name);
  if (found == node_.attributes.end()) invalid("the attribute '" + name + "' is missing");
  const T* value = std::get_if<T>(&found->second);
  if (!value) invalid("the attribute '" + name + "' has the wrong type");
  return *value;
}

template const std::int64_t& Operator::attribute(const std::string&) const;
template const double& Operator::attribute(const std::string&) const;
template const std::string& Operator::attribute(const std::string&) const;
template const std::vector<std::int64_t>& Operator::attribute(const std::string&) const;
template const std::vector<double>& Operator::attribute(const std::string&) const;
template const std::vector<std::string>& Operator::attribute(const std::string&) const;
template const Constant& Operator::attribute(const std::string&) const;
template const std::shared_ptr<Graph>& Operator::attribute(const std::string&) const;

std::int64_t Operator::integer(const std::string& name, std::int64_t otherwise) const {
  return hasAttribute(name) ? attribute<std::int64_t>(name) : otherwise;
}

double Operator::real(const std::string& name, double otherwise) const {
  return hasAttribute(name) ? attribute<double>(name) : otherwise;
}

std::string Operator::string(const std::string& name, const std::string& otherwise) const {
  return hasAttribute(name) ? attribute<std::string>(name) : otherwise;
}

std::vector<std::int64_t> Operator::integers(const std::string& name,
                                             std::vector<std::int64_t> otherwise) const {
  return hasAttribute(name) ? attribute<std::vector<std::int64_t>>(name) : otherwise;
}

std::size_t Operator::axis(std::int64_t axis, std::size_t rank) const {
  const auto limit = static_cast<std::int64_t>(rank);
  if (axis < -limit || axis >= limit)
    throw ShapeError("axis " + std::to_string(axis) + " is outside [-" + std::to_string(rank) + ", " +
                     std::to_string(rank) + ")");
  return static_cast<std::size_t>(axis < 0 ? axis + limit : axis);
}

std::vector<std::size_t> Operator::axes(const std::string& name, std::size_t i, std::size_t rank) const {
  const auto given = has(i) ? integersOf(i) : integers(name);
  std::vector<std::size_t> result;
  for (const std::int64_t each : given) result.push_back(axis(each, rank));
  std::sort(result.begin(), result.end());
  if (std::adjacent_find(result.begin(), result.end()) != result.end())
    throw ShapeError("an axis is named twice");
  return result;
}

std::vector<Value> Operator::captures() const {
  std::vector<Value> values;
  for (const int capture : node_.captures) values.push_back(graph_.value(capture));
  return values;
}

Graph Operator::subgraph(const std::string& name, const std::vector<Value>& arguments,
                         const std::optional<Dim>& iteration) const {
  const Graph& body = *attribute<std::shared_ptr<Graph>>(name);
  if (body.inputs().size() != arguments.size())
    invalid("its subgraph '" + name + "' has " + std::to_string(body.inputs().size()) +
            " inputs, but is given " + std::to_string(arguments.size()));
  return analysed(body, arguments, iteration);
}

Graph Operator::analysed(Graph inner, const std::vector<Value>& arguments,
                         const std::optional<Dim>& iteration) const {
  inner.enter(graph_, node_, iteration);
  for (std::size_t i = 0; i < arguments.size(); ++i) inner.bind(inner.inputs()[i], arguments[i]);
  for (const int capture : inner.captures())
    inner.bind(capture, graph_.value(graph_.idOf(inner.value(capture).name)));
  inner.analyse();
  return inner;
}

std::vector<Item> Operator::writeSubgraph(const Graph& subgraph, const std::vector<Item>& arguments) {
  return lowerInto(program(), subgraph, arguments,
                   [&](int capture) { return source_(graph_.idOf(subgraph.value(capture).name)); });
}

void Operator::compose(const Graph& body) {
  std::vector<Value> arguments;
  std::vector<Item> items;
  for (std::size_t i = 0; i < inputCount(); ++i) {
    if (!has(i)) continue;
    arguments.push_back(valueOf(i));
    items.push_back(item(i));
  }
  if (body.outputs().size() < node_.outputs.size())
    invalid("it has " + std::to_string(node_.outputs.size()) + " outputs, but its composition returns " +
            std::to_string(body.outputs().size()));
  const std::vector<Item> results = writeSubgraph(analysed(body, arguments), items);
  for (std::size_t i = 0; i < node_.outputs.size(); ++i) output(i, results[i]);
}

std::string Operator::wish(const std::string& what) const {
  for (const int output : node_.outputs)
    if (output >= 0) return what + "_" + graph_.value(output).name;
  return what;
}

Dim Operator::undecidedSize(const std::string& what, const std::optional<Dim>& most) {
  return graph_.measuredSymbol(program(), wish(what), most);
}

Dim Operator::draw(Draw::Kind kind) {
  std::string name = kind == Draw::Kind::Run ? "run" : "seed";
  while (graph_.isInputSymbol(name)) name += "_";
  return program().draw(kind, name);
}

const std::string& Operator::outputName(std::size_t i) const {
  if (!wants(i)) invalid("output " + std::to_string(i) + " is missing");
  return graph_.value(node_.outputs[i]).name;
}

Dim Operator::measure(const std::string& what, const Tensor& value, const std::optional<Dim>& most) {
  const Dim size = undecidedSize(what, most);
  if (const auto symbol = size.symbolName()) write(Measure{*symbol, reshape(value, {})});
  return size;
}

void Operator::output(std::size_t i, const Item& item) {
  if (wants(i)) outputs_[i] = item;
}

void Operator::output(std::size_t i, const Tensor& tensor) {
  const auto first = converted_.find(0);
  const bool follows = first != converted_.end() && first->second.type == tensor.type;
  output(i, tensor, follows ? valueOf(0).type : tensor.type);
}

void Operator::output(std::size_t i, const Tensor& tensor, DType type) {
  if (wants(i)) outputs_[i] = cast(tensor, type);
}

void Operator::refuseOutput(std::size_t i, const std::string& why) {
  refusals_.resize(std::max(refusals_.size(), i + 1));
  refusals_[i] = describe(graph_, node_) + ": " + why;
}

void Operator::unsupported(const std::string& what) const {
  throw UnsupportedError(describe(graph_, node_) + ": " + what);
}

void Operator::invalid(const std::string& what) const {
  throw InvalidModelError(describe(graph_, node_) + ": " + what);
}

namespace {

std::vector<OperatorEntry>& registry() {
  static std::vector<OperatorEntry> entries;
  return entries;
}

}  // namespace

void registerOperator(const std::string& domain, const std::string& name, int since, OperatorRule rule) {
  for (const OperatorEntry& entry : registry())
    if (entry.domain == domain && entry.name == name && entry.since == since)
      throw Error("the operator " + domain + "." + name + " has a rule for opset " + std::to_string(since) +
                  " already");
  registry().push_back({domain, name, since, std::move(rule)});
}

Registration::Registration(const char* domain, const char* name, int since, OperatorRule rule) {
  registerOperator(domain, name, since, std::move(rule));
}

std::vector<OperatorEntry> registeredOperators() {
  std::vector<OperatorEntry> entries = registry();
  std::sort(entries.begin(), entries.end(), [](const OperatorEntry& a, const OperatorEntry& b) {
    return std::tie(a.domain, a.name, a.since) < std::tie(b.domain, b.name, b.since);
  });
  return entries;
}

OperatorRule findOperator(const std::string& domain, const std::string& name, int opset) {
  const OperatorEntry* best = nullptr;
  for (const OperatorEntry& entry : registry())
    if (entry.domain == domain && entry.name == name && entry.since <= opset &&
        (!best || entry.since > best->since))
      best = &entry;
  return best ? best->rule : OperatorRule();
}

OperatorRule ruleOf(const Graph& graph, const Node& node) {
  return node.rule ? node.rule : findOperator(node.domain, node.op, graph.opset(node.domain));
}

}  // namespace sofie
