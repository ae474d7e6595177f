#include "gradient/sliding_window.hxx"

#include <algorithm>

#include "operators/padding.hxx"

namespace sofie {
namespace {

bool isVariable(const Expr& expr, std::size_t loop) {
  return expr->op == Op::Index && expr->integer == static_cast<std::int64_t>(loop);
}

/// Elements first, first + 1, ... of an axis.
struct Elements {
  Dim first, count;
};

/// The part of the axis of a view whose gradient is wanted.
Elements wanted(const View& view, std::size_t axis, const Box* limit, const Shape& shape) {
  const auto strides = rowMajor(shape);
  for (std::size_t i = 0; limit && i < shape.size(); ++i)
    if (view.offset.is(0) && strides[i] == view.strides[axis] && shape[i] == view.shape[axis])
      return {limit->first[i], limit->last[i] - limit->first[i] + 1};
  return {0, view.shape[axis]};
}

/// How the elements of an axis are laid out in a longer one: `before` zeros, then an element in every `step`.
struct Spacing {
  Dim before, size;
  std::int64_t step = 1;
};

/// The tensor with zeros around and between its elements.
Tensor spread(Builder& builder, const Tensor& tensor, const std::vector<Spacing>& spacings) {
  Shape shape;
  std::vector<Dim> before, after;
  bool isDense = true;
  for (std::size_t axis = 0; axis < tensor.rank(); ++axis) {
    const Spacing& spacing = spacings[axis];
    shape.push_back(spacing.size);
    before.push_back(spacing.before);
    after.push_back(spacing.size - spacing.before - tensor.dim(axis));
    isDense = isDense && spacing.step == 1;
  }
  const Expr zero = number(tensor.type, 0);
  if (isDense) return padConstant(builder, tensor, before, after, zero);
  const Tensor result = builder.map(shape, zero);
  Tensor target = result;
  for (std::size_t axis = 0; axis < tensor.rank(); ++axis)
    target = builder.slice(target, axis, before[axis], tensor.dim(axis), spacings[axis].step);
  builder.store(element(tensor), target);
  return result;
}

}  // namespace

std::optional<std::size_t> SlidingWindow::seedAxisOf(std::size_t position) const {
  for (std::size_t i = 0; i < seed_->args.size(); ++i)
    if (isVariable(seed_->args[i], position) && seed_->view.shape[i] == loops_[position]) return i;
  return std::nullopt;
}

bool SlidingWindow::addAxis(const Expr& index) {
  const auto form = affine(index, loops_.size());
  if (!form) return false;
  std::vector<std::size_t> moving;
  for (std::size_t v = 0; v < loops_.size(); ++v)
    if (!form->strides[v].is(0)) moving.push_back(v);
  Axis axis;
  axis.offset = form->offset;
  if (moving.size() > 2 || !axis.offset.isNonNegative()) return false;
  if (moving.size() == 1) {
    if (!form->strides[moving[0]].is(1) || !axis.offset.is(0)) return false;
    axis.loop = moving[0];
  }
  if (moving.size() == 2) {
    if (!seedAxisOf(moving[0])) std::swap(moving[0], moving[1]);
    const auto seedAxis = seedAxisOf(moving[0]);
    const auto stride = form->strides[moving[0]].value(), dilation = form->strides[moving[1]].value();
    if (!seedAxis || !stride || !dilation || *stride < 1 || *dilation < 1) return false;
    axis.position = moving[0];
    axis.place = moving[1];
    axis.stride = *stride;
    axis.dilation = *dilation;
    axis.seedAxis = *seedAxis;
  }
  axes_.push_back(axis);
  return true;
}

/// True when every loop moves at most one axis, and positions stand nowhere but in the seed's indices.
bool SlidingWindow::isComplete() const {
  std::vector<int> uses(loops_.size());
  bool hasWindow = false;
  for (const Axis& axis : axes_) {
    if (axis.loop) ++uses[*axis.loop];
    if (!axis.position) continue;
    hasWindow = true;
    ++uses[*axis.position];
    ++uses[axis.place];
    for (std::size_t i = 0; i < seed_->args.size(); ++i)
      if (i != axis.seedAxis && dependsOn(seed_->args[i], static_cast<int>(*axis.position))) return false;
    const Expr rest = rewrite(term_.value, [&](const Expr& node) -> Expr {
      return node->op == Op::Load && text(node) == text(seed_) ? number(seed_.type(), 0) : Expr();
    });
    if (dependsOn(rest, static_cast<int>(*axis.position))) return false;
  }
  return hasWindow && std::all_of(uses.begin(), uses.end(), [](int count) { return count <= 1; });
}

std::optional<SlidingWindow> SlidingWindow::find(const Shape& loops, const Expr& seed,
                                                 const LoadAdjoint& term) {
  if (term.where || seed->op != Op::Load) return std::nullopt;
  SlidingWindow window;
  window.loops_ = loops;
  window.seed_ = seed;
  window.term_ = term;
  for (const Expr& index : term.load->args)
    if (!window.addAxis(index)) return std::nullopt;
  const View& view = term.load->view;
  if (!window.isComplete() || !isInjective({{view.offset, view.strides}, view.shape})) return std::nullopt;
  return window;
}

/// With q = p * stride + k * dilation + offset, element q of the gradient is the sum over k of the seed at p.
/// The seed is laid out by p * stride, so that q and K - 1 - k give its place.
SlidingWindow::Sum SlidingWindow::transposed(Builder& builder, const Box* limit, const Shape& shape) const {
  const View& view = term_.load->view;
  Sum sum;
  sum.view.buffer = view.buffer;
  sum.view.offset = view.offset;
  Tensor seed{seed_.type(), seed_->view};
  std::vector<Spacing> spacings;
  for (const Dim& size : seed.shape()) spacings.push_back({0, size});
  std::vector<Expr> place = seed_->args, variables(loops_.size());
  const auto addAxis = [&](std::size_t axis, const Dim& size) {
    sum.axes.push_back(size);
    sum.view.strides.push_back(view.strides[axis]);
    return index(static_cast<int>(sum.axes.size()) - 1);
  };
  std::vector<std::pair<Expr, const Axis*>> windows;
  for (std::size_t i = 0; i < axes_.size(); ++i) {
    const Axis& axis = axes_[i];
    if (axis.loop) variables[*axis.loop] = addAxis(i, loops_[*axis.loop]);
    if (!axis.loop && !axis.position) sum.view.offset = sum.view.offset + view.strides[i] * axis.offset;
    if (!axis.position) continue;
    const Dim reach = (loops_[axis.place] - 1) * axis.dilation;
    const Dim last = (loops_[*axis.position] - 1) * axis.stride;
    Elements range = wanted(view, i, limit, shape);
    Dim before = reach + axis.offset - range.first;
    if (!before.isNonNegative() || !(range.count + reach - 1 - before - last).isNonNegative()) {
      range = {0, view.shape[i]};
      before = reach + axis.offset;
    }
    spacings[axis.seedAxis] = {before, range.count + reach, axis.stride};
    sum.view.offset = sum.view.offset + view.strides[i] * range.first;
    windows.emplace_back(addAxis(i, range.count), &axis);
  }
  sum.view.shape = sum.axes;
  seed = spread(builder, seed, spacings);
  const auto isPosition = [&](std::size_t v) {
    return std::any_of(axes_.begin(), axes_.end(), [&](const Axis& axis) { return axis.position == v; });
  };
  for (std::size_t v = 0; v < loops_.size(); ++v) {
    if (variables[v] || isPosition(v)) continue;
    variables[v] = index(static_cast<int>(sum.axes.size() + sum.reduction.size()));
    sum.reduction.push_back(loops_[v]);
  }
  for (const auto& [q, axis] : windows) {
    const Expr back = variables[axis->place];
    place[axis->seedAxis] = q + back * integer(DType::Int64, axis->dilation);
    variables[axis->place] = extent(loops_[axis->place] - 1) - back;
  }
  // The places along the windows are in the new variables already.
  for (std::size_t i = 0; i < place.size(); ++i)
    if (std::none_of(windows.begin(), windows.end(), [&](const auto& w) { return w.second->seedAxis == i; }))
      place[i] = substitute(place[i], variables);
  const Expr spreadSeed = load(seed, place);
  const Expr marked = rewrite(term_.value, [&](const Expr& node) -> Expr {
    return node->op == Op::Load && text(node) == text(seed_) ? accumulator(node.type()) : Expr();
  });
  sum.element = rewrite(substitute(marked, variables), [&](const Expr& node) -> Expr {
    return node->op == Op::Accumulator ? spreadSeed : Expr();
  });
  return sum;
}

}  // namespace sofie
