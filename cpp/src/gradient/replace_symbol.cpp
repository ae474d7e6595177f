#include "gradient/replace_symbol.hxx"

namespace sofie {
namespace {

using Change = std::function<void(Dim&)>;

void changeAll(std::vector<Dim>& dims, const Change& change) {
  for (Dim& dim : dims) change(dim);
}

void changeNest(Nest& nest, const Change& change) {
  changeAll(nest.axes, change);
  changeAll(nest.reduction, change);
  forEachExpression(nest, [&](Expr& expr) {
    expr = rewrite(expr, [&](const Expr& node) -> Expr {
      if (node->op != Op::Extent) return {};
      Dim dim = node->dim;
      change(dim);
      return extent(dim);
    });
  });
}

}  // namespace

void replaceSymbol(std::vector<Kernel>& kernels, const std::string& symbol, const Dim& by) {
  const Change change = [&](Dim& dim) { dim = dim.replaced(symbol, by); };
  for (Kernel& kernel : kernels)
    changeViews(kernel, [&](View& view) {
      change(view.offset);
      changeAll(view.shape, change);
      changeAll(view.strides, change);
    });
  forEachList(kernels, [&](std::vector<Kernel>& list) {
    for (Kernel& kernel : list) {
      if (auto* nest = std::get_if<Nest>(&kernel.body)) changeNest(*nest, change);
      if (auto* loop = std::get_if<Loop>(&kernel.body)) change(loop->trips);
      if (auto* call = std::get_if<Call>(&kernel.body)) {
        change(call->items);
        changeAll(call->arguments, change);
      }
    }
  });
}

}  // namespace sofie
