"""TensorFlow's segment reductions as scatters.

tf2onnx writes them as sorting, counting and padding, which fails where there are no rows, as in a graph
without edges, and gives empty segments other values than TensorFlow.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import tf2onnx
from onnx import TensorProto, helper

# What each combines by, and what an empty segment holds.
_REDUCTIONS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "UnsortedSegmentSum": ("add", lambda dtype: 0),
    "UnsortedSegmentProd": ("mul", lambda dtype: 1),
    "UnsortedSegmentMax": ("max", lambda dtype: _limits(dtype).min),
    "UnsortedSegmentMin": ("min", lambda dtype: _limits(dtype).max),
}


def handlers() -> dict[str, Any]:
    """The handlers as `tf2onnx.convert` takes them."""
    return {operator: (_write, []) for operator in _REDUCTIONS}


def _write(context: Any, node: Any, name: str, _arguments: Any) -> None:
    """Replace a node; rows whose segment is negative go to one more segment, which is cut off."""
    reduction, identity = _REDUCTIONS[node.type]
    data, segments, count = node.input
    rank = context.get_rank(segments)
    dtype = context.get_dtype(data)
    outputs, shapes, dtypes = list(node.output), node.output_shapes, node.output_dtypes

    def make(operator: str, *inputs: str, **attributes: Any) -> str:
        result: str = context.make_node(operator, list(inputs), attr=attributes).output[0]
        return result

    def constant(*values: int) -> str:
        result: str = context.make_const(tf2onnx.utils.make_name(name), np.array(values, np.int64)).name
        return result

    many = make("Unsqueeze", make("Cast", count, to=TensorProto.INT64), constant(0))
    wide = make("Cast", segments, to=TensorProto.INT64)
    known = make("Where", make("Less", wide, constant(0)), many, wide)
    row = make("Slice", make("Shape", data), constant(rank), constant(np.iinfo(np.int64).max))
    shape = make("Concat", make("Add", many, constant(1)), row, axis=0)
    value = identity(helper.tensor_dtype_to_np_dtype(dtype))
    empty = make("ConstantOfShape", shape, value=helper.make_tensor("value", dtype, [1], [value]))
    sums = make("ScatterND", empty, make("Unsqueeze", known, constant(-1)), data, reduction=reduction)
    context.remove_node(name)
    context.make_node(
        "Slice", [sums, constant(0), many, constant(0)], outputs=outputs, shapes=shapes, dtypes=dtypes
    )


def _limits(dtype: Any) -> Any:
    return np.finfo(dtype) if np.issubdtype(dtype, np.floating) else np.iinfo(dtype)
