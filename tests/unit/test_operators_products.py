"""Matrix products with dynamic sizes, against onnxruntime."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from comparison import Comparison, Nodes
from hypothesis import given, settings
from hypothesis import strategies as st

LEFT = {"v": ("k",), "m": ("n", "k"), "t": ("b", "n", "k"), "q": (2, 1, "n", "k")}
RIGHT = {"a": ("k",), "w": ("k", 5), "u": ("b", "k", 5), "z": (2, "b", "k", 5)}


@functools.cache
def products(dtype: str) -> Comparison:
    nodes = Nodes({name: (dtype, shape) for name, shape in (LEFT | RIGHT).items()}, opset=17)
    for left in LEFT:
        for right in RIGHT:
            nodes.add("MatMul", [left, right])
    return nodes.compile()


@functools.cache
def dense_layers(dtype: str) -> Comparison:
    nodes = Nodes(
        {"x": (dtype, ("n", 33)), "t": (dtype, (33, "n")), "c": (dtype, ("n", 1))}, opset=17, seed=1
    )
    for columns in (1, 2, 3, 7, 8, 9, 16, 31, 64, 65):
        attributes = {"alpha": nodes.choice(1.0, 0.5), "beta": nodes.choice(0.0, 1.0, 0.25)}
        transposed = columns % 2
        weights = nodes.weights(*((columns, 33) if transposed else (33, columns)), dtype=dtype)
        bias = nodes.choice("c", nodes.weights(columns, dtype=dtype), nodes.weights(1, dtype=dtype))
        nodes.add("Gemm", ["x", weights, bias], transB=transposed, **attributes)
        nodes.add("Gemm", ["t", weights], transA=1, transB=transposed)
        if not transposed:
            nodes.add("MatMul", ["x", weights])
    return nodes.compile()


def array(rng: np.random.Generator, dtype: str, shape: tuple[int, ...]) -> np.ndarray:
    return (
        rng.integers(-9, 10, shape).astype(dtype)
        if dtype.startswith("int")
        else rng.uniform(-1, 1, shape).astype(dtype)
    )


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "int64"])
@settings(max_examples=30, deadline=None)
@given(
    b=st.integers(1, 4),
    n=st.integers(1, 40),
    k=st.integers(1, 40),
    seed=st.integers(0, 1000),
    special=st.booleans(),
)
def test_matmul(dtype, b, n, k, seed, special):
    rng = np.random.default_rng(seed)
    sizes = {"b": b, "n": n, "k": k}
    feeds = {
        name: array(rng, dtype, tuple(sizes.get(d, d) for d in shape))
        for name, shape in (LEFT | RIGHT).items()
    }
    if special and dtype.startswith("float"):
        for value in feeds.values():
            value.flat[rng.integers(value.size)] = rng.choice([np.nan, np.inf, -np.inf])
    products(dtype).check(feeds)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@settings(max_examples=30, deadline=None)
@given(n=st.integers(0, 40), seed=st.integers(0, 1000))
def test_gemm(dtype, n, seed):
    rng = np.random.default_rng(seed)
    shapes = {"x": (n, 33), "t": (33, n), "c": (n, 1)}
    dense_layers(dtype).check({name: array(rng, dtype, shape) for name, shape in shapes.items()})
