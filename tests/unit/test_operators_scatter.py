"""Scattering of random shapes, with duplicates and negative places, against ONNX's reference."""

from __future__ import annotations

import functools

import numpy as np
import onnx
import pytest
from comparison import TARGET, Comparison, Nodes
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper
from support import floats, model

import pysofie

REDUCTIONS = ("none", "add", "mul", "min", "max")
TYPES = ("float32", "float64", "int8", "uint16", "int32", "int64", "bool")


@functools.cache
def elements(dtype: str) -> Comparison:
    """Along both axes; a row that is repeated for all features is how graph networks add up."""
    inputs = {
        "x": (dtype, ("n", 5)),
        "u": (dtype, ("e", 5)),
        "rows": ("int64", ("e", 1)),
        "places": ("int32", ("n", "k")),
        "v": (dtype, ("n", "k")),
    }
    nodes = Nodes(inputs, opset=18)
    nodes.nodes += [
        helper.make_node("Shape", ["u"], ["shape"]),
        helper.make_node("Expand", ["rows", "shape"], ["repeated"]),
    ]
    for reduction in REDUCTIONS[1:]:
        nodes.add("ScatterElements", ["x", "repeated", "u"], reduction=reduction)
        nodes.add("ScatterElements", ["x", "places", "v"], reduction=reduction, axis=-1)
    return nodes.compile("reference")


@functools.cache
def blocks(dtype: str) -> Comparison:
    inputs = {
        "x": (dtype, ("n", "m", 3)),
        "rows": ("int64", ("e", 2, 1)),
        "u": (dtype, ("e", 2, "m", 3)),
        "cells": ("int64", ("e", 3)),
        "v": (dtype, ("e",)),
    }
    nodes = Nodes(inputs, opset=18)
    for reduction in REDUCTIONS[1:]:
        nodes.add("ScatterND", ["x", "rows", "u"], reduction=reduction)
        nodes.add("ScatterND", ["x", "cells", "v"], reduction=reduction)
    return nodes.compile("reference")


def values(rng: np.random.Generator, dtype: str, *shape: int) -> np.ndarray:
    """Small whole numbers, whose sums and products no order of the points changes."""
    return rng.integers(0, 4, shape).astype(dtype)


@pytest.mark.parametrize("dtype", TYPES)
@given(st.integers(1, 6), st.integers(0, 9), st.integers(0, 5), st.integers(0, 10**6))
@settings(max_examples=20, deadline=None)
def test_scatter_elements(dtype, n, e, k, seed):
    rng = np.random.default_rng(seed)
    feeds = {
        "x": values(rng, dtype, n, 5),
        "u": values(rng, dtype, e, 5),
        "rows": rng.integers(-n, n, (e, 1)),
        "places": rng.integers(-5, 5, (n, k)).astype("int32"),
        "v": values(rng, dtype, n, k),
    }
    elements(dtype).check(feeds)


@pytest.mark.parametrize("dtype", ["float32", "int64", "uint8"])
@given(st.integers(1, 5), st.integers(1, 5), st.integers(0, 7), st.integers(0, 10**6))
@settings(max_examples=20, deadline=None)
def test_scatter_nd(dtype, n, m, e, seed):
    rng = np.random.default_rng(seed)
    feeds = {
        "x": values(rng, dtype, n, m, 3),
        "rows": rng.integers(-n, n, (e, 2, 1)),
        "u": values(rng, dtype, e, 2, m, 3),
        "cells": np.stack([rng.integers(-size, size, e) for size in (n, m, 3)], axis=1),
        "v": values(rng, dtype, e),
    }
    blocks(dtype).check(feeds)


def rows(operator: str) -> onnx.ModelProto:
    """Rows of a tensor are replaced, its size is known when the model runs."""
    nodes = [helper.make_node(operator, ["x", "rows", "u"], ["y"])]
    wide = ("e", 1) if operator == "ScatterND" else ("e", 6)
    places = helper.make_tensor_value_info("rows", onnx.TensorProto.INT64, wide)
    return model(nodes, [floats("x", "n", 6), places, floats("u", "e", 6)], [floats("y", "n", 6)])


@pytest.mark.parametrize("operator", ["ScatterElements", "ScatterND"])
def test_replaced_rows(operator):
    """Without duplicates every target stores the same."""
    session = pysofie.compile(rows(operator), target=TARGET)
    rng = np.random.default_rng(7)
    x, u = rng.standard_normal((9, 6)).astype("float32"), rng.standard_normal((4, 6)).astype("float32")
    at = rng.permutation(9)[:4]
    expected = x.copy()
    expected[at] = u
    places = at[:, None] - 9 * (at[:, None] % 2)  # some from the end
    wide = places if operator == "ScatterND" else np.broadcast_to(places, (4, 6)).copy()
    np.testing.assert_array_equal(session(x, wide, u), expected)


@pytest.mark.parametrize("operator", ["ScatterElements", "ScatterND"])
def test_a_place_outside(operator):
    session = pysofie.compile(rows(operator), target=TARGET)
    places = np.full((1, 1 if operator == "ScatterND" else 6), 3)
    with pytest.raises(IndexError):
        session(np.zeros((3, 6), "float32"), places, np.ones((1, 6), "float32"))


@pytest.mark.parametrize("operator", ["ScatterElements", "ScatterND"])
def test_an_empty_axis(operator):
    """It has no place for an update, but takes none."""
    session = pysofie.compile(rows(operator), target=TARGET)
    wide = 1 if operator == "ScatterND" else 6
    empty, nothing = np.zeros((0, 6), "float32"), np.zeros((0, wide), "int64")
    assert session(empty, nothing, empty).shape == (0, 6)
    with pytest.raises(pysofie.ShapeError, match="an axis that is indexed"):
        session(empty, np.zeros((1, wide), "int64"), np.ones((1, 6), "float32"))


def test_shapes_that_do_not_fit():
    nodes = [helper.make_node("ScatterND", ["x", "rows", "u"], ["y"])]
    places = helper.make_tensor_value_info("rows", onnx.TensorProto.INT64, (2, 3))
    with pytest.raises(pysofie.ShapeError, match="do not fit the data"):
        pysofie.load(model(nodes, [floats("x", 4, 6), places, floats("u", 2)], [floats("y", 4, 6)]))
