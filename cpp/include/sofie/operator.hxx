#pragma once
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "sofie/builder.hxx"
#include "sofie/graph.hxx"

namespace sofie {

/// One application of an operator: its inputs and attributes on one side, the vocabulary of kernels on the
/// other.
///
/// An operator's rule reads inputs, writes kernels and sets outputs. The same rule gives shapes (from the
/// outputs' views), folded constants (its kernels are interpreted) and code.
class Operator : public Builder {
 public:
  using Source = std::function<Item(int value)>;

  Operator(const Graph& graph, const Node& node, Program& program, Source source);

  const Node& node() const { return node_; }
  /// One line about the node, for messages.
  std::string description() const { return describe(graph_, node_); }
  int opset() const;
  /// The opset of another domain; zero when the model does not import it.
  int opset(const std::string& domain) const { return graph_.opset(domain); }

  std::size_t inputCount() const { return node_.inputs.size(); }
  bool has(std::size_t i) const { return i < node_.inputs.size() && node_.inputs[i] >= 0; }
  /// The input in the type that it is computed in: one of a storage type (float16, ...) is converted.
  /// \throws InvalidModelError when the input is absent or no tensor.
  Tensor input(std::size_t i);
  /// The input as it is stored, for operators that move elements and do not compute.
  Tensor stored(std::size_t i);
  /// An input that may be a sequence or an optional. \throws InvalidModelError when it is left out.
  Item item(std::size_t i);
  /// The tensors of a sequence. \throws InvalidModelError when the input is something else.
  std::vector<Tensor> sequence(std::size_t i);
  std::optional<Tensor> optionalInput(std::size_t i);
  /// The integer elements of an input, as dims. \throws UnsupportedError when they are not known at
  /// generation time.
  std::vector<Dim> dimsOf(std::size_t i) const;
  /// The same for sizes, none of which is negative: what only the data tell is measured while the model runs.
  /// \param asWhole  whether even a tensor that holds all of them may come from data, not only its elements
  std::vector<Dim> sizesOf(std::size_t i, bool asWhole = true) const;
  /// The same, as numbers.
  std::vector<std::int64_t> integersOf(std::size_t i) const;
  /// True when an input's elements are known, as numbers or dims, when code is generated.
  bool isKnown(std::size_t i) const { return contentsOf(i).known(); }
  /// What is known of an input's elements when code is generated.
  const Contents& contentsOf(std::size_t i) const { return valueOf(i).contents; }
  /// What is known of an input when code is generated. \throws InvalidModelError when it is left out.
  const Value& valueOf(std::size_t i) const;
  /// What is known of the values that the node's subgraphs take from the graph.
  std::vector<Value> captures() const;
  /// The elements of a constant input. \throws UnsupportedError when it is not constant.
  const Constant& constantOf(std::size_t i) const;

  bool hasAttribute(const std::string& name) const { return node_.attributes.count(name) != 0; }
  std::int64_t integer(const std::string& name, std::int64_t otherwise) const;
  double real(const std::string& name, double otherwise) const;
  std::string string(const std::string& name, const std::string& otherwise) const;
  std::vector<std::int64_t> integers(const std::string& name, std::vector<std::int64_t> otherwise = {}) const;
  /// The attribute of that type. \throws InvalidModelError when it is absent or of another type.
  template <class T>
  const T& attribute(const std::string& name) const;

  /// Axes given by attribute or, in later opsets, by input i; normalised to [0, rank), sorted.
  std::vector<std::size_t> axes(const std::string& name, std::size_t i, std::size_t rank) const;
  bool hasAxes(const std::string& name, std::size_t i) const { return hasAttribute(name) || has(i); }
  /// A single axis, normalised. \throws ShapeError when outside [-rank, rank).
  std::size_t axis(std::int64_t axis, std::size_t rank) const;

  /// A subgraph, analysed for its arguments: one for each of its inputs.
  /// \param iteration  the number of the iteration, if it is the body of a loop
  Graph subgraph(const std::string& name, const std::vector<Value>& arguments = {},
                 const std::optional<Dim>& iteration = std::nullopt) const;
  /// Writes the kernels of a subgraph in place, and returns its outputs.
  std::vector<Item> writeSubgraph(const Graph& subgraph, const std::vector<Item>& arguments = {});
  /// Makes the outputs of a graph, whose parameters are the inputs that the node has, those of the node.
  /// \throws InvalidModelError when the graph has fewer outputs
  void compose(const Graph& body);
  /// The numbers of the iterations, of loops around, that the node is part of.
  const std::vector<Dim>& iterations() const { return graph_.iterations(); }

  /// The name of a local symbol of this node: `what` and the node's first output.
  std::string localName(const std::string& what) const { return graph_.localName(wish(what)); }
  /// A symbol for a size that the data decide, at most `most`, if there is such a bound. It is named by
  /// `what` and the node's first output, and waits for a Measure; what can only be 0 is that.
  Dim undecidedSize(const std::string& what, const std::optional<Dim>& most);
  /// A size that the data decide: the int64 scalar `value`, which is at most `most`, if there is such a
  /// bound. Its symbol is named by `what` and the node's first output.
  Dim measure(const std::string& what, const Tensor& value, const std::optional<Dim>& most);

  /// What random numbers depend on besides their place: see Draw.
  Dim draw(Draw::Kind kind);
  /// The model's name of an output. \throws InvalidModelError when it is left out
  const std::string& outputName(std::size_t i) const;

  /// When input 0 was converted from a storage type, an output of the type that it was converted to becomes
  /// of that storage type, as ONNX's type constraints demand of most operators.
  void output(std::size_t i, const Tensor& tensor);
  /// An output of a type of its own.
  void output(std::size_t i, const Tensor& tensor, DType type);
  void output(std::size_t i, const Item& item);
  /// Leaves an output out: the model is supported if nothing reads it.
  void refuseOutput(std::size_t i, const std::string& why);
  bool wants(std::size_t i) const { return i < node_.outputs.size() && node_.outputs[i] >= 0; }
  const std::vector<std::optional<Item>>& outputs() const { return outputs_; }
  /// Why outputs were left out, by output; may be shorter than their list.
  const std::vector<std::string>& refusals() const { return refusals_; }

  /// \throws UnsupportedError about this node.
  [[noreturn]] void unsupported(const std::string& what) const;
  /// \throws InvalidModelError about this node.
  [[noreturn]] void invalid(const std::string& what) const;

 private:
  const Graph& graph_;
  const Node& node_;
  Source source_;
  std::vector<std::optional<Item>> outputs_;
  std::vector<std::string> refusals_;
  std::map<std::size_t, Tensor> converted_;  ///< inputs of storage types

  /// A graph analysed for its arguments, as part of this one.
  Graph analysed(Graph inner, const std::vector<Value>& arguments,
                 const std::optional<Dim>& iteration = std::nullopt) const;
  /// What the user knows a local symbol of this node as.
  std::string wish(const std::string& what) const;
};

/// Makes a rule known, to all graphs, for all opsets from `since` up to the next rule of the same operator.
/// \throws Error when the operator has a rule of that version
void registerOperator(const std::string& domain, const std::string& name, int since, OperatorRule rule);

/// The same, before main begins.
struct Registration {
  Registration(const char* domain, const char* name, int since, OperatorRule rule);
};

struct OperatorEntry {
  std::string domain, name;
  int since;
  OperatorRule rule;
};

/// All rules, sorted by domain, name and version.
std::vector<OperatorEntry> registeredOperators();
/// The rule for an opset; empty when there is none.
OperatorRule findOperator(const std::string& domain, const std::string& name, int opset);
/// The rule of a node: its own, else the one that is registered; empty when there is none.
OperatorRule ruleOf(const Graph& graph, const Node& node);

}  // namespace sofie

#define SOFIE_CONCATENATE_(a, b) a##b
#define SOFIE_CONCATENATE(a, b) SOFIE_CONCATENATE_(a, b)
/// Registers a rule for an operator of ONNX's default domain: SOFIE_OPERATOR("Clip", 11, clip_11)
#define SOFIE_OPERATOR(name, since, rule) SOFIE_OPERATOR_OF("", name, since, rule)
/// The same for an operator of another domain.
#define SOFIE_OPERATOR_OF(domain, name, since, rule) \
  static const ::sofie::Registration SOFIE_CONCATENATE(registration_, __COUNTER__)(domain, name, since, rule)
