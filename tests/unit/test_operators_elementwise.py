"""Element-wise operators against onnxruntime and ONNX's reference, NaN and infinities included.

All operators that take the same inputs are outputs of one model, because compiling is what costs time.
"""

from __future__ import annotations

import functools
import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from onnx import helper
from onnx.reference import ReferenceEvaluator
from support import floats, model, typed

import pysofie

RTOL = {"float32": 1e-5, "float64": 1e-12}
ATOL = {"float32": 1e-6, "float64": 1e-13}

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


@dataclass
class Pair:
    """A model compiled, and what it is compared with."""

    session: pysofie.Session
    reference: Callable[[dict[str, np.ndarray]], list[np.ndarray]]
    nodes: list[str]

    def check(self, **feeds: np.ndarray) -> None:
        results = list(self.session.run(feeds).values())
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the reference divides by zero as we do
            expected = self.reference(feeds)
        for node, ours, theirs in zip(self.nodes, results, expected, strict=True):
            theirs = np.asarray(theirs)
            assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape), node
            kind = str(theirs.dtype)
            np.testing.assert_allclose(
                ours, theirs, rtol=RTOL.get(kind, 0), atol=ATOL.get(kind, 0), err_msg=f"{node} of {feeds}"
            )


def pair(
    nodes: Sequence[onnx.NodeProto],
    inputs: dict[str, tuple[str, Sequence[int | str]]],
    *,
    reference: str = "onnxruntime",
    opset: int = 20,
) -> Pair:
    """Compile nodes whose first outputs are the outputs of the model."""
    for i, node in enumerate(nodes):
        node.output[0] = f"y{i}"
    values = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), shape)
        for name, (dtype, shape) in inputs.items()
    ]
    outputs = [helper.make_empty_tensor_value_info(node.output[0]) for node in nodes]
    proto = typed(model(nodes, values, outputs, opset=opset))
    if reference == "onnxruntime":
        session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
        run = functools.partial(session.run, None)
    else:
        run = functools.partial(ReferenceEvaluator(proto).run, None)
    return Pair(pysofie.compile(proto), run, [f"{node.op_type} {list(node.attribute)}" for node in nodes])


def arrays(dtype: str, shape: Any, **keywords: Any) -> st.SearchStrategy[np.ndarray]:
    kind = np.dtype(dtype)
    if kind.kind == "f":
        # Beyond this range float32 sines differ between libraries, and results overflow at different places.
        ordinary = st.floats(-50, 50, width=kind.itemsize * 8)
        special = st.sampled_from([np.nan, np.inf, -np.inf, 0.0, -0.0, 0.5, 1.0, -1.0, 1.5, 2.5, -2.5])
        return hnp.arrays(kind, shape, elements=ordinary | special)
    return hnp.arrays(kind, shape, **keywords)


def nodes_of_floats(dtype: str) -> list[onnx.NodeProto]:
    # ONNX's reference computes these in part in float32.
    left_out = {"Erf", "Gelu", "HardSwish"} if dtype == "float64" else set()
    named: list[tuple[str, dict[str, Any]]] = [(name, {}) for name in FLOAT]
    chosen = [(name, attributes) for name, attributes in [*named, *VARIANTS] if name not in left_out]
    return [helper.make_node(name, ["x"], ["y"], **attributes) for name, attributes in chosen]


@functools.cache
def unary(dtype: str) -> Pair:
    reference = "onnxruntime" if dtype == "float32" else "onnx"
    return pair(nodes_of_floats(dtype), {"x": (dtype, ("n",))}, reference=reference)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_functions_of_floats(dtype, data):
    unary(dtype).check(x=data.draw(arrays(dtype, st.integers(0, 40))))


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


def binary_nodes(dtype: str) -> list[onnx.NodeProto]:
    nodes = [helper.make_node(name, ["a", "b"], ["y"]) for name in BINARY]
    if dtype.startswith("float"):
        nodes += [
            helper.make_node("Pow", ["a", "b"], ["y"]),
            helper.make_node("Mod", ["a", "b"], ["y"], fmod=1),
        ]
    if dtype == "float32":  # ONNX's reference cannot broadcast these
        nodes += [helper.make_node(name, ["a", "b", "a"], ["y"]) for name in ("Sum", "Mean")]
    if not dtype.startswith("float"):
        nodes += [helper.make_node("Mod", ["a", "b"], ["y"], fmod=fmod) for fmod in (0, 1)]
        nodes += [helper.make_node(name, ["a", "b"], ["y"]) for name in BITWISE]
        nodes += [helper.make_node(name, ["a"], ["y"]) for name in ("BitwiseNot", "Abs", "Sign")]
    if dtype.startswith("uint"):
        nodes += [helper.make_node("BitShift", ["a", "s"], ["y"], direction=d) for d in ("LEFT", "RIGHT")]
    return nodes


@functools.cache
def binary(dtype: str) -> Pair:
    inputs: dict[str, tuple[str, Sequence[int | str]]] = {"a": (dtype, ("n", 1, 3)), "b": (dtype, (2, 1))}
    if dtype.startswith("uint"):
        inputs["s"] = (dtype, (2, 1))
    reference = "onnxruntime" if dtype == "float32" else "onnx"
    return pair(binary_nodes(dtype), inputs, reference=reference)


@pytest.mark.parametrize("dtype", ["float32", "float64", *INTEGERS])
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_pairs_broadcast(dtype, data):
    feeds = {"a": data.draw(arrays(dtype, (data.draw(st.integers(0, 7)), 1, 3)))}
    if dtype.startswith("float"):
        feeds["b"] = data.draw(arrays(dtype, (2, 1)))
    else:  # what a division by zero gives is not defined
        feeds["b"] = data.draw(arrays(dtype, (2, 1), elements=st.integers(1, 100)))
    if dtype.startswith("uint"):
        bits = np.dtype(dtype).itemsize * 8
        feeds["s"] = data.draw(arrays(dtype, (2, 1), elements=st.integers(0, bits - 1)))
    binary(dtype).check(**feeds)


@functools.cache
def logical() -> Pair:
    nodes = [helper.make_node(name, ["a", "b"], ["y"]) for name in [*LOGICAL, "Equal"]]
    nodes += [helper.make_node("Not", ["a"], ["y"]), helper.make_node("Where", ["a", "x", "z"], ["y"])]
    return pair(
        nodes, {"a": ("bool", ("n", 1)), "b": ("bool", (5,)), "x": ("float32", (1, 5)), "z": ("float32", ())}
    )


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_logic(data):
    n = data.draw(st.integers(0, 9))
    logical().check(
        a=data.draw(arrays("bool", (n, 1))),
        b=data.draw(arrays("bool", (5,))),
        x=data.draw(arrays("float32", (1, 5))),
        z=data.draw(arrays("float32", ())),
    )


TYPES = ["bool", *INTEGERS, "float32", "float64"]


@functools.cache
def conversions(dtype: str) -> Pair:
    codes = [helper.np_dtype_to_tensor_dtype(np.dtype(name)) for name in TYPES]
    nodes = [helper.make_node("Cast", ["x"], ["y"], to=code) for code in codes]
    return pair(nodes, {"x": (dtype, ("n",))}, reference="onnx")


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
    conversions(dtype).check(x=x)


POWERS = [
    ("float32", "int64"),
    ("int32", "float32"),
    ("int64", "int32"),
    ("int32", "int64"),
    ("float64", "float32"),
]


@functools.cache
def powers(base: str, exponent: str) -> Pair:
    return pair([helper.make_node("Pow", ["x", "e"], ["y"])], {"x": (base, ("n",)), "e": (exponent, ("n",))})


@pytest.mark.parametrize(("base", "exponent"), POWERS)
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_powers_of_mixed_types(base, exponent, data):
    n = data.draw(st.integers(0, 20))
    x = data.draw(hnp.arrays(base, n, elements=st.integers(1, 8)))
    powers(base, exponent).check(x=x, e=data.draw(hnp.arrays(exponent, n, elements=st.integers(0, 9))))


@functools.cache
def limited() -> Pair:
    limits = [("lo", ""), ("", "hi"), ("lo", "hi"), ("", "")]
    nodes = [helper.make_node("Clip", ["x", low, high], ["y"]) for low, high in limits]
    nodes += [helper.make_node("PRelu", ["x", "lo"], ["y"])]
    return pair(
        nodes, {"x": ("float32", ("n",)), "lo": ("float32", ()), "hi": ("float32", ())}, reference="onnx"
    )


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_limits_and_slopes(data):
    limit = st.floats(-60, 60, width=32)
    limited().check(
        x=data.draw(arrays("float32", st.integers(0, 20))),
        lo=np.float32(data.draw(limit)),
        hi=np.float32(data.draw(limit)),
    )


@pytest.mark.parametrize(("exponent", "count"), [(2.0, 1), (3.0, 1), (0.5, 1), (-1.0, 1), (1.0, 1), (2.5, 1)])
def test_constant_powers(exponent, count):
    nodes = [helper.make_node("Pow", ["x", "e"], ["y"])]
    constants = {"e": np.float32(exponent).reshape(count)}
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
