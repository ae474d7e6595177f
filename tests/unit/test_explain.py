"""`pysofie explain` says what became of every node, what it costs and what is not supported."""

from __future__ import annotations

import json

import numpy as np
import onnx
import pytest
import support
from click.testing import CliRunner
from onnx import TensorProto, helper

import pysofie
from pysofie.cli import main
from pysofie.explain_tables import text as tables_text

node = helper.make_node


def fates(explanation):
    return [each.fate for each in explanation.nodes]


def test_a_perceptron_is_two_kernels():
    explanation = pysofie.explain(support.mlp(), sizes={"batch": 5})
    assert explanation.ok
    assert explanation.sizes == {"batch": 5}
    assert [kernel.kind for kernel in explanation.kernels] == ["contraction", "contraction"]
    first, second = explanation.kernels
    assert (first.nodes, second.nodes) == ((0, 1), (2,))  # Relu is fused into Gemm
    assert (first.axes, first.reduction) == (("batch", 4), (3,))
    assert [each.kernels for each in explanation.nodes] == [(0,), (0,), (1,)]
    # a multiply-add of each product; bias and Relu of each result
    assert second.operations == 5 * 2 * (2 * 4)
    assert first.operations == 5 * 4 * (2 * 3 + 2)
    # activations in and out, weights and bias
    assert first.bytes == 4 * (5 * 3 + 5 * 4 + 3 * 4 + 4)
    assert first.weight_bytes == 4 * (3 * 4 + 4)
    assert explanation.weight_bytes == 4 * (3 * 4 + 4 + 4 * 2)
    assert explanation.arena_bytes >= 5 * 4 * 4


def test_kernels_and_costs_are_those_of_a_profile():
    session = pysofie.compile(support.mlp(), profile=True)
    session.run({"x": np.ones((5, 3), "float32")})
    explanation = pysofie.explain(support.mlp(), sizes={"batch": 5})
    profiled = [(row.nodes, row.operations, row.bytes) for row in session.profile()]
    assert profiled == [(each.label, each.operations, each.bytes) for each in explanation.kernels]


@pytest.mark.parametrize("batch", [0, 1, 1000])
def test_blocks_of_rows_cost_what_the_whole_costs(batch):
    shape = ("batch", 16, 64)
    nodes = [node("MatMul", ["x", "w"], ["h"]), node("Softmax", ["h"], ["y"])]
    weights = {"w": np.ones((64, 64), "float32")}
    model = support.model(nodes, [support.floats("x", *shape)], [support.floats("y", *shape)], weights)
    explanation = pysofie.explain(model, sizes={"batch": batch})
    product = explanation.kernels[0]
    assert product.kind == "contraction"
    assert product.operations == batch * 16 * 64 * 64 * 2


def test_what_needs_no_code_is_said():
    nodes = [
        node("Shape", ["x"], ["shape"]),
        node("Gather", ["shape", "zero"], ["rows"]),
        node("Concat", ["rows", "minus"], ["wanted"], axis=0),
        node("Reshape", ["x", "wanted"], ["flat"]),
        node("Add", ["w", "w"], ["twice"]),
        node("MatMul", ["flat", "twice"], ["y"]),
        node("Exp", ["x"], ["dead"]),
    ]
    constants = {
        "zero": np.array([0]),
        "minus": np.array([-1]),
        "w": np.ones((6, 2), "float32"),
    }
    model = support.model(nodes, [support.floats("x", "n", 2, 3)], [support.floats("y", "n", 2)], constants)
    explanation = pysofie.explain(model)
    assert fates(explanation) == ["sizes", "sizes", "sizes", "view", "constant", "kernel", "unneeded"]
    assert [kernel.nodes for kernel in explanation.kernels] == [(5,)]
    assert "another view of memory" in str(explanation)


def test_constants_are_folded_into_weights():
    # Quantised weights stay bytes until the passes have seen that nothing multiplies bytes.
    weights = np.arange(80, dtype="int8").reshape(10, 8)
    nodes = [
        node("DequantizeLinear", ["q", "scale"], ["w"]),
        node("MatMul", ["x", "w"], ["y"]),
    ]
    constants = {"q": weights, "scale": np.array(0.5, "float32")}
    x, y = support.floats("x", 3, 10), support.floats("y", 3, 8)
    explanation = pysofie.explain(support.model(nodes, [x], [y], constants))
    assert fates(explanation) == ["folded", "kernel"]


def test_nodes_of_subgraphs_count_as_the_node_around_them():
    then = helper.make_graph([node("Exp", ["x"], ["a"])], "then", [], [support.floats("a", 3)])
    other = helper.make_graph([node("Neg", ["x"], ["b"])], "else", [], [support.floats("b", 3)])
    nodes = [
        node("Sqrt", ["x"], ["s"]),
        node("If", ["c"], ["y"], then_branch=then, else_branch=other),
        node("Add", ["y", "s"], ["z"]),
    ]
    condition = helper.make_tensor_value_info("c", TensorProto.BOOL, [])
    model = support.model(nodes, [support.floats("x", 3), condition], [support.floats("z", 3)])
    explanation = pysofie.explain(model)
    branch = next(kernel for kernel in explanation.kernels if kernel.kind == "condition")
    assert 1 in branch.nodes
    assert "x" in explanation.nodes[1].inputs  # its subgraphs read it
    assert fates(explanation) == ["kernel"] * 3


def unsupported() -> onnx.ModelProto:
    """Two operators that nobody knows, an input of strings, and what depends on them."""
    nodes = [
        node("Boost", ["x"], ["b"], name="first", domain="my.physics"),
        node("Relu", ["b"], ["r"], name="after"),
        node("Exp", ["x"], ["e"], name="fine"),
        node("Fold", ["e"], ["y"], name="second", domain="my.physics"),
        node("Identity", ["s"], ["t"], name="words"),
    ]
    words = helper.make_tensor_value_info("s", TensorProto.STRING, ["n"])
    outputs = [support.floats("r", "n", 4), support.floats("y", "n", 4)]
    outputs.append(helper.make_tensor_value_info("t", TensorProto.STRING, ["n"]))
    inputs = [support.floats("x", "n", 4), words]
    return support.model(nodes, inputs, outputs, domains={"my.physics": 1})


def test_all_that_is_not_supported_is_listed_at_once():
    explanation = pysofie.explain(unsupported())
    assert not explanation.ok
    assert explanation.kernels == ()
    assert fates(explanation) == ["unsupported", "unknown", "supported", "unsupported", "unknown"]
    assert [problem.node for problem in explanation.problems] == [None, 0, 3]
    assert explanation.problems[0].value == "s"
    assert explanation.problems[0].remedy == "encode them before the model"
    assert all(problem.remedy for problem in explanation.problems)
    assert explanation.nodes[2].outputs[0].shape == ("n", 4)
    text = str(explanation)
    for word in ("my.physics.Boost", "my.physics.Fold", "holds strings", "cannot be compiled"):
        assert word in text
    with pytest.raises(pysofie.UnsupportedError) as error:
        pysofie.load(unsupported())
    for word in ("'s' holds strings", "'first'", "'second'"):
        assert word in str(error.value)


def test_shapes_come_from_onnx_where_the_analysis_ends():
    sequence = helper.make_tensor_sequence_value_info("s", TensorProto.FLOAT, ["k"])
    nodes = [
        node("ConcatFromSequence", ["s"], ["c"], axis=0),
        node("Reshape", ["c", "shape"], ["y"]),
        node("Relu", ["x"], ["z"]),
    ]
    model = support.model(
        nodes,
        [sequence, support.floats("x", 2)],
        [support.floats("y", 4, 5), support.floats("z", 2)],
        {"shape": np.array([4, 5])},
    )
    explanation = pysofie.explain(model)
    assert fates(explanation) == ["unknown", "unknown", "supported"]
    assert explanation.nodes[1].outputs[0].shape == (4, 5)
    assert "dims={'s': 3}" in explanation.problems[0].remedy
    assert pysofie.explain(model, dims={"s": 2}).ok


def test_shapes_that_contradict_each_other_are_a_problem():
    nodes = [node("MatMul", ["x", "w"], ["y"]), node("Relu", ["y"], ["z"])]
    model = support.model(
        nodes, [support.floats("x", 2, 3)], [support.floats("z", 2, 2)], {"w": np.ones((4, 2), "float32")}
    )
    explanation = pysofie.explain(model)
    assert fates(explanation) == ["unsupported", "unknown"]
    assert explanation.problems[0].node == 0


HOSTILE = "</svg><script>alert(1)</script>\x1b[31m[red]$\\frac{\n&"


def test_hostile_names_stay_text(tmp_path):
    pytest.importorskip("grandalf", reason="needs grandalf: pip install 'pysofie[plot]'")
    nodes = [
        node("Relu", ["x"], ["y"], name=HOSTILE),
        node("Odd", ["y"], ["z"], name=HOSTILE, domain="[bold]"),
    ]
    for count in (1, 2):
        last = "yz"[count - 1]
        model = support.model(
            nodes[:count], [support.floats("x", 2)], [support.floats(last, 2)], domains={"[bold]": 1},
            name=HOSTILE,
        )  # fmt: skip
        explanation = pysofie.explain(model)
        text = tables_text(explanation, nodes=True)
        assert "\x1b" not in text
        assert "31m[red]" in text
        explanation.plot(tmp_path / "graph.svg")
        content = (tmp_path / "graph.svg").read_text()
        assert "<script>" not in content
        assert "\x1b" not in content
        assert json.loads(json.dumps(explanation.to_dict()))["nodes"][0]["name"] == HOSTILE


def test_a_model_without_nodes(tmp_path):
    pytest.importorskip("grandalf", reason="needs grandalf: pip install 'pysofie[plot]'")
    model = support.model([], [support.floats("x", "n")], [support.floats("x", "n")])
    explanation = pysofie.explain(model)
    assert explanation.nodes == ()
    assert explanation.operations == 0
    assert "x" in str(explanation)
    explanation.plot(tmp_path / "empty.png")
    assert (tmp_path / "empty.png").stat().st_size > 1000


def test_sizes_must_be_those_of_the_model():
    with pytest.raises(pysofie.Error, match="the symbols of this model are 'batch'"):
        pysofie.explain(support.mlp(), sizes={"events": 2})
    with pytest.raises(pysofie.ShapeError, match="dynamic dims"):
        pysofie.explain(support.mlp(), dims={"events": 2})
    assert pysofie.explain(support.mlp(), dims={"batch": (3, 9)}).sizes == {"batch": 3}


def test_command_line(tmp_path):
    pytest.importorskip("grandalf", reason="needs grandalf: pip install 'pysofie[plot]'")
    path = tmp_path / "net.onnx"
    onnx.save(unsupported(), path)
    result = CliRunner().invoke(main, ["explain", str(path), "-o", str(tmp_path / "net.svg")])
    assert result.exit_code == 0, result.output
    assert "this model cannot be compiled" in result.output
    assert (tmp_path / "net.svg").read_text().count("<path") > 10
    onnx.save(support.mlp(), path)
    result = CliRunner().invoke(main, ["explain", str(path), "--json", "--dim", "batch=7"])
    content = json.loads(result.output)
    assert [kernel["kind"] for kernel in content["kernels"]] == ["contraction", "contraction"]
    assert content["operations"] == 7 * (4 * 8 + 2 * 8)
    result = CliRunner().invoke(main, ["explain", str(path), "--nodes"])
    assert "kernel 0: matrix product" in " ".join(result.output.split())
