#include "passes/linear_terms.hxx"

#include <algorithm>
#include <map>
#include <memory>

namespace sofie {
namespace {

/// The text of an expression with all digits of its constants.
std::string exactText(const Expr& expr) {
  std::string result = text(expr);
  walk(expr, [&](const Expr& node) {
    if (node->op != Op::Constant) return;
    char digits[40];
    std::snprintf(digits, sizeof digits, " %a", node->real);
    result += digits;
  });
  return result;
}

class Coordinates {
 public:
  Coordinates(const Nest& nest, int depth) : nest_(nest), depth_(depth) {}

  bool possible = true;

  void collect(const Expr& expr) {
    if (isCoordinate(expr)) return add(expr);
    if (expr->op == Op::CheckedIndex && !dependsOn(expr, depth_)) possible = false;
    for (std::size_t i = 0; i < expr->args.size(); ++i)
      if (!isIdle(expr, i)) collect(expr->args[i]);
  }

  /// The expression with variables in place of the coordinates.
  Expr renamed(const Expr& expr) const {
    if (isCoordinate(expr)) return index(number(expr));
    if (expr->op == Op::Index) return index(static_cast<int>(found_.size()));
    ExprNode node = *expr;
    for (std::size_t i = 0; i < node.args.size(); ++i)
      node.args[i] = isIdle(expr, i) ? integer(DType::Int64, 0) : renamed(node.args[i]);
    return Expr(std::make_shared<const ExprNode>(std::move(node)));
  }

  void store(Term& term) const {
    for (const auto& [key, coordinate] : found_) {
      term.coordinates.push_back(coordinate);
      term.extents.push_back(extentOfCoordinate(coordinate));
    }
  }

 private:
  const Nest& nest_;
  int depth_;
  std::map<std::string, Expr> found_;  ///< by their text

  bool isCoordinate(const Expr& expr) const {
    if (expr->op == Op::Index) return expr->integer != depth_;
    return expr->op == Op::CheckedIndex && !dependsOn(expr, depth_) && dependsOnLoops(expr);
  }

  Dim extentOfCoordinate(const Expr& coordinate) const {
    if (coordinate->op == Op::Index) return extentOf(nest_, static_cast<int>(coordinate->integer));
    const Expr& extent = coordinate->args[1];
    return extent->op == Op::Extent ? extent->dim : Dim(extent->integer);
  }

  bool dependsOnLoops(const Expr& expr) const {
    for (std::size_t v = 0; v < nest_.variables(); ++v)
      if (dependsOn(expr, static_cast<int>(v))) return true;
    return false;
  }

  /// True for an index that does not move the address of a load.
  static bool isIdle(const Expr& expr, std::size_t i) {
    return expr->op == Op::Load && expr->view.strides[i].is(0);
  }

  void add(const Expr& expr) { found_.emplace(text(expr), expr); }
  int number(const Expr& expr) const {
    return static_cast<int>(std::distance(found_.begin(), found_.find(text(expr))));
  }
};

void collectSummands(const Expr& expr, bool isNegative, std::vector<Summand>& result) {
  switch (expr->op) {
    case Op::Add:
      collectSummands(expr->args[0], isNegative, result);
      return collectSummands(expr->args[1], isNegative, result);
    case Op::Sub:
      collectSummands(expr->args[0], isNegative, result);
      return collectSummands(expr->args[1], !isNegative, result);
    case Op::Neg:
      return collectSummands(expr->args[0], !isNegative, result);
    default:
      result.push_back({expr, isNegative});
  }
}

}  // namespace

std::string Term::valueKey() const { return exactText(value) + " over " + text(extents); }

std::string Term::placeKey() const {
  std::string key;
  for (const Expr& coordinate : coordinates) key += text(coordinate) + ";";
  return key;
}

std::optional<Term> termOf(const Nest& nest, const Expr& expr, int depth) {
  Coordinates coordinates(nest, depth);
  coordinates.collect(expr);
  if (!coordinates.possible) return std::nullopt;
  Term term;
  term.value = coordinates.renamed(expr);
  coordinates.store(term);
  return term;
}

std::vector<Summand> summands(const Expr& expr) {
  std::vector<Summand> result;
  collectSummands(expr, false, result);
  return result;
}

}  // namespace sofie
