"""Types and shapes as ONNX infers them, for models that the core cannot analyse."""

from __future__ import annotations

import onnx
import onnx.shape_inference
from onnx import ModelProto, ValueInfoProto

from pysofie.errors import Error
from pysofie.importers.tensors import dtype_name
from pysofie.model import Tensor


def inferred(proto: ModelProto) -> dict[str, Tensor]:
    """Find the tensors of a graph whose type and shape the file states or ONNX infers, by name.

    Parameters
    ----------
    proto : onnx.ModelProto
        A model without local functions, which may have operators that ONNX does not know.

    Returns
    -------
    dict of str to Tensor
        A dim of which nothing is known is ``"?"``.
    """
    try:
        graph = onnx.shape_inference.infer_shapes(proto, data_prop=True).graph
    except (onnx.shape_inference.InferenceError, ValueError):  # shapes contradict each other: what is stated
        graph = proto.graph
    values = (*graph.value_info, *graph.input, *graph.output)
    tensors = (tensor_of(value) for value in values)
    return {tensor.name: tensor for tensor in tensors if tensor is not None}


def tensor_of(value: ValueInfoProto) -> Tensor | None:
    """What a file says of a tensor; None if that is not a type and a shape."""
    kind = value.type.tensor_type
    if not kind.elem_type or not kind.HasField("shape"):
        return None
    shape = (int(d.dim_value) if d.HasField("dim_value") else d.dim_param or "?" for d in kind.shape.dim)
    try:
        return Tensor(value.name, dtype_name(kind.elem_type), tuple(shape))
    except Error:  # a type that is newer than this program
        return None
