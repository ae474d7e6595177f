"""Operators that choose elements by position, against ONNX's reference evaluator."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from comparison import Comparison, Nodes
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper
from support import floats, model

import pysofie

seeds = st.integers(0, 1000)


@functools.cache
def one_hot_vectors(dtype: str) -> Comparison:
    nodes = Nodes({"x": (dtype, ("n", 3)), "values": ("float64", (2,))}, opset=11)
    for axis in (-1, 0, 1, -3):
        nodes.add("OneHot", ["x", nodes.constant(4), "values"], axis=axis)
        nodes.add("OneHot", ["x", nodes.constant(3, "float32"), nodes.constant([-1, 2], "int8")], axis=axis)
    return nodes.compile("onnx")


@settings(max_examples=15, deadline=None)
@given(n=st.integers(0, 5), dtype=st.sampled_from(["int64", "int8", "float32"]), seed=seeds)
def test_one_hot(n, dtype, seed):
    x = np.random.default_rng(seed).integers(-6, 7, (n, 3)).astype(dtype)
    one_hot_vectors(dtype).check({"x": x, "values": np.array([0.5, -4.0])})


@functools.cache
def reversals() -> Comparison:
    inputs = {"x": ("float32", ("t", "b", 3)), "y": ("int16", ("b", 2, "t")), "lengths": ("int64", ("b",))}
    nodes = Nodes(inputs, opset=10)
    nodes.add_alike("ReverseSequence", ["x", "lengths"])
    nodes.add_alike("ReverseSequence", ["y", "lengths"], batch_axis=0, time_axis=-1)
    return nodes.compile("onnx")


@settings(max_examples=15, deadline=None)
@given(t=st.integers(1, 9), b=st.integers(0, 4), seed=seeds)
def test_reversals(t, b, seed):
    rng = np.random.default_rng(seed)
    x, y = rng.uniform(-1, 1, (t, b, 3)).astype(np.float32), rng.integers(-9, 9, (b, 2, t)).astype(np.int16)
    reversals().check({"x": x, "y": y, "lengths": rng.integers(0, t + 1, b)})


def test_length_beyond_the_sequence():
    node = helper.make_node("ReverseSequence", ["x", "lengths"], ["y"])
    lengths = helper.make_tensor_value_info("lengths", 7, ["b"])
    session = pysofie.compile(model([node], [floats("x", 3, "b"), lengths], [floats("y", 3, "b")], opset=10))
    x = np.zeros((3, 2), np.float32)
    session(x, np.array([3, 1]))
    with pytest.raises(IndexError):
        session(x, np.array([4, 1]))


@functools.cache
def cache_updates() -> Comparison:
    inputs = {
        "cache": ("float32", ("b", 2, "s", 4)),
        "update": ("float32", ("b", 2, 3, 4)),
        "at": ("int64", ("b",)),
    }
    nodes = Nodes(inputs, opset=24)
    nodes.add("TensorScatter", ["cache", "update", "at"])
    nodes.add("TensorScatter", ["cache", "update", "at"], mode="circular", axis=2)
    nodes.add("TensorScatter", ["cache", "update"])
    return nodes.compile("onnx")


@settings(max_examples=15, deadline=None)
@given(b=st.integers(1, 3), s=st.integers(3, 8), seed=seeds)
def test_cache_updates(b, s, seed):
    rng = np.random.default_rng(seed)
    cache, update = (rng.uniform(-1, 1, (b, 2, n, 4)).astype(np.float32) for n in (s, 3))
    cache_updates().check({"cache": cache, "update": update, "at": rng.integers(0, s - 2, b)})
