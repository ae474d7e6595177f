#include "sofie/operator.hxx"

namespace sofie {
namespace {

void setOutputs(Operator& op, const std::vector<Item>& items) {
  for (std::size_t i = 0; i < items.size(); ++i) op.output(i, items[i]);
}

/// What a branch computes, and its kernels.
struct Branch {
  std::vector<Item> items;
  std::vector<Kernel> kernels;

  Branch(Operator& op, const std::string& name)
      : kernels(op.recorded([&] { items = op.writeSubgraph(op.subgraph(name)); })) {}

  /// Stores what the branch computes into the results. Sizes that the other branch has not are measured.
  void storeInto(Operator& op, const std::vector<Item>& results) {
    const auto stores = op.recorded([&] {
      for (std::size_t i = 0; i < items.size(); ++i)
        for (std::size_t k = 0; k < items[i].tensors.size(); ++k)
          storeInto(op, items[i].tensors[k], results[i].tensors[k]);
    });
    kernels.insert(kernels.end(), stores.begin(), stores.end());
  }

 private:
  static void storeInto(Operator& op, const Tensor& tensor, const Tensor& result) {
    for (std::size_t axis = 0; axis < tensor.rank(); ++axis)
      if (const Dim &wanted = result.dim(axis), &own = tensor.dim(axis); wanted != own)
        op.write(Measure{wanted.symbolName().value(), op.map({}, extent(own))});
    op.store(element(tensor), result);
  }
};

/// Room for what either branch gives; `name` is that of sizes in which they differ.
Tensor commonResult(Operator& op, const Tensor& left, const Tensor& right, const std::string& name) {
  if (left.type != right.type || left.rank() != right.rank())
    op.unsupported("its branches give tensors of types and shapes " + std::string(dtypeName(left.type)) +
                   text(left.shape()) + " and " + std::string(dtypeName(right.type)) + text(right.shape()) +
                   "; their ranks must be equal, else input 0 must be a constant");
  Shape shape = left.shape();
  for (std::size_t axis = 0; axis < shape.size(); ++axis)
    if (left.dim(axis) != right.dim(axis))
      shape[axis] = op.undecidedSize(name + "_" + std::to_string(axis), max(left.dim(axis), right.dim(axis)));
  return op.temporary(left.type, shape);
}

std::vector<Item> commonResults(Operator& op, const Branch& then, const Branch& otherwise) {
  std::vector<Item> results = then.items;
  for (std::size_t i = 0; i < results.size(); ++i) {
    const Item& other = otherwise.items.at(i);
    if (results[i].kind != other.kind || results[i].tensors.size() != other.tensors.size())
      op.unsupported(
          "its branches give sequences of different lengths, or optionals with and without an element; "
          "input 0 must be a constant");
    std::string name = "if_" + std::to_string(i);
    for (std::size_t k = 0; k < other.tensors.size(); ++k, name += "_")
      results[i].tensors[k] = commonResult(op, results[i].tensors[k], other.tensors[k], name);
  }
  return results;
}

/// A branch that is known is all that remains; else both are compiled and one runs.
void if_1(Operator& op) {
  if (const auto& condition = op.contentsOf(0).constant)
    return setOutputs(op,
                      op.writeSubgraph(op.subgraph(condition->at<bool>(0) ? "then_branch" : "else_branch")));
  const Tensor condition = op.reshape(op.input(0), {});
  Branch then(op, "then_branch"), otherwise(op, "else_branch");
  if (then.items.size() != otherwise.items.size()) op.invalid("its branches differ in how much they give");
  const auto results = commonResults(op, then, otherwise);
  then.storeInto(op, results);
  otherwise.storeInto(op, results);
  op.branch(condition, std::move(then.kernels), std::move(otherwise.kernels));
  setOutputs(op, results);
}

SOFIE_OPERATOR("If", 1, if_1);

}  // namespace
}  // namespace sofie
