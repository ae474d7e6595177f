"""Long batches, a block of items after the other."""

from __future__ import annotations

import nets
import numpy as np
import pytest
import support
from onnx import helper

import pysofie

BLOCKS = "first < items"
node = helper.make_node


def header(proto, tmp_path):
    return next(path for path in pysofie.emit(proto, tmp_path) if path.suffix == ".hxx").read_text()


def image_net():
    """Windows, a pooling and a matrix product of what is flattened; 4 MiB of temporaries for 16 items."""
    weights = {
        "w": nets.constant(16, 3, 3, 3, seed=1),
        "v": nets.constant(1024, 5, seed=2),
        "shape": np.array([-1, 1024]),
    }
    nodes = [
        node("Conv", ["x", "w"], ["a"], pads=[1] * 4),
        node("Relu", ["a"], ["b"]),
        node("MaxPool", ["b"], ["c"], kernel_shape=[4, 4], strides=[4, 4]),
        node("Reshape", ["c", "shape"], ["d"]),
        node("MatMul", ["d", "v"], ["y"]),
    ]
    return support.model(nodes, [support.floats("x", "n", 3, 32, 32)], [support.floats("y", "n", 5)], weights)


def track_net():
    """A softmax over the tracks of every item, whose number is dynamic, too."""
    nodes = [
        node("MatMul", ["x", "w"], ["h"]),
        node("Softmax", ["h"], ["s"], axis=1),
        node("Mul", ["s", "x"], ["p"]),
        node("ReduceSum", ["p", "axes"], ["y"], keepdims=0),
    ]
    constants = {"w": nets.constant(6, 6, seed=1), "axes": np.array([1])}
    return support.model(
        nodes, [support.floats("x", "n", "tracks", 6)], [support.floats("y", "n", 6)], constants
    )


def joint_net():
    """Several inputs and outputs, one of them without a batch."""
    nodes = [
        node("MatMul", ["x", "w"], ["h"]),
        node("Add", ["h", "shift"], ["a"]),
        node("Gather", ["z", "pick"], ["g"], axis=1),
        node("Concat", ["a", "g"], ["y"], axis=1),
        node("Transpose", ["g"], ["unused"]),
    ]
    inputs = [support.floats("x", "n", 4), support.floats("shift", 7), support.floats("z", "n", 5)]
    outputs = [support.floats("y", "n", 9), support.floats("a", "n", 7)]
    return support.model(nodes, inputs, outputs, {"w": nets.constant(4, 7), "pick": np.array([3, 0])})


@pytest.mark.parametrize(
    ("net", "shapes", "sizes"),
    [
        (image_net, {"x": (3, 32, 32)}, (0, 1, 7, 8, 33)),
        (track_net, {"x": (5, 6)}, (0, 1, 3, 30)),
        (joint_net, {"x": (4,), "z": (5,)}, (1, 129, 300)),
    ],
)
def test_every_item_is_computed_alone(tmp_path, net, shapes, sizes):
    proto = net()
    assert BLOCKS in header(proto, tmp_path)
    session = pysofie.compile(proto)
    rng = np.random.default_rng(3)
    shared = {"shift": rng.standard_normal(7).astype(np.float32)} if net is joint_net else {}
    for size in sizes:
        feeds = {name: rng.standard_normal((size, *s)).astype(np.float32) for name, s in shapes.items()}
        together = {name: np.array(value) for name, value in session.run({**feeds, **shared}).items()}
        for i in range(size):
            single = {name: value[i : i + 1] for name, value in feeds.items()}
            for name, value in session.run({**single, **shared}).items():
                np.testing.assert_allclose(together[name][i : i + 1], value, rtol=1e-5, atol=1e-4)


def test_the_arena_holds_one_block(tmp_path):
    text = header(image_net(), tmp_path)
    assert "arena_(" in text  # of a size that is known before the batch is
    assert "offsets_" not in text


def test_short_batches_stay_whole(tmp_path):
    model = pysofie.load(track_net(), dims={"n": (0, 6)})
    assert BLOCKS not in header(model, tmp_path)


def test_batches_stay_whole_when_asked_to():
    rng = np.random.default_rng(4)
    x = {"x": rng.standard_normal((30, 5, 6)).astype(np.float32)}
    whole = pysofie.compile(track_net(), disabled_passes=["split_batch"])
    blocks = pysofie.compile(track_net())
    np.testing.assert_array_equal(whole.run(x)["y"], blocks.run(x)["y"])
    assert whole.arena_bytes > 2 * blocks.arena_bytes


def single(nodes, constants=None, shape=("n", 6), out=("n", 6)):
    return support.model(nodes, [support.floats("x", *shape)], [support.floats("y", *out)], constants or {})


@pytest.mark.parametrize(
    "proto",
    [
        single([node("Softmax", ["x"], ["y"], axis=0)]),
        single([node("ReduceMean", ["x"], ["m"], axes=[0]), node("Sub", ["x", "m"], ["y"])]),
        single([node("Transpose", ["x"], ["y"], perm=[1, 0])], out=(6, "n")),
        single([node("Transpose", ["x"], ["t"], perm=[1, 0]), node("MatMul", ["t", "x"], ["y"])], out=(6, 6)),
        single([node("CumSum", ["x", "axis"], ["y"])], {"axis": np.array(0)}),
        single(
            [node("Gather", ["x", "first"], ["f"]), node("Add", ["x", "f"], ["y"])], {"first": np.array([0])}
        ),
        single(
            [
                node("Shape", ["x"], ["s"], end=1),
                node("Cast", ["s"], ["f"], to=1),
                node("Mul", ["x", "f"], ["y"]),
            ]
        ),
        single(
            [
                node("Slice", ["x", "starts", "ends", "axes", "steps"], ["r"]),
                node("Add", ["x", "r"], ["y"]),
            ],
            {
                "starts": np.array([-1]),
                "ends": np.array([np.iinfo(np.int64).min]),
                "axes": np.array([0]),
                "steps": np.array([-1]),
            },
        ),
    ],
    ids=lambda proto: "-".join(each.op_type for each in proto.graph.node),
)
def test_batches_whose_items_meet_stay_whole(tmp_path, proto):
    assert BLOCKS not in header(proto, tmp_path)
