"""Kernels that run on blocks of rows: when, and with the right numbers for every number of rows."""

from __future__ import annotations

import re

import nets
import numpy as np
import onnx
import onnxruntime
import pytest
import support
from onnx import helper

import pysofie
from pysofie.profiling import KernelProfile

node = helper.make_node


def _blocks(proto: onnx.ModelProto, tmp_path) -> int:
    """The number of loops over blocks in the generated code."""
    header = next(path for path in pysofie.emit(proto, tmp_path) if path.suffix == ".hxx").read_text()
    return len(re.findall(r"for \(dims_\.block0_", header))


def _agrees(proto: onnx.ModelProto, **feeds: np.ndarray) -> None:
    expected = onnxruntime.InferenceSession(proto.SerializeToString()).run(None, feeds)
    results = pysofie.compile(proto).run(feeds)
    for result, wanted in zip(results.values(), expected, strict=True):
        np.testing.assert_allclose(result, wanted, rtol=2e-5, atol=2e-5)


def _random(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype("float32")


def _attention(batch: int | str, n: int | str) -> onnx.ModelProto:
    """softmax(q k^T) v with three heads."""
    nodes = [
        node("MatMul", ["q", "k"], ["scores"]),
        node("Mul", ["scores", "scale"], ["scaled"]),
        node("Softmax", ["scaled"], ["weights"], axis=-1),
        node("MatMul", ["weights", "v"], ["heads"]),
        node("Transpose", ["heads"], ["y"], perm=[0, 2, 1, 3]),
    ]
    inputs = [
        support.floats("q", batch, 3, n, 8),
        support.floats("k", batch, 3, 8, n),
        support.floats("v", batch, 3, n, 5),
    ]
    outputs = [support.floats("y", batch, n, 3, 5)]
    return support.model(nodes, inputs, outputs, {"scale": np.float32(0.4)})


def _attention_feeds(batch: int, n: int) -> dict[str, np.ndarray]:
    return {"q": _random(batch, 3, n, 8), "k": _random(batch, 3, 8, n), "v": _random(batch, 3, n, 5)}


def test_attention_runs_in_blocks_of_queries(tmp_path):
    assert _blocks(_attention("batch", "n"), tmp_path) == 1


def test_attention_of_one_event_or_none(tmp_path):
    model = pysofie.load(_attention("batch", "n"), dims={"batch": (0, 1)})
    assert _blocks(model, tmp_path) == 1
    for batch in (0, 1):
        feeds = _attention_feeds(batch, 40)
        assert pysofie.compile(model).run(feeds)["y"].shape == (batch, 40, 3, 5)


@pytest.mark.parametrize("n", [1, 7, 8, 33, 200, 500])
def test_attention_with_any_number_of_objects(n):
    _agrees(_attention("batch", "n"), **_attention_feeds(2, n))


def test_attention_with_nan_and_infinity():
    feeds = _attention_feeds(1, 40)
    feeds["q"][0, 1, 3], feeds["q"][0, 2, 30, 0], feeds["v"][0, 0, 5] = np.nan, -np.inf, np.inf
    _agrees(_attention("batch", "n"), **feeds)


def _perceptron(rows: int | str) -> onnx.ModelProto:
    """Layer normalisation and two layers, whose hidden one has a second reader."""
    weights = {"w0": nets.constant(64, 96), "w1": nets.constant(96, 32, seed=1), "one": np.ones(64, "f")}
    nodes = [
        node("LayerNormalization", ["x", "one"], ["normal"]),
        node("MatMul", ["normal", "w0"], ["h"]),
        node("Relu", ["h"], ["r"]),
        node("MatMul", ["r", "w1"], ["y"]),
        node("ReduceMax", ["r"], ["z"], axes=[0], keepdims=0),
    ]
    outputs = [support.floats("y", rows, 32), support.floats("z", 96)]
    return support.model(nodes, [support.floats("x", rows, 64)], outputs, weights)


@pytest.mark.parametrize("rows", [997, 1024])
def test_perceptron_over_rows(rows, tmp_path):
    assert _blocks(_perceptron(rows), tmp_path) == 1
    _agrees(_perceptron(rows), x=_random(rows, 64))


def test_few_rows_need_no_blocks(tmp_path):
    assert _blocks(_perceptron(16), tmp_path) == 0


def test_many_small_kernels_need_no_blocks(tmp_path):
    nodes = [node("Softmax", [f"x{i}"], [f"x{i + 1}"]) for i in range(300)]
    proto = support.model(nodes, [support.floats("x0", 4, 4)], [support.floats("x300", 4, 4)])
    assert _blocks(proto, tmp_path) == 0


def test_other_rows_are_not_there_yet(tmp_path):
    """A transposed reader needs the whole of what comes before it."""
    nodes = [
        node("MatMul", ["x", "w"], ["h"]),
        node("Transpose", ["h"], ["t"], perm=[1, 0]),
        node("MatMul", ["t", "w"], ["y"]),
    ]
    square = support.floats("x", 512, 512)
    proto = support.model(nodes, [square], [support.floats("y", 512, 512)], {"w": nets.constant(512, 512)})
    assert _blocks(proto, tmp_path) == 0
    _agrees(proto, x=_random(512, 512) / 100)


@pytest.mark.parametrize(("most", "blocks"), [(1, 0), (8, 0), (1000, 1)])
def test_rows_that_never_fill_a_block_stay_whole(tmp_path, most, blocks):
    weights = {"w": nets.constant(32, 256, seed=1), "v": nets.constant(256, 256, seed=2)}
    nodes = [node("MatMul", ["x", "w"], ["h"]), node("Relu", ["h"], ["r"]), node("MatMul", ["r", "v"], ["y"])]
    proto = support.model(nodes, [support.floats("x", "n", 32)], [support.floats("y", "n", 256)], weights)
    assert _blocks(pysofie.load(proto, dims={"n": (0, most)}), tmp_path) == blocks


def _profile(proto: onnx.ModelProto, feeds: dict[str, np.ndarray], *disabled: str) -> list[KernelProfile]:
    session = pysofie.compile(proto, profile=True, disabled_passes=disabled)
    for _ in range(2):
        session.run(feeds)
    return session.profile()


@pytest.mark.parametrize(
    ("proto", "feeds"),
    [
        (_attention("batch", "n"), _attention_feeds(2, 45)),
        (_attention("batch", "n"), _attention_feeds(0, 45)),
        (_perceptron(997), {"x": _random(997, 64)}),
    ],
)
def test_a_profile_shows_the_kernels_of_a_block(proto, feeds):
    """Each with what it takes in all blocks, the last and shorter one included."""
    blocked, whole = _profile(proto, feeds), _profile(proto, feeds, "block_rows")
    assert len(blocked) > 1
    assert [row.nodes for row in blocked] == [row.nodes for row in whole]
    assert [row.operations for row in blocked] == [row.operations for row in whole]
    runs = 2 if next(iter(feeds.values())).size else 0
    assert all(row.calls == runs and (row.nanoseconds > 0) == (runs > 0) for row in blocked)
