#include <algorithm>

#include "sofie/operator.hxx"

namespace sofie {
namespace {

void setOutputs(Operator& op, const std::vector<Tensor>& tensors) {
  for (std::size_t i = 0; i < tensors.size(); ++i) op.output(i, tensors[i]);
}

bool haveOneType(const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const Tensor& x, const Tensor& y) {
    return x.type == y.type && x.shape() == y.shape();
  });
}

/// A branch that is known is all that remains; else both are compiled and one runs.
void if_1(Operator& op) {
  if (const auto& condition = op.contentsOf(0).constant) {
    setOutputs(op, op.subgraph(condition->at<bool>(0) ? "then_branch" : "else_branch"));
    return;
  }
  std::vector<Tensor> results;
  const auto write = [&](const std::string& branch) {
    const auto tensors = op.subgraph(branch);
    if (results.empty())
      for (const Tensor& tensor : tensors) results.push_back(op.temporary(tensor.type, tensor.shape()));
    if (!haveOneType(tensors, results))
      op.unsupported(
          "its branches give tensors of different shapes; pad them to one shape, else its condition "
          "must be known when code is generated");
    for (std::size_t i = 0; i < tensors.size(); ++i) op.store(element(tensors[i]), results[i]);
  };
  const Tensor condition = op.reshape(op.input(0), {});
  op.branch(condition, [&] { write("then_branch"); }, [&] { write("else_branch"); });
  setOutputs(op, results);
}

SOFIE_OPERATOR("If", 1, if_1);

}  // namespace
}  // namespace sofie
