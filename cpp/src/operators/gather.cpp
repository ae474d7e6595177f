/// Operators that read at computed positions.
#include "common.hxx"
#include "sofie/error.hxx"

namespace sofie {
namespace {

/// Positions from the start of an axis whose size is known. \throws ShapeError when one is outside
std::vector<std::int64_t> positions(const Constant& places, std::int64_t size) {
  std::vector<std::int64_t> result;
  for (std::int64_t i = 0; i < places.size(); ++i) {
    const auto place = places.at<std::int64_t>(i);
    if (place < -size || place >= size)
      throw ShapeError("the index " + std::to_string(place) + " is outside an axis of size " +
                       std::to_string(size));
    result.push_back(place < 0 ? place + size : place);
  }
  return result;
}

/// Step of an arithmetic progression of ordinary numbers that does not change sign, nullopt for others.
std::optional<std::int64_t> progression(const Constant& places) {
  if (places.size() == 0) return std::nullopt;
  const auto at = [&](std::int64_t i) { return places.at<std::int64_t>(i); };
  for (std::int64_t i = 0; i < places.size(); ++i)
    if (at(i) != static_cast<std::int32_t>(at(i)) || (at(i) < 0) != (at(0) < 0)) return std::nullopt;
  const std::int64_t step = places.size() == 1 ? 1 : at(1) - at(0);
  for (std::int64_t i = 1; i < places.size(); ++i)
    if (at(i) - at(i - 1) != step) return std::nullopt;
  return step;
}

/// The gathered elements as a view, where the places are known and evenly spaced.
std::optional<Tensor> gatheredView(Operator& op, const Tensor& data, std::size_t axis,
                                   const Constant& places) {
  const auto step = places.shape.size() > 1 ? std::nullopt : progression(places);
  if (!step) return std::nullopt;
  for (const std::int64_t i : {std::int64_t(0), places.size() - 1}) {
    const auto place = places.at<std::int64_t>(i);
    op.atLeast(data.dim(axis), place < 0 ? -place : place + 1, "an axis that is indexed");
  }
  const Dim first = fromStart(places.at<std::int64_t>(0), data.dim(axis));
  const Tensor slice = op.slice(data, axis, first, places.size(), *step);
  return places.shape.empty() ? op.squeeze(slice, axis) : slice;
}

void gather_1(Operator& op) {
  const Tensor data = op.stored(0);
  Tensor places = op.input(1);
  const std::size_t axis = op.axis(op.integer("axis", 0), data.rank());
  bool checked = false;
  if (const auto& constant = op.contentsOf(1).constant) {
    if (const auto size = data.dim(axis).value()) {
      places = op.constant(Constant::of(DType::Int64, constant->shape, positions(*constant, *size)));
      checked = true;
    }
    if (const auto view = gatheredView(op, data, axis, *constant)) return op.output(0, *view);
  }
  Shape shape = data.shape();
  const auto gap = shape.erase(shape.begin() + static_cast<std::ptrdiff_t>(axis));
  shape.insert(gap, places.shape().begin(), places.shape().end());
  std::vector<Expr> variables = indices(shape.size());
  const auto first = variables.begin() + static_cast<std::ptrdiff_t>(axis);
  const auto last = first + static_cast<std::ptrdiff_t>(places.rank());
  requireElements(op, data.dim(axis), places.shape());
  const Expr place = load(places, {first, last});
  variables.insert(variables.erase(first, last), checked ? place : checkedIndex(place, data.dim(axis)));
  op.output(0, op.map(shape, load(data, variables)));
}

void gatherElements_11(Operator& op) {
  const Tensor data = op.stored(0), places = op.input(1);
  if (places.rank() != data.rank())
    throw ShapeError("the data " + text(data.shape()) + " and the indices " + text(places.shape()) +
                     " differ in rank");
  const std::size_t axis = op.axis(op.integer("axis", 0), data.rank());
  for (std::size_t i = 0; i < data.rank(); ++i)
    if (i != axis)
      op.atLeast(data.dim(i), places.dim(i), "the size of the data along axis " + std::to_string(i));
  std::vector<Expr> variables = indices(data.rank());
  requireElements(op, data.dim(axis), places.shape());
  variables[axis] = checkedIndex(element(places), data.dim(axis));
  op.output(0, op.map(places.shape(), load(data, variables)));
}

/// The last axis of the indices holds positions in the axes of the data that follow the batch.
void gatherND_11(Operator& op) {
  const Tensor data = op.stored(0), places = op.input(1);
  const auto batch = static_cast<std::size_t>(op.integer("batch_dims", 0));
  if (places.rank() == 0) throw ShapeError("the indices have no axis");
  const auto depth = static_cast<std::size_t>(places.shape().back().constant());
  if (batch >= places.rank() || batch + depth > data.rank())
    throw ShapeError("indices of shape " + text(places.shape()) + " with " + std::to_string(batch) +
                     " batch axes do not fit the data " + text(data.shape()));
  Shape shape(places.shape().begin(), places.shape().end() - 1);
  shape.insert(shape.end(), data.shape().begin() + static_cast<std::ptrdiff_t>(batch + depth),
               data.shape().end());
  for (std::size_t i = 0; i < batch; ++i)
    op.agree(data.dim(i), places.dim(i), "sizes of batch axis " + std::to_string(i));
  const std::size_t outer = places.rank() - 1;
  std::vector<Expr> result = indices(batch), place = indices(outer);
  place.emplace_back();
  for (std::size_t i = 0; i < depth; ++i) {
    place.back() = extent(static_cast<std::int64_t>(i));
    requireElements(op, data.dim(batch + i), places.shape());
    result.push_back(checkedIndex(load(places, place), data.dim(batch + i)));
  }
  for (const Expr& variable : indices(shape.size() - outer, outer)) result.push_back(variable);
  op.output(0, op.map(shape, load(data, result)));
}

/// The first elements of each row, as many as its length says, in reverse order.
void reverseSequence_10(Operator& op) {
  const Tensor x = op.stored(0), lengths = op.input(1);
  const std::size_t batch = op.axis(op.integer("batch_axis", 1), x.rank());
  const std::size_t time = op.axis(op.integer("time_axis", 0), x.rank());
  if (batch == time) op.invalid("batch_axis and time_axis are the same");
  if (lengths.rank() != 1)
    throw ShapeError("the lengths must be a vector, but have the shape " + text(lengths.shape()));
  op.agree(lengths.dim(0), x.dim(batch), "the number of lengths and the size of the batch axis");
  std::vector<Expr> place = indices(x.rank());
  const Expr here = place[time], length = cast(DType::Int64, load(lengths, {place[batch]}));
  const Expr mirrored = length - integer(DType::Int64, 1) - here;
  place[time] = checkedIndex(select(binary(Op::Lt, here, length), mirrored, here), x.dim(time));
  op.output(0, op.map(x.shape(), load(x, place)));
}

/// Where the update of each batch begins; a negative position is as wrong as one that leaves no room.
Tensor writeStarts(Operator& op, const Dim& batch, const Dim& size, const Dim& count, bool circular) {
  const Expr zero = integer(DType::Int64, 0);
  if (!op.has(2)) return op.map({batch}, zero);
  const Tensor given = op.input(2);
  if (given.rank() != 1)
    throw ShapeError("the write indices must be a vector, but have the shape " + text(given.shape()));
  op.agree(given.dim(0), batch, "the number of write indices and the batch size");
  const Expr start = cast(DType::Int64, element(given));
  if (circular) return op.map({batch}, binary(Op::Mod, start, extent(size)));
  const Dim room = size - count + 1;
  return op.map({batch}, checkedIndex(select(binary(Op::Lt, start, zero), extent(room), start), room));
}

/// The cache with the update written over it, as a choice between them at every element.
void tensorScatter_24(Operator& op) {
  const Tensor cache = op.stored(0), update = op.stored(1);
  requireOneType(op, {cache, update});
  const std::string mode = op.string("mode", "linear");
  const bool circular = mode == "circular";
  if (!circular && mode != "linear") op.invalid("mode '" + mode + "' is neither linear nor circular");
  const std::size_t axis = op.axis(op.integer("axis", -2), cache.rank());
  if (axis == 0) op.invalid("the axis cannot be the batch axis 0");
  if (update.rank() != cache.rank())
    throw ShapeError("the cache " + text(cache.shape()) + " and the update " + text(update.shape()) +
                     " differ in rank");
  for (std::size_t i = 0; i < cache.rank(); ++i)
    if (i != axis) op.agree(cache.dim(i), update.dim(i), "sizes of axis " + std::to_string(i));
  const Dim &size = cache.dim(axis), &count = update.dim(axis);
  op.atLeast(size, count, "the axis of the cache that is written");
  const Tensor starts = writeStarts(op, cache.dim(0), size, count, circular);
  const Expr zero = integer(DType::Int64, 0);
  std::vector<Expr> place = indices(cache.rank());
  Expr position = place[axis] - load(starts, {place[0]});
  if (circular) position = select(binary(Op::Lt, position, zero), position + extent(size), position);
  const Expr written =
      binary(Op::LogicalAnd, binary(Op::Ge, position, zero), binary(Op::Lt, position, extent(count)));
  place[axis] = position;
  op.output(0, op.map(cache.shape(), select(written, load(update, place), element(cache))));
}

}  // namespace

SOFIE_OPERATOR("Gather", 1, gather_1);
SOFIE_OPERATOR("GatherElements", 11, gatherElements_11);
SOFIE_OPERATOR("GatherND", 11, gatherND_11);
SOFIE_OPERATOR("ReverseSequence", 10, reverseSequence_10);
SOFIE_OPERATOR("TensorScatter", 24, tensorScatter_24);

}  // namespace sofie
