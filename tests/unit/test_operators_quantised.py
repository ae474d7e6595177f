"""Products of quantised numbers with dynamic sizes, against onnxruntime."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from comparison import Comparison, Nodes
from hypothesis import given, settings
from hypothesis import strategies as st
from nets import value
from onnx import helper
from support import model

import pysofie

# Sizes of one symbol each: a matrix, a stack of matrices, and images.
INPUTS = {"m": ("n", 12), "s": ("b", 5, 12), "x": ("b", 4, "h", 7)}


def numbers(nodes: Nodes, *shape: int, dtype: str) -> str:
    limits = np.iinfo(dtype)
    return nodes.constant(nodes.rng.integers(limits.min, limits.max, shape, endpoint=True), dtype)


def scales(nodes: Nodes, *shape: int, factor: float = 0.01) -> str:
    return nodes.constant(factor * nodes.rng.uniform(0.5, 2, shape), "float32")


@functools.cache
def products(left: str, right: str) -> Comparison:
    nodes = Nodes({name: (left, INPUTS[name]) for name in "ms"}, opset=17)
    for name in "ms":
        weights, zero = numbers(nodes, 12, 9, dtype=right), numbers(nodes, 9, dtype=right)
        nodes.add("MatMulInteger", [name, weights])
        nodes.add("MatMulInteger", [name, weights, numbers(nodes, dtype=left), numbers(nodes, dtype=right)])
        nodes.add("MatMulInteger", [name, weights, numbers(nodes, 1, dtype=left), zero])
        for shape in ((), (1,), (9,)):
            factor, offset = scales(nodes), numbers(nodes, dtype=left)
            columns = [scales(nodes, *shape), numbers(nodes, *shape, dtype=right)]
            result = [scales(nodes, factor=0.1), numbers(nodes, dtype=left)]
            nodes.add("QLinearMatMul", [name, factor, offset, weights, *columns, *result])
    return nodes.compile()


@functools.cache
def convolutions(left: str, right: str) -> Comparison:
    nodes = Nodes({"x": (left, INPUTS["x"])}, opset=17, domains={"com.microsoft": 1})
    for group in (1, 2, 4):
        weights = numbers(nodes, 8, 4 // group, 3, 2, dtype=right)
        window = {"group": group, "pads": [1, 0, 2, 1], "strides": [1, 2]}
        image = [scales(nodes), numbers(nodes, dtype=left)]
        result = [scales(nodes, factor=0.05), numbers(nodes, dtype=left)]
        if left == "uint8":  # onnxruntime has no ConvInteger of int8 images
            nodes.add("ConvInteger", ["x", weights], **window)
            nodes.add("ConvInteger", ["x", weights, image[1], numbers(nodes, dtype=right)], **window)
        bias = nodes.constant(nodes.rng.integers(-9999, 9999, 8), "int32")
        for shape in ((), (8,)):
            kernel = [scales(nodes, *shape), nodes.constant(np.zeros(shape), right)]
            for last in ([], [bias]):
                inputs = [*image, weights, *kernel, *result, *last]
                nodes.add("QLinearConv", ["x", *inputs], **window)
                if shape == ():
                    nodes.add("Transpose", ["x"], perm=[0, 2, 3, 1])
                    turned = nodes.outputs[-1].name
                    own = {"domain": "com.microsoft", "channels_last": 1}
                    nodes.add("QLinearConv", [turned, *inputs], **own, **window)
    return nodes.compile()


def quantisation(nodes: Nodes, dtype: str, *shape: int, factor: float = 0.01) -> list[str]:
    """A scale and a zero point."""
    return [scales(nodes, *shape, factor=factor), numbers(nodes, *shape, dtype=dtype)]


@functools.cache
def elementwise(dtype: str) -> Comparison:
    """Operators of onnxruntime that stand between products."""
    inputs = {name: (dtype, INPUTS["x"]) for name in ("x", "y")}
    nodes = Nodes(inputs, opset=17, domains={"com.microsoft": 1})
    add = functools.partial(nodes.add, domain="com.microsoft")

    def some(factor: float = 0.02) -> list[str]:
        return quantisation(nodes, dtype, factor=factor)

    for op in ("QLinearAdd", "QLinearMul"):
        add(op, ["x", *some(), "y", *some(), *some()])
    constant = numbers(nodes, 4, 1, 1, dtype=dtype)
    add("QLinearAdd", ["x", *some(), constant, *some(), *some()])
    add("QLinearLeakyRelu", ["x", *some(), *some()], alpha=0.2)
    add("QLinearSigmoid", ["x", *some(0.05), *some(0.005)])
    chosen = nodes.constant(nodes.rng.integers(0, 2, (4, 1, 1)).astype(bool), "bool")
    add("QLinearWhere", [chosen, "x", *some(), "y", *some(), *some()])
    add("QLinearConcat", [*some(), "x", *some(), "y", *some()], axis=1)
    add("QLinearGlobalAveragePool", ["x", *some(), *some()])
    window = {"kernel_shape": [1, 3], "strides": [1, 2], "pads": [0, 1, 0, 1]}
    add("QLinearAveragePool", ["x", *some(), *some()], **window)
    add("QLinearAveragePool", ["x", *some(), *some()], count_include_pad=1, **window)
    add("QLinearSoftmax", ["x", *some(0.05), *some(0.004)], axis=-1, opset=13)
    add("QLinearSoftmax", ["x", *some(0.05), *some(0.004)], axis=2, opset=12)
    return nodes.compile()


@functools.cache
def fused_products(left: str, right: str) -> Comparison:
    nodes = Nodes({"m": (left, INPUTS["m"])}, opset=17, domains={"com.microsoft": 1})
    add = functools.partial(nodes.add, domain="com.microsoft")
    for columns in ((), (9,)):
        weights, bias = numbers(nodes, 12, 9, dtype=right), nodes.weights(9)
        a, b = quantisation(nodes, left), quantisation(nodes, right, *columns)
        add("MatMulIntegerToFloat", ["m", weights, a[0], b[0], a[1], b[1], bias])
        add("MatMulIntegerToFloat", ["m", weights, a[0], b[0]])
        sums = nodes.constant(nodes.rng.integers(-9999, 9999, 9), "int32")
        b[1] = nodes.constant(np.full(columns, 3), right)
        add("QGemm", ["m", *a, weights, *b, sums, *quantisation(nodes, left, factor=0.1)])
        add("QGemm", ["m", *a, weights, *b], alpha=0.5)
    return nodes.compile()


@functools.cache
def real_numbers() -> Comparison:
    """Operators of onnxruntime that quantise what they read."""
    nodes = Nodes({"x": ("float32", INPUTS["m"])}, opset=17, domains={"com.microsoft": 1})
    add = functools.partial(nodes.add, domain="com.microsoft")
    for dtype in ("uint8", "int8"):
        for columns in ((), (9,)):
            weights, b = numbers(nodes, 12, 9, dtype=dtype), quantisation(nodes, dtype, *columns)
            add("DynamicQuantizeMatMul", ["x", weights, b[0]])
            add("DynamicQuantizeMatMul", ["x", weights, *b, nodes.weights(9)])
    for dtype in ("uint8", "int8", "uint16", "int16"):
        for columns in ((), (12,)):
            parameters = quantisation(nodes, dtype, *columns)
            add("QuantizeLinear", ["x", *parameters], axis=1)
            add("DequantizeLinear", [nodes.outputs[-1].name, *parameters], axis=1)
    return nodes.compile()


def feed(
    rng: np.random.Generator, dtype: str, shape: tuple[int | str, ...], sizes: dict[str, int]
) -> np.ndarray:
    limits = np.iinfo(dtype)
    return rng.integers(limits.min, limits.max, [sizes.get(d, d) for d in shape], endpoint=True, dtype=dtype)


PAIRS = [("uint8", "uint8"), ("uint8", "int8"), ("int8", "int8")]


@pytest.mark.parametrize(("left", "right"), PAIRS)
@settings(max_examples=30, deadline=None)
@given(b=st.integers(1, 4), n=st.integers(1, 40), seed=st.integers(0, 1000))
def test_matrix_products(left, right, b, n, seed):
    rng = np.random.default_rng(seed)
    products(left, right).check({name: feed(rng, left, INPUTS[name], {"b": b, "n": n}) for name in "ms"})


@pytest.mark.parametrize(("left", "right"), PAIRS)
@settings(max_examples=30, deadline=None)
@given(b=st.integers(1, 4), h=st.integers(1, 12), seed=st.integers(0, 1000))
def test_convolutions(left, right, b, h, seed):
    rng = np.random.default_rng(seed)
    convolutions(left, right).check({"x": feed(rng, left, INPUTS["x"], {"b": b, "h": h})})


@pytest.mark.parametrize("dtype", ["uint8", "int8"])
@settings(max_examples=30, deadline=None)
@given(b=st.integers(1, 4), h=st.integers(1, 12), seed=st.integers(0, 1000))
def test_elementwise(dtype, b, h, seed):
    """Onnxruntime computes in other orders: a result may lie on the other side of a half."""
    rng = np.random.default_rng(seed)
    feeds = {name: feed(rng, dtype, INPUTS["x"], {"b": b, "h": h}) for name in ("x", "y")}
    elementwise(dtype).check(feeds, steps=1)


@pytest.mark.parametrize(("left", "right"), PAIRS)
@settings(max_examples=30, deadline=None)
@given(n=st.integers(1, 40), seed=st.integers(0, 1000))
def test_fused_products(left, right, n, seed):
    rng = np.random.default_rng(seed)
    fused_products(left, right).check({"m": feed(rng, left, INPUTS["m"], {"n": n})}, scale=100, steps=1)


@settings(max_examples=30, deadline=None)
@given(n=st.integers(1, 40), seed=st.integers(0, 1000))
def test_real_numbers(n, seed):
    """A number next to a half may be rounded to the other side, which shows in what is computed from it."""
    x = np.random.default_rng(seed).standard_normal((n, 12)).astype(np.float32)
    real_numbers().check({"x": x}, scale=5e3, steps=1)


def test_scales_and_zero_points_of_rows():
    rng = np.random.default_rng(1)
    a, b = rng.integers(0, 256, (3, 4), np.uint8), rng.integers(0, 256, (4, 5), np.uint8)
    zeros, factors = rng.integers(0, 256, 3, np.uint8), rng.uniform(0.5, 2, 3).astype(np.float32)
    constants = {
        "az": zeros,
        "as": factors,
        "b": b,
        "bz": np.uint8(3),
        "bs": np.float32(0.01),
        "one": factors,
    }
    proto = model(
        [
            helper.make_node("MatMulInteger", ["a", "b", "az", "bz"], ["sums"]),
            helper.make_node("QLinearMatMul", ["a", "as", "az", "b", "bs", "bz", "one", "az"], ["y"]),
        ],
        [value("a", "uint8", 3, 4)],
        [value("sums", "int32", 3, 5), value("y", "uint8", 3, 5)],
        {name: np.asarray(constant) for name, constant in constants.items()},
    )
    sums = (a.astype(np.int32) - zeros[:, None]) @ (b.astype(np.int32) - 3)
    result = pysofie.compile(proto)(a)
    np.testing.assert_array_equal(result.sums, sums)
    np.testing.assert_array_equal(
        result.y, np.clip(np.rint(sums * np.float32(0.01)) + zeros[:, None], 0, 255)
    )
