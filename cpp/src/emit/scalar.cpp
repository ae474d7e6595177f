#include "emit/scalar.hxx"

#include <cmath>
#include <cstdio>
#include <limits>
#include <utility>

namespace sofie {
namespace {

/// True when evaluating the expression where its value is not wanted could read outside of a buffer.
bool reads(const Expr& expr) {
  if (expr->op == Op::Load || expr->op == Op::CheckedIndex) return true;
  for (const Expr& arg : expr->args)
    if (reads(arg)) return true;
  return false;
}

bool isLeaf(const Expr& expr) { return expr->op <= Op::Accumulator && expr->op != Op::Load; }

/// The text without the parentheses around the whole of it.
std::string bare(const std::string& text) {
  if (text.empty() || text.front() != '(') return text;
  int depth = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    depth += (text[i] == '(') - (text[i] == ')');
    if (depth == 0) return i + 1 == text.size() ? text.substr(1, i - 1) : text;
  }
  return text;
}

std::string limit(DType type, const char* which) {
  return "rt::Limits<" + std::string(cppType(type)) + ">::" + which;
}

}  // namespace

const char* plainOperator(Op op, DType type) {
  if (!isFloat(type)) return nullptr;
  switch (op) {
    case Op::Add:
      return " + ";
    case Op::Sub:
      return " - ";
    case Op::Mul:
      return " * ";
    case Op::Div:
      return " / ";
    default:
      return nullptr;
  }
}

std::string parenthesised(const std::string& text) {
  int depth = 0;
  for (const char c : text) {
    depth += (c == '(' || c == '[' || c == '{') - (c == ')' || c == ']' || c == '}');
    if (depth == 0 && (c == ' ' || c == '-')) return "(" + text + ")";
  }
  return text;
}

std::string literal(DType type, double real, std::int64_t integer) {
  const std::string cpp(cppType(type));
  if (type == DType::Bool) return integer != 0 ? "true" : "false";
  if (!isFloat(type)) {
    if (isUnsigned(type)) return cpp + "{" + std::to_string(static_cast<std::uint64_t>(integer)) + "u}";
    if (integer == std::numeric_limits<std::int64_t>::min()) return limit(type, "lowest");
    return cpp + "{" + std::to_string(integer) + "}";
  }
  if (std::isnan(real)) return limit(type, "nan");
  const bool isFloat32 = type == DType::Float32;
  const double value = isFloat32 ? static_cast<double>(static_cast<float>(real)) : real;
  if (std::isinf(value)) return (value < 0 ? "-" : "") + limit(type, "infinity");
  char text[40];
  std::snprintf(text, sizeof text, isFloat32 ? "%.9g" : "%.17g", value);
  std::string result = text;
  if (result.find_first_of(".e") == std::string::npos) result += ".0";
  return isFloat32 ? result + "f" : result;
}

std::string dimText(const Dim& dim, const ScalarNames& names) { return dim.text(names.symbol); }

std::string linearText(const Affine& form, const ScalarNames& names) {
  std::string result;
  for (std::size_t i = 0; i < form.strides.size(); ++i) {
    if (form.strides[i].is(0)) continue;
    const std::string name = names.variable(static_cast<int>(i));
    const std::string stride = dimText(form.strides[i], names);
    result += (result.empty() ? "" : " + ") + (stride == "1" ? name : name + " * " + parenthesised(stride));
  }
  if (result.empty()) return dimText(form.offset, names);
  if (form.offset.is(0)) return result;
  const std::string offset = dimText(form.offset, names);
  return result + (offset[0] == '-' ? " + (" + offset + ")" : " + " + offset);
}

std::string ScalarWriter::value(const Expr& expr) {
  kept_.push_back(expr);
  count(expr);
  return bare(render(expr, false));
}

std::string ScalarWriter::address(const View& view, const std::vector<Expr>& indices) {
  for (const Expr& index : indices) {
    kept_.push_back(index);
    count(index);
  }
  return addressOf(view, indices, false);
}

void ScalarWriter::count(const Expr& expr) {
  if (++uses_[&*expr] > 1) return;
  for (const Expr& arg : expr->args) count(arg);
}

std::string ScalarWriter::render(const Expr& expr, bool conditional) {
  if (const auto known = named_.find(&*expr); known != named_.end()) return known->second;
  std::string text = compose(expr, conditional);
  if (isLeaf(expr)) return text;
  const bool wanted = expr->op == Op::Load || uses_[&*expr] > 1;
  if (!wanted || (conditional && reads(expr))) return text;
  const std::string name = prefix_ + std::to_string(temporaries_++);
  statements_ += indent_ + "const " + declaredType(expr) + " " + name + " = " + bare(text) + ";\n";
  return named_[&*expr] = name;
}

std::string ScalarWriter::compose(const Expr& expr, bool conditional) {
  const ExprNode& node = *expr;
  const auto arg = [&](std::size_t i) { return render(node.args[i], conditional); };
  // Operands are rendered one after the other, because the statements that they leave must have one order.
  switch (node.op) {
    case Op::Constant:
      return literal(node.type, node.real, node.integer);
    case Op::Index:
      return names_.variable(static_cast<int>(node.integer));
    case Op::Extent:
      return parenthesised(dimText(node.dim, names_));
    case Op::Accumulator:
      return names_.accumulator;
    case Op::Load:
      return names_.buffer(node.view.buffer) + "[" + addressOf(node.view, node.args, conditional) + "]";
    case Op::Cast:
      return "rt::cast<" + std::string(cppType(node.type)) + ">(" + bare(arg(0)) + ")";
    case Op::BitCast:
      return "rt::bit_cast<" + std::string(cppType(node.type)) + ">(" + bare(arg(0)) + ")";
    default:
      break;
  }
  std::vector<std::string> operands;
  for (std::size_t i = 0; i < node.args.size(); ++i)
    operands.push_back(render(node.args[i], conditional || (node.op == Op::Select && i > 0)));
  if (node.op == Op::Select) return "(" + operands[0] + " ? " + operands[1] + " : " + operands[2] + ")";
  if (node.op == Op::CheckedIndex) return names_.checkedIndex(bare(operands[0]), bare(operands[1]));
  if (const char* symbol = plainOperator(node.op, node.type))
    return "(" + operands[0] + symbol + operands[1] + ")";
  std::string text = "rt::" + std::string(opName(node.op)) + "(";
  for (std::size_t i = 0; i < operands.size(); ++i) text += (i ? ", " : "") + bare(operands[i]);
  return text + ")";
}

std::string ScalarWriter::addressOf(const View& view, const std::vector<Expr>& indices, bool conditional) {
  if (const auto form = sofie::address(view, indices, variables_)) return linearText(*form, names_);
  std::string text = view.offset.is(0) ? "" : dimText(view.offset, names_);
  for (std::size_t axis = 0; axis < indices.size(); ++axis) {
    if (view.strides[axis].is(0)) continue;
    const std::string stride = dimText(view.strides[axis], names_);
    const auto form = affine(indices[axis], variables_);
    const std::string position =
        parenthesised(form ? linearText(*form, names_) : render(indices[axis], conditional));
    text +=
        (text.empty() ? "" : " + ") + (stride == "1" ? position : position + " * " + parenthesised(stride));
  }
  return text.empty() ? "0" : text;
}

}  // namespace sofie
