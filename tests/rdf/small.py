"""Models that are small enough to know their results."""

from __future__ import annotations

import numpy as np
import onnx
import support
from onnx import TensorProto, helper

PT_ETA_PHI = ["pt", "eta", "phi"]


def weighted_sum(
    dtype: str = "float32", batch: int | str = "batch", weights: tuple[int, ...] = (1, 2, 3)
) -> bytes:
    """(batch, n) -> (batch, 1): the sum of the inputs, times 1, 2, 3."""
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    column = np.array(weights, dtype)[:, None]
    return support.model(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        [helper.make_tensor_value_info("x", kind, (batch, len(weights)))],
        [helper.make_tensor_value_info("y", kind, (batch, 1))],
        {"w": column},
        name="weighted_sum",
    ).SerializeToString()


def scalars() -> bytes:
    """From a (float32, no dims) and b (float64, one dim) to a + b (float64), and a - b."""
    nodes = [
        helper.make_node("Cast", ["a"], ["wide"], to=TensorProto.DOUBLE),
        helper.make_node("Add", ["wide", "b"], ["sum"]),
        helper.make_node("Sub", ["wide", "b"], ["difference"]),
    ]
    inputs = [
        helper.make_tensor_value_info("a", TensorProto.FLOAT, ()),
        helper.make_tensor_value_info("b", TensorProto.DOUBLE, (1,)),
    ]
    outputs = [
        helper.make_tensor_value_info(name, TensorProto.DOUBLE, (1,)) for name in ("sum", "difference")
    ]
    return support.model(nodes, inputs, outputs, name="scalars").SerializeToString()


def two_inputs() -> bytes:
    """From jets (batch, 2) and met (batch, 1) to their sums and products, and one value that mixes all."""
    nodes = [
        helper.make_node("Add", ["jets", "met"], ["sums"]),
        helper.make_node("Mul", ["jets", "met"], ["products"]),
        helper.make_node("ReduceSum", ["products", "axis"], ["total"], keepdims=1),
    ]
    inputs = [support.floats("jets", "batch", 2), support.floats("met", "batch", 1)]
    outputs = [
        support.floats("sums", "batch", 2),
        support.floats("products", "batch", 2),
        support.floats("total", "batch", 1),
    ]
    return support.model(
        nodes, inputs, outputs, {"axis": np.array([1])}, name="two_inputs"
    ).SerializeToString()


def lookup() -> bytes:
    """From index (1,) to the entry of a table of five."""
    return support.model(
        [helper.make_node("Gather", ["table", "index"], ["entry"])],
        [helper.make_tensor_value_info("index", TensorProto.INT64, (1,))],
        [support.floats("entry", 1)],
        {"table": np.arange(5, dtype=np.float32) * 10},
        name="lookup",
    ).SerializeToString()


def with_features(content: bytes, names: str) -> bytes:
    """The model with names of features in its metadata."""
    proto = onnx.ModelProto.FromString(content)
    helper.set_model_props(proto, {"feature_names": names})
    return proto.SerializeToString()


def positive() -> bytes:
    """From three values to those that are positive, however many there are."""
    nodes = [
        helper.make_node("Greater", ["x", "zero"], ["mask"]),
        helper.make_node("Compress", ["x", "mask"], ["y"]),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, (3,))
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ("some",))
    return support.model(
        nodes, [x], [y], {"zero": np.zeros((), "float32")}, name="positive"
    ).SerializeToString()


def classes() -> bytes:
    """(batch, 2) -> (batch, 3): the first value, the second, and their sum."""
    return support.model(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        [support.floats("x", "batch", 2)],
        [support.floats("y", "batch", 3)],
        {"w": np.array([[1, 0, 1], [0, 1, 1]], "float32")},
        name="classes",
    ).SerializeToString()


def constituents(shape: tuple[int | str, ...], axis: int) -> bytes:
    """The sum over the constituents, (1, features), and every constituent's sum of features, (1, n)."""
    other = ({1, 2} - {axis}).pop()
    nodes = [
        helper.make_node("ReduceSum", ["x", "constituents"], ["total"], keepdims=0),
        helper.make_node("ReduceSum", ["x", "features"], ["each"], keepdims=0),
    ]
    return support.model(
        nodes,
        [support.floats("x", *shape)],
        [support.floats("total", shape[0], shape[other]), support.floats("each", shape[0], shape[axis])],
        {"constituents": np.array([axis]), "features": np.array([other])},
        name="constituents",
    ).SerializeToString()


def masked(size: int | str) -> bytes:
    """From x (1, 1, n) and mask (1, 1, n): the number of real entries, and their sum."""
    nodes = [
        helper.make_node("Mul", ["x", "mask"], ["real"]),
        helper.make_node("ReduceSum", ["real"], ["total"], keepdims=0),
        helper.make_node("ReduceSum", ["mask"], ["count"], keepdims=0),
    ]
    return support.model(
        nodes,
        [support.floats("x", 1, 1, size), support.floats("mask", 1, 1, size)],
        [support.floats("total"), support.floats("count")],
        name="masked",
    ).SerializeToString()
