#include "sofie/expression.hxx"

#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "sofie/error.hxx"

namespace sofie {
namespace {

constexpr std::array<std::string_view, static_cast<std::size_t>(Op::RandomBits) + 1> names{
    "constant",    "index",       "extent",
    "load",        "accumulator", "cast",
    "bit_cast",    "select",      "checked_index",
    "neg",         "abs",         "sign",
    "floor",       "ceil",        "round",
    "trunc",       "sqrt",        "exp",
    "expm1",       "log",         "log1p",
    "sin",         "cos",         "tan",
    "asin",        "acos",        "atan",
    "sinh",        "cosh",        "tanh",
    "asinh",       "acosh",       "atanh",
    "erf",         "sigmoid",     "reciprocal",
    "isnan",       "isinf",       "logical_not",
    "bit_not",     "add",         "sub",
    "mul",         "div",         "mod",
    "fmod",        "pow",         "minimum",
    "maximum",     "lt",          "le",
    "gt",          "ge",          "eq",
    "ne",          "logical_and", "logical_or",
    "logical_xor", "bit_and",     "bit_or",
    "bit_xor",     "shift_left",  "shift_right",
    "random_bits",
};

Expr make(ExprNode node) { return Expr(std::make_shared<const ExprNode>(std::move(node))); }

ExprNode leaf(Op op, DType type) {
  ExprNode node{};
  node.op = op;
  node.type = type;
  return node;
}

std::optional<std::int64_t> integerValue(const Expr& expr) {
  if (expr->op == Op::Constant && !isFloat(expr->type)) return expr->integer;
  if (expr->op == Op::Extent) return expr->dim.value();
  return std::nullopt;
}

/// Index arithmetic is simplified while it is built, so that addresses stay readable and affine.
Expr simplifyIndex(Op op, const Expr& left, const Expr& right) {
  const auto a = integerValue(left), b = integerValue(right);
  if (op == Op::Add && a == 0) return right;
  if ((op == Op::Add || op == Op::Sub) && b == 0) return left;
  if (op == Op::Mul && a == 1) return right;
  if ((op == Op::Mul || op == Op::Div) && b == 1) return left;
  const auto asDim = [](const Expr& expr) -> std::optional<Dim> {
    if (expr->op == Op::Extent) return expr->dim;
    if (const auto value = integerValue(expr)) return Dim(*value);
    return std::nullopt;
  };
  const auto x = asDim(left), y = asDim(right);
  if (!x || !y) return {};
  if (op == Op::Add) return extent(*x + *y);
  if (op == Op::Sub) return extent(*x - *y);
  if (op == Op::Mul) return extent(*x * *y);
  return {};
}

}  // namespace

std::string_view opName(Op op) { return names[static_cast<std::size_t>(op)]; }

bool isExpensive(Op op) {
  return (op >= Op::Sqrt && op <= Op::Reciprocal) || op == Op::Div || op == Op::Mod || op == Op::Fmod ||
         op == Op::Pow || op == Op::RandomBits;
}

bool isPredicate(Op op) {
  return op == Op::IsNan || op == Op::IsInf || op == Op::LogicalNot || (op >= Op::Lt && op <= Op::LogicalXor);
}

DType Expr::type() const { return node_->type; }

Expr number(DType type, double value) {
  if (isStorage(type)) return cast(type, number(computingType(type), value));
  if (!isFloat(type)) return integer(type, static_cast<std::int64_t>(value));
  ExprNode node = leaf(Op::Constant, type);
  node.real = value;
  return make(std::move(node));
}

Expr integer(DType type, std::int64_t value) {
  if (isStorage(type)) return cast(type, integer(computingType(type), value));
  if (isFloat(type)) return number(type, static_cast<double>(value));
  ExprNode node = leaf(Op::Constant, type);
  node.integer = value;
  return make(std::move(node));
}

Expr index(int variable) {
  ExprNode node = leaf(Op::Index, DType::Int64);
  node.integer = variable;
  return make(std::move(node));
}

Expr extent(const Dim& dim) {
  if (const auto value = dim.value()) return integer(DType::Int64, *value);
  ExprNode node = leaf(Op::Extent, DType::Int64);
  node.dim = dim;
  return make(std::move(node));
}

Expr load(const Tensor& tensor, std::vector<Expr> indices) {
  if (indices.size() != tensor.rank()) throw Error("internal: a load needs one index per axis");
  ExprNode node = leaf(Op::Load, tensor.type);
  node.view = tensor.view;
  node.args = std::move(indices);
  return make(std::move(node));
}

Expr accumulator(DType type) { return make(leaf(Op::Accumulator, type)); }

Expr cast(DType type, const Expr& value) {
  if (value.type() == type) return value;
  // What was converted to compute with it, and only moved.
  if (value->op == Op::Cast && value->args[0].type() == type && value.type() == computingType(type))
    return value->args[0];
  // Of a uint64 the literal may lie beyond the int64 that holds it.
  const bool isCount = value->op == Op::Constant && isInteger(value.type()) && value.type() != DType::UInt64;
  if (isCount && isFloat(type)) return number(type, static_cast<double>(value->integer));
  ExprNode node = leaf(Op::Cast, type);
  node.args = {value};
  return make(std::move(node));
}

Expr bitCast(DType type, const Expr& value) {
  // The bits of a bool are those of 0 and 1.
  if (type == DType::Bool || value.type() == DType::Bool) return cast(type, value);
  if (value.type() == type) return value;
  ExprNode node = leaf(Op::BitCast, type);
  node.args = {value};
  return make(std::move(node));
}

Expr select(const Expr& condition, const Expr& yes, const Expr& no) {
  if (yes.type() != no.type()) throw Error("internal: both sides of a select must have one type");
  ExprNode node = leaf(Op::Select, yes.type());
  node.args = {condition, yes, no};
  return make(std::move(node));
}

Expr checkedIndex(const Expr& value, const Dim& dim) {
  ExprNode node = leaf(Op::CheckedIndex, DType::Int64);
  node.args = {cast(DType::Int64, value), extent(dim)};
  return make(std::move(node));
}

Expr unary(Op op, const Expr& value) {
  ExprNode node = leaf(op, isPredicate(op) ? DType::Bool : value.type());
  node.args = {value};
  return make(std::move(node));
}

Expr binary(Op op, const Expr& left, const Expr& right) {
  const bool shift = op == Op::ShiftLeft || op == Op::ShiftRight;
  if (left.type() != right.type() && !shift)
    throw Error("internal: " + std::string(opName(op)) + " of " + std::string(dtypeName(left.type())) +
                " and " + std::string(dtypeName(right.type())));
  if (left.type() == DType::Int64)
    if (const Expr simple = simplifyIndex(op, left, right)) return simple;
  ExprNode node = leaf(op, isPredicate(op) ? DType::Bool : left.type());
  node.args = {left, right};
  return make(std::move(node));
}

void walk(const Expr& expr, const std::function<void(const Expr&)>& visit) {
  visit(expr);
  for (const Expr& arg : expr->args) walk(arg, visit);
}

Expr rewrite(const Expr& expr, const std::function<Expr(const Expr&)>& replace) {
  ExprNode node = *expr;
  bool changed = false;
  for (Expr& arg : node.args) {
    const Expr next = rewrite(arg, replace);
    changed = changed || &*next != &*arg;
    arg = next;
  }
  if (changed && node.op == Op::Cast) {
    const Expr simple = cast(node.type, node.args[0]);
    // What is left of it was replaced already.
    if (simple->op != Op::Cast || &*simple->args[0] != &*node.args[0]) return simple;
  }
  if (changed && node.args.size() == 2 && node.op >= Op::Add) {
    const Expr simple = binary(node.op, node.args[0], node.args[1]);
    // One of its operands is left, and was replaced already.
    if (&*simple == &*node.args[0] || &*simple == &*node.args[1]) return simple;
    const Expr replaced = replace(simple);
    return replaced ? replaced : simple;
  }
  const Expr rebuilt = changed ? make(std::move(node)) : expr;
  const Expr replaced = replace(rebuilt);
  return replaced ? replaced : rebuilt;
}

Expr substitute(const Expr& expr, const std::vector<Expr>& variables) {
  return rewrite(expr, [&](const Expr& node) -> Expr {
    if (node->op != Op::Index) return {};
    const auto variable = static_cast<std::size_t>(node->integer);
    return variable < variables.size() ? variables[variable] : Expr();
  });
}

bool dependsOn(const Expr& expr, int variable) {
  if (expr->op == Op::Index) return expr->integer == variable;
  for (const Expr& arg : expr->args)
    if (dependsOn(arg, variable)) return true;
  return false;
}

namespace {

/// As few digits as tell the number from all others.
std::string realText(double value) {
  char text[32];
  for (const int digits : {6, 17}) {
    std::snprintf(text, sizeof text, "%.*g", digits, value);
    if (std::strtod(text, nullptr) == value) break;
  }
  return text;
}

}  // namespace

std::string text(const Expr& expr) {
  const ExprNode& node = *expr;
  switch (node.op) {
    case Op::Constant:
      return isFloat(node.type) ? realText(node.real) : std::to_string(node.integer);
    case Op::Index:
      return "i" + std::to_string(node.integer);
    case Op::Extent:
      return "{" + node.dim.text() + "}";
    case Op::Accumulator:
      return "acc";
    default:
      break;
  }
  std::string result =
      node.op == Op::Load ? "b" + std::to_string(node.view.buffer) : std::string(opName(node.op));
  if (node.op == Op::Cast || node.op == Op::BitCast) result += "<" + std::string(dtypeName(node.type)) + ">";
  if (node.op == Op::Load && !node.view.offset.is(0)) result += "+" + node.view.offset.text();
  result += node.op == Op::Load ? "[" : "(";
  for (std::size_t i = 0; i < node.args.size(); ++i) {
    if (i) result += ", ";
    result += text(node.args[i]);
    if (node.op == Op::Load) result += "*" + node.view.strides[i].text();
  }
  return result + (node.op == Op::Load ? "]" : ")");
}

std::optional<Affine> affine(const Expr& expr, std::size_t variables) {
  Affine form{0, std::vector<Dim>(variables, 0)};
  const auto combine = [&](int sign) -> std::optional<Affine> {
    const auto left = affine(expr->args[0], variables), right = affine(expr->args[1], variables);
    if (!left || !right) return std::nullopt;
    Affine sum{left->offset + sign * right->offset, {}};
    for (std::size_t i = 0; i < variables; ++i)
      sum.strides.push_back(left->strides[i] + sign * right->strides[i]);
    return sum;
  };
  switch (expr->op) {
    case Op::Constant:
      if (isFloat(expr->type)) return std::nullopt;
      form.offset = expr->integer;
      return form;
    case Op::Extent:
      form.offset = expr->dim;
      return form;
    case Op::Index:
      form.strides[static_cast<std::size_t>(expr->integer)] = 1;
      return form;
    case Op::Add:
      return combine(1);
    case Op::Sub:
      return combine(-1);
    case Op::Neg: {
      const auto value = affine(expr->args[0], variables);
      if (!value) return std::nullopt;
      form.offset = Dim(-1) * value->offset;
      for (std::size_t i = 0; i < variables; ++i) form.strides[i] = Dim(-1) * value->strides[i];
      return form;
    }
    case Op::Mul: {
      auto left = affine(expr->args[0], variables), right = affine(expr->args[1], variables);
      if (!left || !right) return std::nullopt;
      const auto isFixed = [](const Affine& value) {
        for (const Dim& stride : value.strides)
          if (!stride.is(0)) return false;
        return true;
      };
      if (isFixed(*right)) std::swap(left, right);
      if (!isFixed(*left)) return std::nullopt;
      form.offset = left->offset * right->offset;
      for (std::size_t i = 0; i < variables; ++i) form.strides[i] = left->offset * right->strides[i];
      return form;
    }
    default:
      return std::nullopt;
  }
}

std::optional<Affine> address(const View& view, const std::vector<Expr>& indices, std::size_t variables) {
  Affine form{view.offset, std::vector<Dim>(variables, 0)};
  for (std::size_t axis = 0; axis < indices.size(); ++axis) {
    if (view.strides[axis].is(0)) continue;
    const auto part = affine(indices[axis], variables);
    if (!part) return std::nullopt;
    form.offset = form.offset + view.strides[axis] * part->offset;
    for (std::size_t i = 0; i < variables; ++i)
      form.strides[i] = form.strides[i] + view.strides[axis] * part->strides[i];
  }
  return form;
}

std::vector<Dim> rowMajor(const Shape& shape) {
  std::vector<Dim> strides(shape.size(), 1);
  for (std::size_t i = shape.size(); i-- > 1;) strides[i - 1] = strides[i] * shape[i];
  return strides;
}

View contiguous(int buffer, const Shape& shape) { return {buffer, 0, shape, rowMajor(shape)}; }

}  // namespace sofie
