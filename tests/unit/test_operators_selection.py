"""Results whose size the data decide: right values and shapes, in Python, in C++, and within bounds."""

from __future__ import annotations

import functools
import subprocess
from pathlib import Path

import numpy as np
import onnx
import pytest
from comparison import TARGET, Comparison, Nodes
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper
from support import floats, model, typed

import pysofie
from pysofie.toolchains import host


@functools.cache
def selections(dtype: str) -> Comparison:
    inputs = {"x": (dtype, ("n", 3)), "keep": ("bool", ("m",)), "few": ("bool", (2,)), "all": ("bool", (9,))}
    nodes = Nodes(inputs, opset=18)
    nodes.nodes.append(helper.make_node("Mul", ["x", "x"], ["square"]))
    nodes.add("NonZero", ["square"])
    nodes.add("NonZero", ["keep"])
    nodes.add("Compress", ["x", "keep"], axis=0)
    nodes.add("Compress", ["x", "few"], axis=-1)
    nodes.add("Compress", ["square", "keep"])
    nodes.add("Compress", ["x", nodes.constant([False, True, True], "bool")], axis=1)
    nodes.add("NonZero", [nodes.constant([[0, 3, 0], [1, 0, 2]])])
    return nodes.compile()


@pytest.mark.parametrize("dtype", ["float32", "int64"])
@given(st.integers(0, 7), st.integers(0, 7), st.integers(0, 10**6))
@settings(max_examples=20, deadline=None)
def test_selection(dtype, n, m, seed):
    rng = np.random.default_rng(seed)
    feeds = {
        "x": rng.integers(0, 2, (n, 3)).astype(dtype),
        "keep": rng.random(min(n, m)) < 0.5,
        "few": rng.random(2) < 0.5,
        "all": rng.random(9) < 0.5,
    }
    selections(dtype).check(feeds)


@functools.cache
def uniques(dtype: str) -> Comparison:
    """All outputs; onnxruntime knows these types."""
    nodes = Nodes({"x": (dtype, ("n", 3, 2))}, opset=17)
    for order in (0, 1):
        nodes.add("Unique", ["x"], 4, sorted=order)
        for axis in (0, 1, -1):
            nodes.add("Unique", ["x"], 4, sorted=order, axis=axis)
    return nodes.compile()


@pytest.mark.parametrize("dtype", ["float32", "int64", "int8"])
@given(st.integers(1, 7), st.integers(1, 3), st.integers(0, 10**6))
@settings(max_examples=20, deadline=None)
def test_unique(dtype, n, kinds, seed):
    rng = np.random.default_rng(seed)
    uniques(dtype).check({"x": rng.integers(-kinds, kinds, (n, 3, 2)).astype(dtype)})


def test_unique_of_nothing_and_of_nan():
    """No element is unique; NaN, last in order, is a value like any other, as in NumPy."""
    proto = model([helper.make_node("Unique", ["x"], ["y"])], [floats("x", "n")], [floats("y", None)])
    session = pysofie.compile(typed(proto), target=TARGET)
    assert session(np.zeros(0, "float32")).shape == (0,)
    y = session(np.array([np.nan, 1, -np.inf, np.nan, 1], "float32"))
    np.testing.assert_array_equal(y, [-np.inf, 1, np.nan])


@functools.cache
def suppressions() -> Comparison:
    inputs = {"boxes": ("float32", ("b", "n", 4)), "scores": ("float32", ("b", "c", "n"))}
    inputs |= {"most": ("int64", (1,)), "overlap": ("float32", (1,)), "least": ("float32", (1,))}
    nodes = Nodes(inputs, opset=11)
    for centred in (0, 1):
        nodes.add("NonMaxSuppression", list(inputs), center_point_box=centred)
        nodes.add("NonMaxSuppression", [*list(inputs)[:4], ""], center_point_box=centred)
        nodes.add("NonMaxSuppression", ["boxes", "scores", "most"], center_point_box=centred)
        nodes.add("NonMaxSuppression", ["boxes", "scores"], center_point_box=centred)
    return nodes.compile()


@given(st.integers(1, 2), st.integers(1, 3), st.integers(1, 9), st.integers(0, 5), st.integers(0, 10**6))
@settings(max_examples=20, deadline=None)
def test_non_max_suppression(b, c, n, most, seed):
    rng = np.random.default_rng(seed)
    feeds = {
        "boxes": rng.random((b, n, 4)).astype("float32"),
        "scores": (rng.integers(0, 9, (b, c, n)) / 8).astype("float32"),
        "most": np.array([most]),
        "overlap": np.array([0.25], "float32"),
        "least": np.array([0.3], "float32"),
    }
    suppressions().check(feeds)


def chosen() -> onnx.ModelProto:
    """What is positive, gathered and multiplied by the mean: sizes that follow from measured ones."""
    nodes = [
        helper.make_node("Greater", ["x", "zero"], ["mask"]),
        helper.make_node("NonZero", ["mask"], ["where"]),
        helper.make_node("Transpose", ["where"], ["places"]),
        helper.make_node("GatherND", ["x", "places"], ["positive"]),
        helper.make_node("ReduceMean", ["positive"], ["mean"], keepdims=1),
        helper.make_node("Mul", ["positive", "mean"], ["scaled"]),
        helper.make_node("Concat", ["scaled", "positive"], ["y"], axis=0),
        helper.make_node("Shape", ["y"], ["size"]),
    ]
    outputs = [floats("y", None), helper.make_tensor_value_info("size", onnx.TensorProto.INT64, (1,))]
    constants = {"zero": np.zeros((), "float32")}
    return typed(model(nodes, [floats("x", "n", 2)], outputs, constants, name="chosen"))


def test_sizes_that_follow():
    session = pysofie.compile(chosen(), target=TARGET)
    assert session.outputs[0].shape == ("2 * nonzero_where",)
    assert session.measured == ["y"]
    rng = np.random.default_rng(1)
    for n in (4, 0, 9, 1):
        x = rng.standard_normal((n, 2)).astype("float32")
        positive = x[x > 0]
        y, size = session(x)
        mean = positive.mean() if positive.size else 0
        np.testing.assert_allclose(y, np.concatenate([positive * mean, positive]), rtol=1e-5)
        assert size == [2 * positive.size]
    assert len(session.benchmark(x, 3)) == 3


def test_a_bound_by_the_user():
    session = pysofie.compile(chosen(), target=TARGET, dims={"nonzero_where": (0, 3)})
    x = np.array([[1, -1], [2, -1], [3, -1]], "float32")
    assert session(x)[1] == [6]
    with pytest.raises(pysofie.ShapeError, match=r"data decide.*dims="):
        session(np.abs(x))
    assert session(x)[1] == [6]


def test_an_unknown_name():
    with pytest.raises(pysofie.ShapeError, match=r"'nonsense'.*'n', 'nonzero_where'"):
        pysofie.load(chosen(), dims={"nonsense": 3})


def test_sizes_that_must_agree():
    """Two selections are added: that there are as many of both is known when both were counted."""
    nodes = [
        helper.make_node("Compress", ["x", "a"], ["left"]),
        helper.make_node("Compress", ["x", "b"], ["right"]),
        helper.make_node("Add", ["left", "right"], ["y"]),
    ]
    masks = [helper.make_tensor_value_info(name, onnx.TensorProto.BOOL, (4,)) for name in "ab"]
    session = pysofie.compile(
        typed(model(nodes, [floats("x", 4), *masks], [floats("y", None)])), target=TARGET
    )
    x = np.arange(4, dtype="float32")
    few, many = np.array([0, 1, 1, 0], bool), np.array([1, 1, 1, 0], bool)
    np.testing.assert_array_equal(session(x, few, ~few), x[few] + x[~few])
    with pytest.raises(pysofie.ShapeError, match="do not fit"):
        session(x, few, many)


PROGRAM = """
#include "chosen.hxx"
#include <cstdio>
int main() {
  TMVA_SOFIE_chosen::Session session("chosen.dat");
  const float x[] = {1, -1, 2, -2, -3, 3};
  const auto [y, size] = session.infer(3, x);
  std::printf("%zu %zu\\n", y.size(), static_cast<std::size_t>(size[0]));
  float room[12];
  std::int64_t count[1];
  const int fault = session.infer(x, room, count);
  std::printf("%d %d %g\\n", fault, static_cast<int>(session.dims().nonzero_where), room[5]);
}
"""


def test_in_a_program(tmp_path: Path):
    """`infer` returns as much as there is; into memory of the caller, the session tells how much."""
    pysofie.emit(chosen(), tmp_path)
    (tmp_path / "main.cpp").write_text(PROGRAM)
    flags = ["-std=c++17", "-Wall", "-Wextra", "-Werror", "-fsanitize=address,undefined"]
    subprocess.run([*host.find().command, *flags, "main.cpp", "-o", "main"], cwd=tmp_path, check=True)
    done = subprocess.run(["./main"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "6 6\n0 3 3\n"
