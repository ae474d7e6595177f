#pragma once
#include "sofie/expression.hxx"

namespace sofie {

/// @name Activation functions of ONNX, as operators of their own and inside of recurrent ones
/// @{
Expr relu(const Expr& x);
Expr softplus(const Expr& x);
Expr softsign(const Expr& x);
Expr leakyRelu(const Expr& x, double alpha);
Expr elu(const Expr& x, double alpha);
Expr selu(const Expr& x, double alpha, double gamma);
Expr thresholdedRelu(const Expr& x, double alpha);
Expr hardSigmoid(const Expr& x, double alpha, double beta);
/// x times the normal distribution's cumulative, exact or by its approximation with tanh
Expr gelu(const Expr& x, bool exact);
/// @}

}  // namespace sofie
