/// Values computed from data that decide sizes: their elements become symbols, measured when they are
/// computed.
#include <algorithm>

#include "sofie/builder.hxx"
#include "sofie/graph.hxx"

namespace sofie {
namespace {

/// Shapes have few elements.
constexpr std::int64_t mostElements = 16;

/// Operators that only move elements around.
bool putsTogether(const Node& node) {
  static const std::set<std::string> moving{"Cast",    "Concat", "Gather",  "Identity", "Reshape",
                                            "Flatten", "Slice",  "Squeeze", "Unsqueeze"};
  return node.domain.empty() && moving.count(node.op) != 0;
}

bool isSmall(const Value& value) {
  const auto count = product(value.shape).value();
  return isInteger(value.type) && count && *count <= mostElements;
}

}  // namespace

Dim Graph::measuredSymbol(Program& program, const std::string& name, const std::optional<Dim>& most) const {
  if (most && most->is(0)) return 0;
  const std::string local = localName(name);
  if (const auto given = bounds(userName(name)).high) {
    const Dim limit = std::max<std::int64_t>(*given, 1);  // a size that can only be 0 would need no symbol
    return program.local(local, most ? min(*most, limit) : limit);
  }
  return most ? program.local(local, *most) : program.unboundedLocal(local);
}

std::vector<Dim> Graph::measuredElements(Program& program, const Value& value) const {
  std::vector<Dim> elements;
  const std::int64_t count = product(value.shape).constant();
  for (std::int64_t i = 0; i < count; ++i) {
    const std::string name = value.name + (count == 1 ? "" : "[" + std::to_string(i) + "]");
    elements.push_back(measuredSymbol(program, name, std::nullopt));
  }
  return elements;
}

const Node* Graph::producer(int id) const {
  for (const Node& node : nodes_)
    if (std::find(node.outputs.begin(), node.outputs.end(), id) != node.outputs.end()) return &node;
  return nullptr;
}

std::vector<int> Graph::sources(int id) const {
  if (value(id).contents.known()) return {};
  const Node* node = producer(id);
  if (!node || !putsTogether(*node)) return {id};
  std::vector<int> result;
  for (const int input : node->inputs) {
    if (input < 0 || value(input).contents.known()) continue;
    if (!isSmall(value(input))) return {id};
    const auto more = sources(input);
    result.insert(result.end(), more.begin(), more.end());
  }
  return result;
}

bool Graph::canMeasure(int id, bool asWhole) const {
  const auto found = sources(id);
  return !found.empty() && std::all_of(found.begin(), found.end(), [&](int source) {
    return (asWhole || source != id) && isSmall(value(source)) && !value(source).measured;
  });
}

void Graph::setMeasured(int id) {
  Program scratch;
  Value& value = values_[static_cast<std::size_t>(id)];
  value.contents = {std::nullopt, measuredElements(scratch, value)};
  for (const LocalSymbol& local : scratch.locals) measured_.insert(local.name);
}

}  // namespace sofie
