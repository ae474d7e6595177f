#include <cmath>
#include <set>

#include "sofie/passes.hxx"

namespace sofie {
namespace {

/// The number that a load of a constant without axes gives. What has axes is a weight, and remains data.
std::optional<Expr> scalarOf(const Program& program, const Expr& node) {
  if (node->op != Op::Load) return std::nullopt;
  const Buffer& buffer = program.buffers[static_cast<std::size_t>(node->view.buffer)];
  if (buffer.kind != BufferKind::Constant || !buffer.shape.empty() || isStorage(buffer.type))
    return std::nullopt;
  if (isFloat(buffer.type)) return number(buffer.type, buffer.constant->at<double>(0));
  return integer(buffer.type, buffer.constant->at<std::int64_t>(0));
}

bool inlineScalars(const Program& program, Expr& expr) {
  bool changed = false;
  expr = rewrite(expr, [&](const Expr& node) -> Expr {
    const auto scalar = scalarOf(program, node);
    changed = changed || scalar;
    return scalar.value_or(Expr());
  });
  return changed;
}

/// True when a last digit of what is inside may change the result by much.
bool isDiscontinuous(const Expr& node) {
  switch (node->op) {
    case Op::Floor:
    case Op::Ceil:
    case Op::Round:
    case Op::Trunc:
    case Op::Mod:
    case Op::Fmod:
      return true;
    case Op::Cast:
      return isFloat(node->args[0].type()) && !isFloat(node->type);
    default:
      return false;
  }
}

bool hasDiscontinuity(const Expr& expr) {
  bool found = false;
  walk(expr, [&](const Expr& node) { found = found || isDiscontinuous(node); });
  return found;
}

/// 1 / divisor, where multiplying by it differs from dividing by rounding alone.
std::optional<Expr> reciprocalOf(const Expr& divisor) {
  if (divisor->op != Op::Constant || !isFloat(divisor->type)) return std::nullopt;
  const double magnitude = std::fabs(divisor->real);
  if (!(magnitude >= 1e-30 && magnitude <= 1e30)) return std::nullopt;
  return number(divisor->type, 1 / divisor->real);
}

/// The buffers that expressions with a discontinuity read.
std::set<int> readBelowDiscontinuities(const Program& program) {
  std::set<int> buffers;
  forEachKernel(program.kernels, [&](const Kernel& kernel) {
    const auto* nest = std::get_if<Nest>(&kernel.body);
    if (!nest) return;
    forEachExpression(*nest, [&](const Expr& expr) {
      if (!hasDiscontinuity(expr)) return;
      walk(expr, [&](const Expr& node) {
        if (node->op == Op::Load) buffers.insert(node->view.buffer);
      });
    });
  });
  return buffers;
}

bool multiplyByReciprocals(Expr& expr) {
  if (hasDiscontinuity(expr)) return false;
  bool changed = false;
  expr = rewrite(expr, [&](const Expr& node) -> Expr {
    if (node->op != Op::Div) return {};
    const auto factor = reciprocalOf(node->args[1]);
    changed = changed || factor;
    return factor ? node->args[0] * *factor : Expr();
  });
  return changed;
}

}  // namespace

bool inlineScalars(Program& program) {
  bool changed = false;
  const std::set<int> exact = readBelowDiscontinuities(program);
  forEachNest(program.kernels, [&](Nest& nest) {
    forEachExpression(nest, [&](Expr& expr) {
      changed = inlineScalars(program, expr) || changed;
      if (exact.count(nest.target.buffer) == 0) changed = multiplyByReciprocals(expr) || changed;
    });
  });
  return changed;
}

}  // namespace sofie
