"""Sizes computed from data: by operators that shape their result by a value, and without any bound."""

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
def shaped() -> Comparison:
    """Every operator that takes a size, with one that comes from data."""
    inputs = {
        "x": ("float32", ("n", 3)),
        "size": ("int64", (1,)),
        "starts": ("int64", (2,)),
        "ends": ("int64", (2,)),
        "limits": ("float32", (2,)),
        "k": ("int64", (1,)),
        "parts": ("int64", (2,)),
    }
    nodes = Nodes(inputs, opset=17)
    one, both, scalar = nodes.constant([1]), nodes.constant([1, 0]), nodes.constant([], "int64")
    nodes.nodes += [
        helper.make_node("Concat", ["size", one], ["pair"], axis=0),
        helper.make_node("Concat", [one, "size", nodes.constant([-1])], ["target"], axis=0),
        helper.make_node("Reshape", ["size", scalar], ["count"]),
        helper.make_node("Tile", ["x", "pair"], ["tiled"]),
        helper.make_node("Split", ["limits"], ["first", "second"], axis=0),
        helper.make_node("Reshape", ["first", scalar], ["low"]),
        helper.make_node("Reshape", ["second", scalar], ["high"]),
    ]
    zero, step = nodes.constant(0), nodes.constant(1)
    nodes.add("ConstantOfShape", ["pair"])
    nodes.add("Range", [zero, "count", step])
    nodes.add("Range", ["low", "high", nodes.constant(0.75, "float32")])
    nodes.add("Tile", ["x", "pair"])
    nodes.add("Reshape", ["tiled", "target"])
    nodes.add("Expand", [nodes.constant([[1, 2, 3]]), "pair"])
    nodes.add("TopK", ["x", "k"], 2, axis=1)
    nodes.add("Slice", ["x", "starts", "ends"])
    nodes.add("Slice", ["x", "ends", "starts", both, nodes.constant([-1, -2])])
    nodes.nodes.append(helper.make_node("Split", ["x", "parts"], ["left", "right"], axis=1))
    nodes.outputs += [floats("left", "n", None), floats("right", "n", None)]
    nodes.labels += ["left part", "right part"]
    return nodes.compile()


@given(st.integers(0, 5), st.integers(1, 30), st.integers(0, 10**6))
@settings(max_examples=40, deadline=None)
def test_sizes_from_data(n, size, seed):
    """The first calls make room; values that lie outside of an axis are clamped to it."""
    rng = np.random.default_rng(seed)
    part = rng.integers(0, 4)
    feeds = {
        "x": rng.standard_normal((n, 3)).astype("float32"),
        "size": np.array([size]),
        "starts": rng.integers(-7, 7, 2),
        "ends": rng.integers(-7, 7, 2),
        "limits": rng.uniform(-9, 9, 2).astype("float32"),
        "k": rng.integers(0, 4, 1),
        "parts": np.array([part, 3 - part]),
    }
    shaped().check(feeds)


def growing() -> onnx.ModelProto:
    """0, 1, ... up to the largest element, and that often a row of ones."""
    nodes = [
        helper.make_node("ReduceMax", ["x"], ["most"], keepdims=0),
        helper.make_node("Cast", ["most"], ["count"], to=onnx.TensorProto.INT64),
        helper.make_node("Range", ["zero", "count", "one"], ["y"]),
        helper.make_node("Unsqueeze", ["count", "axes"], ["rows"]),
        helper.make_node("Concat", ["rows", "width"], ["shape"], axis=0),
        helper.make_node("ConstantOfShape", ["shape"], ["table"]),
        helper.make_node("Unsqueeze", ["y", "last"], ["column"]),
        helper.make_node("Cast", ["column"], ["real"], to=onnx.TensorProto.FLOAT),
        helper.make_node("Add", ["table", "real"], ["z"]),
    ]
    numbers = {"zero": 0, "one": 1, "axes": [0], "last": [1], "width": [2]}
    constants = {name: np.array(number, "int64") for name, number in numbers.items()}
    y = helper.make_tensor_value_info("y", onnx.TensorProto.INT64, (None,))
    return typed(model(nodes, [floats("x", 3)], [y, floats("z", None, 2)], constants, name="growing"))


def test_a_range_up_to_a_negative_limit():
    nodes = Nodes({"limit": ("int64", ())}, opset=17)
    for start, step in ((0, 1), (-4, 1), (3, -2)):
        nodes.add("Range", [nodes.constant(start), "limit", nodes.constant(step)])
    comparison = nodes.compile()
    for limit in (5, 0, -2, -9):
        comparison.check({"limit": np.array(limit)})


def test_a_size_that_is_all_that_is_asked_for():
    """What the data decide is measured even if no element of it is needed."""
    nodes = Nodes({"x": ("float32", ("n",))}, opset=17)
    nodes.nodes += [
        helper.make_node("NonZero", ["x"], ["places"]),
        helper.make_node("Shape", ["places"], ["shape"]),
    ]
    nodes.add("Identity", ["shape"])
    nodes.add("ConstantOfShape", ["shape"])
    comparison = nodes.compile()
    for values in ([1, 0, 2], [0], []):
        comparison.check({"x": np.array(values, "float32")})


def test_room_grows():
    """A size without any bound: the first run that needs more makes room, also in a benchmark."""
    session = pysofie.compile(growing(), target=TARGET)
    assert session.outputs[1].shape == ("count", 2)
    sizes = []
    for count in (3, 40, 7, 0, 41, 500):
        y, z = session(np.array([0, count, 1], "float32") if count else np.zeros(3, "float32"))
        np.testing.assert_array_equal(y, np.arange(count))
        np.testing.assert_array_equal(z, np.stack([np.arange(count)] * 2, axis=1))
        sizes.append(session.arena_bytes)
    assert sizes == sorted(sizes)
    fresh = pysofie.compile(growing(), target=TARGET)
    assert len(fresh.benchmark(np.full(3, 60, "float32"), 2)) == 2


def test_negative_and_absurd_sizes():
    """They are refused, and the session is as good as before."""
    session = pysofie.compile(growing(), target=TARGET)
    for count in (-2.0, 1e17):
        with pytest.raises(pysofie.ShapeError):
            session(np.full(3, count, "float32"))
        assert len(session(np.full(3, 5, "float32"))[0]) == 5


def test_a_bound_instead_of_room():
    session = pysofie.compile(growing(), target=TARGET, dims={"count": (0, 10)})
    assert len(session(np.full(3, 10, "float32"))[0]) == 10
    with pytest.raises(pysofie.ShapeError, match="do not fit"):
        session(np.full(3, 11, "float32"))


PROGRAM = """
#include "growing.hxx"
#include <cstdio>
int main() {
  TMVA_SOFIE_growing::Session session("growing.dat");
  const float x[] = {30, 2, 3};
  std::int64_t y[30];
  float z[60];
  const int before = session.infer(x, y, z);
  session.prepare();
  const int after = session.infer(x, y, z);
  std::printf("%d %d %g\\n", before, after, z[59]);
  std::printf("%zu\\n", std::get<1>(TMVA_SOFIE_growing::Session("growing.dat").infer(x)).size());
}
"""


def test_in_a_program(tmp_path: Path):
    """`infer` makes room by itself; into memory of the caller it says that there must be more."""
    pysofie.emit(growing(), tmp_path)
    (tmp_path / "main.cpp").write_text(PROGRAM)
    flags = ["-std=c++17", "-Wall", "-Wextra", "-Werror", "-fsanitize=address,undefined"]
    subprocess.run([*host.find().command, *flags, "main.cpp", "-o", "main"], cwd=tmp_path, check=True)
    done = subprocess.run(["./main"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "4 0 29\n60\n"


def branches() -> onnx.ModelProto:
    """The sorted first elements, or what is positive, or nothing: sizes that differ between branches."""
    selected = helper.make_graph(
        [
            helper.make_node("Greater", ["x", "zero"], ["mask"]),
            helper.make_node("Compress", ["x", "mask"], ["chosen"], axis=0),
        ],
        "selected",
        [],
        [floats("chosen", None)],
    )
    none = helper.make_graph(
        [helper.make_node("Slice", ["x", "start", "start"], ["empty"])], "none", [], [floats("empty", None)]
    )
    inner = helper.make_graph(
        [helper.make_node("If", ["b"], ["inside"], then_branch=selected, else_branch=none)],
        "inner",
        [],
        [floats("inside", None)],
    )
    best = helper.make_graph(
        [helper.make_node("TopK", ["x", "two"], ["best", "places"])], "best", [], [floats("best", 2)]
    )
    nodes = [
        helper.make_node("If", ["a"], ["some"], then_branch=best, else_branch=inner),
        helper.make_node("Mul", ["some", "some"], ["y"]),
    ]
    inputs = [helper.make_tensor_value_info(name, onnx.TensorProto.BOOL, ()) for name in "ab"]
    constants = {"zero": np.zeros((), "float32"), "start": np.zeros(1, "int64"), "two": np.array([2])}
    return model(nodes, [*inputs, floats("x", "n")], [floats("y", None)], constants, name="branches")


def test_branches_of_different_sizes():
    session = pysofie.compile(branches(), target=TARGET)
    x = np.array([3, -1, 2, 5, -4], "float32")
    for a, b, expected in ((1, 0, [5, 3]), (0, 1, [3, 2, 5]), (0, 0, [])):
        y = session(np.array(bool(a)), np.array(bool(b)), x)
        np.testing.assert_array_equal(y, np.square(np.array(expected, "float32")))


def test_a_branch_with_a_size_from_outside():
    """A value of the graph around decides how much one branch makes; the other gives what was counted."""
    counted = helper.make_graph(
        [helper.make_node("Range", ["zero", "n", "one"], ["numbers"])],
        "counted",
        [],
        [helper.make_tensor_value_info("numbers", onnx.TensorProto.INT64, (None,))],
    )
    negative = helper.make_graph(
        [helper.make_node("Neg", ["k"], ["less"])],
        "negative",
        [],
        [helper.make_tensor_value_info("less", onnx.TensorProto.INT64, (None,))],
    )
    nodes = [
        helper.make_node("ReduceSum", ["k", "axes"], ["n"], keepdims=0),
        helper.make_node("If", ["c"], ["y"], then_branch=counted, else_branch=negative),
    ]
    k = helper.make_tensor_value_info("k", onnx.TensorProto.INT64, ("m",))
    c = helper.make_tensor_value_info("c", onnx.TensorProto.BOOL, ())
    y = helper.make_tensor_value_info("y", onnx.TensorProto.INT64, (None,))
    constants = {"zero": np.array(0), "one": np.array(1), "axes": np.array([0])}
    session = pysofie.compile(model(nodes, [k, c], [y], constants), target=TARGET)
    numbers = np.array([3, 4, 10])
    np.testing.assert_array_equal(session(numbers, np.array(True)), np.arange(17))
    np.testing.assert_array_equal(session(numbers, np.array(False)), -numbers)


@functools.cache
def resized() -> Comparison:
    nodes = Nodes({"x": ("float32", (1, 2, "h", 9)), "size": ("int64", (2,))}, opset=18)
    for antialias in (0, 1):
        nodes.add("Resize", ["x", "", "", "size"], mode="linear", axes=[2, 3], antialias=antialias)
    return nodes.compile("reference")


def test_the_smallest_size_needs_the_widest_windows():
    """Memory is planned for the extremes of quotients, whatever their signs."""
    rng = np.random.default_rng(5)
    for h, size in ((8, (3, 4)), (8, (1, 1)), (30, (1, 20)), (30, (40, 1))):
        resized().check({"x": rng.random((1, 2, h, 9), "float32"), "size": np.array(size)}, scale=10)
