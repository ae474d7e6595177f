#include "emit/lanes.hxx"

namespace sofie {
namespace {

bool readsAccumulator(const Expr& expr) {
  if (expr->op == Op::Accumulator) return true;
  for (const Expr& arg : expr->args)
    if (readsAccumulator(arg)) return true;
  return false;
}

/// Collects what stands in the way of vectors.
class Inspection {
 public:
  Inspection(const Nest& nest, int lane, bool accumulatorVaries)
      : nest_(nest), lane_(lane), accumulatorVaries_(accumulatorVaries) {}

  std::optional<DType> type;
  bool possible = true, stored = false, counted = false;

  void inspect(const Expr& expr) { inspect(expr, Evaluation::Always); }

 private:
  const Nest& nest_;
  int lane_;
  bool accumulatorVaries_;

  enum class Evaluation {
    Always,    ///< at every point of the loops
    Together,  ///< in all lanes where a condition holds that is the same for all of them, else in none
    Blended,   ///< in all lanes, also in those where the condition does not hold
  };

  void inspect(const Expr& expr, Evaluation evaluation) {
    if (!possible || !varies(expr)) {
      possible = possible && !(evaluation == Evaluation::Blended && hasGuardedLoad(expr));
      return;
    }
    note(expr);
    switch (expr->op) {
      case Op::Index:
      case Op::CheckedIndex:
        possible = false;
        return;
      case Op::Load:
        possible = possible && address(expr->view, expr->args, nest_.variables()).has_value() &&
                   (evaluation == Evaluation::Always || staysInside(nest_, expr->view, expr->args) ||
                    (evaluation == Evaluation::Together && staysInsideAlongLane(expr)));
        return;
      default:
        break;
    }
    const bool selects = expr->op == Op::Select;
    const Evaluation chosen = !selects ? evaluation
                              : varies(expr->args[0]) || evaluation == Evaluation::Blended
                                  ? Evaluation::Blended
                                  : Evaluation::Together;
    for (std::size_t i = 0; i < expr->args.size(); ++i)
      inspect(expr->args[i], selects && i > 0 ? chosen : evaluation);
  }

  /// The lane does not decide whether the element exists.
  bool staysInsideAlongLane(const Expr& expr) const {
    View view{expr->view.buffer, 0, {}, {}};
    std::vector<Expr> indices;
    for (std::size_t axis = 0; axis < expr->args.size(); ++axis) {
      if (!dependsOn(expr->args[axis], lane_)) continue;
      view.shape.push_back(expr->view.shape[axis]);
      view.strides.push_back(expr->view.strides[axis]);
      indices.push_back(expr->args[axis]);
    }
    return staysInside(nest_, view, indices);
  }

  bool varies(const Expr& expr) const {
    return dependsOn(expr, lane_) || (accumulatorVaries_ && readsAccumulator(expr));
  }

  bool hasGuardedLoad(const Expr& expr) const {
    bool guarded = false;
    walk(expr, [&](const Expr& node) {
      if (node->op == Op::Load && !staysInside(nest_, node->view, node->args)) guarded = true;
    });
    return guarded;
  }

  /// Operations on integers that every processor has for vectors.
  static bool isSimple(Op op) {
    return op == Op::Load || op == Op::Accumulator || op == Op::Cast || op == Op::BitCast || op == Op::Add ||
           op == Op::Sub || op == Op::Mul;
  }

  /// Bools, small integers, and what is only loaded, stored and converted, come in vectors as long as those
  /// of the floats.
  void note(const Expr& expr) {
    const DType next = expr.type();
    if (next == DType::Bool) return;
    if (isStorage(next)) {
      stored = true;
      return;
    }
    if (isInteger(next) && isSimple(expr->op) && sizeOf(next) <= sizeof(float)) {
      counted = true;
      return;
    }
    if (!isFloat(next) || (type && *type != next)) possible = false;
    type = next;
  }
};

}  // namespace

std::optional<DType> laneType(const Nest& nest, const Expr& expr, int lane, bool accumulatorVaries) {
  Inspection inspection(nest, lane, accumulatorVaries);
  inspection.inspect(expr);
  if (!inspection.possible) return std::nullopt;
  if (inspection.type) return inspection.type;
  if (inspection.stored || inspection.counted || isStorage(expr.type())) return DType::Float32;
  return isFloat(expr.type()) ? std::optional<DType>(expr.type()) : std::nullopt;
}

bool LaneWriter::varies(const Expr& expr) const { return dependsOn(expr, lane_) || readsAccumulator(expr); }

std::string LaneWriter::vectorType(DType type) const {
  return "rt::Rebind<" + std::string(cppType(type)) + ", V>";
}

std::string LaneWriter::declaredType(const Expr& expr) const {
  return varies(expr) ? "auto" : ScalarWriter::declaredType(expr);
}

std::string LaneWriter::operand(const Expr& expr, bool conditional) {
  const std::string text = render(expr, conditional);
  return varies(expr) ? text : "rt::splat<" + vectorType(expr.type()) + ">(" + text + ")";
}

std::string LaneWriter::vectorValue(const Expr& expr) {
  const std::string text = value(expr);
  return varies(expr) ? text : "rt::splat<" + vectorType(expr.type()) + ">(" + text + ")";
}

std::string LaneWriter::load(const std::string& pointer, const std::string& stride, DType type) const {
  const std::string vector = vectorType(type);
  if (stride != "1")
    return "rt::load_strided<" + vector + (valid_.empty() ? "" : ", " + valid_) + ">(" + pointer + ", " +
           stride + ")";
  if (valid_.empty()) return "rt::load<" + vector + ">(" + pointer + ")";
  return "rt::load_first<" + vector + ", " + valid_ + ">(" + pointer + ")";
}

std::string LaneWriter::composeLoad(const Expr& expr) {
  const auto form = sofie::address(expr->view, expr->args, variables_);
  const std::string pointer =
      names_.buffer(expr->view.buffer) + " + " + parenthesised(linearText(*form, names_));
  return load(pointer, dimText(form->stride(lane_), names_), expr.type());
}

std::string LaneWriter::compose(const Expr& expr, bool conditional) {
  if (!varies(expr)) return ScalarWriter::compose(expr, conditional);
  const ExprNode& node = *expr;
  const auto operand = [&](const Expr& arg) { return this->operand(arg, conditional); };
  switch (node.op) {
    case Op::Accumulator:
      return names_.accumulator;
    case Op::Load:
      return composeLoad(expr);
    case Op::Cast:
      return "rt::cast<" + std::string(cppType(node.type)) + ">(" + render(node.args[0], conditional) + ")";
    case Op::Select:
      if (varies(node.args[0])) break;
      return choice(node, conditional);
    case Op::BitCast:
      return "rt::bit_cast<" + vectorType(node.type) + ">(" + operand(node.args[0]) + ")";
    default:
      break;
  }
  if (const char* symbol = plainOperator(node.op, node.type))
    return "(" + operand(node.args[0]) + symbol + operand(node.args[1]) + ")";
  std::string text = "rt::" + std::string(opName(node.op)) + "(";
  for (std::size_t i = 0; i < node.args.size(); ++i) text += (i ? ", " : "") + operand(node.args[i]);
  return text + ")";
}

/// One side for all lanes: the other one is not even loaded.
std::string LaneWriter::choice(const ExprNode& select, bool conditional) {
  const std::string condition = render(select.args[0], conditional);
  const std::string yes = operand(select.args[1], true), no = operand(select.args[2], true);
  return "(" + condition + " ? " + yes + " : " + no + ")";
}

std::string LaneWriter::store(const std::string& pointer, const std::string& stride, DType type,
                              const std::string& value) const {
  const std::string count = valid_.empty() ? "rt::lane_count<" + vectorType(type) + ">" : valid_;
  if (stride != "1")
    return "rt::store_strided<" + vectorType(type) + ", " + count + ">(" + pointer + ", " + stride + ", " +
           value + ")";
  if (valid_.empty()) return "rt::store<" + vectorType(type) + ">(" + pointer + ", " + value + ")";
  return "rt::store_first<" + count + ", " + vectorType(type) + ">(" + pointer + ", " + value + ")";
}

}  // namespace sofie
