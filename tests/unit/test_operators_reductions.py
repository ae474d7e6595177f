"""Reductions, softmax and normalisations with dynamic sizes, NaN and infinities included."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest
from comparison import Comparison, Nodes
from hypothesis import given, settings
from hypothesis import strategies as st

SHAPE = ("n", 6, "m")
INTEGERS = ["ReduceSum", "ReduceMax", "ReduceMin", "ReduceSumSquare", "ReduceL1"]
FLOATS = [*INTEGERS, "ReduceProd", "ReduceMean", "ReduceL2", "ReduceLogSum"]
AXES: list[list[int]] = [[0], [1], [2], [-1, 0], [1, 2], [0, 1, 2]]


@functools.cache
def reductions(dtype: str) -> Comparison:
    nodes = Nodes({"x": (dtype, SHAPE)}, opset=20)
    for op in {"float32": FLOATS, "float64": FLOATS, "uint8": ["ReduceMax", "ReduceMin"]}.get(
        dtype, INTEGERS
    ):
        for axes in AXES:
            nodes.add(op, ["x", nodes.constant(axes)], keepdims=nodes.integer(0, 1))
        nodes.add(op, ["x"], noop_with_empty_axes=1)
        nodes.add(op, ["x"], keepdims=0)
    for op in ("ArgMax", "ArgMin"):
        for axis in (0, 1, -1):
            nodes.add(
                op, ["x"], axis=axis, keepdims=nodes.integer(0, 1), select_last_index=nodes.integer(0, 1)
            )
    # ONNX's reference treats NaN as we do, onnxruntime as the shape wants; but the former widens integers.
    return nodes.compile("onnxruntime" if dtype.startswith("int") else "onnx")


@functools.cache
def old_reductions() -> Comparison:
    nodes = Nodes({"x": ("float32", SHAPE)}, opset=11)
    for op in [*FLOATS, "ReduceLogSumExp"]:
        for axes in AXES:
            nodes.add(op, ["x"], axes=axes, keepdims=nodes.integer(0, 1))
    for op in ("Softmax", "LogSoftmax", "Hardmax"):
        for axis in (0, 1, 2, -1):
            nodes.add(op, ["x"], axis=axis)
    return nodes.compile()


@functools.cache
def normalisations(dtype: str) -> Comparison:
    nodes = Nodes({"x": (dtype, SHAPE), "image": (dtype, ("n", 6, "m", 3))}, opset=17)
    for op in ("Softmax", "LogSoftmax", "Hardmax"):
        for axis in (0, 1, 2, -1):
            nodes.add_alike(op, ["x"], axis=axis)
    weights = functools.partial(nodes.weights, dtype=dtype)
    nodes.add_alike("LayerNormalization", ["image", weights(3), weights(3)], axis=-1, epsilon=1e-3)
    nodes.add_alike("LayerNormalization", ["image", weights(3)], axis=3)
    nodes.add_alike("LayerNormalization", ["x", weights(1), weights(1)], axis=1)
    for name in ("x", "image"):
        nodes.add_alike("InstanceNormalization", [name, weights(6), weights(6)], epsilon=1e-2)
        variance = nodes.constant(nodes.rng.uniform(0.5, 2, 6), dtype)
        nodes.add_alike("BatchNormalization", [name, weights(6), weights(6), weights(6), variance])
    # The reference takes no absolute values for p=1, and its other two are for float32 alone.
    for axis, p in ((0, 2), (1, 2), (-1, 2), (-1, 1)):
        if dtype == "float32" or p == 2:
            nodes.add_alike("LpNormalization", ["x"], axis=axis, p=p)
    if dtype == "float32":
        nodes.add_alike("MeanVarianceNormalization", ["image"])
        for size in (1, 3, 5):
            nodes.add_alike("LRN", ["image"], size=size, alpha=0.1, beta=0.6, bias=1.5)
    return nodes.compile("onnxruntime" if dtype == "float32" else "onnx")


@functools.cache
def newest_normalisations() -> Comparison:
    nodes = Nodes({"image": ("float32", ("n", 6, "m", 3))}, opset=23)
    for groups in (1, 2, 6):
        nodes.add_alike(
            "GroupNormalization", ["image", nodes.weights(6), nodes.weights(6)], num_groups=groups
        )
    for axis in (1, -1):
        nodes.add_alike("RMSNormalization", ["image", nodes.weights(3)], axis=axis, epsilon=1e-3)
    return nodes.compile("onnx")


def special(rng: np.random.Generator, x: np.ndarray) -> np.ndarray:
    x.flat[rng.integers(x.size, size=2)] = rng.choice([np.nan, np.inf, -np.inf, 0.0], 2)
    return x


sizes: dict[str, Any] = {"n": st.integers(1, 20), "m": st.integers(1, 40), "seed": st.integers(0, 1000)}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@settings(max_examples=40, deadline=None)
@given(**sizes, beyond=st.booleans())
def test_reductions_of_floats(dtype, n, m, seed, beyond):
    rng = np.random.default_rng(seed)
    x = (rng.uniform(0.8, 1.25, (n, 6, m)) * rng.choice([-1, 1], (n, 6, m))).astype(dtype)
    reductions(dtype).check({"x": special(rng, x) if beyond else x}, scale=30)


@pytest.mark.parametrize("dtype", ["int32", "int64", "uint8"])
@settings(max_examples=20, deadline=None)
@given(**sizes)
def test_reductions_of_integers(dtype, n, m, seed):
    x = np.random.default_rng(seed).integers(0 if dtype == "uint8" else -99, 100, (n, 6, m)).astype(dtype)
    reductions(dtype).check({"x": x})


@settings(max_examples=20, deadline=None)
@given(**sizes)
def test_old_reductions(n, m, seed):
    x = np.random.default_rng(seed).uniform(0.1, 1, (n, 6, m)).astype(np.float32)
    old_reductions().check({"x": x}, scale=10)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@settings(max_examples=30, deadline=None)
@given(**sizes)
def test_normalisations(dtype, n, m, seed):
    rng = np.random.default_rng(seed)
    feeds = {"x": rng.uniform(-2, 2, (n, 6, m)), "image": rng.uniform(-2, 2, (n, 6, m, 3))}
    normalisations(dtype).check({name: value.astype(dtype) for name, value in feeds.items()}, scale=5)


@settings(max_examples=20, deadline=None)
@given(**sizes)
def test_newest_normalisations(n, m, seed):
    image = np.random.default_rng(seed).uniform(-2, 2, (n, 6, m, 3)).astype(np.float32)
    newest_normalisations().check({"image": image}, scale=5)


@pytest.mark.parametrize("value", [1e4, -1e4, -np.inf, np.inf, np.nan])
def test_softmax_of_extremes(value):
    """Nothing overflows, and what has no answer is NaN as in onnxruntime."""
    x = np.linspace(-1, 1, 36, dtype=np.float32).reshape(1, 6, 6)
    x[0, 2, 3] = value
    image = np.zeros((1, 6, 6, 3), np.float32)
    comparison = normalisations("float32")
    ours = list(comparison.session.run({"x": x, "image": image}).values())
    theirs = comparison.reference({"x": x, "image": image})
    for label, a, b in zip(comparison.labels, ours, theirs, strict=True):
        if label.startswith(("Softmax", "LogSoftmax")):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6, err_msg=label)
