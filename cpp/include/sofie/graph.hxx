#pragma once
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

#include "sofie/interpreter.hxx"

namespace sofie {

class Graph;
class Operator;

/// What an operator does; see Operator.
using OperatorRule = std::function<void(Operator&)>;

/// Value of a node's attribute: as ONNX has them.
using Attribute =
    std::variant<std::int64_t, double, std::string, std::vector<std::int64_t>, std::vector<double>,
                 std::vector<std::string>, Constant, std::shared_ptr<Graph>>;

/// What lies between nodes: a tensor, a sequence of tensors whose number is known when code is generated, or
/// an optional without its element. An optional with its element is that element.
enum class ValueKind : std::uint8_t { Tensor, Sequence, Absent };

struct Value {
  Value() = default;
  /// A tensor of which only type and shape are known.
  Value(DType type, Shape shape) : type(type), shape(std::move(shape)), typed(true) {}

  std::string name;
  DType type = DType::Float32;
  Shape shape;
  bool typed = false;     ///< kind, and type and shape of the tensors, are known
  std::string refusal;    ///< why its node leaves it out
  Contents contents;      ///< of initializers and of what folds at generation time
  bool measured = false;  ///< its elements are sizes that become symbols when they are computed
  ValueKind kind = ValueKind::Tensor;
  std::vector<Value> elements;  ///< of a sequence; all tensors

  /// True when generated code need not compute it.
  bool known() const;
};

/// Thrown by a rule that needs to know sizes in a value that comes from data.
struct Undecided {
  int value;
};

/// The tensors of a value, in a program.
struct Item {
  ValueKind kind = ValueKind::Tensor;
  std::vector<Tensor> tensors;

  Item() = default;
  Item(const Tensor& tensor) : tensors{tensor} {}  // NOLINT: a tensor is an item
  static Item sequence(std::vector<Tensor> tensors) { return {ValueKind::Sequence, std::move(tensors)}; }
  static Item absent() { return {ValueKind::Absent, {}}; }

 private:
  Item(ValueKind kind, std::vector<Tensor> tensors) : kind(kind), tensors(std::move(tensors)) {}
};

/// Calls f on the tensors of a value: on itself, or on its elements.
template <class ValueType, class F>
void forEachTensor(ValueType& value, F&& f) {
  if (value.kind == ValueKind::Tensor) f(value);
  for (auto& element : value.elements) f(element);
}

/// An operator applied to values.
struct Node {
  std::string op;
  std::string domain;
  std::string name;
  std::vector<int> inputs;  ///< -1: an optional input left out
  std::vector<int> outputs;
  std::map<std::string, Attribute> attributes;
  std::vector<int> captures;  ///< values of this graph that the node's subgraphs read
  std::string refusal;        ///< why it could not be read, then without attributes; else empty
  OperatorRule rule = {};     ///< of an operator that a user brings; others are registered
};

/// What stands against compiling a model.
struct Problem {
  int node = -1;        ///< see Graph::placeOf; -1 for an input or constant
  std::string subject;  ///< the node and its inputs; of an input or constant the name
  std::string what;
  std::string remedy;  ///< may be empty
};

std::string text(const Problem& problem);

/// Level 1: ONNX operators over typed values with symbolic dims.
class Graph {
 public:
  /// \param isSubgraph  names that the graph does not define are values of the graph around it
  Graph(std::string name, std::map<std::string, int> opsets, bool isSubgraph = false)
      : name_(std::move(name)), opsets_(std::move(opsets)), isSubgraph_(isSubgraph) {}

  void addInput(const std::string& name, DType type, const Shape& shape);
  /// A sequence of as many tensors as there are shapes.
  void addSequenceInput(const std::string& name, DType type, const std::vector<Shape>& shapes);
  /// An optional without its element.
  void addAbsentInput(const std::string& name);
  /// An input or constant of which nothing is known, and why it stands against the model.
  void addRefused(const std::string& name, const std::string& why);
  /// An input of a subgraph, whose type comes from outside.
  void addParameter(const std::string& name);
  void addInitializer(const std::string& name, Constant constant);
  /// Nodes come in topological order.
  /// \param refusal  why the node stands against the model, if it does
  /// \throws InvalidModelError for an unknown input or a name defined twice
  void addNode(const std::string& op, const std::string& domain, const std::string& name,
               const std::vector<std::string>& inputs, const std::vector<std::string>& outputs,
               std::map<std::string, Attribute> attributes, const std::string& refusal = {});
  /// Says what the node that was added last means: its operator is not one that is registered.
  void setRule(OperatorRule rule) { nodes_.back().rule = std::move(rule); }
  void addOutput(const std::string& name);
  void setBounds(const std::string& symbol, Bounds bounds) { bounds_[symbol] = bounds; }
  /// The bounds that the user gave a symbol.
  Bounds bounds(const std::string& symbol) const;
  /// A dim of that name with the bounds given by the user.
  Dim symbol(const std::string& name) const;
  /// True when a symbol of that name stands in the shape of an input, here or in the graphs around.
  bool isInputSymbol(const std::string& name) const;
  /// Makes this graph the body of a node of another one: takes over its bounds and symbols, and the numbers
  /// of the iterations it is part of. A loop adds the number of its own.
  void enter(const Graph& outer, const Node& node, const std::optional<Dim>& iteration);
  /// The place among the nodes of the model: for a node of a subgraph that of the model's node around it.
  int placeOf(const Node& node) const;
  /// The numbers of the iterations, of loops around, that the graph is part of.
  const std::vector<Dim>& iterations() const { return iterations_; }
  /// The name of a local symbol, unlike that of any other: `name`, changed if need be.
  std::string localName(const std::string& name) const;
  /// The local symbol of that name, within its bound and the user's, if there are any.
  Dim measuredSymbol(Program& program, const std::string& name, const std::optional<Dim>& most) const;
  /// True when what a value is put together from can be measured.
  /// \param asWhole  whether it may be the value itself
  bool canMeasure(int id, bool asWhole) const;
  /// The symbols of a measured value's elements.
  std::vector<Dim> measuredElements(Program& program, const Value& value) const;
  /// The symbols that get their values while the model runs; known once it is analysed.
  const std::set<std::string>& measured() const { return measured_; }

  /// Infers types and shapes and folds what is known at generation time.
  /// \throws UnsupportedError naming every unsupported node at once
  /// \throws ShapeError when shapes contradict each other, naming the node
  void analyse();
  /// What the last analysis threw for, in the order of the nodes. Nodes that depend on one of these are not
  /// analysed.
  const std::vector<Problem>& problems() const { return problems_; }

  const std::string& name() const { return name_; }
  /// The opset of a domain; ONNX's default domain is "". Zero when the model does not import it.
  int opset(const std::string& domain) const;
  /// The values that a subgraph takes from the graph around it.
  const std::vector<int>& captures() const { return captures_; }
  /// Gives a captured value or a parameter the type, shape and contents that it has outside.
  void bind(int id, const Value& outer);
  /// The value of that name. \throws InvalidModelError when there is none.
  int idOf(const std::string& name) const;

  const std::vector<Value>& values() const { return values_; }
  const Value& value(int id) const { return values_[static_cast<std::size_t>(id)]; }
  const std::vector<Node>& nodes() const { return nodes_; }
  const std::vector<int>& inputs() const { return inputs_; }
  const std::vector<int>& outputs() const { return outputs_; }

 private:
  std::string name_;
  std::map<std::string, int> opsets_;
  std::map<std::string, Bounds> bounds_;
  std::set<std::string> inputSymbols_, measured_;
  std::vector<Value> values_;
  std::vector<Node> nodes_;
  std::vector<int> inputs_, outputs_;
  std::unordered_map<std::string, int> names_;
  std::vector<int> captures_;
  std::vector<Dim> iterations_;
  std::optional<int> owner_;  ///< the place of the model's node that it is a part of
  std::vector<Problem> refused_, problems_;
  bool isSubgraph_;

  /// A name that no symbol of an input has: by it the user knows a local symbol, in every iteration.
  std::string userName(std::string name) const;
  int define(const std::string& name);
  int find(const std::string& name, const std::string& reader);
  void analyse(const Node& node);
  void setMeasured(int id);
  /// The values, computed from data, whose elements a value puts together.
  std::vector<int> sources(int id) const;
  bool tryToAnalyse();
  const Node* producer(int id) const;
};

/// What an element of a sequence is called: "x[0]".
std::string elementName(const std::string& sequence, std::size_t position);
/// One line about a node: name, operator, opset, input shapes.
std::string describe(const Graph& graph, const Node& node);
std::string text(const Graph& graph);

}  // namespace sofie
