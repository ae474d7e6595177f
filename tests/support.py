"""Small models, and the zoo, for tests."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.shape_inference
from onnx import TensorProto, helper, numpy_helper

ZOO = Path(os.environ.get("PYSOFIE_ZOO", Path(__file__).parents[2] / "shared" / "zoo")) / "models"


def model(
    nodes: Sequence[onnx.NodeProto],
    inputs: Sequence[onnx.ValueInfoProto],
    outputs: Sequence[onnx.ValueInfoProto],
    constants: dict[str, np.ndarray] | None = None,
    *,
    opset: int = 17,
    domains: dict[str, int] | None = None,
    name: str = "test",
    **keywords: Any,
) -> onnx.ModelProto:
    """A model without ceremony; `domains` holds the opsets of others than ONNX's own."""
    tensors = [numpy_helper.from_array(value, key) for key, value in (constants or {}).items()]
    graph = helper.make_graph(list(nodes), name, list(inputs), list(outputs), tensors)
    opsets = [helper.make_opsetid(*entry) for entry in ({"": opset} | (domains or {})).items()]
    return helper.make_model(graph, opset_imports=opsets, ir_version=9, **keywords)


def typed(proto: onnx.ModelProto) -> onnx.ModelProto:
    """The model with the types of its outputs filled in."""
    return onnx.shape_inference.infer_shapes(proto)


def floats(name: str, *shape: int | str | None) -> onnx.ValueInfoProto:
    """A float32 tensor."""
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def mlp(batch: int | str | None = "batch", dtype: str = "float32") -> onnx.ModelProto:
    """Two layers, 3-4-2, with a Relu between."""
    rng = np.random.default_rng(1)
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    constants = {
        "w0": rng.standard_normal((3, 4)).astype(dtype),
        "b0": rng.standard_normal(4).astype(dtype),
        "w1": rng.standard_normal((4, 2)).astype(dtype),
    }
    nodes = [
        helper.make_node("Gemm", ["x", "w0", "b0"], ["h"]),
        helper.make_node("Relu", ["h"], ["r"]),
        helper.make_node("MatMul", ["r", "w1"], ["y"]),
    ]
    x = helper.make_tensor_value_info("x", kind, (batch, 3))
    y = helper.make_tensor_value_info("y", kind, (batch, 2))
    return model(nodes, [x], [y], constants, name="mlp")


def mlp_reference(x: np.ndarray) -> np.ndarray:
    """What `mlp` computes."""
    w = {t.name: numpy_helper.to_array(t) for t in mlp(dtype=str(x.dtype)).graph.initializer}
    return np.maximum(x @ w["w0"] + w["b0"], 0) @ w["w1"]
