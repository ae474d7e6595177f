#include "gradient/adjoints.hxx"

#include <algorithm>

namespace sofie {

const Shape& Adjoints::shape(int buffer) const {
  const auto expansion = expansions_.find(buffer);
  return expansion != expansions_.end() ? expansion->second.row
                                        : builder_.program().buffers[static_cast<std::size_t>(buffer)].shape;
}

DType Adjoints::type(int buffer) const {
  return computingType(builder_.program().buffers[static_cast<std::size_t>(buffer)].type);
}

const Box* Adjoints::limitOf(int buffer) const {
  const auto found = limits_.find(buffer);
  return found == limits_.end() ? nullptr : &found->second;
}

/// True when nothing else of a gradient is ever read.
bool Adjoints::isAll(int buffer, const std::optional<Box>& box, const Dim& points) const {
  const Box* wanted = limitOf(buffer);
  if (points == product(shape(buffer))) return true;
  if (!wanted || !box || box->first != wanted->first || box->last != wanted->last) return false;
  Dim count = 1;
  for (std::size_t axis = 0; axis < box->first.size(); ++axis)
    count = count * (box->last[axis] - box->first[axis] + 1);
  return points == count;
}

View Adjoints::moved(int buffer, int part, View view) const {
  if (const auto expansion = expansions_.find(buffer); expansion != expansions_.end())
    view.offset = view.offset - expansion->second.offset;
  view.buffer = part;
  return view;
}

void Adjoints::seed(int buffer, const Tensor& tensor) {
  parts_[buffer].push_back({tensor.view.buffer, true, false, {}, std::nullopt});
}

int Adjoints::zeros(int buffer) { return builder_.map(shape(buffer), number(type(buffer), 0)).view.buffer; }

int Adjoints::collapse(int buffer) {
  std::vector<Part>& parts = parts_[buffer];
  if (parts.size() > 1) {
    std::vector<Tensor> tensors;
    for (const Part& part : parts) tensors.push_back({type(buffer), contiguous(part.buffer, shape(buffer))});
    const Tensor sum = builder_.elementwise(tensors, [](const std::vector<Expr>& x) {
      Expr value = x[0];
      for (std::size_t i = 1; i < x.size(); ++i) value = value + x[i];
      return value;
    });
    parts = {{sum.view.buffer, false, false, {}, std::nullopt}};
  }
  return parts[0].buffer;
}

std::optional<Tensor> Adjoints::total(int buffer, const View& view) {
  const auto found = parts_.find(buffer);
  if (found == parts_.end() || found->second.empty()) return std::nullopt;
  return Tensor{type(buffer), moved(buffer, collapse(buffer), view)};
}

View Adjoints::place(int buffer, const View& view, const Footprint& footprint) {
  Footprint here = footprint;
  here.address.offset = moved(buffer, 0, view).offset;
  const auto box = boxOf(here, shape(buffer));
  const Dim points = footprint.points();
  std::vector<Part>& parts = parts_[buffer];
  for (Part& part : parts) {
    const auto isApart = [&](const Box& other) { return areDisjoint(*box, other); };
    if (!box || !part.left || part.boxes.empty() || covered_.count(part.buffer) != 0 ||
        !std::all_of(part.boxes.begin(), part.boxes.end(), isApart))
      continue;
    part.boxes.push_back(*box);
    part.left = *part.left - points;
    if (part.left->is(0)) covered_.insert(part.buffer);
    return moved(buffer, part.buffer, view);
  }
  Part part{zeros(buffer), false, false, {}, product(shape(buffer)) - points};
  if (box) part.boxes.push_back(*box);
  if (isAll(buffer, box, points)) covered_.insert(part.buffer);
  parts.push_back(part);
  return moved(buffer, part.buffer, view);
}

View Adjoints::sum(int buffer, const View& view) {
  std::vector<Part>& parts = parts_[buffer];
  for (const Part& part : parts)
    if (part.takesSums) return moved(buffer, part.buffer, view);
  parts.push_back({zeros(buffer), false, true, {}, std::nullopt});
  return moved(buffer, parts.back().buffer, view);
}

bool Adjoints::share(int buffer) {
  if (isShared(buffer)) return false;
  std::vector<Part>& parts = parts_[buffer];
  if (parts.empty()) parts.push_back({zeros(buffer), false, true, {}, std::nullopt});
  collapse(buffer);
  if (parts[0].isSeed) ownCopy(buffer, {});
  parts[0].takesSums = true;
  shared_.insert(buffer);
  return true;
}

View Adjoints::ownCopy(int buffer, const View& view) {
  if (!isShared(buffer)) {
    const Tensor all{type(buffer), contiguous(collapse(buffer), shape(buffer))};
    parts_[buffer] = {{builder_.copy(all).view.buffer, false, false, {}, std::nullopt}};
  }
  return moved(buffer, parts_[buffer][0].buffer, view);
}

void Adjoints::removeNeedlessZeros() {
  forEachList(builder_.program().kernels, [&](std::vector<Kernel>& kernels) {
    const auto isNeedless = [&](const Kernel& kernel) {
      const auto* nest = std::get_if<Nest>(&kernel.body);
      return nest && nest->kind == Nest::Kind::Map && nest->element->op == Op::Constant &&
             covered_.erase(nest->target.buffer) != 0;
    };
    kernels.erase(std::remove_if(kernels.begin(), kernels.end(), isNeedless), kernels.end());
  });
}

}  // namespace sofie
