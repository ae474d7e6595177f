#include "gradient/reverse.hxx"

#include <algorithm>

#include "gradient/replace_symbol.hxx"

namespace sofie {
namespace {

bool isLeaf(const Kernel& kernel) {
  return !std::holds_alternative<Region>(kernel.body) && !std::holds_alternative<Loop>(kernel.body);
}

Expr like(const Expr& x, double value) { return number(x.type(), value); }

/// Of the kernels that pass a gradient back through one.
std::vector<Origin> originsBehind(const Kernel& kernel) {
  std::vector<Origin> origins = kernel.origins;
  for (Origin& origin : origins) origin.label = "gradient of " + origin.label;
  return origins;
}

Shape loopsOf(const Nest& nest) {
  Shape loops = nest.axes;
  loops.insert(loops.end(), nest.reduction.begin(), nest.reduction.end());
  return loops;
}

}  // namespace

Reverse::Reverse(const Program& forward, const Activity& activity, Builder& builder, Adjoints& adjoints,
                 std::vector<std::string>& refusals)
    : forward_(forward),
      activity_(activity),
      builder_(builder),
      adjoints_(adjoints),
      refusals_(refusals),
      writes_(forward),
      rules_([&activity](int buffer) { return activity.isActive(buffer); }),
      contributions_(builder, adjoints) {
  forEachKernel(forward.kernels, [&](const Kernel& kernel) {
    if (isLeaf(kernel)) positions_.emplace(&kernel, static_cast<int>(positions_.size()));
  });
  limitGradients();
}

/// Where one box of a buffer alone depends on the inputs, as in a padded image, its gradient is not wanted
/// elsewhere.
void Reverse::limitGradients() {
  std::map<int, std::vector<int>> writers;
  for (const auto& [kernel, position] : positions_)
    if (activity_.isActive(*kernel))
      for (const int buffer : writtenBuffers(*kernel)) writers[buffer].push_back(position);
  for (const auto& [buffer, positions] : writers)
    if (writes_.isWrittenOnce(buffer) && writes_.writers(buffer).size() > 1)
      if (const auto box = writes_.onlyBox(positions, buffer)) adjoints_.limit(buffer, *box);
}

void Reverse::refuse(const std::string& reason) {
  refusals_.push_back(text(current_->origins) + ": " + reason);
}

void Reverse::reverse(const std::vector<Kernel>& kernels) {
  for (auto kernel = kernels.rbegin(); kernel != kernels.rend(); ++kernel)
    if (activity_.isActive(*kernel)) reverse(*kernel);
}

void Reverse::reverse(const Kernel& kernel) {
  current_ = &kernel;
  builder_.setOrigins(originsBehind(kernel));
  if (const auto* nest = std::get_if<Nest>(&kernel.body)) reverse(*nest);
  if (const auto* region = std::get_if<Region>(&kernel.body)) reverse(*region);
  if (const auto* loop = std::get_if<Loop>(&kernel.body)) reverse(*loop);
  const auto* call = std::get_if<Call>(&kernel.body);
  if (call && call->header == "top_k.hxx") return reverseTopK(*call);
  if (call) refuse("the routine " + call->routine + " has no gradient");
}

void Reverse::reverse(const Nest& nest) {
  const auto total = adjoints_.total(nest.target.buffer, nest.target);
  if (!total) return;
  if (nest.merge && nest.merge != Combiner::Sum)
    return refuse("elements that join by " + std::string(combinerName(*nest.merge)) + " have no gradient");
  const Expr seed = load(*total, nest.targetIndex);
  nest.kind == Nest::Kind::Map ? reverseMap(nest, seed) : reverseReduce(nest, seed);
  const bool mayReplace = !nest.merge && !writes_.isWrittenOnce(nest.target.buffer);
  if (mayReplace && !writes_.isFirst(nest.target.buffer, position())) clear(nest);
}

Expr Reverse::storedValue(const Nest& nest) const {
  return load({nest.stored().type(), nest.target}, nest.targetIndex);
}

void Reverse::reverseMap(const Nest& nest, const Expr& seed) {
  const bool isStored = !nest.merge && writes_.isWrittenOnce(nest.target.buffer);
  LoadAdjoints terms = rules_.of(nest.element, seed, isStored ? storedValue(nest) : Expr());
  if (nest.guard)
    for (auto& [key, term] : terms)
      term.where = term.where ? binary(Op::LogicalAnd, nest.guard, term.where) : nest.guard;
  pass(nest.axes, seed, terms);
}

void Reverse::reverseReduce(const Nest& nest, const Expr& seed) {
  switch (nest.combiner) {
    case Combiner::Sum:
      return pass(loopsOf(nest), seed, rules_.of(nest.element, seed));
    case Combiner::Minimum:
    case Combiner::Maximum:
      return pass(loopsOf(nest), seed, rules_.of(nest.element, ofExtreme(nest, seed)));
    case Combiner::Product:
      return pass(loopsOf(nest), seed, rules_.of(nest.element, ofProduct(nest, seed)));
    default:
      refuse("a recurrence of floating-point numbers has no gradient");
  }
}

/// The gradient belongs to the first extreme element, as in PyTorch's poolings and `max`.
Expr Reverse::ofExtreme(const Nest& nest, const Expr& seed) {
  const bool isMaximum = nest.combiner == Combiner::Maximum;
  const Tensor found = builder_.reduce(nest.axes, nest.reduction,
                                       isMaximum ? Combiner::ArgMaximum : Combiner::ArgMinimum, nest.element);
  Expr here = integer(DType::Int64, 0);
  for (std::size_t i = 0; i < nest.reduction.size(); ++i)
    here = here * extent(nest.reduction[i]) + index(static_cast<int>(nest.axes.size() + i));
  const Expr place = load(found, indices(nest.axes.size()));
  return select(binary(Op::Eq, here, place), seed, like(seed, 0));
}

/// The product of the other factors: where one of them is zero, that of all that are not.
Expr Reverse::ofProduct(const Nest& nest, const Expr& seed) {
  const Expr zero = like(seed, 0), one = like(seed, 1), x = nest.element;
  const Expr isZero = binary(Op::Eq, x, zero);
  const Tensor zeros = builder_.reduce(nest.axes, nest.reduction, Combiner::Sum, select(isZero, one, zero));
  const Tensor rest = builder_.reduce(nest.axes, nest.reduction, Combiner::Product, select(isZero, one, x));
  const auto ifZeros = [&](const Expr& count, const Expr& value) {
    return select(binary(Op::Eq, element(zeros), count), value, zero);
  };
  return seed * select(isZero, ifZeros(one, element(rest)), ifZeros(zero, element(rest) / x));
}

bool Reverse::isKept(const Expr& expr) const {
  bool kept = true;
  if (expr)
    walk(expr, [&](const Expr& node) {
      if (node->op == Op::Load && static_cast<std::size_t>(node->view.buffer) < forward_.buffers.size())
        kept = kept && writes_.isFinalAfter(node->view.buffer, position());
    });
  return kept;
}

void Reverse::pass(const Shape& loops, const Expr& seed, const LoadAdjoints& terms) {
  for (const auto& [key, term] : terms) {
    const bool areIndicesKept = std::all_of(term.load->args.begin(), term.load->args.end(),
                                            [&](const Expr& index) { return isKept(index); });
    if (!isKept(term.value) || !isKept(term.where) || !areIndicesKept)
      return refuse("what it reads is overwritten later");
    contributions_.add(loops, seed, term);
  }
}

/// What a place held before it was overwritten has no gradient.
void Reverse::clear(const Nest& nest) {
  const int buffer = nest.target.buffer;
  const Tensor place{adjoints_.type(buffer), adjoints_.ownCopy(buffer, nest.target)};
  builder_.scatter(nest.axes, number(place.type, 0), place, nest.targetIndex, std::nullopt, nest.guard);
}

/// The buffers with gradients that the kernels inside of one, and others, read or write.
std::vector<int> Reverse::outerBuffers(const Kernel& kernel) const {
  const auto count = [](const std::vector<Kernel>& kernels) {
    std::map<int, int> views;
    for (const Kernel& each : kernels)
      forEachView(each, [&](const View& view, bool) { ++views[view.buffer]; });
    return views;
  };
  const auto all = count(forward_.kernels), inner = count({kernel});
  const std::set<int> written = writtenBuffers(kernel);
  std::vector<int> result;
  for (const auto& [buffer, views] : inner) {
    const bool isTemporary = forward_.buffers[static_cast<std::size_t>(buffer)].kind == BufferKind::Temporary;
    const bool isLocal = isTemporary && written.count(buffer) != 0 && all.at(buffer) == views;
    if (activity_.isActive(buffer) && !isLocal) result.push_back(buffer);
  }
  return result;
}

std::vector<Kernel> Reverse::inside(const Kernel& kernel, const std::vector<Kernel>& kernels) {
  std::vector<int> shared;
  for (const int buffer : outerBuffers(kernel))
    if (adjoints_.share(buffer)) shared.push_back(buffer);
  std::vector<Kernel> recorded = builder_.recorded([&] { reverse(kernels); });
  for (const int buffer : shared) adjoints_.unshare(buffer);
  current_ = &kernel;
  return recorded;
}

void Reverse::reverse(const Region& region) {
  const Kernel& kernel = *current_;
  std::vector<Kernel> then = inside(kernel, region.then);
  std::vector<Kernel> otherwise = inside(kernel, region.otherwise);
  builder_.branch(region.condition, std::move(then), std::move(otherwise));
}

/// The iterations run in the opposite order.
void Reverse::reverse(const Loop& loop) {
  Program& program = builder_.program();
  std::vector<Kernel> body = inside(*current_, loop.body);
  const std::string counter = loop.counter + "_backwards";
  const Dim number = program.local(counter, max(loop.trips - 1, 0));
  replaceSymbol(body, loop.counter, loop.trips - 1 - number);
  program.kernels.push_back(
      {Loop{counter, loop.trips, std::nullopt, std::move(body)}, originsBehind(*current_)});
}

/// The gradient of the greatest elements goes to where they were.
void Reverse::reverseTopK(const Call& call) {
  const Tensor &rows = call.inputs[0], &values = call.outputs[0], &positions = call.outputs[1];
  const auto total = adjoints_.total(values.view.buffer, values.view);
  if (!total) return;
  const Expr seed = element(*total);
  std::vector<Expr> place = indices(rows.rank());
  place.back() = element(positions);
  LoadAdjoint term{load(rows, place), seed, {}};
  pass(values.shape(), seed, {{"", term}});
}

}  // namespace sofie
