/// RNN, GRU and LSTM: one contraction for the inputs of all steps, then a loop over the steps.
#include <algorithm>
#include <cctype>

#include "activations.hxx"
#include "common.hxx"
#include "sofie/error.hxx"

namespace sofie {
namespace {

using Function = std::function<Expr(const Expr&)>;

/// Activation functions in the order of the attribute; each takes the next alpha and beta if it has any.
class Activations {
 public:
  Activations(const Operator& op, std::vector<std::string> names) : op_(op), names_(std::move(names)) {
    if (op.hasAttribute("activation_alpha")) alphas_ = op.attribute<std::vector<double>>("activation_alpha");
    if (op.hasAttribute("activation_beta")) betas_ = op.attribute<std::vector<double>>("activation_beta");
  }

  std::vector<Function> functions() {
    std::vector<Function> result;
    for (const std::string& name : names_) result.push_back(named(name));
    return result;
  }

 private:
  const Operator& op_;
  std::vector<std::string> names_;
  std::vector<double> alphas_, betas_;
  std::size_t nextAlpha_ = 0, nextBeta_ = 0;

  double alpha(double otherwise) { return nextAlpha_ < alphas_.size() ? alphas_[nextAlpha_++] : otherwise; }
  double beta(double otherwise) { return nextBeta_ < betas_.size() ? betas_[nextBeta_++] : otherwise; }

  Function named(const std::string& name) {
    std::string lower = name;
    std::transform(lower.begin(), lower.end(), lower.begin(),
                   [](unsigned char c) { return std::tolower(c); });
    if (lower == "sigmoid") return [](const Expr& x) { return unary(Op::Sigmoid, x); };
    if (lower == "tanh") return [](const Expr& x) { return unary(Op::Tanh, x); };
    if (lower == "relu") return relu;
    if (lower == "softsign") return softsign;
    if (lower == "softplus") return softplus;
    if (lower == "leakyrelu") return [a = alpha(0.01f)](const Expr& x) { return leakyRelu(x, a); };
    if (lower == "thresholdedrelu") return [a = alpha(1)](const Expr& x) { return thresholdedRelu(x, a); };
    if (lower == "elu") return [a = alpha(1)](const Expr& x) { return elu(x, a); };
    if (lower == "hardsigmoid")
      return [a = alpha(0.2f), b = beta(0.5)](const Expr& x) { return hardSigmoid(x, a, b); };
    if (lower == "affine")
      return [a = alpha(1), b = beta(0)](const Expr& x) {
        return number(x.type(), a) * x + number(x.type(), b);
      };
    if (lower == "scaledtanh")
      return [a = alpha(1), b = beta(1)](const Expr& x) {
        return number(x.type(), a) * unary(Op::Tanh, number(x.type(), b) * x);
      };
    op_.unsupported("there is no activation '" + name + "'");
  }
};

/// One direction of an operator.
struct Direction {
  std::size_t number;
  bool reverse;
  std::vector<Function> functions;
};

/// The steps of RNN, GRU and LSTM alike.
class Recurrence {
 public:
  /// The state after a step, (batch, hidden), from the products of its inputs, (batch, gates * hidden), and
  /// the state before it.
  using Step = std::function<Tensor(const Direction&, const Tensor& products, const Tensor& state)>;

  /// \param functions  the activations of one direction where the attribute does not name them
  Recurrence(Operator& op, std::int64_t gates, const std::vector<std::string>& functions)
      : op_(op),
        gates_(gates),
        batchFirst_(op.integer("layout", 0) != 0),
        input_(op.input(0)),
        lengths_(op.optionalInput(4)) {
    requireOneType(op, {input_, op.input(1), op.input(2)});
    requireFloat(op, input_);
    if (input_.rank() != 3 || op.input(1).rank() != 3 || op.input(2).rank() != 3)
      throw ShapeError("its input and weights must have three axes");
    if (batchFirst_) input_ = op.transpose(input_, {1, 0, 2});
    nameDirections(functions);
    steps_ = input_.dim(0);
    batch_ = lengths_ ? op.agree(input_.dim(1), lengths_->dim(0), "the batch and the sequence lengths")
                      : input_.dim(1);
    hidden_ = op.input(2).dim(2);
    features_ = op.agree(op.input(1).dim(2), input_.dim(2), "the sizes of the input and of its weights");
    for (const std::size_t weights : {1U, 2U}) {
      op.agree(op.input(weights).dim(1), hidden_ * gates, "the rows of the weights and all gates");
      op.agree(op.input(weights).dim(0), count(), "the directions of the weights and of the operator");
    }
  }

  const Dim& hidden() const { return hidden_; }
  const std::vector<Direction>& directions() const { return directions_; }

  /// The part of input i that belongs to a direction.
  Tensor part(std::size_t i, const Direction& direction) {
    return op_.squeeze(op_.slice(op_.input(i), 0, static_cast<std::int64_t>(direction.number), 1), 0);
  }

  /// The first value of the state that input i may give: (batch, hidden).
  Tensor initial(std::size_t i, const Direction& direction) {
    const Shape shape{batch_, hidden_};
    if (!op_.has(i)) return op_.broadcast(op_.scalar(input_.type, 0), shape);
    const auto number = static_cast<std::int64_t>(direction.number);
    const std::size_t axis = batchFirst_ ? 1 : 0;
    return op_.broadcast(op_.squeeze(op_.slice(op_.input(i), axis, number, 1), axis), shape);
  }

  /// An activation of a gate, whose argument is clipped.
  Expr activated(const Direction& direction, std::size_t function, const Expr& x) const {
    if (!op_.hasAttribute("clip")) return direction.functions[function](x);
    const double limit = op_.real("clip", 0);
    const Expr raised = binary(Op::Maximum, number(x.type(), -limit), x);
    return direction.functions[function](binary(Op::Minimum, number(x.type(), limit), raised));
  }

  /// Columns of `count` gates.
  Tensor gate(const Tensor& gates, std::int64_t first, std::int64_t count = 1) const {
    return op_.slice(gates, gates.rank() - 1, hidden_ * first, hidden_ * count);
  }

  /// The products of a state with the recurrent weights of `count` gates.
  Tensor product(const Direction& direction, const Tensor& state, std::int64_t first, std::int64_t count) {
    const Tensor weights = op_.slice(part(2, direction), 0, hidden_ * first, hidden_ * count);
    return op_.contraction({batch_, weights.dim(0)}, {hidden_}, load(state, {index(0), index(2)}),
                           load(weights, {index(1), index(2)}));
  }

  /// The new value of a state, which is stored over the old one where the sequence has not ended.
  Tensor renew(const Tensor& state, const Expr& value) {
    if (!running_) {
      op_.store(value, state);
      return state;
    }
    const Tensor result = op_.map(state.shape(), value);
    op_.store(select(running_, element(result), element(state)), state);
    return result;
  }

  /// Runs the steps and sets Y and Y_h. The recurrent biases of the first `biased` gates are added to the
  /// products of the inputs.
  void run(std::int64_t biased, const Step& step) {
    // Row t + 1 holds the states after step t; those at the ends are where the two directions begin.
    rows_ = op_.temporary(input_.type, {steps_ + 2, count(), batch_, hidden_});
    std::vector<Tensor> last;
    for (const Direction& direction : directions_) last.push_back(run(direction, biased, step));
    const Tensor states = op_.slice(rows_, 0, 1, steps_);
    op_.output(0, batchFirst_ ? op_.transpose(states, {2, 0, 1, 3}) : states);
    outputStates(1, last);
  }

  /// Sets output i to one state per direction.
  void outputStates(std::size_t i, const std::vector<Tensor>& states) {
    if (!op_.wants(i)) return;
    Tensor result = op_.unsqueeze(states[0], 0);
    if (states.size() > 1) {
      result = op_.temporary(input_.type, {count(), batch_, hidden_});
      for (std::size_t d = 0; d < states.size(); ++d)
        op_.store(element(states[d]), op_.squeeze(op_.slice(result, 0, static_cast<std::int64_t>(d), 1), 0));
    }
    op_.output(i, batchFirst_ ? op_.transpose(result, {1, 0, 2}) : result);
  }

 private:
  Operator& op_;
  std::int64_t gates_;
  bool batchFirst_;
  Tensor input_;  ///< (steps, batch, size)
  std::optional<Tensor> lengths_;
  Dim steps_, batch_, features_, hidden_;
  std::vector<Direction> directions_;
  Tensor rows_;   ///< (steps + 2, directions, batch, hidden)
  Expr running_;  ///< whether a sequence, loop variable 0, has not ended; empty where none ends early

  Dim count() const { return static_cast<std::int64_t>(directions_.size()); }

  void nameDirections(const std::vector<std::string>& defaults) {
    const std::string name = op_.string("direction", "forward");
    if (name != "forward" && name != "reverse" && name != "bidirectional")
      op_.invalid("direction is '" + name + "'; it may be forward, reverse or bidirectional");
    const std::size_t number = name == "bidirectional" ? 2 : 1;
    std::vector<std::string> names;
    for (std::size_t d = 0; d < number; ++d) names.insert(names.end(), defaults.begin(), defaults.end());
    if (op_.hasAttribute("activations")) names = op_.attribute<std::vector<std::string>>("activations");
    if (names.size() != number * defaults.size())
      op_.invalid("it has " + std::to_string(names.size()) + " activations, but needs " +
                  std::to_string(number * defaults.size()));
    const std::vector<Function> functions = Activations(op_, names).functions();
    for (std::size_t d = 0; d < number; ++d) {
      const auto first = functions.begin() + static_cast<std::ptrdiff_t>(d * defaults.size());
      directions_.push_back(
          {d, name == "reverse" || d == 1, {first, first + static_cast<std::ptrdiff_t>(defaults.size())}});
    }
  }

  /// The states of a direction in row t of all rows.
  Tensor row(const Dim& t, const Direction& direction) const {
    const Tensor all = op_.squeeze(op_.slice(rows_, 0, t, 1), 0);
    return op_.squeeze(op_.slice(all, 0, static_cast<std::int64_t>(direction.number), 1), 0);
  }

  /// The products of the inputs of all steps with their weights, biases added: (steps, batch, gates *
  /// hidden).
  Tensor inputProducts(const Direction& direction, std::int64_t biased) {
    const Dim columns = hidden_ * gates_;
    const Tensor product =
        op_.contraction({steps_, batch_, columns}, {features_}, load(input_, {index(0), index(1), index(3)}),
                        load(part(1, direction), {index(2), index(3)}));
    if (!op_.has(3)) return product;
    const Tensor both = part(3, direction);
    op_.agree(both.dim(0), columns * 2, "the biases and all gates");
    const Expr own = load(both, {index(0)}), recurrent = load(both, {index(0) + extent(columns)});
    const Expr isAdded = binary(Op::Lt, index(0), extent(hidden_ * biased));
    const Tensor bias =
        op_.map({columns}, biased == gates_ ? own + recurrent
                                            : own + select(isAdded, recurrent, sofie::number(own.type(), 0)));
    return op_.elementwise({product, bias}, [](const std::vector<Expr>& x) { return x[0] + x[1]; });
  }

  /// The steps of one direction. \return its last state
  Tensor run(const Direction& direction, std::int64_t biased, const Step& step) {
    const Tensor products = inputProducts(direction, biased);
    const Tensor first = initial(5, direction);
    const Tensor state = lengths_ ? op_.copy(first) : row(direction.reverse ? steps_ + 1 : 0, direction);
    if (!lengths_) op_.store(element(first), state);
    const std::string counter = op_.localName("step_" + std::to_string(direction.number));
    op_.loop(counter, steps_, std::nullopt, [&](const Dim& number) {
      const Dim t = direction.reverse ? steps_ - 1 - number : number;
      const Tensor before = lengths_ ? state : row(direction.reverse ? t + 2 : t, direction);
      if (lengths_) running_ = binary(Op::Lt, extent(t), cast(DType::Int64, load(*lengths_, {index(0)})));
      const Tensor after = step(direction, op_.squeeze(op_.slice(products, 0, t, 1), 0), before);
      const Expr zero = sofie::number(after.type, 0);
      op_.store(lengths_ ? select(running_, element(after), zero) : element(after), row(t + 1, direction));
      if (lengths_) renew(state, element(after));
    });
    return lengths_ ? state : row(direction.reverse ? 1 : steps_, direction);
  }
};

void rnn_1(Operator& op) {
  Recurrence recurrence(op, 1, {"Tanh"});
  recurrence.run(1, [&](const Direction& direction, const Tensor& products, const Tensor& state) {
    return op.elementwise(
        {products, recurrence.product(direction, state, 0, 1)},
        [&](const std::vector<Expr>& x) { return recurrence.activated(direction, 0, x[0] + x[1]); });
  });
}

/// ONNX's gates are z (update), r (reset) and h (hidden).
void gru(Operator& op, bool resetAfter) {
  Recurrence recurrence(op, 3, {"Sigmoid", "Tanh"});
  const auto mixed = [](const Expr& update, const Expr& hidden, const Expr& state) {
    return (number(state.type(), 1) - update) * hidden + update * state;
  };
  const auto gates = [&](const Direction& direction, const Tensor& products, const Tensor& state) {
    return op.elementwise(
        {recurrence.gate(products, 0, 2), recurrence.product(direction, state, 0, 2)},
        [&](const std::vector<Expr>& x) { return recurrence.activated(direction, 0, x[0] + x[1]); });
  };
  const auto resetBefore = [&](const Direction& direction, const Tensor& products, const Tensor& state) {
    const Tensor both = gates(direction, products, state);
    const Tensor reset = op.elementwise({recurrence.gate(both, 1), state},
                                        [](const std::vector<Expr>& x) { return x[0] * x[1]; });
    return op.elementwise({recurrence.gate(both, 0), recurrence.gate(products, 2), state,
                           recurrence.product(direction, reset, 2, 1)},
                          [&](const std::vector<Expr>& x) {
                            return mixed(x[0], recurrence.activated(direction, 1, x[1] + x[3]), x[2]);
                          });
  };
  const auto resetBehind = [&](const Direction& direction, const Tensor& products, const Tensor& state) {
    const Tensor recurrent = recurrence.product(direction, state, 0, 3);
    const Dim& hidden = recurrence.hidden();
    const Tensor zero = op.broadcast(op.scalar(state.type, 0), {hidden});
    const Tensor bias = op.has(3) ? op.slice(recurrence.part(3, direction), 0, hidden * 5, hidden) : zero;
    std::vector<Tensor> tensors{state, bias};
    for (std::int64_t g = 0; g < 3; ++g) {
      tensors.push_back(recurrence.gate(products, g));
      tensors.push_back(recurrence.gate(recurrent, g));
    }
    return op.elementwise(tensors, [&](const std::vector<Expr>& x) {
      const auto f = [&](const Expr& gate) { return recurrence.activated(direction, 0, gate); };
      return mixed(f(x[2] + x[3]), recurrence.activated(direction, 1, x[6] + f(x[4] + x[5]) * (x[7] + x[1])),
                   x[0]);
    });
  };
  if (resetAfter)
    recurrence.run(2, resetBehind);
  else
    recurrence.run(3, resetBefore);
}

void gru_1(Operator& op) { gru(op, false); }
void gru_3(Operator& op) { gru(op, op.integer("linear_before_reset", 0) != 0); }

/// ONNX's gates are i (input), o (output), f (forget) and c (cell), its peepholes those of i, o and f.
void lstm_1(Operator& op) {
  Recurrence recurrence(op, 4, {"Sigmoid", "Tanh", "Tanh"});
  std::vector<Tensor> cells;
  for (const Direction& direction : recurrence.directions())
    cells.push_back(op.copy(recurrence.initial(6, direction)));
  const bool coupled = op.integer("input_forget", 0) != 0;
  recurrence.run(4, [&](const Direction& direction, const Tensor& products, const Tensor& state) {
    const Tensor& cell = cells[direction.number];
    const Tensor gates = op.elementwise({products, recurrence.product(direction, state, 0, 4)},
                                        [](const std::vector<Expr>& x) { return x[0] + x[1]; });
    const auto gate = [&](std::int64_t number, const Tensor& seen) {
      const Expr value = element(recurrence.gate(gates, number));
      if (!op.has(7) || number == 3) return recurrence.activated(direction, number == 3 ? 1 : 0, value);
      const Tensor peephole = recurrence.gate(recurrence.part(7, direction), number);
      return recurrence.activated(direction, 0, value + load(peephole, {index(1)}) * element(seen));
    };
    const Expr input = gate(0, cell);
    const Expr forget = coupled ? number(cell.type, 1) - input : gate(2, cell);
    const Tensor next = recurrence.renew(cell, forget * element(cell) + input * gate(3, cell));
    // As in onnxruntime, the cell is not clipped.
    return op.map(cell.shape(), gate(1, next) * direction.functions[2](element(next)));
  });
  recurrence.outputStates(2, cells);
}

}  // namespace

SOFIE_OPERATOR("RNN", 1, rnn_1);
SOFIE_OPERATOR("GRU", 1, gru_1);
SOFIE_OPERATOR("GRU", 3, gru_3);
SOFIE_OPERATOR("LSTM", 1, lstm_1);

}  // namespace sofie
