"""Sequences and optionals: lists of tensors while code is generated, lists of arrays at the interface."""

from __future__ import annotations

import nets
import numpy as np
import pytest
from onnx import TensorProto, helper

import pysofie


def test_a_sequence_is_a_list_of_arrays() -> None:
    session = pysofie.compile(nets.sequences(), dims={"s": [(3,), ("n",)]})
    parts = [np.arange(3, dtype="f"), np.arange(4, dtype="f")]
    outputs = session.run({"s": parts, "t": np.ones(2, "f")})
    assert [x.tolist() for x in outputs["longer"]] == [[1, 1], [0, 1, 2], [0, 1, 2, 3]]
    assert outputs["y"].tolist() == [1, 1, 0, 1, 2, 0, 1, 2, 3]
    assert session(parts, np.ones(2, "f"))[-1].tolist() == outputs["y"].tolist()


def test_a_length_is_enough_where_the_file_tells_the_rank() -> None:
    session = pysofie.compile(nets.sequences(["n"]), dims={"s": 2})
    outputs = session.run({"s": [np.zeros(0, "f"), np.zeros(5, "f")], "t": np.ones(2, "f")})
    assert outputs["y"].shape == (7,)


def test_the_length_must_be_known() -> None:
    with pytest.raises(pysofie.UnsupportedError, match=r"'s' is a sequence; say how many"):
        pysofie.load(nets.sequences(["n"]))


@pytest.mark.parametrize("given", [np.zeros(3, "f"), [np.zeros(3, "f")], None])
def test_a_sequence_of_another_length_is_refused(given: object) -> None:
    session = pysofie.compile(nets.sequences(), dims={"s": [(3,), (3,)]})
    with pytest.raises(pysofie.ShapeError, match="'s' is a sequence of 2 tensors; got"):
        session.run({"s": given, "t": np.ones(2, "f")})


def test_a_position_outside_is_refused() -> None:
    nodes = [
        helper.make_node("SequenceConstruct", ["x", "x"], ["s"]),
        helper.make_node("Constant", [], ["two"], value_int=2),
        helper.make_node("SequenceAt", ["s", "two"], ["y"]),
    ]
    with pytest.raises(pysofie.ShapeError, match="position 2 is outside a sequence of 2"):
        pysofie.load(
            nets.net("pick", nodes, [nets.value("x", "float32", 3)], [nets.value("y", "float32", 3)])
        )


def test_an_absent_optional() -> None:
    kind = helper.make_optional_type_proto(helper.make_tensor_type_proto(TensorProto.FLOAT, [3]))
    graph = helper.make_graph(
        [
            helper.make_node("OptionalHasElement", ["x"], ["there"]),
            helper.make_node("Identity", ["x"], ["z"]),
        ],
        "g",
        [helper.make_value_info("x", kind)],
        [helper.make_tensor_value_info("there", TensorProto.BOOL, []), helper.make_value_info("z", kind)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    absent = pysofie.compile(model, dims={"x": 0})
    assert absent.run({"x": None}) == {"there": False, "z": None}
    with pytest.raises(pysofie.ShapeError, match="compiled for this optional to be absent"):
        absent.run({"x": np.zeros(3, "f")})
    assert pysofie.compile(model).run({"x": np.ones(3, "f")})["z"].tolist() == [1, 1, 1]
