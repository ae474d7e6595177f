#include "gradient/contributions.hxx"

#include "gradient/sliding_window.hxx"

namespace sofie {
namespace {

/// True when the element of a sum makes it a Contraction.
bool isProduct(const Expr& element, std::size_t variables) {
  if (element->op != Op::Mul || !isFloat(element.type())) return false;
  for (const Expr& operand : element->args)
    if (operand->op != Op::Load || !address(operand->view, operand->args, variables)) return false;
  return true;
}

}  // namespace

void Contributions::add(const Shape& loops, const Expr& seed, const LoadAdjoint& term) {
  Nest nest;
  nest.axes = loops;
  const View& view = term.load->view;
  const auto form = address(view, term.load->args, loops.size());
  const bool isInside = form && staysInside(nest, view, term.load->args);
  if (!isInside) return scatter(loops, term, isInside);
  const Footprint footprint{*form, loops};
  std::vector<std::size_t> moving;
  for (std::size_t v = 0; v < loops.size(); ++v)
    if (!form->strides[v].is(0)) moving.push_back(v);
  if (isInjective(footprint.over(moving))) return store(direct(footprint, term));
  if (const auto product = sliding(loops, seed, term)) return store(*product);
  scatter(loops, term, isInside);
}

Contributions::Product Contributions::direct(const Footprint& footprint, const LoadAdjoint& term) const {
  Product product;
  std::vector<Expr> variables(footprint.extents.size());
  std::size_t next = 0;
  for (const bool moves : {true, false})
    for (std::size_t v = 0; v < variables.size(); ++v) {
      const Dim& stride = footprint.address.strides[v];
      if (stride.is(0) == moves) continue;
      variables[v] = index(static_cast<int>(next++));
      (moves ? product.axes : product.reduction).push_back(footprint.extents[v]);
      if (moves) product.view.strides.push_back(stride);
    }
  product.view.buffer = term.load->view.buffer;
  product.view.offset = footprint.address.offset;
  product.view.shape = product.axes;
  product.element = substitute(term.masked(), variables);
  return product;
}

void Contributions::store(const Product& product) {
  const std::size_t variables = product.axes.size() + product.reduction.size();
  Expr value = product.element;
  if (!product.reduction.empty())
    value =
        element(isProduct(value, variables)
                    ? builder_.contraction(product.axes, product.reduction, value->args[0], value->args[1])
                    : builder_.reduce(product.axes, product.reduction, Combiner::Sum, value));
  const int buffer = product.view.buffer;
  if (adjoints_.isShared(buffer)) {
    const Tensor sum{value.type(), adjoints_.sum(buffer, product.view)};
    return builder_.store(element(sum) + value, sum);
  }
  const Footprint footprint{{product.view.offset, product.view.strides}, product.axes};
  builder_.store(value, {value.type(), adjoints_.place(buffer, product.view, footprint)});
}

void Contributions::scatter(const Shape& loops, const LoadAdjoint& term, bool isInside) {
  const View& view = term.load->view;
  const Tensor sum{term.value.type(), adjoints_.sum(view.buffer, view)};
  const bool isGuarded = term.where && !isInside;
  builder_.scatter(loops, isGuarded ? term.value : term.masked(), sum, term.load->args, Combiner::Sum,
                   isGuarded ? term.where : Expr());
}

std::optional<Contributions::Product> Contributions::sliding(const Shape& loops, const Expr& seed,
                                                             const LoadAdjoint& term) {
  const auto window = SlidingWindow::find(loops, seed, term);
  if (!window) return std::nullopt;
  const View& view = term.load->view;
  const SlidingWindow::Sum sum =
      window->transposed(builder_, adjoints_.limitOf(view.buffer), adjoints_.shape(view.buffer));
  return Product{sum.axes, sum.reduction, sum.element, sum.view};
}

}  // namespace sofie
