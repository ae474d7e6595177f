#pragma once
#include <functional>
#include <map>
#include <string>
#include <utility>

#include "sofie/program.hxx"

namespace sofie {

/// What a piece of C++ text calls the things that expressions refer to.
struct ScalarNames {
  std::function<std::string(int buffer)> buffer;                 ///< a pointer to the first element
  std::function<std::string(const std::string& symbol)> symbol;  ///< an int64
  std::function<std::string(int variable)> variable;             ///< a loop variable, an int64
  std::string accumulator = "accumulator";
  /// A checked index, from the texts of the index and of the extent.
  std::function<std::string(const std::string& index, const std::string& extent)> checkedIndex;
};

/// Turns scalar expressions into C++: statements that name what is loaded or used twice, and a value.
class ScalarWriter {
 public:
  /// `variables`: how many loop variables the expressions may read; `prefix`: of the names in the statements.
  ScalarWriter(const ScalarNames& names, std::size_t variables, std::string indent, std::string prefix = "t")
      : names_(names), variables_(variables), indent_(std::move(indent)), prefix_(std::move(prefix)) {}
  virtual ~ScalarWriter() = default;

  /// The text of the value; what it needs is appended to statements().
  std::string value(const Expr& expr);
  /// The text of an element's address in its buffer.
  std::string address(const View& view, const std::vector<Expr>& indices);
  /// The statements since the last call.
  std::string takeStatements() { return std::exchange(statements_, {}); }

 protected:
  const ScalarNames& names_;
  std::size_t variables_;

  std::string render(const Expr& expr, bool conditional);
  /// The text of one operation whose operands are rendered.
  virtual std::string compose(const Expr& expr, bool conditional);
  /// The type of the variable that holds the value of an expression.
  virtual std::string declaredType(const Expr& expr) const { return std::string(cppType(expr.type())); }
  std::string addressOf(const View& view, const std::vector<Expr>& indices, bool conditional);

 private:
  std::string indent_, prefix_;
  std::string statements_;
  int temporaries_ = 0;
  std::map<const ExprNode*, int> uses_;
  std::map<const ExprNode*, std::string> named_;
  std::vector<Expr> kept_;  ///< the nodes behind the maps' keys

  void count(const Expr& expr);
};

/// The operator of C++ for an operation, with spaces; nullptr where only the runtime has its meaning.
const char* plainOperator(Op op, DType type);
/// The text of a number as a literal of its C++ type.
std::string literal(DType type, double real, std::int64_t integer);
/// The text of a linear form; `variable` names a loop variable.
std::string linearText(const Affine& form, const ScalarNames& names);
std::string dimText(const Dim& dim, const ScalarNames& names);
/// The text in parentheses unless it is one word or a call.
std::string parenthesised(const std::string& text);

}  // namespace sofie
