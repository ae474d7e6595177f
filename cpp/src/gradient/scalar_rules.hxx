#pragma once
#include <functional>
#include <map>
#include <string>

#include "sofie/expression.hxx"

namespace sofie {

/// What an expression passes back to one of its loads.
struct LoadAdjoint {
  Expr load;
  Expr value;
  Expr where;  ///< the load may be read, and `value` computed, only where this holds; empty: everywhere

  /// The value, zero where the load is not read.
  Expr masked() const;
};

/// By the text of the load.
using LoadAdjoints = std::map<std::string, LoadAdjoint>;

/// Reverse differentiation of scalar expressions.
///
/// Where a function has a kink the subgradient is the one of PyTorch: 0 of |x| at 0, of `maximum(c, x)` with
/// a constant c at c; half for either of two equal operands of maximum and minimum.
class ScalarRules {
 public:
  /// \param isActive  whether the gradient of a buffer is wanted
  explicit ScalarRules(std::function<bool(int buffer)> isActive) : isActive_(std::move(isActive)) {}

  /// \param adjoint  the derivative of the result by the expression, of the type that it is computed in
  /// \param known  reads the value of the expression where that is stored; may be empty
  LoadAdjoints of(const Expr& expr, const Expr& adjoint, const Expr& known = {}) const;

 private:
  std::function<bool(int)> isActive_;

  LoadAdjoints ofUnary(const Expr& expr, const Expr& adjoint, const Expr& value) const;
  LoadAdjoints ofBinary(const Expr& expr, const Expr& adjoint, const Expr& value) const;
  LoadAdjoints ofSelect(const Expr& expr, const Expr& adjoint) const;
  LoadAdjoints ofExtreme(const Expr& expr, const Expr& adjoint, const Expr& value) const;
};

/// The buffers that an expression reads and has a derivative by that need not be zero.
void visitDifferentiable(const Expr& expr, const std::function<void(int buffer)>& visit);

}  // namespace sofie
