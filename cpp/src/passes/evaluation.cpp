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

std::vector<int> variablesOf(const Expr& expr, std::size_t count) {
  std::vector<int> variables;
  for (int v = 0; v < static_cast<int>(count); ++v)
    if (dependsOn(expr, v)) variables.push_back(v);
  return variables;
}

std::optional<Expr> evaluated(Program& program, const Nest& nest, const Expr& expr) {
  const auto variables = variablesOf(expr, nest.variables());
  Shape shape;
  std::vector<Expr> renumbered(nest.variables()), position;
  for (const int v : variables) {
    const auto id = static_cast<std::size_t>(v);
    renumbered[id] = index(static_cast<int>(shape.size()));
    position.push_back(index(v));
    shape.push_back(id < nest.axes.size() ? nest.axes[id] : nest.reduction[id - nest.axes.size()]);
  }
  if (!staticShape(shape)) return std::nullopt;
  Program part;
  part.buffers = program.buffers;
  const Tensor values = Builder(part).map(shape, substitute(expr, renumbered));
  const Contents contents = interpret(part, {}, values);
  if (!contents.constant) return std::nullopt;
  return load(Builder(program).constant(*contents.constant), position);
}

}  // namespace sofie
