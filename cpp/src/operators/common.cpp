#include "common.hxx"

#include <array>
#include <numeric>

namespace sofie {

DType onnxType(const Operator& op, std::int64_t code) {
  // In the order of TensorProto.DataType.
  static constexpr std::array<std::optional<DType>, 29> types{
      std::nullopt,    DType::Float32,      DType::UInt8,          DType::Int8,       DType::UInt16,
      DType::Int16,    DType::Int32,        DType::Int64,
      std::nullopt,  // string
      DType::Bool,     DType::Float16,      DType::Float64,        DType::UInt32,     DType::UInt64,
      std::nullopt,  // complex64
      std::nullopt,  // complex128
      DType::BFloat16, DType::Float8E4M3FN, DType::Float8E4M3FNUZ, DType::Float8E5M2, DType::Float8E5M2FNUZ,
      DType::UInt4,    DType::Int4,         DType::Float4E2M1,     DType::Float8E8M0, DType::UInt2,
      DType::Int2,     DType::Float6E2M3,   DType::Float6E3M2,
  };
  const bool known = code >= 0 && code < static_cast<std::int64_t>(types.size());
  const std::optional<DType> type = known ? types[static_cast<std::size_t>(code)] : std::nullopt;
  if (!type)
    op.unsupported("ONNX's element type " + std::to_string(code) +
                   " is not supported; use a type of real numbers or bool");
  return *type;
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
  const DType type = computingType(constant.type);
  return isFloat(type) ? number(type, constant.at<double>(0)) : integer(type, constant.at<std::int64_t>(0));
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

Tensor splitAxis(Tensor tensor, std::size_t axis, const Dim& groups, const Dim& size) {
  const auto position = static_cast<std::ptrdiff_t>(axis);
  View& view = tensor.view;
  view.shape[axis] = size;
  view.shape.insert(view.shape.begin() + position, groups);
  view.strides.insert(view.strides.begin() + position, size * view.strides[axis]);
  return tensor;
}

Dim fromStart(const Dim& position, const Dim& size) {
  const auto low = position.lowerBound(), high = position.upperBound();
  if (low && *low >= 0) return position;
  if (high && *high < 0) return position + size;
  const Dim isNegative = min(1, max(0, Dim(0) - position));
  return position + size * isNegative;
}

}  // namespace sofie
