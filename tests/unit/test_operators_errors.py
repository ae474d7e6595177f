"""Sizes, types and attributes that do not fit: what came and what is expected, when the model is read."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper
from support import model

import pysofie

Inputs = list[tuple[str, tuple[int | str, ...]]]


def single(op: str, inputs: Inputs, *, opset: int = 17, **attributes: Any) -> onnx.ModelProto:
    """One node that reads inputs of these types and shapes."""
    values = [
        helper.make_tensor_value_info(f"x{i}", helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), shape)
        for i, (dtype, shape) in enumerate(inputs)
    ]
    output = helper.make_tensor_value_info("y", values[0].type.tensor_type.elem_type, None)
    output.type.tensor_type.shape.SetInParent()
    node = helper.make_node(op, [value.name for value in values], ["y"], **attributes)
    return model([node], values, [output], opset=opset)


def floats(*shapes: tuple[int | str, ...]) -> Inputs:
    return [("float32", shape) for shape in shapes]


IMAGE = (1, 4, 8, 8)


@pytest.mark.parametrize(
    ("op", "inputs", "attributes", "message"),
    [
        ("MatMul", floats((2, 3), (4, 5)), {}, "must be equal, but are 3 and 4"),
        ("MatMul", floats((2, 7, 3), (3, 3, 5)), {}, "do not broadcast"),
        ("MatMul", floats((), (4, 5)), {}, "scalar"),
        ("Gemm", floats((2, 3), (3, 4), (3, 4)), {}, "does not broadcast"),
        ("Gemm", floats((2, 3), (4, 3)), {}, "the rows of B"),
        ("Gemm", floats((2, 3, 1), (4, 3)), {}, "must be a matrix"),
        ("Conv", floats(IMAGE, (5, 3, 3, 3)), {}, "channels"),
        ("Conv", floats(IMAGE, (5, 4, 3)), {}, "same rank"),
        ("Conv", floats(IMAGE, (5, 4, 9, 3)), {}, "must be at least 9, but is 8"),
        ("Conv", floats(IMAGE, (5, 2, 3, 3)), {"group": 2}, "do not divide into 2 groups"),
        ("Conv", floats(IMAGE, (6, 4, 3, 3), (5,)), {}, "bias"),
        ("Conv", floats(IMAGE, (6, 4, 3, 3)), {"kernel_shape": [3, 2]}, "kernel_shape"),
        ("Conv", floats((1, 4), (6, 4)), {}, "spatial"),
        ("MaxPool", floats(IMAGE), {"kernel_shape": [3, 9]}, "must be at least 9, but is 8"),
        ("Softmax", floats((2, 3)), {"axis": 2}, "outside"),
        ("BatchNormalization", floats(IMAGE, (4,), (4,), (4,), (3,)), {}, "number of channels"),
        ("LayerNormalization", floats((2, 3), (4,)), {}, "does not broadcast"),
        ("ReduceMax", floats((2, 3)), {"axes": [1, -1]}, "twice"),
    ],
)
def test_shapes(op, inputs, attributes, message):
    with pytest.raises(pysofie.ShapeError, match=message) as error:
        pysofie.load(single(op, inputs, **attributes))
    assert op in str(error.value)


@pytest.mark.parametrize(
    ("op", "inputs", "attributes", "message"),
    [
        ("MatMul", [("float32", (2, 3)), ("float64", (3, 4))], {}, "one type"),
        ("Conv", [("float32", IMAGE), ("float64", (5, 4, 3, 3))], {}, "one type"),
        ("Softmax", [("int32", (2, 3))], {}, "floating"),
        ("AveragePool", [("int32", IMAGE)], {"kernel_shape": [2, 2]}, "floating"),
        ("ReduceSum", [("bool", (2, 3))], {}, "bool"),
        ("MaxPool", floats(IMAGE), {"kernel_shape": [2]}, "kernel_shape"),
        ("MaxPool", floats(IMAGE), {"kernel_shape": [2, 0]}, "positive"),
        ("MaxPool", floats(IMAGE), {"kernel_shape": [2, 2], "pads": [0, 0, 0, -1]}, "non-negative"),
        ("MaxPool", floats(IMAGE), {"kernel_shape": [2, 2], "strides": [1, 0]}, "strides"),
        ("MaxPool", floats(IMAGE), {"kernel_shape": [2, 2], "auto_pad": "SOMEHOW"}, "auto_pad"),
        ("Conv", floats(IMAGE, (5, 4, 3, 3)), {"group": 0}, "group"),
    ],
)
def test_invalid(op, inputs, attributes, message):
    with pytest.raises(pysofie.InvalidModelError, match=message):
        pysofie.load(single(op, inputs, **attributes))


@pytest.mark.parametrize(
    ("op", "inputs", "attributes", "message"),
    [
        ("LpNormalization", floats((2, 3)), {"p": 3}, "ONNX defines 1 and 2"),
        ("LayerNormalization", floats((2, 3), (3,)), {"stash_type": 10}, "stash_type"),
        ("ConvTranspose", floats(IMAGE, (4, 1, 3, 3)), {"strides": [1000, 1000]}, "smaller stride"),
    ],
)
def test_unsupported(op, inputs, attributes, message):
    with pytest.raises(pysofie.UnsupportedError, match=message):
        pysofie.load(single(op, inputs, **attributes))


def test_symbolic_sizes_are_checked_before_a_run():
    session = pysofie.compile(single("MatMul", floats(("n", "k"), ("j", 5))))
    assert session(np.ones((2, 3), np.float32), np.ones((3, 5), np.float32)).shape == (2, 5)
    with pytest.raises(pysofie.ShapeError, match="columns"):
        session(np.ones((2, 3), np.float32), np.ones((4, 5), np.float32))


def test_a_dynamic_length_below_the_kernel_is_refused():
    session = pysofie.compile(single("MaxPool", floats((1, 2, "n")), kernel_shape=[4]))
    assert session(np.ones((1, 2, 4), np.float32)).shape == (1, 2, 1)
    with pytest.raises(pysofie.ShapeError, match="spatial axis 0"):
        session(np.ones((1, 2, 3), np.float32))
