"""Element-wise operators against onnxruntime and ONNX's reference, NaN and infinities included.

All operators that take the same inputs are outputs of one model, because compiling is what costs time.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
import onnx
import pytest
from comparison import Comparison, Nodes
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from onnx import helper
from support import floats, model

import pysofie

FLOAT = [
    *(
        "Abs",
        "Neg",
        "Sign",
        "Floor",
        "Ceil",
        "Round",
        "Sqrt",
        "Exp",
        "Log",
        "Sin",
        "Cos",
        "Tan",
        "Asin",
        "Acos",
    ),
    *(
        "Atan",
        "Sinh",
        "Cosh",
        "Tanh",
        "Asinh",
        "Acosh",
        "Atanh",
        "Erf",
        "Reciprocal",
        "Sigmoid",
        "IsNaN",
        "IsInf",
    ),
    *("Relu", "LeakyRelu", "Elu", "Selu", "Celu", "HardSigmoid", "HardSwish", "Softplus", "Softsign", "Mish"),
    *("ThresholdedRelu", "Gelu", "Identity"),
]
VARIANTS: list[tuple[str, dict[str, Any]]] = [
    ("IsInf", {"detect_negative": 0}),
    ("IsInf", {"detect_positive": 0}),
    ("LeakyRelu", {"alpha": 0.3}),
    ("Elu", {"alpha": 2.0}),
    ("Celu", {"alpha": 2.0}),
    ("HardSigmoid", {"alpha": 0.5, "beta": 0.25}),
    ("ThresholdedRelu", {"alpha": 0.25}),
    ("Gelu", {"approximate": "tanh"}),
    ("Shrink", {"bias": 0.5, "lambd": 1.5}),
]
INTEGERS = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]


def reference(dtype: str) -> str:
    """Of float32 all kernels are in onnxruntime, of other types some."""
    return "onnxruntime" if dtype == "float32" else "onnx"


def arrays(dtype: str, shape: Any, **keywords: Any) -> st.SearchStrategy[np.ndarray]:
    kind = np.dtype(dtype)
    if kind.kind == "f":
        # Beyond this range float32 sines differ between libraries, and results overflow at different places.
        ordinary = st.floats(-50, 50, width=kind.itemsize * 8)
        special = st.sampled_from([np.nan, np.inf, -np.inf, 0.0, -0.0, 0.5, 1.0, -1.0, 1.5, 2.5, -2.5])
        return hnp.arrays(kind, shape, elements=ordinary | special)
    return hnp.arrays(kind, shape, **keywords)


@functools.cache
def functions(dtype: str) -> Comparison:
    # ONNX's reference computes these in part in float32.
    left_out = {"Erf", "Gelu", "HardSwish"} if dtype == "float64" else set()
    plain: list[tuple[str, dict[str, Any]]] = [(name, {}) for name in FLOAT]
    nodes = Nodes({"x": (dtype, ("n",))}, opset=20)
    for name, attributes in [*plain, *VARIANTS]:
        if name not in left_out:
            nodes.add(name, ["x"], **attributes)
    return nodes.compile(reference(dtype))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_functions_of_floats(dtype, data):
    functions(dtype).check({"x": data.draw(arrays(dtype, st.integers(0, 40)))})


def test_error_function_of_doubles():
    x = np.concatenate([np.linspace(-6, 6, 501), [np.inf, -np.inf, np.nan, 0.0]])
    nodes = [helper.make_node("Erf", ["x"], ["y"]), helper.make_node("Gelu", ["x"], ["z"])]
    values = [helper.make_tensor_value_info(name, onnx.TensorProto.DOUBLE, ("n",)) for name in "xyz"]
    result = pysofie.compile(model(nodes, values[:1], values[1:], opset=20)).run({"x": x})
    np.testing.assert_allclose(result["y"], np.vectorize(math.erf)(x), rtol=1e-12)
    with np.errstate(invalid="ignore"):
        gelu = 0.5 * x * (1 + np.vectorize(math.erf)(x / np.sqrt(2)))
    np.testing.assert_allclose(result["z"], gelu, rtol=1e-12, atol=1e-15)


BINARY = [
    "Add",
    "Sub",
    "Mul",
    "Div",
    "Equal",
    "Less",
    "LessOrEqual",
    "Greater",
    "GreaterOrEqual",
    "Max",
    "Min",
]
LOGICAL = ["And", "Or", "Xor"]
BITWISE = ["BitwiseAnd", "BitwiseOr", "BitwiseXor"]


@functools.cache
def pairs(dtype: str) -> Comparison:
    nodes = Nodes({"a": (dtype, ("n", 1, 3)), "b": (dtype, (2, 1)), "s": (dtype, (2, 1))}, opset=20)
    for name in BINARY:
        nodes.add(name, ["a", "b"])
    if dtype.startswith("float"):
        nodes.add("Pow", ["a", "b"])
        nodes.add("Mod", ["a", "b"], fmod=1)
    else:
        for name in BITWISE:
            nodes.add(name, ["a", "b"])
        for name in ("BitwiseNot", "Abs", "Sign"):
            nodes.add(name, ["a"])
        for fmod in (0, 1):
            nodes.add("Mod", ["a", "b"], fmod=fmod)
    if dtype == "float32":  # ONNX's reference cannot broadcast these
        nodes.add("Sum", ["a", "b", "a"])
        nodes.add("Mean", ["a", "b", "a"])
    if dtype.startswith("uint"):
        for direction in ("LEFT", "RIGHT"):
            nodes.add("BitShift", ["a", "s"], direction=direction)
    return nodes.compile(reference(dtype))


@pytest.mark.parametrize("dtype", ["float32", "float64", *INTEGERS])
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_pairs_broadcast(dtype, data):
    feeds = {"a": data.draw(arrays(dtype, (data.draw(st.integers(0, 7)), 1, 3)))}
    if dtype.startswith("float"):
        feeds |= {name: data.draw(arrays(dtype, (2, 1))) for name in "bs"}
    else:  # what a division by zero gives is not defined
        bits = np.dtype(dtype).itemsize * 8
        feeds["b"] = data.draw(arrays(dtype, (2, 1), elements=st.integers(1, 100)))
        feeds["s"] = data.draw(arrays(dtype, (2, 1), elements=st.integers(0, bits - 1)))
    pairs(dtype).check(feeds)


@functools.cache
def logical() -> Comparison:
    inputs = {"a": ("bool", ("n", 1)), "b": ("bool", (5,)), "x": ("float32", (1, 5)), "z": ("float32", ())}
    nodes = Nodes(inputs, opset=20)
    for name in (*LOGICAL, "Equal"):
        nodes.add(name, ["a", "b"])
    nodes.add("Not", ["a"])
    nodes.add("Where", ["a", "x", "z"])
    return nodes.compile()


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_logic(data):
    n = data.draw(st.integers(0, 9))
    shapes = {"a": ("bool", (n, 1)), "b": ("bool", (5,)), "x": ("float32", (1, 5)), "z": ("float32", ())}
    logical().check({name: data.draw(arrays(*tensor)) for name, tensor in shapes.items()})


TYPES = ["bool", *INTEGERS, "float32", "float64"]


@functools.cache
def conversions(dtype: str) -> Comparison:
    nodes = Nodes({"x": (dtype, ("n",))}, opset=20)
    for name in TYPES:
        nodes.add("Cast", ["x"], to=helper.np_dtype_to_tensor_dtype(np.dtype(name)))
    return nodes.compile("onnx")


@pytest.mark.parametrize("dtype", TYPES)
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_conversions(dtype, data):
    shape = data.draw(st.integers(0, 40))
    if dtype.startswith(
        "float"
    ):  # within the range of every integer type, outside of which ONNX defines nothing
        x = data.draw(hnp.arrays(dtype, shape, elements=st.floats(0, 127, width=32)))
    else:
        x = data.draw(arrays(dtype, shape))
    conversions(dtype).check({"x": x})


POWERS = [
    ("float32", "int64"),
    ("int32", "float32"),
    ("int64", "int32"),
    ("int32", "int64"),
    ("float64", "float32"),
]


@functools.cache
def powers(base: str, exponent: str) -> Comparison:
    nodes = Nodes({"x": (base, ("n",)), "e": (exponent, ("n",))}, opset=20)
    nodes.add("Pow", ["x", "e"])
    return nodes.compile()


@pytest.mark.parametrize(("base", "exponent"), POWERS)
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_powers_of_mixed_types(base, exponent, data):
    n = data.draw(st.integers(0, 20))
    x = data.draw(hnp.arrays(base, n, elements=st.integers(1, 8)))
    powers(base, exponent).check(
        {"x": x, "e": data.draw(hnp.arrays(exponent, n, elements=st.integers(0, 9)))}
    )


@functools.cache
def limited() -> Comparison:
    nodes = Nodes({"x": ("float32", ("n",)), "lo": ("float32", ()), "hi": ("float32", ())}, opset=20)
    for low, high in [("lo", ""), ("", "hi"), ("lo", "hi"), ("", "")]:
        nodes.add("Clip", ["x", low, high])
    nodes.add("PRelu", ["x", "lo"])
    return nodes.compile("onnx")


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_limits_and_slopes(data):
    limit = st.floats(-60, 60, width=32)
    x = data.draw(arrays("float32", st.integers(0, 20)))
    limited().check({"x": x, "lo": np.float32(data.draw(limit)), "hi": np.float32(data.draw(limit))})


@pytest.mark.parametrize("exponent", [2.0, 3.0, 0.5, -1.0, 1.0, 2.5])
def test_constant_powers(exponent):
    nodes = [helper.make_node("Pow", ["x", "e"], ["y"])]
    constants = {"e": np.array([exponent], np.float32)}
    proto = model(nodes, [floats("x", "n")], [floats("y", "n")], constants)
    values = np.array([0.25, 1, 2.5, 4, np.inf, np.nan], np.float32)
    np.testing.assert_allclose(pysofie.compile(proto)(values), values**exponent, rtol=1e-5)


def test_axis_of_old_operators():
    a, b = np.arange(24, dtype=np.float32).reshape(2, 3, 4), np.array([10, 20, 30], np.float32)
    node = helper.make_node("Add", ["a", "b"], ["y"], broadcast=1, axis=1)
    proto = model([node], [floats("a", 2, 3, 4), floats("b", 3)], [floats("y", 2, 3, 4)], opset=6)
    np.testing.assert_array_equal(pysofie.compile(proto).run({"a": a, "b": b})["y"], a + b[:, None])


@pytest.mark.parametrize(
    ("node", "inputs", "error", "words"),
    [
        (
            helper.make_node("Add", ["a", "b"], ["y"]),
            {"a": (2, 3), "b": (2, 2)},
            pysofie.ShapeError,
            "broadcast",
        ),
        (
            helper.make_node("PRelu", ["a", "b"], ["y"]),
            {"a": (3,), "b": (2, 3)},
            pysofie.ShapeError,
            "broadcast",
        ),
        (
            helper.make_node("Gelu", ["a"], ["y"], approximate="x"),
            {"a": (3,)},
            pysofie.UnsupportedError,
            "none",
        ),
    ],
)
def test_refusals_say_why(node, inputs, error, words):
    values = [floats(name, *shape) for name, shape in inputs.items()]
    with pytest.raises(error, match=words):
        pysofie.load(model([node], values, [floats("y")], opset=20))
