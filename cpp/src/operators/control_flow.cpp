#include "sofie/operator.hxx"

namespace sofie {
namespace {

void setOutputs(Operator& op, const std::vector<Tensor>& tensors) {
  for (std::size_t i = 0; i < tensors.size(); ++i) op.output(i, tensors[i]);
}

/// What a branch computes, and its kernels.
struct Branch {
  std::vector<Tensor> tensors;
  std::vector<Kernel> kernels;

  Branch(Operator& op, const std::string& name)
      : kernels(op.recorded([&] { tensors = op.subgraph(name); })) {}

  /// Stores what the branch computes into the results. Sizes that the other branch has not are measured.
  void storeInto(Operator& op, const std::vector<Tensor>& results) {
    const auto stores = op.recorded([&] {
      for (std::size_t i = 0; i < tensors.size(); ++i) {
        for (std::size_t axis = 0; axis < tensors[i].rank(); ++axis)
          if (const Dim &wanted = results[i].dim(axis), &own = tensors[i].dim(axis); wanted != own)
            op.write(Measure{wanted.symbolName().value(), op.map({}, extent(own))});
        op.store(element(tensors[i]), results[i]);
      }
    });
    kernels.insert(kernels.end(), stores.begin(), stores.end());
  }
};

/// Room for what either branch gives.
std::vector<Tensor> commonResults(Operator& op, const Branch& then, const Branch& otherwise) {
  std::vector<Tensor> results;
  for (std::size_t i = 0; i < then.tensors.size(); ++i) {
    const Tensor &left = then.tensors[i], &right = otherwise.tensors.at(i);
    if (left.type != right.type || left.rank() != right.rank())
      op.unsupported("its branches give tensors of types and shapes " + std::string(dtypeName(left.type)) +
                     text(left.shape()) + " and " + std::string(dtypeName(right.type)) + text(right.shape()) +
                     "; their ranks must be equal, else its condition must be known when code is generated");
    Shape shape = left.shape();
    for (std::size_t axis = 0; axis < shape.size(); ++axis)
      if (left.dim(axis) != right.dim(axis))
        shape[axis] = op.undecidedSize("if_" + std::to_string(i) + "_" + std::to_string(axis),
                                       max(left.dim(axis), right.dim(axis)));
    results.push_back(op.temporary(left.type, shape));
  }
  return results;
}

/// A branch that is known is all that remains; else both are compiled and one runs.
void if_1(Operator& op) {
  if (const auto& condition = op.contentsOf(0).constant)
    return setOutputs(op, op.subgraph(condition->at<bool>(0) ? "then_branch" : "else_branch"));
  const Tensor condition = op.reshape(op.input(0), {});
  Branch then(op, "then_branch"), otherwise(op, "else_branch");
  if (then.tensors.size() != otherwise.tensors.size())
    op.invalid("its branches differ in how much they give");
  const auto results = commonResults(op, then, otherwise);
  then.storeInto(op, results);
  otherwise.storeInto(op, results);
  op.branch(condition, std::move(then.kernels), std::move(otherwise.kernels));
  setOutputs(op, results);
}

SOFIE_OPERATOR("If", 1, if_1);

}  // namespace
}  // namespace sofie
