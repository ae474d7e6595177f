"""The first elements in order: ties, NaN, infinities, many and few, rows shorter and longer than a block."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from comparison import TARGET
from hypothesis import given, settings
from hypothesis import strategies as st
from nets import value
from onnx import helper
from support import model

import pysofie


@functools.cache
def sessions(dtype: str) -> pysofie.Session:
    nodes = [
        helper.make_node("TopK", ["x", "k"], ["high", "where_high"], largest=1),
        helper.make_node("TopK", ["x", "k"], ["low", "where_low"], largest=0),
    ]
    inputs = [value("x", dtype, "rows", "n"), value("k", "int64", 1)]
    outputs = [value(name, dtype, "rows", None) for name in ("high", "low")]
    outputs += [value(name, "int64", "rows", None) for name in ("where_high", "where_low")]
    return pysofie.compile(model(nodes, inputs, outputs), target=TARGET)


def row(kind: str, n: int, dtype: str, rng: np.random.Generator) -> np.ndarray:
    values = {
        "random": rng.normal(0, 50, n),
        "few": rng.integers(0, 3, n),
        "rising": np.arange(n) // 2,
        "falling": -np.arange(n) // 2,
        "extreme": rng.choice([np.inf, -np.inf, np.nan, 0.0, -0.0, 1.0], n),
    }[kind]
    if np.issubdtype(dtype, np.integer):
        limits = np.iinfo(dtype)
        values = np.nan_to_num(np.clip(values, max(limits.min, -(2**50)), min(limits.max, 2**50)))
        if kind == "extreme":
            return rng.choice(np.array([limits.min, 0, limits.max], dtype), n)
    return values.astype(dtype)


KINDS = ("random", "few", "rising", "falling", "extreme")


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "int64", "uint8", "uint32"])
@given(st.integers(1, 600), st.integers(0, 40) | st.integers(0, 600), st.integers(0, 10**6))
@settings(max_examples=15, deadline=None)
def test_top_k(dtype, n, k, seed):
    k = min(n, k)
    rng = np.random.default_rng(seed)
    x = np.stack([row(kind, n, dtype, rng) for kind in KINDS])
    result = sessions(dtype).run({"x": x, "k": np.array([k])})
    # NaN counts as the largest value; NumPy sorts it to the end, whatever its sign.
    rising = np.argsort(x, axis=1, kind="stable")[:, :k]
    falling = (n - 1 - np.argsort(x[:, ::-1], axis=1, kind="stable"))[:, ::-1][:, :k]
    np.testing.assert_array_equal(result["where_low"], rising)
    np.testing.assert_array_equal(result["where_high"], falling)
    np.testing.assert_array_equal(result["low"], np.take_along_axis(x, rising, 1))
    np.testing.assert_array_equal(result["high"], np.take_along_axis(x, falling, 1))
