"""Einsum of many equations, and determinants, against ONNX's reference evaluator."""

from __future__ import annotations

import functools

import numpy as np
import onnx
import pytest
from comparison import Comparison, Nodes
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper
from support import floats, model

import pysofie

SHAPES = {
    "m": (4, "n"),
    "v": ("n",),
    "square": (3, 3),
    "stack": ("b", 4, "n"),
    "other": ("b", "n", 5),
    "cube": (2, 3, 3, 3),
    "one": (),
}
EQUATIONS = {
    "ij->ji": "m",
    "ij": "m",
    "ji": "m",
    "ij->": "m",
    "ij->j": "m",
    "ii": "square",
    "ii->i": "square",
    "...ii->...i": "cube",
    "...ijj->j...i": "cube",
    "ijjj->i": "cube",
    "ij,j": "m v",
    "ij,j->ij": "m v",
    "i,j->ij": "v v",
    "i,i": "v v",
    "ij,kj->ik": "m m",
    "bij,bjk->bik": "stack other",
    "...ij,...jk->...ik": "stack other",
    "...ij,...jk": "stack other",
    "b...,b...->b": "stack stack",
    "i j, j -> i": "m v",
    "ij,jkl,k->il": "square cube",
    "bij,bjk,lk->bil": "stack other other",
    ",ij->ij": "one m",
    ",->": "one one",
    "ij,...ij->...i": "m stack",
    "ij,ij,ij->ij": "m m m",
    "ij,k->": "m v",
    "ij,ik,il->jkl": "m m m",
}


@functools.cache
def equations(dtype: str) -> Comparison:
    nodes = Nodes({name: (dtype, shape) for name, shape in SHAPES.items()}, opset=13)
    for equation, names in EQUATIONS.items():
        inputs = names.split()
        if equation == "ij,jkl,k->il":
            inputs = ["square", nodes.weights(3, 2, 6, dtype=dtype), nodes.weights(2, dtype=dtype)]
        if equation == "bij,bjk,lk->bil":
            inputs[2] = nodes.weights(7, 5, dtype=dtype)
        nodes.add("Einsum", inputs, equation=equation)
    return nodes.compile("onnx")


@settings(max_examples=15, deadline=None)
@given(
    n=st.integers(0, 9),
    b=st.integers(0, 3),
    dtype=st.sampled_from(["float32", "int64"]),
    seed=st.integers(0, 99),
)
def test_equations(n, b, dtype, seed):
    rng = np.random.default_rng(seed)
    sizes = {"n": n, "b": b}
    feeds = {}
    for name, shape in SHAPES.items():
        values = rng.uniform(-3, 3, tuple(sizes.get(size, size) for size in shape))
        feeds[name] = np.asarray(values).astype(dtype)
    equations(dtype).check(feeds)


@pytest.mark.parametrize(
    ("equation", "problem"),
    [
        ("ij,jk->ik", "more terms"),
        ("ij->ijk", "names an axis of the result"),
        ("ij->ii", "names an axis of the result"),
        ("i?->i", "made of letters"),
        ("ijk->i", "does not fit"),
    ],
)
def test_bad_equations(equation, problem):
    node = helper.make_node("Einsum", ["x"], ["y"], equation=equation)
    with pytest.raises(pysofie.Error, match=problem):
        pysofie.load(model([node], [floats("x", 2, 3)], [floats("y")], opset=13)).inputs  # noqa: B018


@functools.cache
def determinants(dtype: str) -> Comparison:
    nodes = Nodes({"x": (dtype, (2, "n", 3, 3)), "y": (dtype, ("m", "m"))}, opset=22)
    for name in ("x", "y"):
        nodes.add("Det", [name])
    return nodes.compile("onnx")


@settings(max_examples=15, deadline=None)
@given(
    n=st.integers(0, 4),
    m=st.integers(1, 7),
    dtype=st.sampled_from(["float32", "float64"]),
    seed=st.integers(0, 99),
)
def test_determinants(n, m, dtype, seed):
    rng = np.random.default_rng(seed)
    x, y = rng.integers(-2, 3, (2, n, 3, 3)), rng.uniform(-1, 1, (m, m))
    determinants(dtype).check({"x": x.astype(dtype), "y": y.astype(dtype)})


def test_determinant_of_no_rows_is_one():
    node = helper.make_node("Det", ["x"], ["y"])
    proto: onnx.ModelProto = model([node], [floats("x", "n", "n")], [floats("y")], opset=22)
    assert pysofie.compile(proto)(np.zeros((0, 0), np.float32)) == 1
