/// Activation functions, and Dropout as it is at inference.
#include "activations.hxx"

#include "common.hxx"
#include "sofie/error.hxx"

namespace sofie {
namespace {

using Function = std::function<Expr(const Expr&)>;

/// A literal of the type of x.
Expr like(const Expr& x, double value) { return number(x.type(), value); }

void activation(Operator& op, const Function& function) {
  const Tensor x = op.input(0);
  requireFloat(op, x);
  op.output(0, op.elementwise({x}, [&](const std::vector<Expr>& x) { return function(x[0]); }));
}

// `minimum` and `maximum` cost one instruction when their first operand is known not to be NaN.
Expr atLeast(double low, const Expr& x) { return binary(Op::Maximum, like(x, low), x); }
Expr atMost(double high, const Expr& x) { return binary(Op::Minimum, like(x, high), x); }
Expr lessThan(const Expr& x, double limit) { return binary(Op::Lt, x, like(x, limit)); }
Expr greaterThan(const Expr& x, double limit) { return binary(Op::Gt, x, like(x, limit)); }

}  // namespace

Expr relu(const Expr& x) { return atLeast(0, x); }

/// At zero the derivatives of its two parts add up to one half, which those of maximum and |x| would not.
Expr softplus(const Expr& x) {
  const Expr decay = unary(Op::Exp, select(greaterThan(x, 0), unary(Op::Neg, x), x));
  return atLeast(0, x) + unary(Op::Log1p, decay);
}

Expr softsign(const Expr& x) { return x / (like(x, 1) + unary(Op::Abs, x)); }

Expr leakyRelu(const Expr& x, double alpha) { return select(greaterThan(x, 0), x, like(x, alpha) * x); }

Expr elu(const Expr& x, double alpha) {
  return select(lessThan(x, 0), like(x, alpha) * unary(Op::Expm1, x), x);
}

Expr selu(const Expr& x, double alpha, double gamma) {
  return select(greaterThan(x, 0), like(x, gamma) * x, like(x, gamma * alpha) * unary(Op::Expm1, x));
}

Expr thresholdedRelu(const Expr& x, double alpha) { return select(greaterThan(x, alpha), x, like(x, 0)); }

Expr hardSigmoid(const Expr& x, double alpha, double beta) {
  return atLeast(0, atMost(1, like(x, alpha) * x + like(x, beta)));
}

Expr gelu(const Expr& x, bool exact) {
  const Expr cumulative =
      exact ? unary(Op::Erf, x * like(x, 0.70710678118654752440))
            : unary(Op::Tanh, like(x, 0.79788456080286535588) * (x + like(x, 0.044715) * x * x * x));
  return like(x, 0.5) * x * (like(x, 1) + cumulative);
}

namespace {

// --- without attributes ------------------------------------------------------------------------------------

void relu_1(Operator& op) {
  const Tensor x = op.input(0);
  op.output(0, op.elementwise({x}, [](const std::vector<Expr>& x) { return relu(x[0]); }));
}

void hardSwish_14(Operator& op) {
  activation(op, [](const Expr& x) { return x * hardSigmoid(x, 1.0 / 6, 0.5); });
}

void softplus_1(Operator& op) { activation(op, softplus); }

void softsign_1(Operator& op) { activation(op, softsign); }

/// With e = exp(x), tanh(log(1 + e)) = e (e + 2) / (e (e + 2) + 2), which is one in double precision beyond x
/// = 20.
void mish_18(Operator& op) {
  activation(op, [](const Expr& x) {
    const Expr e = unary(Op::Exp, atMost(20, x));
    const Expr part = e * (e + like(x, 2));
    return x * (part / (part + like(x, 2)));
  });
}

// --- with attributes, whose defaults are float32 in ONNX ---------------------------------------------------

void leakyRelu_1(Operator& op) {
  const double alpha = op.real("alpha", 0.01f);
  activation(op, [=](const Expr& x) { return leakyRelu(x, alpha); });
}

void elu_1(Operator& op) {
  const double alpha = op.real("alpha", 1);
  activation(op, [=](const Expr& x) { return elu(x, alpha); });
}

void selu(Operator& op, double defaultAlpha, double defaultGamma) {
  const double alpha = op.real("alpha", defaultAlpha), gamma = op.real("gamma", defaultGamma);
  activation(op, [=](const Expr& x) { return selu(x, alpha, gamma); });
}

void selu_1(Operator& op) { selu(op, 1.6732f, 1.0507f); }
void selu_6(Operator& op) { selu(op, 1.67326319217681884765625f, 1.05070102214813232421875f); }

void celu_12(Operator& op) {
  const double alpha = op.real("alpha", 1);
  activation(op, [=](const Expr& x) {
    return select(lessThan(x, 0), like(x, alpha) * unary(Op::Expm1, x / like(x, alpha)), x);
  });
}

void gelu_20(Operator& op) {
  const std::string approximate = op.string("approximate", "none");
  if (approximate != "none" && approximate != "tanh")
    op.unsupported("approximate is '" + approximate + "'; use 'none' or 'tanh'");
  activation(op, [&](const Expr& x) { return gelu(x, approximate == "none"); });
}

void hardSigmoid_1(Operator& op) {
  const double alpha = op.real("alpha", 0.2f), beta = op.real("beta", 0.5);
  activation(op, [=](const Expr& x) { return hardSigmoid(x, alpha, beta); });
}

void swish_24(Operator& op) {
  const double alpha = op.real("alpha", 1);
  activation(op, [=](const Expr& x) { return x * unary(Op::Sigmoid, like(x, alpha) * x); });
}

void thresholdedRelu_10(Operator& op) {
  const double alpha = op.real("alpha", 1);
  activation(op, [=](const Expr& x) { return thresholdedRelu(x, alpha); });
}

void shrink_9(Operator& op) {
  const double lambda = op.real("lambd", 0.5), bias = op.real("bias", 0);
  const Tensor input = op.input(0);
  op.output(0, op.elementwise({input}, [&](const std::vector<Expr>& elements) {
    const Expr x = isFloat(input.type) ? elements[0] : cast(DType::Float64, elements[0]);
    const Expr above = select(greaterThan(x, lambda), x - like(x, bias), like(x, 0));
    return cast(input.type, select(lessThan(x, -lambda), x + like(x, bias), above));
  }));
}

// --- with further inputs -----------------------------------------------------------------------------------

void leaky(Operator& op, const Tensor& x, const Tensor& slope) {
  requireOneType(op, {x, slope});
  op.output(0, op.elementwise({x, op.broadcast(slope, x.shape())}, [](const std::vector<Expr>& x) {
    return select(greaterThan(x[0], 0), x[0], x[1] * x[0]);
  }));
}

/// The slopes belong to the channels, axis 1.
void pRelu_1(Operator& op) {
  const Tensor x = op.input(0);
  Tensor slope = op.input(1);
  if (slope.rank() == 1 && !slope.dim(0).is(1))
    while (slope.rank() + 1 < x.rank()) slope = op.unsqueeze(slope, slope.rank());
  leaky(op, x, slope);
}

void pRelu_7(Operator& op) { leaky(op, op.input(0), op.input(1)); }

/// `low` and `high` are empty where there is no limit.
void clip(Operator& op, const Expr& low, const Expr& high) {
  const Tensor x = op.input(0);
  op.output(0, op.elementwise({x}, [&](const std::vector<Expr>& x) {
    const Expr raised = low ? binary(Op::Maximum, low, x[0]) : x[0];
    return high ? binary(Op::Minimum, high, raised) : raised;
  }));
}

void clip_1(Operator& op) {
  const DType type = op.input(0).type;
  const auto limit = [&](const std::string& name) {
    return op.hasAttribute(name) ? number(type, op.real(name, 0)) : Expr();
  };
  clip(op, limit("min"), limit("max"));
}

void clip_11(Operator& op) {
  const Tensor x = op.input(0);
  const auto limit = [&](std::size_t i) {
    if (!op.has(i)) return Expr();
    requireOneType(op, {x, op.input(i)});
    return scalarOf(op, i);
  };
  clip(op, limit(1), limit(2));
}

void dropout(Operator& op, DType maskType) {
  const Tensor x = op.stored(0);
  op.output(0, x);
  if (op.wants(1)) op.output(1, op.broadcast(op.scalar(maskType, 1), x.shape()));
}

void dropout_1(Operator& op) { dropout(op, op.stored(0).type); }
void dropout_10(Operator& op) { dropout(op, DType::Bool); }

void dropout_12(Operator& op) {
  const bool training = op.has(2) && literal(op, op.constantOf(2))->integer != 0;
  const double ratio = op.has(1) && training ? literal(op, op.constantOf(1))->real : 0.5;
  if (training && ratio != 0)
    op.unsupported("it drops elements at random (training_mode is true); export the model for inference");
  dropout(op, DType::Bool);
}

}  // namespace

SOFIE_OPERATOR("Relu", 1, relu_1);
SOFIE_OPERATOR("HardSwish", 14, hardSwish_14);
SOFIE_OPERATOR("Softplus", 1, softplus_1);
SOFIE_OPERATOR("Softsign", 1, softsign_1);
SOFIE_OPERATOR("Mish", 18, mish_18);
SOFIE_OPERATOR("LeakyRelu", 1, leakyRelu_1);
SOFIE_OPERATOR("Elu", 1, elu_1);
SOFIE_OPERATOR("Selu", 1, selu_1);
SOFIE_OPERATOR("Selu", 6, selu_6);
SOFIE_OPERATOR("Celu", 12, celu_12);
SOFIE_OPERATOR("Gelu", 20, gelu_20);
SOFIE_OPERATOR("HardSigmoid", 1, hardSigmoid_1);
SOFIE_OPERATOR("Swish", 24, swish_24);
SOFIE_OPERATOR("ThresholdedRelu", 10, thresholdedRelu_10);
SOFIE_OPERATOR("Shrink", 9, shrink_9);
SOFIE_OPERATOR("PRelu", 1, pRelu_1);
SOFIE_OPERATOR("PRelu", 7, pRelu_7);
SOFIE_OPERATOR("Clip", 1, clip_1);
SOFIE_OPERATOR("Clip", 11, clip_11);
SOFIE_OPERATOR("Dropout", 1, dropout_1);
SOFIE_OPERATOR("Dropout", 10, dropout_10);
SOFIE_OPERATOR("Dropout", 12, dropout_12);

}  // namespace sofie
