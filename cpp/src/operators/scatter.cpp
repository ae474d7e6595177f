/// Operators that store at computed positions.
#include "common.hxx"
#include "sofie/error.hxx"

namespace sofie {
namespace {

/// How an update joins what is there; nullopt when it replaces it.
std::optional<Combiner> reduction(const Operator& op, DType type) {
  const std::string name = op.string("reduction", "none");
  if (name == "none") return std::nullopt;
  const bool isBool = type == DType::Bool;  // NumPy's sum and maximum of bools are "or"
  if (name == "add") return isBool ? Combiner::Or : Combiner::Sum;
  if (name == "mul") return isBool ? Combiner::And : Combiner::Product;
  if (name == "min") return isBool ? Combiner::And : Combiner::Minimum;
  if (name == "max") return isBool ? Combiner::Or : Combiner::Maximum;
  op.invalid("its reduction is '" + name + "'; there are none, add, mul, min and max");
}

/// A copy of the data with the updates stored at `places`, one index for each axis of the data.
void scatter(Operator& op, const Tensor& data, const Tensor& updates, const std::vector<Expr>& places) {
  const Tensor result = op.copy(data);
  op.scatter(updates.shape(), element(updates), result, places, reduction(op, data.type));
  op.output(0, result);
}

void scatterElements_9(Operator& op) {
  const Tensor data = op.input(0), indices = op.input(1), updates = op.input(2);
  requireOneType(op, {data, updates});
  if (indices.rank() != data.rank() || updates.rank() != data.rank())
    throw ShapeError("the data " + text(data.shape()) + ", the indices " + text(indices.shape()) +
                     " and the updates " + text(updates.shape()) + " differ in rank");
  const std::size_t axis = op.axis(op.integer("axis", 0), data.rank());
  for (std::size_t i = 0; i < data.rank(); ++i) {
    const std::string number = std::to_string(i);
    op.agree(indices.dim(i), updates.dim(i), "the sizes of indices and updates along axis " + number);
    if (i != axis) op.atLeast(data.dim(i), indices.dim(i), "the size of the data along axis " + number);
  }
  std::vector<Expr> places = sofie::indices(data.rank());
  requireElements(op, data.dim(axis), indices.shape());
  places[axis] = checkedIndex(element(indices), data.dim(axis));
  scatter(op, data, updates, places);
}

/// The last axis of the indices holds positions in the first axes of the data; an update is a block of the
/// others.
void scatterND_11(Operator& op) {
  const Tensor data = op.input(0), indices = op.input(1), updates = op.input(2);
  requireOneType(op, {data, updates});
  if (indices.rank() == 0) throw ShapeError("the indices have no axis");
  const auto depth = static_cast<std::size_t>(indices.shape().back().constant());
  const std::size_t outer = indices.rank() - 1;
  if (depth > data.rank() || updates.rank() != outer + data.rank() - depth)
    throw ShapeError("indices of shape " + text(indices.shape()) + " and updates of shape " +
                     text(updates.shape()) + " do not fit the data " + text(data.shape()));
  for (std::size_t i = 0; i < updates.rank(); ++i)
    op.agree(updates.dim(i), i < outer ? indices.dim(i) : data.dim(depth + i - outer),
             "sizes of axis " + std::to_string(i) + " of the updates");
  std::vector<Expr> places, place = sofie::indices(outer);
  place.emplace_back();
  for (std::size_t i = 0; i < depth; ++i) {
    place.back() = extent(static_cast<std::int64_t>(i));
    requireElements(op, data.dim(i), indices.shape());
    places.push_back(checkedIndex(load(indices, place), data.dim(i)));
  }
  for (const Expr& variable : sofie::indices(data.rank() - depth, outer)) places.push_back(variable);
  scatter(op, data, updates, places);
}

}  // namespace

SOFIE_OPERATOR("Scatter", 9, scatterElements_9);
SOFIE_OPERATOR("ScatterElements", 11, scatterElements_9);
SOFIE_OPERATOR("ScatterND", 11, scatterND_11);

}  // namespace sofie
