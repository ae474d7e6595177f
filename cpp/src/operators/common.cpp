#include "common.hxx"

#include <numeric>

namespace sofie {

DType onnxType(const Operator& op, std::int64_t code) {
  switch (code) {
    case 1:
      return DType::Float32;
    case 2:
      return DType::UInt8;
    case 3:
      return DType::Int8;
    case 4:
      return DType::UInt16;
    case 5:
      return DType::Int16;
    case 6:
      return DType::Int32;
    case 7:
      return DType::Int64;
    case 9:
      return DType::Bool;
    case 11:
      return DType::Float64;
    case 12:
      return DType::UInt32;
    case 13:
      return DType::UInt64;
    default:
      op.unsupported("ONNX's element type " + std::to_string(code) +
                     " is not supported; use float32, float64, an integer type or bool");
  }
}

void requireOneType(const Operator& op, const std::vector<Tensor>& tensors) {
  for (const Tensor& tensor : tensors)
    if (tensor.type != tensors.front().type)
      op.invalid("its inputs are of type " + std::string(dtypeName(tensors.front().type)) + " and " +
                 std::string(dtypeName(tensor.type)) + ", but must be of one type");
}

void requireFloat(const Operator& op, const Tensor& tensor) {
  if (!isFloat(tensor.type))
    op.invalid("its input is of type " + std::string(dtypeName(tensor.type)) + ", but must be floating");
}

namespace {

void requireOne(const Operator& op, std::size_t count) {
  if (count != 1) op.invalid("there are " + std::to_string(count) + " elements where one is expected");
}

}  // namespace

Dim dimOf(const Operator& op, std::size_t i) {
  const auto dims = op.dimsOf(i);
  requireOne(op, dims.size());
  return dims[0];
}

Dim sizeOf(const Operator& op, std::size_t i) {
  const auto sizes = op.sizesOf(i);
  requireOne(op, sizes.size());
  return sizes[0];
}

Expr literal(const Operator& op, const Constant& constant) {
  requireOne(op, static_cast<std::size_t>(constant.size()));
  return isFloat(constant.type) ? number(constant.type, constant.at<double>(0))
                                : integer(constant.type, constant.at<std::int64_t>(0));
}

Expr scalarOf(Operator& op, std::size_t i) {
  const Tensor tensor = op.input(i);
  if (const auto& constant = op.contentsOf(i).constant) return literal(op, *constant);
  return load(op.reshape(tensor, {}), {});
}

void requireElements(Operator& op, const Dim& size, const Shape& indices) {
  op.atLeast(size, min(1, product(indices)), "the size of an axis that is indexed");
}

std::vector<Tensor> split(Operator& op, const Tensor& x, const std::vector<Dim>& sizes, std::size_t axis) {
  op.agree(std::accumulate(sizes.begin(), sizes.end(), Dim(0)), x.dim(axis),
           "the sum of the parts and the size of axis " + std::to_string(axis));
  std::vector<Tensor> parts;
  Dim offset = 0;
  for (const Dim& size : sizes) {
    op.atLeast(size, 0, "the size of a part");
    parts.push_back(op.slice(x, axis, offset, size));
    offset = offset + size;
  }
  return parts;
}

Dim fromStart(const Dim& position, const Dim& size) {
  const auto low = position.lowerBound(), high = position.upperBound();
  if (low && *low >= 0) return position;
  if (high && *high < 0) return position + size;
  const Dim isNegative = min(1, max(0, Dim(0) - position));
  return position + size * isNegative;
}

}  // namespace sofie
