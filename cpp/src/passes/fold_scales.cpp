#include <algorithm>
#include <cmath>

#include "passes/evaluation.hxx"
#include "sofie/passes.hxx"

namespace sofie {
namespace {

/// scale * accumulator + shift; an empty part is 1 or 0.
struct Linear {
  Expr scale, shift;
};

Expr joined(Op op, const Expr& a, const Expr& b) { return a && b ? binary(op, a, b) : a ? a : b; }

/// The linear form of an epilogue expression whose coefficients are constant.
std::optional<Linear> linear(const Program& program, const Expr& expr) {
  if (expr->op == Op::Accumulator) return Linear{};
  if (expr->args.size() != 2) return std::nullopt;
  const bool leftConstant = readsOnlyConstants(program, expr->args[0]);
  const bool rightConstant = readsOnlyConstants(program, expr->args[1]);
  if (leftConstant == rightConstant) return std::nullopt;
  const Expr& constant = expr->args[leftConstant ? 0 : 1];
  const auto inner = linear(program, expr->args[leftConstant ? 1 : 0]);
  if (!inner) return std::nullopt;
  switch (expr->op) {
    case Op::Add:
      return Linear{inner->scale, joined(Op::Add, inner->shift, constant)};
    case Op::Sub:
      if (leftConstant) return std::nullopt;
      return Linear{inner->scale, joined(Op::Add, inner->shift, unary(Op::Neg, constant))};
    case Op::Mul:
      return Linear{joined(Op::Mul, inner->scale, constant), inner->shift ? inner->shift * constant : Expr()};
    case Op::Div: {
      if (leftConstant) return std::nullopt;
      const Expr factor = unary(Op::Reciprocal, constant);
      return Linear{joined(Op::Mul, inner->scale, factor), inner->shift ? inner->shift * factor : Expr()};
    }
    default:
      return std::nullopt;
  }
}

/// The largest linear sub-expressions that hold the accumulator.
void collectLinear(const Program& program, const Expr& expr, std::vector<Expr>& found) {
  if (linear(program, expr)) {
    found.push_back(expr);
    return;
  }
  for (const Expr& arg : expr->args) collectLinear(program, arg, found);
}

/// True when all elements of the constant are finite. Infinity times a sum is infinite; the sum of its
/// products may be no number.
bool isFinite(const Program& program, const Expr& constant) {
  const auto& values = program.buffers[static_cast<std::size_t>(constant->view.buffer)].constant;
  for (std::int64_t i = 0; i < values->size(); ++i)
    if (!std::isfinite(values->at<double>(i))) return false;
  return true;
}

/// Multiplies the constant operand by the scale, when the operand varies along all of the scale's loops.
std::optional<Expr> scaledElement(Program& program, const Nest& nest, const Expr& scale) {
  for (std::size_t side = 2; side-- > 0;) {
    const Expr& weight = nest.element->args[side];
    if (!readsOnlyConstants(program, weight)) continue;
    const auto has = variablesOf(weight, nest.variables()), wants = variablesOf(scale, nest.variables());
    if (!std::includes(has.begin(), has.end(), wants.begin(), wants.end())) continue;
    const auto scaled = evaluated(program, nest, weight * scale);
    if (!scaled || !isFinite(program, *scaled)) continue;
    return side == 1 ? nest.element->args[0] * *scaled : *scaled * nest.element->args[1];
  }
  return std::nullopt;
}

bool foldScale(Program& program, Nest& nest) {
  if (!isFloat(nest.element.type())) return false;
  std::vector<Expr> found;
  collectLinear(program, nest.epilogue, found);
  if (found.empty()) return false;
  for (const Expr& other : found)
    if (text(other) != text(found[0])) return false;
  const Linear form = *linear(program, found[0]);
  if (!form.scale) return false;
  const auto element = scaledElement(program, nest, form.scale);
  if (!element) return false;
  Expr replacement = accumulator(nest.element.type());
  if (form.shift) {
    const auto shift = evaluated(program, nest, form.shift);
    if (!shift) return false;
    replacement = replacement + *shift;
  }
  const std::string old = text(found[0]);
  nest.element = *element;
  nest.epilogue =
      rewrite(nest.epilogue, [&](const Expr& node) { return text(node) == old ? replacement : Expr(); });
  return true;
}

}  // namespace

/// Batch norms and other constant factors behind a contraction move into its weights.
bool foldScales(Program& program) {
  bool changed = false;
  forEachNest(program.kernels, [&](Nest& nest) {
    if (nest.kind == Nest::Kind::Contraction) changed = foldScale(program, nest) || changed;
  });
  return changed;
}

}  // namespace sofie
