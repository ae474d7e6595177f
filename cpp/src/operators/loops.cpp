/// Loop and Scan. Their bodies become kernels that run again and again. Where a body changes sizes or lists
/// from one iteration to the next it is written once per iteration, if their number is known.
#include <algorithm>
#include <limits>

#include "common.hxx"
#include "movement.hxx"
#include "sofie/error.hxx"

namespace sofie {
namespace {

/// A tensor of which only type and shape are known, as it is in every iteration.
Value withoutContents(const Value& value) {
  Value result = value;
  result.contents = {};
  result.measured = false;
  return result;
}

Value numberOfIteration(const Dim& number) {
  Value value(DType::Int64, {});
  if (const auto constant = number.value())
    value.contents.constant = Constant::of<std::int64_t>(DType::Int64, {}, {*constant});
  else
    value.contents.dims = std::vector<Dim>{number};
  return value;
}

/// The tensors that iterations hand on to each other, in places that stay the same.
class States {
 public:
  States(Operator& op, const std::vector<Tensor>& initial) : op_(op) {
    for (const Tensor& tensor : initial) places_.push_back(op.copy(tensor));
  }

  const std::vector<Tensor>& places() const { return places_; }

  /// Stores the values for the next iteration. One that reads another's place must be copied before any is
  /// stored.
  void renew(std::vector<Tensor> values) {
    for (std::size_t i = 0; i < values.size(); ++i)
      if (isPlace(values[i]) && !sameView(values[i].view, places_[i].view)) values[i] = op_.copy(values[i]);
    for (std::size_t i = 0; i < values.size(); ++i)
      if (!sameView(values[i].view, places_[i].view)) op_.store(element(values[i]), places_[i]);
  }

 private:
  Operator& op_;
  std::vector<Tensor> places_;

  bool isPlace(const Tensor& tensor) const {
    return std::any_of(places_.begin(), places_.end(),
                       [&](const Tensor& place) { return place.view.buffer == tensor.view.buffer; });
  }
  static bool sameView(const View& left, const View& right) {
    return left.buffer == right.buffer && left.offset.is(0) && isDense(left) && left.shape == right.shape;
  }
};

/// A tensor with one row per iteration.
Tensor rows(Operator& op, const Value& row, const Dim& count) {
  Shape shape = row.shape;
  shape.insert(shape.begin(), count);
  return op.temporary(row.type, shape);
}

void storeRow(Operator& op, const Tensor& rows, const Dim& number, const Tensor& row) {
  op.store(element(row), op.squeeze(op.slice(rows, 0, number, 1), 0));
}

/// Why a body cannot be run again and again with the same kernels; empty if it can.
std::string change(const Graph& body, const std::string& counter, std::size_t first,
                   const std::vector<Value>& carried) {
  const auto& outputs = body.outputs();
  for (std::size_t i = first; i < outputs.size(); ++i) {
    const Value& value = body.value(outputs[i]);
    const std::string name = "its output '" + value.name + "' ";
    if (value.kind != ValueKind::Tensor) return name + "is no tensor";
    if (i < first + carried.size()) {
      const Value& before = carried[i - first];
      if (value.type != before.type || value.shape != before.shape)
        return name + "is " + std::string(dtypeName(value.type)) + text(value.shape) + " after it was " +
               std::string(dtypeName(before.type)) + text(before.shape);
    }
    std::vector<std::string> symbols;
    for (const Dim& dim : value.shape) dim.collectSymbols(symbols);
    for (const std::string& symbol : symbols)
      if (symbol == counter || body.measured().count(symbol) != 0)
        return name + "has another size, " + symbol + ", in every iteration";
  }
  return {};
}

/// ONNX's Loop: inputs are the number of iterations, a condition and the carried values; the body has the
/// number of the iteration, the condition and the carried values, and gives the condition, the carried values
/// and rows of results.
class LoopNode {
 public:
  explicit LoopNode(Operator& op) : op_(op), count_(op.inputCount() < 2 ? 0 : op.inputCount() - 2) {
    for (std::size_t i = 0; i < count_; ++i) {
      values_.push_back(op.valueOf(i + 2));
      items_.push_back(op.item(i + 2));
    }
    if (op.has(1)) {
      const auto& known = op.contentsOf(1).constant;
      if (!known) condition_ = op.reshape(op.input(1), {});
      if (known && !known->at<bool>(0)) limit_ = 0;
    }
    if (op.has(0) && !limit_) limit_ = given();
  }

  void write() {
    const std::string reason = tryToRepeat();
    if (repeated_) return repeat(*repeated_);
    const bool isLimited = limit_ && limit_->isConstant();
    if (condition_ || (limit_ && !isLimited))
      op_.unsupported(
          reason + "; so its number of iterations and first condition must be known when code is generated");
    unroll(reason);
  }

 private:
  /// More iterations than these are never written one by one; of loops inside of such loops fewer.
  std::int64_t mostUnrolled() const {
    return 1024 >> (5 * std::min<std::size_t>(op_.iterations().size(), 2));
  }
  /// From here on a limit means that there is none.
  static constexpr std::int64_t endless = std::int64_t(1) << 31;

  Operator& op_;
  std::size_t count_;  ///< of carried values
  std::vector<Value> values_;
  std::vector<Item> items_;
  std::optional<Tensor> condition_;  ///< of the first iteration, unless it is known to hold
  std::optional<Dim> limit_;         ///< of the number of iterations
  std::optional<Graph> repeated_;    ///< the body, if every iteration can run the same kernels

  std::optional<Dim> given() {
    if (op_.isKnown(0)) {
      const Dim limit = dimOf(op_, 0);
      return limit.value().value_or(0) >= endless ? std::nullopt : std::optional<Dim>(max(limit, 0));
    }
    const Tensor limit = op_.reshape(op_.cast(op_.input(0), DType::Int64), {});
    const Expr count = binary(Op::Maximum, element(limit), integer(DType::Int64, 0));
    return op_.measure("trips", op_.map({}, count), std::nullopt);
  }

  /// The number of an iteration that stands for all.
  Dim number() const {
    const auto limit = limit_ ? limit_->upperBound() : std::nullopt;
    const auto last =
        limit ? std::optional<std::int64_t>(std::max<std::int64_t>(*limit - 1, 0)) : std::nullopt;
    return Dim::symbol(op_.localName("iteration"), {0, last});
  }

  /// The body in an iteration, which only runs where the condition holds.
  Graph body(const Dim& number, const std::vector<Value>& carried) const {
    Value holds(DType::Bool, {});
    holds.contents.constant = Constant::of<bool>(DType::Bool, {}, {true});
    std::vector<Value> arguments{numberOfIteration(number), holds};
    arguments.insert(arguments.end(), carried.begin(), carried.end());
    Graph graph = op_.subgraph("body", arguments, number);
    if (graph.outputs().size() < 1 + count_)
      op_.invalid("its body must give a condition and " + std::to_string(count_) + " carried values");
    return graph;
  }

  std::vector<Item> write(const Graph& body, const Dim& number, const std::vector<Item>& carried) {
    std::vector<Item> arguments{op_.reshape(op_.dims({number}), {}), op_.scalar(DType::Bool, 1)};
    arguments.insert(arguments.end(), carried.begin(), carried.end());
    return op_.writeSubgraph(body, arguments);
  }

  /// \return what stands against it, empty if nothing
  std::string tryToRepeat() {
    const auto isList = [](const Value& value) { return value.kind != ValueKind::Tensor; };
    const auto captures = op_.captures();
    if (std::any_of(values_.begin(), values_.end(), isList) ||
        std::any_of(captures.begin(), captures.end(), isList))
      return "its body takes a sequence or an optional";
    std::vector<Value> carried;
    for (const Value& value : values_) carried.push_back(withoutContents(value));
    try {
      const Graph graph = body(number(), carried);
      const std::string reason = change(graph, op_.localName("iteration"), 1, carried);
      if (reason.empty()) repeated_ = graph;
      return reason;
    } catch (const UnsupportedError& error) {
      return error.what();
    }
  }

  void repeat(const Graph& once) {
    const std::string counter = op_.localName("iteration");
    std::vector<Tensor> initial;
    for (const Item& item : items_) initial.push_back(item.tensors[0]);
    const auto& again = once.value(once.outputs()[0]).contents.constant;
    const bool ends = condition_ || !again || !again->at<bool>(0);
    const bool hasRows = once.outputs().size() > 1 + count_;
    if (!ends && !limit_) op_.invalid("it never ends");

    States states(op_, initial);
    std::optional<Tensor> running, done;
    if (ends) running = op_.copy(condition_ ? *condition_ : op_.scalar(DType::Bool, 1));
    if (ends && hasRows) done = op_.copy(op_.scalar(DType::Int64, 0));
    const Dim results = done ? op_.undecidedSize("iterations", limit_) : limit_.value_or(0);
    const Dim most = limit_ ? *limit_
                     : done ? op_.program().most(results)
                            : Dim(std::numeric_limits<std::int64_t>::max());
    std::vector<Tensor> outputs;
    for (std::size_t i = 1 + count_; i < once.outputs().size(); ++i)
      outputs.push_back(rows(op_, once.value(once.outputs()[i]), most));

    op_.loop(counter, most, running, [&](const Dim& number) {
      const std::vector<Item> carried(states.places().begin(), states.places().end());
      const auto items = write(once, number, carried);
      for (std::size_t i = 0; i < outputs.size(); ++i)
        storeRow(op_, outputs[i], number, items[1 + count_ + i].tensors[0]);
      if (running) op_.store(element(op_.reshape(items[0].tensors[0], {})), *running);
      if (done) op_.store(extent(number + 1), *done);
      std::vector<Tensor> next;
      for (std::size_t i = 0; i < count_; ++i) next.push_back(items[1 + i].tensors[0]);
      states.renew(next);
    });

    if (done) measureResults(results, most, *running, *done);
    for (std::size_t i = 0; i < count_; ++i) op_.output(i, states.places()[i]);
    for (std::size_t i = 0; i < outputs.size(); ++i)
      op_.output(count_ + i, op_.slice(outputs[i], 0, 0, results));
  }

  /// Asks for twice the room if the loop had to stop before its condition said so.
  void measureResults(const Dim& results, const Dim& most, const Tensor& running, const Tensor& done) {
    const auto symbol = results.symbolName();
    if (!symbol) return;
    const Expr count = element(done),
               stopped = binary(Op::LogicalAnd, element(running), binary(Op::Ge, count, extent(most)));
    const Expr twice = count * integer(DType::Int64, 2) + integer(DType::Int64, 1);
    op_.write(Measure{*symbol, limit_ ? done : op_.map({}, select(stopped, twice, count))});
  }

  void unroll(const std::string& reason) {
    std::vector<std::vector<Tensor>> results;
    std::vector<Value> shapes = rowsOfFirst();
    results.resize(shapes.size());
    for (std::int64_t i = 0; !limit_ || i < limit_->constant(); ++i) {
      if (i == mostUnrolled())
        op_.unsupported(reason + "; this can be done for " + std::to_string(mostUnrolled()) +
                        " iterations at most");
      const Graph graph = body(i, values_);
      const auto items = write(graph, i, items_);
      for (std::size_t k = 0; k < count_; ++k) {
        values_[k] = graph.value(graph.outputs()[1 + k]);
        values_[k].measured = false;
        items_[k] = items[1 + k];
      }
      for (std::size_t k = 0; k < results.size(); ++k)
        results[k].push_back(op_.unsqueeze(items[1 + count_ + k].tensors.at(0), 0));
      const auto& again = graph.value(graph.outputs()[0]).contents.constant;
      if (!again) op_.unsupported(reason + "; so its conditions must be known when code is generated");
      if (!again->at<bool>(0)) break;
    }
    for (std::size_t k = 0; k < count_; ++k) op_.output(k, items_[k]);
    for (std::size_t k = 0; k < results.size(); ++k)
      op_.output(count_ + k, results[k].empty() ? rows(op_, shapes[k], 0) : concatenate(op_, results[k], 0));
  }

  /// What the first iteration would add to the results.
  std::vector<Value> rowsOfFirst() const {
    const Graph graph = body(0, values_);
    std::vector<Value> values;
    for (std::size_t i = 1 + count_; i < graph.outputs().size(); ++i)
      values.push_back(graph.value(graph.outputs()[i]));
    return values;
  }
};

void loop_1(Operator& op) { LoopNode(op).write(); }

/// ONNX's Scan: a body for the slices of some inputs, which hands states on.
class ScanNode {
 public:
  /// \param first  the input that is the first state
  /// \param directions  the attribute that says which inputs are read from the end
  ScanNode(Operator& op, std::size_t first, const std::string& directions)
      : op_(op),
        directions_(directions),
        inputs_(static_cast<std::size_t>(op.attribute<std::int64_t>("num_scan_inputs"))),
        states_(op.inputCount() - first - inputs_),
        outputs_(op.node().outputs.size() - states_) {
    if (op.inputCount() < first + inputs_ || op.node().outputs.size() < states_)
      op.invalid("it has fewer inputs or outputs than its attributes say");
  }

  std::size_t states() const { return states_; }
  std::size_t inputs() const { return inputs_; }

  /// Runs the body over axis 0 of the inputs, and returns the last states and the rows of the results.
  /// \param steps  the number of iterations, at most the size of that axis
  std::vector<Tensor> run(const std::vector<Tensor>& initial, const std::vector<Tensor>& inputs,
                          const std::optional<Dim>& steps = std::nullopt) {
    Dim size = inputs.at(0).dim(0);
    for (const Tensor& input : inputs)
      size = op_.agree(size, input.dim(0), "the lengths of the scanned inputs");
    const std::string counter = op_.localName("iteration");
    const Graph body = this->body(Dim::symbol(counter), initial, inputs);
    if (const std::string reason = change(body, counter, 0, shapesOf(initial)); !reason.empty())
      op_.unsupported(reason);

    States states(op_, initial);
    std::vector<Tensor> results;
    for (std::size_t i = 0; i < outputs_; ++i)
      results.push_back(rows(op_, body.value(body.outputs()[states_ + i]), size));
    if (steps)
      for (const Tensor& result : results) op_.store(number(result.type, 0), result);
    op_.loop(counter, steps.value_or(size), std::nullopt, [&](const Dim& number) {
      std::vector<Item> arguments(states.places().begin(), states.places().end());
      for (std::size_t i = 0; i < inputs_; ++i)
        arguments.emplace_back(slice(inputs[i], place(directions_, i, number, size)));
      const auto items = op_.writeSubgraph(body, arguments);
      for (std::size_t i = 0; i < outputs_; ++i)
        storeRow(op_, results[i], place("scan_output_directions", i, number, size),
                 items[states_ + i].tensors[0]);
      std::vector<Tensor> next;
      for (std::size_t i = 0; i < states_; ++i) next.push_back(items[i].tensors[0]);
      states.renew(next);
    });
    std::vector<Tensor> all = states.places();
    all.insert(all.end(), results.begin(), results.end());
    return all;
  }

 private:
  Operator& op_;
  std::string directions_;
  std::size_t inputs_, states_, outputs_;

  static std::vector<Value> shapesOf(const std::vector<Tensor>& tensors) {
    std::vector<Value> values;
    for (const Tensor& tensor : tensors) values.emplace_back(tensor.type, tensor.shape());
    return values;
  }

  Tensor slice(const Tensor& input, const Dim& number) const {
    return op_.squeeze(op_.slice(input, 0, number, 1), 0);
  }

  Graph body(const Dim& number, const std::vector<Tensor>& initial, const std::vector<Tensor>& inputs) const {
    std::vector<Value> arguments = shapesOf(initial);
    for (const Tensor& input : inputs) arguments.emplace_back(input.type, slice(input, 0).shape());
    Graph graph = op_.subgraph("body", arguments, number);
    if (graph.outputs().size() != states_ + outputs_)
      op_.invalid("its body must give " + std::to_string(states_ + outputs_) + " values");
    return graph;
  }

  /// Where iteration `number` reads or writes: from the end, if the directions say so.
  Dim place(const std::string& directions, std::size_t i, const Dim& number, const Dim& size) const {
    const auto given = op_.integers(directions);
    return i < given.size() && given[i] != 0 ? size - 1 - number : number;
  }
};

/// The permutation that moves one axis.
std::vector<std::size_t> moved(std::size_t rank, std::size_t from, std::size_t to) {
  std::vector<std::size_t> order;
  for (std::size_t axis = 0; axis < rank; ++axis)
    if (axis != from) order.push_back(axis);
  order.insert(order.begin() + static_cast<std::ptrdiff_t>(to), from);
  return order;
}

/// The axis that an attribute gives for each input or output; 0 where it is left out.
std::size_t scanAxis(const Operator& op, const std::string& name, std::size_t i, std::size_t rank) {
  const auto given = op.integers(name);
  return i < given.size() ? op.axis(given[i], rank) : 0;
}

void scan_9(Operator& op) {
  ScanNode scan(op, 0, "scan_input_directions");
  std::vector<Tensor> initial, inputs;
  for (std::size_t i = 0; i < scan.states(); ++i) initial.push_back(op.stored(i));
  for (std::size_t i = 0; i < scan.inputs(); ++i) {
    const Tensor x = op.stored(scan.states() + i);
    if (x.rank() == 0) throw ShapeError("a scalar cannot be scanned");
    inputs.push_back(op.transpose(x, moved(x.rank(), scanAxis(op, "scan_input_axes", i, x.rank()), 0)));
  }
  const auto results = scan.run(initial, inputs);
  for (std::size_t i = 0; i < results.size(); ++i) {
    if (i < scan.states()) {
      op.output(i, results[i]);
      continue;
    }
    const std::size_t rank = results[i].rank();
    const std::size_t axis = scanAxis(op, "scan_output_axes", i - scan.states(), rank);
    op.output(i, op.transpose(results[i], moved(rank, 0, axis)));
  }
}

/// Before opset 9 a Scan runs for each element of a batch, for a number of steps of its own.
void scan_8(Operator& op) {
  ScanNode scan(op, 1, "directions");
  std::vector<Tensor> all;
  for (std::size_t i = 1; i < op.inputCount(); ++i) {
    all.push_back(op.stored(i));
    if (all.back().rank() == 0) throw ShapeError("its inputs must have a batch axis");
  }
  Dim batch = all.at(0).dim(0);
  for (const Tensor& tensor : all) batch = op.agree(batch, tensor.dim(0), "the batches of its inputs");
  std::vector<Tensor> outputs;
  op.loop(op.localName("batch"), batch, std::nullopt, [&](const Dim& number) {
    std::vector<Tensor> own;
    for (const Tensor& tensor : all) own.push_back(op.squeeze(op.slice(tensor, 0, number, 1), 0));
    const auto middle = own.begin() + static_cast<std::ptrdiff_t>(scan.states());
    const std::vector<Tensor> initial(own.begin(), middle), inputs(middle, own.end());
    std::optional<Dim> steps;
    if (op.has(0)) steps = op.measure("steps", op.slice(op.input(0), 0, number, 1), inputs.at(0).dim(0));
    const auto results = scan.run(initial, inputs, steps);
    for (const Tensor& result : results) {
      outputs.push_back(rows(op, {result.type, result.shape()}, batch));
      storeRow(op, outputs.back(), number, result);
    }
  });
  for (std::size_t i = 0; i < outputs.size(); ++i) op.output(i, outputs[i]);
}

}  // namespace

SOFIE_OPERATOR("Loop", 1, loop_1);
SOFIE_OPERATOR("Scan", 8, scan_8);
SOFIE_OPERATOR("Scan", 9, scan_9);

}  // namespace sofie
