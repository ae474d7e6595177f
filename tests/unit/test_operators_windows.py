"""Convolutions and poolings with random attributes and dynamic sizes, against onnxruntime."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest
from comparison import Comparison, Nodes
from hypothesis import given, settings
from hypothesis import strategies as st

import pysofie

SHAPES: dict[int, tuple[int | str, ...]] = {1: ("n", 4, "l"), 2: ("n", 4, "l", 9), 3: ("n", 4, 7, 6, "l")}
CASES = 12


def geometry(nodes: Nodes, kernel: list[int], *, pads_below: int) -> dict[str, Any]:
    """Attributes that convolutions and poolings share; strides and padding of every kind."""
    rank = len(kernel)
    attributes: dict[str, Any] = {"strides": nodes.rng.integers(1, 4, rank).tolist()}
    mode = nodes.choice("NOTSET", "NOTSET", "NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID")
    if mode == "NOTSET":
        attributes["pads"] = nodes.rng.integers(0, pads_below, 2 * rank).tolist()
        attributes["dilations"] = nodes.rng.integers(1, 3, rank).tolist()
    else:
        attributes["auto_pad"] = mode
        # onnxruntime takes a stride beyond the kernel for a negative padding.
        attributes["strides"] = np.minimum(attributes["strides"], kernel).tolist()
    return attributes


@functools.cache
def convolutions(rank: int) -> Comparison:
    nodes = Nodes({"x": ("float32", SHAPES[rank])}, opset=17, seed=rank)
    for _ in range(CASES):
        groups = nodes.choice(1, 1, 2, 4)
        kernel = nodes.rng.integers(1, 4, rank).tolist()
        outputs = groups * nodes.integer(1, 5)
        weights = [nodes.weights(outputs, 4 // groups, *kernel)]
        if nodes.choice(True, False):
            weights.append(nodes.weights(outputs))
        nodes.add("Conv", ["x", *weights], group=groups, **geometry(nodes, kernel, pads_below=3))
    return nodes.compile()


@functools.cache
def transposed_convolutions(rank: int) -> Comparison:
    nodes = Nodes({"x": ("float32", SHAPES[rank])}, opset=17, seed=10 + rank)
    for _ in range(CASES // 2):
        groups = nodes.choice(1, 1, 2, 4)
        kernel = nodes.rng.integers(2, 5, rank).tolist()
        outputs = nodes.integer(1, 3)
        attributes = geometry(nodes, kernel, pads_below=2)
        if "auto_pad" in attributes:
            attributes["dilations"] = [1] * rank
        elif nodes.choice(True, False):
            attributes["output_padding"] = [nodes.integer(0, stride - 1) for stride in attributes["strides"]]
        inputs = ["x", nodes.weights(4, outputs, *kernel), nodes.weights(groups * outputs)]
        nodes.add("ConvTranspose", inputs, group=groups, **attributes)
    return nodes.compile()


@functools.cache
def poolings(rank: int) -> Comparison:
    nodes = Nodes({"x": ("float32", SHAPES[rank])}, opset=19, seed=20 + rank)
    for op in ("MaxPool", "AveragePool", "LpPool"):
        for _ in range(CASES):
            kernel = nodes.rng.integers(2, 4, rank).tolist()
            attributes = geometry(nodes, kernel, pads_below=2) | {"kernel_shape": kernel}
            if "auto_pad" not in attributes and op != "LpPool":
                attributes["ceil_mode"] = nodes.integer(0, 1)
            if op == "AveragePool":
                attributes["count_include_pad"] = nodes.integer(0, 1)
            if op == "LpPool":
                attributes["p"] = nodes.choice(1, 2, 3)
            nodes.add(op, ["x"], nodes.integer(1, 2) if op == "MaxPool" else 1, **attributes)
    for op in ("GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool"):
        nodes.add(op, ["x"])
    return nodes.compile()


def draw(rank: int, n: int, size: int, seed: int) -> dict[str, np.ndarray]:
    shape = tuple({"n": n, "l": size}.get(d, d) for d in SHAPES[rank])
    return {"x": np.random.default_rng(seed).uniform(-1, 1, shape).astype(np.float32)}


batches, lengths, seeds = st.integers(1, 3), st.integers(6, 20), st.integers(0, 1000)


@pytest.mark.parametrize("rank", [1, 2, 3])
@settings(max_examples=15, deadline=None)
@given(n=batches, size=lengths, seed=seeds)
def test_convolutions(rank, n, size, seed):
    convolutions(rank).check(draw(rank, n, size, seed))


@pytest.mark.parametrize("rank", [1, 2, 3])
@settings(max_examples=10, deadline=None)
@given(n=batches, size=lengths, seed=seeds)
def test_transposed_convolutions(rank, n, size, seed):
    transposed_convolutions(rank).check(draw(rank, n, size, seed))


@pytest.mark.parametrize("rank", [1, 2, 3])
@settings(max_examples=15, deadline=None)
@given(n=batches, size=lengths, seed=seeds)
def test_poolings(rank, n, size, seed):
    poolings(rank).check(draw(rank, n, size, seed))


@functools.cache
def convolutions_of_doubles() -> Comparison:
    nodes = Nodes({"x": ("float64", SHAPES[2])}, opset=17, seed=30)
    weights = functools.partial(nodes.weights, dtype="float64")
    nodes.add("Conv", ["x", weights(3, 4, 3, 3), weights(3)], pads=[1, 1, 1, 1])
    nodes.add("Conv", ["x", weights(4, 1, 2, 3)], group=4, strides=[2, 1])
    nodes.add("ConvTranspose", ["x", weights(4, 2, 3, 3)], strides=[2, 2], pads=[1, 1, 1, 1])
    # onnxruntime convolves float32 only
    return nodes.compile("onnx")


@settings(max_examples=5, deadline=None)
@given(n=batches, size=lengths, seed=seeds)
def test_convolutions_of_doubles(n, size, seed):
    x = draw(2, n, size, seed)["x"].astype(np.float64)
    convolutions_of_doubles().check({"x": x})


def test_unpooling_into_an_image_without_elements():
    inputs = {"x": ("float32", (1, 1, "h", 2)), "places": ("int64", (1, 1, "h", 2))}
    nodes = Nodes(inputs, opset=17)
    nodes.add("MaxUnpool", ["x", "places"], kernel_shape=[1, 1], pads=[0, 1, 0, 1])
    session = pysofie.compile(nodes.proto())
    x = np.zeros((1, 1, 0, 2), "float32")
    assert session(x, x.astype("int64")).size == 0
    with pytest.raises(ValueError, match="an axis that is indexed"):
        session(np.zeros((1, 1, 2, 2), "float32"), np.zeros((1, 1, 2, 2), "int64"))
