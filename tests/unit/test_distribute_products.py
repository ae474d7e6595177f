"""Products of what is gathered, repeated or joined: where they are taken apart, and what they give."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
import onnx
import onnxruntime
import pytest
from comparison import TARGET
from hypothesis import given, settings
from hypothesis import strategies as st
from nets import constant, value
from onnx import helper
from support import model

import pysofie
from pysofie import _core

node = helper.make_node


def edge_network(dtype: str = "float32", bias: bool = True) -> onnx.ModelProto:
    """A layer over edges that hold the features of both ends, their own and those of the graph."""
    nodes = [
        node("Relu", ["nodes"], ["x"]),
        node("Gather", ["x", "senders"], ["from"]),
        node("Gather", ["x", "receivers"], ["to"]),
        node("Shape", ["senders"], ["count"]),
        node("Concat", ["count", "width"], ["shape"], axis=0),
        node("Expand", ["globals", "shape"], ["all"]),
        node("Concat", ["from", "edges", "to", "all"], ["joined"], axis=1),
        node("Gemm", ["joined", "w", "b"] if bias else ["joined", "w"], ["sum"], transB=1),
        node("Relu", ["sum"], ["y"]),
    ]
    inputs = [value("nodes", dtype, "n", 6), value("edges", dtype, "e", 5), value("globals", dtype, 1, 4)]
    inputs += [value(name, "int64", "e") for name in ("senders", "receivers")]
    constants = {
        "w": constant(9, 21, dtype=dtype),
        "b": constant(9, dtype=dtype),
        "width": np.array([4], np.int64),
    }
    return model(nodes, inputs, [value("y", dtype, "e", 9)], constants)


def edge_convolution() -> onnx.ModelProto:
    """conv1x1(concat(x_i, x_j - x_i)) over the neighbours j of each i, as in EdgeConv."""
    nodes = [
        node("Unsqueeze", ["x", "last"], ["own"]),
        node("Expand", ["own", "shape"], ["centre"]),
        node("Gather", ["x", "neighbours"], ["near"], axis=2),
        node("Sub", ["near", "centre"], ["difference"]),
        node("Concat", ["centre", "difference"], ["joined"], axis=1),
        node("Conv", ["joined", "w", "b"], ["sum"]),
        node("Relu", ["sum"], ["y"]),
    ]
    inputs = [value("x", "float32", "batch", 8, 10), value("neighbours", "int64", 10, 5)]
    constants = {
        "w": constant(12, 16, 1, 1),
        "b": constant(12),
        "last": np.array([3]),
        "shape": np.array([1, 8, 10, 5]),
    }
    return model(nodes, inputs, [value("y", "float32", "batch", 12, 10, 5)], constants)


def embedding() -> onnx.ModelProto:
    """A layer over features and embedded kinds."""
    nodes = [
        node("Gather", ["table", "kind"], ["embedded"]),
        node("Concat", ["x", "embedded"], ["joined"], axis=1),
        node("MatMul", ["joined", "w"], ["y"]),
    ]
    constants = {"table": constant(7, 6), "w": constant(10, 8)}
    inputs = [value("x", "float32", "n", 4), value("kind", "int64", "n")]
    return model(nodes, inputs, [value("y", "float32", "n", 8)], constants)


def repeated_parts() -> onnx.ModelProto:
    """Two parts that are repeated, on both sides of one that another node reads, too."""
    nodes = [
        node("Expand", ["a", "shape"], ["wide_a"]),
        node("Expand", ["b", "shape"], ["wide_b"]),
        node("Concat", ["x", "wide_a", "x", "wide_b"], ["joined"], axis=1),
        node("MatMul", ["joined", "w"], ["y"]),
    ]
    constants = {"shape": np.array([6, 4]), "w": constant(16, 8)}
    inputs = [value("x", "float32", 6, 4), value("a", "float32", 1, 4), value("b", "float32", 1, 4)]
    return model(nodes, inputs, [value("y", "float32", 6, 8)], constants)


def single_gather() -> onnx.ModelProto:
    """Rows chosen once, hardly more than there are to choose from."""
    nodes = [node("Gather", ["x", "rows"], ["chosen"]), node("MatMul", ["chosen", "w"], ["y"])]
    inputs = [value("x", "float32", "n", 6), value("rows", "int64", "m")]
    return model(nodes, inputs, [value("y", "float32", "m", 8)], {"w": constant(6, 8)})


def shared_join() -> onnx.ModelProto:
    """A joined tensor that is an output itself."""
    proto = repeated_parts()
    proto.graph.output.append(value("joined", "float32", 6, 16))
    return proto


def operations(proto: onnx.ModelProto, *disabled: str, **symbols: int) -> int:
    graph = pysofie.load(proto, dims=dict(symbols)).graph
    return int(_core.Program(graph, list(disabled)).statistics()["operations"])


@functools.cache
def compiled(build: Callable[[], onnx.ModelProto]) -> tuple[pysofie.Session, onnxruntime.InferenceSession]:
    proto = build()
    reference = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    return pysofie.compile(proto, target=TARGET), reference


def check(build: Callable[[], onnx.ModelProto], feeds: dict[str, np.ndarray], atol: float = 2e-6) -> None:
    session, reference = compiled(build)
    for result, expected in zip(session.run(feeds).values(), reference.run(None, feeds), strict=True):
        np.testing.assert_allclose(result, expected, rtol=1e-5, atol=atol)


@pytest.mark.parametrize(
    ("build", "symbols", "part"),
    [
        (edge_network, {"n": 30, "e": 100}, 0.7),
        (edge_convolution, {"batch": 1}, 0.6),
        (embedding, {"n": 100}, 0.6),
        (repeated_parts, {}, 0.8),
    ],
)
def test_products_are_taken_apart(build, symbols, part):
    before = operations(build(), "distribute_products", **symbols)
    assert operations(build(), **symbols) < part * before


def test_sizes_that_are_not_known_decide_nothing():
    def products(proto: onnx.ModelProto) -> tuple[str, str]:
        graph = pysofie.load(proto).graph
        programs = _core.Program(graph, []), _core.Program(graph, ["distribute_products"])
        return tuple(program.statistics()["operations"] for program in programs)

    few, many = products(single_gather())
    assert few == many
    few, many = products(edge_network())
    assert few != many


@pytest.mark.parametrize("sizes", [{"n": 10, "m": 100}, {"n": 100, "m": 10}])
def test_known_sizes_decide(sizes):
    before = operations(single_gather(), "distribute_products", **sizes)
    after = operations(single_gather(), **sizes)
    assert (after < before) == (sizes["n"] < sizes["m"])


@pytest.mark.parametrize("sizes", [{"n": 0, "e": 0}, {"n": 3, "e": 0}, {"n": 1, "e": 1}])
def test_known_empty_sizes(sizes):
    n, e = sizes["n"], sizes["e"]
    feeds = {
        "nodes": np.ones((n, 6), np.float32),
        "edges": np.ones((e, 5), np.float32),
        "globals": np.ones((1, 4), np.float32),
        "senders": np.zeros(e, np.int64),
        "receivers": np.zeros(e, np.int64),
    }
    session = pysofie.compile(pysofie.load(edge_network(), dims=sizes), target=TARGET)
    _, reference = compiled(networks["float32"])
    np.testing.assert_allclose(session(**feeds), reference.run(None, feeds)[0], atol=2e-6)


def values(
    rng: np.random.Generator, *shape: int, special: bool = False, dtype: str = "float32"
) -> np.ndarray:
    result = rng.normal(size=shape)
    if special:
        result[rng.random(shape) < 0.1] = rng.choice([np.inf, -np.inf, np.nan])
    return result.astype(dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@given(st.integers(0, 9), st.integers(0, 20), st.booleans(), st.integers(0, 10**6))
@settings(max_examples=20, deadline=None)
def test_edge_network(dtype, n, e, special, seed):
    rng = np.random.default_rng(seed)
    e = e if n else 0
    feeds = {
        "nodes": values(rng, n, 6, special=special, dtype=dtype),
        "edges": values(rng, e, 5, special=special, dtype=dtype),
        "globals": values(rng, 1, 4, dtype=dtype),
        "senders": rng.integers(-n, n, e) if n else np.zeros(0, np.int64),
        "receivers": rng.integers(0, n, e) if n else np.zeros(0, np.int64),
    }
    check(networks[dtype], feeds)


networks = {dtype: functools.partial(edge_network, dtype) for dtype in ("float32", "float64")}


@given(st.integers(0, 3), st.booleans(), st.integers(0, 10**6))
@settings(max_examples=20, deadline=None)
def test_edge_convolution(batch, special, seed):
    rng = np.random.default_rng(seed)
    check(
        edge_convolution,
        {"x": values(rng, batch, 8, 10, special=special), "neighbours": rng.integers(0, 10, (10, 5))},
    )


@given(st.integers(0, 30), st.integers(0, 10**6))
@settings(max_examples=10, deadline=None)
def test_embedding(n, seed):
    rng = np.random.default_rng(seed)
    check(embedding, {"x": values(rng, n, 4), "kind": rng.integers(-7, 7, n)})


@pytest.mark.parametrize("build", [repeated_parts, shared_join])
def test_repeated_parts(build):
    rng = np.random.default_rng(1)
    check(build, {"x": values(rng, 6, 4), "a": values(rng, 1, 4), "b": values(rng, 1, 4)})


def test_indices_outside_are_refused():
    session, _ = compiled(networks["float32"])
    feeds = {
        "nodes": np.ones((3, 6), np.float32),
        "edges": np.ones((2, 5), np.float32),
        "globals": np.ones((1, 4), np.float32),
        "senders": np.array([0, 3]),
        "receivers": np.array([0, 1]),
    }
    with pytest.raises(IndexError):
        session.run(feeds)


def first_step() -> onnx.ModelProto:
    """A recurrence from a state that is the same for all rows, and for none of them data."""
    nodes = [
        node("Shape", ["x"], ["rows"], end=1),
        node("Concat", ["rows", "three"], ["shape"], axis=0),
        node("ConstantOfShape", ["shape"], ["state"]),
        node("MatMul", ["state", "w"], ["gates"]),
        node("Tanh", ["gates"], ["h"]),
        node("MatMul", ["h", "w"], ["again"]),
        node("Add", ["again", "x"], ["y"]),
    ]
    constants = {"three": np.array([3]), "w": constant(3, 3)}
    return model(nodes, [value("x", "float32", "n", 3)], [value("y", "float32", "n", 3)], constants)


def test_a_product_of_what_is_constant_is_taken_apart_once():
    check(first_step, {"x": np.ones((4, 3), "float32")})
