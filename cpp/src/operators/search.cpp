#include "common.hxx"
#include "sofie/error.hxx"
#include "sofie/operator.hxx"

namespace sofie {
namespace {

/// The permutation that makes `axis` the last one.
std::vector<std::size_t> moveToEnd(std::size_t axis, std::size_t rank) {
  std::vector<std::size_t> permutation;
  for (std::size_t i = 0; i < rank; ++i)
    if (i != axis) permutation.push_back(i);
  permutation.push_back(axis);
  return permutation;
}

std::vector<std::size_t> inverse(const std::vector<std::size_t>& permutation) {
  std::vector<std::size_t> result(permutation.size());
  for (std::size_t i = 0; i < permutation.size(); ++i) result[permutation[i]] = i;
  return result;
}

void topK(Operator& op, const Dim& count) {
  const Tensor x = op.input(0);
  if (x.rank() == 0) throw ShapeError("TopK needs at least one axis");
  const std::size_t axis = op.axis(op.integer("axis", -1), x.rank());
  op.atLeast(x.dim(axis), count, "the axis of which TopK takes elements");
  const auto permutation = moveToEnd(axis, x.rank());
  const Tensor rows = op.dense(op.transpose(x, permutation));
  Shape shape = rows.shape();
  shape.back() = count;
  const Tensor values = op.temporary(x.type, shape), positions = op.temporary(DType::Int64, shape);
  Shape items(shape.begin(), shape.end() - 1);
  op.call({"top_k.hxx",
           "top_k",
           product(items),
           {rows},
           {values, positions},
           {x.dim(axis), count, op.integer("largest", 1)}});
  op.output(0, op.transpose(values, inverse(permutation)));
  op.output(1, op.transpose(positions, inverse(permutation)));
}

void topk_1(Operator& op) { topK(op, op.attribute<std::int64_t>("k")); }

void topk_10(Operator& op) {
  if (op.isKnown(1)) return topK(op, dimOf(op, 1));
  const Tensor x = op.input(0);
  const Dim most = x.rank() == 0 ? Dim(0) : x.dim(op.axis(op.integer("axis", -1), x.rank()));
  topK(op, op.measure("topk", op.cast(op.input(1), DType::Int64), most));
}

SOFIE_OPERATOR("TopK", 1, topk_1);
SOFIE_OPERATOR("TopK", 10, topk_10);

}  // namespace
}  // namespace sofie
