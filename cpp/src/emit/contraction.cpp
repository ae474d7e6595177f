#include "emit/contraction.hxx"

#include <utility>

namespace sofie {

Dim MatrixForm::extent(const Nest& nest, Direction direction) const {
  Dim result = 1;
  for (const int variable : variables[direction]) result = result * extentOf(nest, variable);
  return result;
}

std::optional<MatrixForm> matrixForm(const Nest& nest) {
  if (nest.kind == Nest::Kind::Map || nest.combiner != Combiner::Sum || nest.element->op != Op::Mul)
    return std::nullopt;
  MatrixForm form;
  form.left = nest.element->args[0];
  form.right = nest.element->args[1];
  if (form.left->op != Op::Load || form.right->op != Op::Load) return std::nullopt;
  const auto left = address(form.left->view, form.left->args, nest.variables());
  const auto right = address(form.right->view, form.right->args, nest.variables());
  if (!left || !right) return std::nullopt;
  form.leftAddress = *left;
  form.rightAddress = *right;
  for (std::size_t i = 0; i < nest.variables(); ++i) {
    const bool inLeft = !left->strides[i].is(0), inRight = !right->strides[i].is(0);
    const MatrixForm::Direction direction = i >= nest.axes.size() ? MatrixForm::Depth
                                            : inLeft == inRight   ? MatrixForm::Batch
                                            : inLeft              ? MatrixForm::Row
                                                                  : MatrixForm::Column;
    form.variables[direction].push_back(static_cast<int>(i));
  }
  auto &rows = form.variables[MatrixForm::Row], &columns = form.variables[MatrixForm::Column];
  if (!rows.empty() && (columns.empty() || rows.back() > columns.back())) {
    std::swap(rows, columns);
    std::swap(form.left, form.right);
    std::swap(form.leftAddress, form.rightAddress);
  }
  return form;
}

std::optional<Dim> stride(const Nest& nest, const std::vector<int>& variables, const Affine& address) {
  if (variables.empty()) return Dim(0);
  const auto at = [&](int variable) { return address.stride(variable); };
  for (std::size_t i = 0; i + 1 < variables.size(); ++i)
    if (at(variables[i]) != at(variables[i + 1]) * extentOf(nest, variables[i + 1])) return std::nullopt;
  return at(variables.back());
}

}  // namespace sofie
