#include "sofie/builder.hxx"

#include <algorithm>
#include <optional>

#include "sofie/error.hxx"

namespace sofie {

std::vector<Expr> indices(std::size_t count, std::size_t first) {
  std::vector<Expr> result;
  for (std::size_t i = 0; i < count; ++i) result.push_back(index(static_cast<int>(first + i)));
  return result;
}

Expr element(const Tensor& tensor) { return load(tensor, indices(tensor.rank())); }

bool isDense(const View& view) {
  Dim expected = 1;
  for (std::size_t axis = view.shape.size(); axis-- > 0;) {
    if (!view.shape[axis].is(1) && view.strides[axis] != expected) return false;
    expected = expected * view.shape[axis];
  }
  return true;
}

Shape broadcastShapes(const std::vector<Shape>& shapes) {
  std::size_t rank = 0;
  for (const Shape& shape : shapes) rank = std::max(rank, shape.size());
  Shape result(rank, 1);
  for (const Shape& shape : shapes)
    for (std::size_t i = 0; i < shape.size(); ++i) {
      Dim& dim = result[rank - shape.size() + i];
      const Dim& other = shape[i];
      if (dim == other || other.is(1)) continue;
      if (dim.is(1) || (!dim.isConstant() && other.isConstant())) {
        dim = other;
      } else if (dim.isConstant() && other.isConstant()) {
        std::string list;
        for (const Shape& each : shapes) list += " " + text(each);
        throw ShapeError("shapes do not broadcast:" + list);
      }
      // Two different symbolic dims, or a symbol against a number above one: they must be equal when the
      // model runs.
    }
  return result;
}

Tensor Builder::temporary(DType type, const Shape& shape) {
  return program_.tensor(program_.addBuffer({BufferKind::Temporary, type, shape, "", std::nullopt}));
}

Tensor Builder::constant(const Constant& constant) {
  const Shape shape(constant.shape.begin(), constant.shape.end());
  return program_.tensor(program_.addBuffer({BufferKind::Constant, constant.type, shape, "", constant}));
}

Tensor Builder::scalar(DType type, double value) { return constant(Constant::of<double>(type, {}, {value})); }

Tensor Builder::dims(const std::vector<Dim>& values) {
  const Tensor result = temporary(DType::Int64, {Dim(static_cast<std::int64_t>(values.size()))});
  for (std::size_t i = 0; i < values.size(); ++i)
    store(extent(values[i]), squeeze(slice(result, 0, static_cast<std::int64_t>(i), 1), 0));
  return result;
}

namespace {

/// False when the shapes hold different numbers of elements whatever the sizes of the symbols are.
bool mayHoldAsMany(const Shape& a, const Shape& b) {
  const Dim left = product(a), right = product(b);
  if (left == right) return true;
  if ((left - right).isConstant()) return false;
  Dim factor = 1;  // makes the quotient whole where the counts are in a fixed proportion
  for (const Dim& dim : b)
    if (dim.isConstant()) factor = factor * dim;
  const auto proportion = Dim::exactDivide(factor * left, right);
  return !proportion || !proportion->isConstant();
}

/// Strides of the view's elements in another shape; empty when no strides express it.
std::optional<std::vector<Dim>> stridesAs(const View& view, const Shape& shape) {
  struct Block {
    Dim size, stride;
  };
  std::vector<Block> blocks;  // of axes that are contiguous among themselves
  for (std::size_t axis = 0; axis < view.shape.size(); ++axis) {
    const Dim &size = view.shape[axis], &stride = view.strides[axis];
    if (size.is(1)) continue;
    if (!blocks.empty() && blocks.back().stride == stride * size)
      blocks.back() = {blocks.back().size * size, stride};
    else
      blocks.push_back({size, stride});
  }
  std::vector<Dim> strides(shape.size(), 1);
  std::size_t axis = shape.size();
  for (auto block = blocks.rbegin(); block != blocks.rend(); ++block) {
    Dim size = 1;
    while (size != block->size && axis-- > 0) {
      strides[axis] = block->stride * size;
      size = size * shape[axis];
    }
    if (size != block->size) return std::nullopt;
  }
  while (axis-- > 0)
    if (!shape[axis].is(1)) return std::nullopt;
  return strides;
}

}  // namespace

Tensor Builder::reshape(const Tensor& tensor, const Shape& shape) {
  if (!mayHoldAsMany(tensor.shape(), shape))
    throw ShapeError("a tensor of shape " + text(tensor.shape()) + " cannot be reshaped to " + text(shape));
  agree(product(tensor.shape()), product(shape), "the numbers of elements before and after a reshape");
  Tensor result = tensor;
  if (const auto strides = stridesAs(tensor.view, shape)) {
    result.view.strides = *strides;
  } else {
    result = dense(tensor);
    result.view.strides = rowMajor(shape);
  }
  result.view.shape = shape;
  return result;
}

Tensor Builder::transpose(const Tensor& tensor, const std::vector<std::size_t>& permutation) const {
  Tensor result = tensor;
  for (std::size_t i = 0; i < permutation.size(); ++i) {
    result.view.shape[i] = tensor.view.shape[permutation[i]];
    result.view.strides[i] = tensor.view.strides[permutation[i]];
  }
  return result;
}

Tensor Builder::slice(Tensor tensor, std::size_t axis, const Dim& start, const Dim& count,
                      std::int64_t step) const {
  tensor.view.offset = tensor.view.offset + start * tensor.view.strides[axis];
  tensor.view.strides[axis] = tensor.view.strides[axis] * step;
  tensor.view.shape[axis] = count;
  return tensor;
}

Tensor Builder::unsqueeze(Tensor tensor, std::size_t axis) const {
  const auto position = static_cast<std::ptrdiff_t>(axis);
  tensor.view.shape.insert(tensor.view.shape.begin() + position, 1);
  tensor.view.strides.insert(tensor.view.strides.begin() + position, 0);
  return tensor;
}

Tensor Builder::squeeze(Tensor tensor, std::size_t axis) const {
  const auto position = static_cast<std::ptrdiff_t>(axis);
  tensor.view.shape.erase(tensor.view.shape.begin() + position);
  tensor.view.strides.erase(tensor.view.strides.begin() + position);
  return tensor;
}

Dim Builder::agree(const Dim& left, const Dim& right, const std::string& what) {
  const auto difference = (left - right).value();
  if (difference && *difference != 0)
    throw ShapeError(what + " must be equal, but are " + left.text() + " and " + right.text());
  if (!difference) program_.requirements.push_back({left, Requirement::Relation::Equal, right, what});
  return left.isConstant() ? left : right;
}

void Builder::atLeast(const Dim& size, const Dim& least, const std::string& what) {
  const Dim surplus = size - least;
  if (const auto most = surplus.upperBound(); most && *most < 0)
    throw ShapeError(what + " must be at least " + least.text() + ", but is " + size.text());
  if (const auto low = surplus.lowerBound(); low && *low >= 0) return;
  program_.requirements.push_back({size, Requirement::Relation::AtLeast, least, what});
}

Tensor Builder::broadcast(const Tensor& tensor, const Shape& shape) {
  const auto fits = [&](std::size_t i) {
    const auto difference = (tensor.dim(i) - shape[shape.size() - tensor.rank() + i]).value();
    return tensor.dim(i).is(1) || !difference || *difference == 0;
  };
  bool possible = tensor.rank() <= shape.size();
  for (std::size_t i = 0; possible && i < tensor.rank(); ++i) possible = fits(i);
  if (!possible) throw ShapeError("shape " + text(tensor.shape()) + " does not broadcast to " + text(shape));
  Tensor result{tensor.type,
                {tensor.view.buffer, tensor.view.offset, shape, std::vector<Dim>(shape.size(), 0)}};
  const std::size_t lead = shape.size() - tensor.rank();
  for (std::size_t i = 0; i < tensor.rank(); ++i) {
    if (tensor.dim(i).is(1)) continue;
    agree(tensor.dim(i), shape[lead + i], "sizes that are broadcast");
    result.view.strides[lead + i] = tensor.view.strides[i];
  }
  return result;
}

void Builder::add(Nest nest) { program_.kernels.push_back({std::move(nest), origins_}); }

Tensor Builder::map(const Shape& shape, const Expr& element) {
  const Tensor result = temporary(element.type(), shape);
  store(element, result);
  return result;
}

void Builder::store(const Expr& element, const Tensor& target) {
  scatter(target.shape(), element, target, indices(target.rank()));
}

void Builder::scatter(const Shape& axes, const Expr& element, const Tensor& target, std::vector<Expr> indices,
                      std::optional<Combiner> merge, const Expr& guard) {
  Nest nest;
  nest.axes = axes;
  nest.element = element;
  nest.target = target.view;
  nest.targetIndex = std::move(indices);
  nest.merge = merge;
  nest.guard = guard;
  add(std::move(nest));
}

Tensor Builder::elementwise(const std::vector<Tensor>& tensors, const Body& body) {
  std::vector<Shape> shapes;
  for (const Tensor& tensor : tensors) shapes.push_back(tensor.shape());
  const Shape shape = broadcastShapes(shapes);
  std::vector<Expr> elements;
  for (const Tensor& tensor : tensors) elements.push_back(element(broadcast(tensor, shape)));
  return map(shape, body(elements));
}

Tensor Builder::copy(const Tensor& tensor) { return map(tensor.shape(), element(tensor)); }

Tensor Builder::dense(const Tensor& tensor) { return isDense(tensor.view) ? tensor : copy(tensor); }

Tensor Builder::cast(const Tensor& tensor, DType type) {
  if (tensor.type == type) return tensor;
  return map(tensor.shape(), sofie::cast(type, element(tensor)));
}

Tensor Builder::reduce(const Tensor& tensor, const std::vector<std::size_t>& axes, bool keepDims,
                       Combiner combiner, const Term& term, const Term& epilogue) {
  Shape kept, reduction, keptWithOnes;
  std::vector<Expr> position(tensor.rank());
  for (std::size_t axis = 0; axis < tensor.rank(); ++axis)
    if (std::find(axes.begin(), axes.end(), axis) == axes.end()) kept.push_back(tensor.dim(axis));
  std::size_t outer = 0, inner = kept.size();
  for (std::size_t axis = 0; axis < tensor.rank(); ++axis) {
    const bool reduced = std::find(axes.begin(), axes.end(), axis) != axes.end();
    position[axis] = index(static_cast<int>(reduced ? inner++ : outer++));
    if (reduced) reduction.push_back(tensor.dim(axis));
    keptWithOnes.push_back(reduced ? Dim(1) : tensor.dim(axis));
  }
  const Expr value = load(tensor, position);
  const Tensor result = reduce(kept, reduction, combiner, term ? term(value) : value, epilogue);
  return keepDims ? reshape(result, keptWithOnes) : result;
}

Tensor Builder::reduce(const Shape& axes, const Shape& reduction, Combiner combiner, const Expr& element,
                       const Term& epilogue) {
  const bool position = combiner == Combiner::ArgMinimum || combiner == Combiner::ArgMaximum;
  const Expr reduced = accumulator(position ? DType::Int64 : element.type());
  Nest nest;
  nest.kind = Nest::Kind::Reduce;
  nest.axes = axes;
  nest.reduction = reduction;
  nest.element = element;
  nest.combiner = combiner;
  nest.epilogue = epilogue ? epilogue(reduced) : reduced;
  const Tensor result = temporary(nest.epilogue.type(), axes);
  nest.target = result.view;
  nest.targetIndex = indices(axes.size());
  add(std::move(nest));
  return result;
}

Tensor Builder::fold(const Shape& axes, const Shape& reduction, const Expr& initial, const Expr& element,
                     const Term& epilogue) {
  const Tensor result = reduce(axes, reduction, Combiner::Fold, element, epilogue);
  std::get<Nest>(program_.kernels.back().body).initial = initial;
  return result;
}

Tensor Builder::contraction(const Shape& axes, const Shape& reduction, const Expr& left, const Expr& right) {
  const Tensor result = reduce(axes, reduction, Combiner::Sum, left * right);
  std::get<Nest>(program_.kernels.back().body).kind = Nest::Kind::Contraction;
  return result;
}

void Builder::cancels(const Tensor& tensor) {
  program_.buffers[static_cast<std::size_t>(tensor.view.buffer)].cancels = true;
}

void Builder::call(Call call) { program_.kernels.push_back({std::move(call), origins_}); }

void Builder::write(Measure measure) { program_.kernels.push_back({std::move(measure), origins_}); }

std::vector<Kernel> Builder::recorded(const std::function<void()>& write) {
  const auto first = static_cast<std::ptrdiff_t>(program_.kernels.size());
  write();
  std::vector<Kernel> kernels(program_.kernels.begin() + first, program_.kernels.end());
  program_.kernels.erase(program_.kernels.begin() + first, program_.kernels.end());
  return kernels;
}

void Builder::branch(const Tensor& condition, std::vector<Kernel> then, std::vector<Kernel> otherwise) {
  program_.kernels.push_back({Region{condition, std::move(then), std::move(otherwise)}, origins_});
}

void Builder::loop(const std::string& counter, const Dim& trips, const std::optional<Tensor>& condition,
                   const std::function<void(const Dim&)>& body) {
  const Dim number = program_.local(counter, max(trips - 1, 0));
  Loop loop{counter, trips, condition, recorded([&] { body(number); })};
  program_.kernels.push_back({std::move(loop), origins_});
}

}  // namespace sofie
