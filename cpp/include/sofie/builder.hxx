#pragma once
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "sofie/program.hxx"

namespace sofie {

/// Writes kernels into a program: the vocabulary in which operators are lowered.
///
/// Tensors that it returns are views; reshape, transpose, slice and expand make no code where a view can
/// express them.
class Builder {
 public:
  using Term = std::function<Expr(const Expr&)>;
  using Body = std::function<Expr(const std::vector<Expr>&)>;

  explicit Builder(Program& program) : program_(program) {}

  Program& program() { return program_; }
  /// Where the kernels that follow come from.
  void setOrigins(std::vector<Origin> origins) { origins_ = std::move(origins); }

  Tensor temporary(DType type, const Shape& shape);
  Tensor constant(const Constant& constant);
  Tensor scalar(DType type, double value);
  /// An int64 vector of dims.
  Tensor dims(const std::vector<Dim>& values);

  /// \throws ShapeError when the element counts differ for all values of the symbols; else a session checks
  /// them.
  Tensor reshape(const Tensor& tensor, const Shape& shape);
  Tensor transpose(const Tensor& tensor, const std::vector<std::size_t>& permutation) const;
  /// Elements start, start + step, ... (count of them) of one axis.
  Tensor slice(Tensor tensor, std::size_t axis, const Dim& start, const Dim& count,
               std::int64_t step = 1) const;
  Tensor unsqueeze(Tensor tensor, std::size_t axis) const;
  Tensor squeeze(Tensor tensor, std::size_t axis) const;
  /// Multidirectional broadcast to `shape` (ONNX Broadcasting). \throws ShapeError when it does not fit.
  Tensor broadcast(const Tensor& tensor, const Shape& shape);

  /// The common value of two sizes that must be equal; `what` names them.
  /// \throws ShapeError when they differ for all values of the symbols; else a session checks them.
  Dim agree(const Dim& left, const Dim& right, const std::string& what);
  /// States that a size is no smaller than another. \throws ShapeError when it always is.
  void atLeast(const Dim& size, const Dim& least, const std::string& what);

  /// A new tensor whose element at loop variables (i0, i1, ...) is `element`.
  Tensor map(const Shape& shape, const Expr& element);
  /// body(elements of the tensors, broadcast against each other).
  Tensor elementwise(const std::vector<Tensor>& tensors, const Body& body);
  /// Stores `element`, an expression over the target's axes, into an existing tensor.
  void store(const Expr& element, const Tensor& target);
  /// Stores at computed indices, where `guard` holds; elements join what their places hold by `merge`.
  void scatter(const Shape& axes, const Expr& element, const Tensor& target, std::vector<Expr> indices,
               std::optional<Combiner> merge = std::nullopt, const Expr& guard = Expr());
  /// A dense copy.
  Tensor copy(const Tensor& tensor);
  /// The tensor itself when dense, else a copy.
  Tensor dense(const Tensor& tensor);
  Tensor cast(const Tensor& tensor, DType type);

  /// epilogue(combination of term(x) over the axes); `axes` sorted, without repeats.
  Tensor reduce(const Tensor& tensor, const std::vector<std::size_t>& axes, bool keepDims, Combiner combiner,
                const Term& term = {}, const Term& epilogue = {});
  /// A general reduction: `element` over the loop variables of `axes` followed by `reduction`.
  Tensor reduce(const Shape& axes, const Shape& reduction, Combiner combiner, const Expr& element,
                const Term& epilogue = {});
  /// A recurrence: a state of the type of `initial` becomes `element`, an expression of the Accumulator, at
  /// every point of `reduction` in order; epilogue(last state) is stored.
  Tensor fold(const Shape& axes, const Shape& reduction, const Expr& initial, const Expr& element,
              const Term& epilogue = {});
  /// Sum over `reduction` of left * right, two loads at affine indices.
  Tensor contraction(const Shape& axes, const Shape& reduction, const Expr& left, const Expr& right);

  /// States that results depend on the tensor by rounding only, see Buffer::cancels.
  void cancels(const Tensor& tensor);

  void call(Call call);
  void write(Measure measure);
  /// The kernels that `write` writes, taken out of the program.
  std::vector<Kernel> recorded(const std::function<void()>& write);
  /// Runs `then` when the bool scalar holds, else `otherwise`. Both store their results into tensors that
  /// exist before.
  void branch(const Tensor& condition, std::vector<Kernel> then, std::vector<Kernel> otherwise);
  /// Runs the kernels that body(number of the iteration) writes `trips` times at most, and only while the
  /// bool scalar holds, if there is one. `counter` names the local symbol that is the number.
  void loop(const std::string& counter, const Dim& trips, const std::optional<Tensor>& condition,
            const std::function<void(const Dim&)>& body);

 private:
  Program& program_;
  std::vector<Origin> origins_;

  void add(Nest nest);
};

/// Loop variables first, first + 1, ...
std::vector<Expr> indices(std::size_t count, std::size_t first = 0);
/// The element of a tensor at the loop variables of its own axes.
Expr element(const Tensor& tensor);
/// Shape of several tensors broadcast against each other. \throws ShapeError
Shape broadcastShapes(const std::vector<Shape>& shapes);
/// True when the view is the dense row-major block of its shape.
bool isDense(const View& view);

}  // namespace sofie
