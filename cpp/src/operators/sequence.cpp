/// Sequences and optionals. They hold tensors while code is generated, so none of these operators makes any.
#include <algorithm>

#include "common.hxx"
#include "movement.hxx"
#include "sofie/error.hxx"

namespace sofie {
namespace {

void sequenceConstruct_11(Operator& op) {
  std::vector<Tensor> tensors;
  for (std::size_t i = 0; i < op.inputCount(); ++i) tensors.push_back(op.stored(i));
  op.output(0, Item::sequence(tensors));
}

void sequenceEmpty_11(Operator& op) { op.output(0, Item::sequence({})); }

/// The position that an input gives, in [0, end); negative ones count from the end of the sequence.
std::ptrdiff_t position(const Operator& op, std::size_t i, std::size_t size, std::size_t end) {
  const std::int64_t given = dimOf(op, i).constant();
  const std::int64_t from = given < 0 ? given + static_cast<std::int64_t>(size) : given;
  if (from < 0 || from >= static_cast<std::int64_t>(end))
    throw ShapeError("the position " + std::to_string(given) + " is outside a sequence of " +
                     std::to_string(size));
  return static_cast<std::ptrdiff_t>(from);
}

void sequenceAt_11(Operator& op) {
  const auto tensors = op.sequence(0);
  op.output(0, tensors[static_cast<std::size_t>(position(op, 1, tensors.size(), tensors.size()))]);
}

void sequenceInsert_11(Operator& op) {
  auto tensors = op.sequence(0);
  const std::size_t size = tensors.size();
  const auto place = op.has(2) ? position(op, 2, size, size + 1) : static_cast<std::ptrdiff_t>(size);
  tensors.insert(tensors.begin() + place, op.stored(1));
  op.output(0, Item::sequence(tensors));
}

void sequenceErase_11(Operator& op) {
  auto tensors = op.sequence(0);
  if (tensors.empty()) throw ShapeError("nothing can be erased from an empty sequence");
  const std::size_t size = tensors.size();
  tensors.erase(tensors.begin() +
                (op.has(1) ? position(op, 1, size, size) : static_cast<std::ptrdiff_t>(size - 1)));
  op.output(0, Item::sequence(tensors));
}

void sequenceLength_11(Operator& op) {
  const auto length = static_cast<std::int64_t>(op.sequence(0).size());
  op.output(0, op.constant(Constant::of<std::int64_t>(DType::Int64, {}, {length})));
}

void concatFromSequence_11(Operator& op) {
  auto parts = op.sequence(0);
  if (parts.empty()) throw ShapeError("an empty sequence cannot be concatenated");
  const bool stacks = op.integer("new_axis", 0) != 0;
  const std::size_t axis = op.axis(op.attribute<std::int64_t>("axis"), parts[0].rank() + (stacks ? 1 : 0));
  if (stacks)
    for (Tensor& part : parts) {
      if (axis > part.rank()) throw ShapeError("the tensors of the sequence differ in rank");
      part = op.unsqueeze(part, axis);
    }
  requireOneType(op, parts);
  op.output(0, concatenate(op, parts, axis));
}

/// Parts of one size, of which the last may be smaller.
std::vector<Dim> chunks(std::int64_t size, std::int64_t chunk) {
  constexpr std::int64_t mostParts = 1 << 14;
  if (chunk < 1) throw ShapeError("a part cannot have size " + std::to_string(chunk));
  if (size / chunk > mostParts)
    throw UnsupportedError("a sequence of " + std::to_string(size / chunk) + " tensors; at most " +
                           std::to_string(mostParts) + " are supported");
  std::vector<Dim> sizes;
  for (std::int64_t begin = 0; begin < size; begin += chunk)
    sizes.emplace_back(std::min(chunk, size - begin));
  return sizes;
}

void splitToSequence_11(Operator& op) {
  const Tensor x = op.stored(0);
  const std::size_t axis = op.axis(op.integer("axis", 0), x.rank());
  const bool single = !op.has(1), listed = op.has(1) && op.input(1).rank() == 1;
  const auto sizes =
      listed ? op.dimsOf(1) : chunks(x.dim(axis).constant(), single ? 1 : dimOf(op, 1).constant());
  std::vector<Tensor> parts = split(op, x, sizes, axis);
  if (single && op.integer("keepdims", 1) == 0)
    for (Tensor& part : parts) part = op.squeeze(part, axis);
  op.output(0, Item::sequence(parts));
}

/// The body runs once for the elements of all sequences at a position; a tensor is the same for all of them.
void sequenceMap_17(Operator& op) {
  std::vector<Item> items;
  const std::size_t size = op.sequence(0).size();
  for (std::size_t i = 0; i < op.inputCount(); ++i) {
    items.push_back(op.item(i));
    if (items[i].kind == ValueKind::Sequence && items[i].tensors.size() != size)
      throw ShapeError("its sequences differ in length");
  }
  std::vector<std::vector<Tensor>> results(op.node().outputs.size());
  for (std::size_t k = 0; k < size; ++k) {
    std::vector<Value> values;
    std::vector<Item> arguments;
    for (std::size_t i = 0; i < items.size(); ++i) {
      const bool isList = items[i].kind == ValueKind::Sequence;
      values.push_back(isList ? op.valueOf(i).elements[k] : op.valueOf(i));
      arguments.push_back(isList ? Item(items[i].tensors[k]) : items[i]);
    }
    const auto outputs =
        op.writeSubgraph(op.subgraph("body", values, static_cast<std::int64_t>(k)), arguments);
    if (outputs.size() != results.size()) op.invalid("its body gives another number of results");
    for (std::size_t i = 0; i < outputs.size(); ++i) results[i].push_back(outputs[i].tensors.at(0));
  }
  for (std::size_t i = 0; i < results.size(); ++i) op.output(i, Item::sequence(results[i]));
}

void optional_15(Operator& op) { op.output(0, op.has(0) ? op.item(0) : Item::absent()); }

void optionalHasElement_15(Operator& op) {
  const bool present = op.has(0) && op.item(0).kind != ValueKind::Absent;
  op.output(0, op.scalar(DType::Bool, present ? 1 : 0));
}

void optionalGetElement_15(Operator& op) {
  const Item item = op.item(0);
  if (item.kind == ValueKind::Absent) throw ShapeError("the optional has no element");
  op.output(0, item);
}

}  // namespace

SOFIE_OPERATOR("SequenceConstruct", 11, sequenceConstruct_11);
SOFIE_OPERATOR("SequenceEmpty", 11, sequenceEmpty_11);
SOFIE_OPERATOR("SequenceAt", 11, sequenceAt_11);
SOFIE_OPERATOR("SequenceInsert", 11, sequenceInsert_11);
SOFIE_OPERATOR("SequenceErase", 11, sequenceErase_11);
SOFIE_OPERATOR("SequenceLength", 11, sequenceLength_11);
SOFIE_OPERATOR("ConcatFromSequence", 11, concatFromSequence_11);
SOFIE_OPERATOR("SplitToSequence", 11, splitToSequence_11);
SOFIE_OPERATOR("SequenceMap", 17, sequenceMap_17);
SOFIE_OPERATOR("Optional", 15, optional_15);
SOFIE_OPERATOR("OptionalHasElement", 15, optionalHasElement_15);
SOFIE_OPERATOR("OptionalGetElement", 15, optionalGetElement_15);

}  // namespace sofie
