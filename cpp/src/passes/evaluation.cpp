#include "passes/evaluation.hxx"

#include "sofie/builder.hxx"
#include "sofie/interpreter.hxx"

namespace sofie {

bool readsOnlyConstants(const Program& program, const Expr& expr) {
  bool constant = true;
  walk(expr, [&](const Expr& node) {
    if (node->op == Op::Accumulator || node->op == Op::Extent) constant = false;
    if (node->op == Op::Load)
      constant = constant &&
                 program.buffers[static_cast<std::size_t>(node->view.buffer)].kind == BufferKind::Constant;
  });
  return constant;
}

namespace {

/// The same value without the axes along which what is loaded repeats.
Expr withoutRepetitions(const Expr& expr) {
  return rewrite(expr, [](const Expr& node) -> Expr {
    if (node->op != Op::Load) return {};
    View view = node->view;
    std::vector<Expr> indices = node->args;
    for (std::size_t axis = indices.size(); axis-- > 0;) {
      const bool repeats = indices[axis]->op == Op::Index && view.strides[axis].is(0);
      if (!repeats) continue;
      const auto place = static_cast<std::ptrdiff_t>(axis);
      view.shape.erase(view.shape.begin() + place);
      view.strides.erase(view.strides.begin() + place);
      indices.erase(indices.begin() + place);
    }
    return load(Tensor{node->type, view}, indices);
  });
}

}  // namespace

std::vector<int> variablesOf(const Expr& expr, std::size_t count) {
  const Expr varying = withoutRepetitions(expr);
  std::vector<int> variables;
  for (int v = 0; v < static_cast<int>(count); ++v)
    if (dependsOn(varying, v)) variables.push_back(v);
  return variables;
}

namespace {

/// True when a tensor with axes is read: a weight, which remains data and never becomes a number in the code.
bool readsWeights(const Program& program, const Expr& expr) {
  bool found = false;
  walk(expr, [&](const Expr& node) {
    if (node->op == Op::Load)
      found = found || !program.buffers[static_cast<std::size_t>(node->view.buffer)].shape.empty();
  });
  return found;
}

/// The expression over the loop variables that it reads, or its sum over the reduction for those of the axes.
std::optional<Expr> tabulated(Program& program, const Nest& nest, const Expr& expr, bool isSum) {
  const auto variables = variablesOf(expr, isSum ? nest.axes.size() : nest.variables());
  Shape shape;
  std::vector<Expr> renumbered(nest.variables()), position;
  for (const int v : variables) {
    renumbered[static_cast<std::size_t>(v)] = index(static_cast<int>(shape.size()));
    position.push_back(index(v));
    shape.push_back(extentOf(nest, v));
  }
  if (shape.empty() && readsWeights(program, expr)) {
    shape.emplace_back(1);
    position.push_back(integer(DType::Int64, 0));
  }
  if (!staticShape(shape)) return std::nullopt;
  if (isSum)
    for (std::size_t i = 0; i < nest.reduction.size(); ++i)
      renumbered[nest.axes.size() + i] = index(static_cast<int>(shape.size() + i));
  Program part;
  part.buffers = program.buffers;
  const Expr element = substitute(withoutRepetitions(expr), renumbered);
  const Tensor values = isSum ? Builder(part).reduce(shape, nest.reduction, Combiner::Sum, element)
                              : Builder(part).map(shape, element);
  const Contents contents = interpret(part, {}, values);
  if (!contents.constant) return std::nullopt;
  return load(Builder(program).constant(*contents.constant), position);
}

}  // namespace

std::optional<Expr> evaluated(Program& program, const Nest& nest, const Expr& expr) {
  return tabulated(program, nest, expr, false);
}

std::optional<Expr> evaluatedSum(Program& program, const Nest& nest, const Expr& expr) {
  return tabulated(program, nest, expr, true);
}

}  // namespace sofie
