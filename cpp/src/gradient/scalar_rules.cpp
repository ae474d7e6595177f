#include "gradient/scalar_rules.hxx"

#include <utility>

namespace sofie {
namespace {

constexpr double twoOverRootPi = 1.1283791670955126;

Expr like(const Expr& x, double value) { return number(x.type(), value); }
Expr square(const Expr& x) { return x * x; }
Expr zeroWhere(const Expr& condition, const Expr& value) { return select(condition, like(value, 0), value); }
Expr both(const Expr& a, const Expr& b) { return a && b ? binary(Op::LogicalAnd, a, b) : a ? a : b; }

/// The sum of what two uses of a load pass back.
LoadAdjoint sum(const LoadAdjoint& a, const LoadAdjoint& b) {
  const bool same = a.where && b.where ? text(a.where) == text(b.where) : !a.where && !b.where;
  if (same) return {a.load, a.value + b.value, a.where};
  return {a.load, a.masked() + b.masked(),
          a.where && b.where ? binary(Op::LogicalOr, a.where, b.where) : Expr()};
}

LoadAdjoints joined(LoadAdjoints a, const LoadAdjoints& b) {
  for (const auto& [key, term] : b) {
    const auto [place, isNew] = a.try_emplace(key, term);
    if (!isNew) place->second = sum(place->second, term);
  }
  return a;
}

bool isStep(Op op) {
  return op == Op::Sign || op == Op::Floor || op == Op::Ceil || op == Op::Round || op == Op::Trunc;
}

}  // namespace

Expr LoadAdjoint::masked() const { return where ? select(where, value, like(value, 0)) : value; }

void visitDifferentiable(const Expr& expr, const std::function<void(int)>& visit) {
  if (!isReal(expr.type()) || isStep(expr->op) || expr->op == Op::BitCast) return;
  if (expr->op == Op::Load) return visit(expr->view.buffer);
  for (const Expr& arg : expr->args) visitDifferentiable(arg, visit);
}

LoadAdjoints ScalarRules::of(const Expr& expr, const Expr& adjoint, const Expr& known) const {
  bool isReached = false;
  visitDifferentiable(expr, [&](int buffer) { isReached = isReached || isActive_(buffer); });
  if (!isReached) return {};
  if (expr->op == Op::Load) return {{text(expr), {expr, adjoint, {}}}};
  if (expr->op == Op::Cast) return of(expr->args[0], cast(computingType(expr->args[0].type()), adjoint));
  if (expr->op == Op::Select) return ofSelect(expr, adjoint);
  const Expr value = known ? known : expr;
  return expr->args.size() == 1 ? ofUnary(expr, adjoint, value) : ofBinary(expr, adjoint, value);
}

LoadAdjoints ScalarRules::ofSelect(const Expr& expr, const Expr& adjoint) const {
  const Expr condition = expr->args[0], opposite = unary(Op::LogicalNot, condition);
  LoadAdjoints yes = of(expr->args[1], adjoint), no = of(expr->args[2], adjoint), result;
  for (const auto& [key, term] : yes) {
    const auto other = no.find(key);
    if (other == no.end()) {
      result.emplace(key, LoadAdjoint{term.load, term.value, both(condition, term.where)});
      continue;
    }
    const Expr value = select(condition, term.masked(), other->second.masked());
    Expr where;
    if (term.where || other->second.where)
      where = binary(Op::LogicalOr, both(condition, term.where), both(opposite, other->second.where));
    result.emplace(key, LoadAdjoint{term.load, value, where});
    no.erase(other);
  }
  for (const auto& [key, term] : no)
    result.emplace(key, LoadAdjoint{term.load, term.value, both(opposite, term.where)});
  return result;
}

LoadAdjoints ScalarRules::ofUnary(const Expr& expr, const Expr& adjoint, const Expr& value) const {
  const Expr& x = expr->args[0];
  const Expr one = like(adjoint, 1);
  const auto root = [](const Expr& y) { return unary(Op::Sqrt, y); };
  const auto derivative = [&]() -> Expr {
    switch (expr->op) {
      case Op::Neg:
        return unary(Op::Neg, adjoint);
      case Op::Abs:
        return adjoint * unary(Op::Sign, x);
      case Op::Sqrt:
        return adjoint / (like(adjoint, 2) * value);
      case Op::Exp:
        return adjoint * value;
      case Op::Expm1:
        return adjoint * (value + one);
      case Op::Log:
        return adjoint / x;
      case Op::Log1p:
        return adjoint / (one + x);
      case Op::Sin:
        return adjoint * unary(Op::Cos, x);
      case Op::Cos:
        return adjoint * unary(Op::Neg, unary(Op::Sin, x));
      case Op::Tan:
        return adjoint * (one + square(value));
      case Op::Asin:
        return adjoint / root(one - square(x));
      case Op::Acos:
        return unary(Op::Neg, adjoint) / root(one - square(x));
      case Op::Atan:
        return adjoint / (one + square(x));
      case Op::Sinh:
        return adjoint * unary(Op::Cosh, x);
      case Op::Cosh:
        return adjoint * unary(Op::Sinh, x);
      case Op::Tanh:
        return adjoint * (one - square(value));
      case Op::Asinh:
        return adjoint / root(square(x) + one);
      case Op::Acosh:
        return adjoint / root(square(x) - one);
      case Op::Atanh:
        return adjoint / (one - square(x));
      case Op::Erf:
        return adjoint * (like(adjoint, twoOverRootPi) * unary(Op::Exp, unary(Op::Neg, square(x))));
      case Op::Sigmoid:
        return adjoint * (value * (one - value));
      default:  // Reciprocal
        return unary(Op::Neg, adjoint * square(value));
    }
  };
  return of(x, derivative());
}

LoadAdjoints ScalarRules::ofBinary(const Expr& expr, const Expr& adjoint, const Expr& value) const {
  const Expr &a = expr->args[0], &b = expr->args[1];
  const Expr zero = like(adjoint, 0);
  switch (expr->op) {
    case Op::Add:
      return joined(of(a, adjoint), of(b, adjoint));
    case Op::Sub:
      return joined(of(a, adjoint), of(b, unary(Op::Neg, adjoint)));
    case Op::Mul:
      return joined(of(a, adjoint * b), of(b, adjoint * a));
    case Op::Div:
      return joined(of(a, adjoint / b), of(b, unary(Op::Neg, adjoint * value) / b));
    case Op::Mod:
      return joined(of(a, adjoint), of(b, unary(Op::Neg, adjoint * unary(Op::Floor, a / b))));
    case Op::Fmod:
      return joined(of(a, adjoint), of(b, unary(Op::Neg, adjoint * unary(Op::Trunc, a / b))));
    case Op::Pow: {
      const Expr byBase = adjoint * (b * binary(Op::Pow, a, b - like(b, 1)));
      const Expr byExponent = adjoint * (value * unary(Op::Log, a));
      const Expr isFlat = binary(Op::LogicalAnd, binary(Op::Eq, a, zero), binary(Op::Ge, b, zero));
      return joined(of(a, zeroWhere(binary(Op::Eq, b, zero), byBase)), of(b, zeroWhere(isFlat, byExponent)));
    }
    default:  // Minimum, Maximum
      return ofExtreme(expr, adjoint, value);
  }
}

LoadAdjoints ScalarRules::ofExtreme(const Expr& expr, const Expr& adjoint, const Expr& value) const {
  const bool isMaximum = expr->op == Op::Maximum;
  const Op beyond = isMaximum ? Op::Lt : Op::Gt;
  const Expr &a = expr->args[0], &b = expr->args[1];
  const Expr& limit = a->op == Op::Constant ? a : b;
  if (limit->op == Op::Constant) {
    const Expr isLimited = binary(isMaximum ? Op::Le : Op::Ge, value, limit);
    return of(&*limit == &*a ? b : a, zeroWhere(isLimited, adjoint));
  }
  const Expr shared = select(binary(Op::Eq, a, b), adjoint * like(adjoint, 0.5), adjoint);
  return joined(of(a, zeroWhere(binary(beyond, a, b), shared)),
                of(b, zeroWhere(binary(beyond, b, a), shared)));
}

}  // namespace sofie
