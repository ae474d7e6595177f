#pragma once
#include <vector>

#include "sofie/operator.hxx"

namespace sofie {

/// The type of a number of ONNX's TensorProto.DataType. \throws UnsupportedError for one that pysofie does
/// not have.
DType onnxType(const Operator& op, std::int64_t code);
/// \throws InvalidModelError when the tensors differ in type.
void requireOneType(const Operator& op, const std::vector<Tensor>& tensors);
/// \throws InvalidModelError when the tensor is not of a floating type.
void requireFloat(const Operator& op, const Tensor& tensor);

/// The only element of an input: a literal where it is known, else a load.
Expr scalarOf(Operator& op, std::size_t i);
/// The only element of an integer input. \throws InvalidModelError when it has more or none.
Dim dimOf(const Operator& op, std::size_t i);
/// The same for a size, which is measured while the model runs when only the data tell it.
Dim sizeOf(const Operator& op, std::size_t i);
/// A literal of a constant with one element. \throws InvalidModelError when it has more.
Expr literal(const Operator& op, const Constant& constant);

/// States that an axis has elements if there are indices into it: of an empty one even a checked index is
/// outside.
void requireElements(Operator& op, const Dim& size, const Shape& indices);

/// Sees axis `axis` as two: `groups` blocks, and the elements of a block.
Tensor splitAxis(Tensor tensor, std::size_t axis, const Dim& groups, const Dim& size);
/// Views of the parts of those sizes along an axis, which must make it up.
std::vector<Tensor> split(Operator& op, const Tensor& x, const std::vector<Dim>& sizes, std::size_t axis);

/// A position in an axis of that size; a negative one counts from the end.
Dim fromStart(const Dim& position, const Dim& size);

}  // namespace sofie
