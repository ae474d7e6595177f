"""Comparisons find differences, and do not see any where there are none."""

from __future__ import annotations

import json

import nets
import numpy as np
import onnx
import pytest
import support
from click.testing import CliRunner
from onnx import TensorProto, helper, numpy_helper

import pysofie
from pysofie.cli import main
from pysofie.importers import Source
from pysofie.verify import compare


def test_a_compiled_model_agrees():
    pytest.importorskip("onnxruntime", reason="needs onnxruntime: pip install 'pysofie[verify]'")
    for dtype in ("float32", "float64"):
        results = pysofie.verify(support.mlp(dtype=dtype), sizes=[1, 5])
        assert [result.size for result in results] == [{"batch": 1}, {"batch": 5}]
        assert all(result.ok for result in results)


def test_what_onnxruntime_cannot_run_is_said():
    pytest.importorskip("onnxruntime", reason="needs onnxruntime: pip install 'pysofie[verify]'")
    x, y = (helper.make_tensor_value_info(name, TensorProto.BFLOAT16, [3]) for name in "xy")
    proto = support.model([helper.make_node("Relu", ["x"], ["y"])], [x], [y])
    with pytest.raises(pysofie.Error, match="onnxruntime cannot run this model"):
        pysofie.verify(proto)


def test_a_model_with_sequences_agrees():
    pytest.importorskip("onnxruntime", reason="needs onnxruntime: pip install 'pysofie[verify]'")
    results = pysofie.verify(nets.sequences(["n"]), dims={"s": 2}, sizes=(1, 3))
    assert [row.output for row in results[:4]] == ["longer[0]", "longer[1]", "longer[2]", "y"]
    assert all(row.ok for row in results)


def changed_mlp() -> onnx.ModelProto:
    """`nets.mlp` with one weight of its second layer changed."""
    proto = nets.mlp("batch")
    weights = next(tensor for tensor in proto.graph.initializer if tensor.name == "w1")
    values = numpy_helper.to_array(weights) + np.float32(0.01)
    weights.CopyFrom(numpy_helper.from_array(values, "w1"))
    return proto


def test_a_changed_weight_is_found():
    pytest.importorskip("onnxruntime", reason="needs onnxruntime: pip install 'pysofie[verify]'")
    result = pysofie.verify(changed_mlp(), against=nets.mlp("batch"), sizes=[2, 5])
    assert not result.ok
    node = result.divergence.node
    assert (node.op, node.name) == ("Gemm", "/mlp/Gemm_2")
    assert node.reads_equal
    assert [(each.output, each.shape, each.ok) for each in node.inputs] == [("a0", (2, 16), True)]
    assert [(each.output, each.shape, each.ok) for each in node.outputs] == [("h1", (2, 8), False)]
    assert node.outputs[0].max_abs > 1e-3
    assert result.divergence.passes == ()
    assert pysofie.verify(changed_mlp(), sizes=[2]).ok


def test_the_command_line_says_where_two_models_part(tmp_path):
    pytest.importorskip("onnxruntime", reason="needs onnxruntime: pip install 'pysofie[verify]'")
    onnx.save(nets.mlp("batch"), tmp_path / "other.onnx")
    onnx.save(changed_mlp(), tmp_path / "mlp.onnx")
    command = ["verify", str(tmp_path / "mlp.onnx"), "--against", str(tmp_path / "other.onnx")]
    result = CliRunner().invoke(main, [*command, "--size", "3"])
    assert result.exit_code == 1
    assert "The first node where the two part: Gemm '/mlp/Gemm_2'" in result.stdout
    result = CliRunner().invoke(main, [*command, "--size", "3", "--json"])
    assert result.exit_code == 1
    content = json.loads(result.stdout)
    assert content["divergence"]["node"]["name"] == "/mlp/Gemm_2"
    assert [row["ok"] for row in content["comparisons"]] == [False]


def test_a_node_whose_rounding_differs_is_found_with_the_pass():
    pytest.importorskip("onnxruntime", reason="needs onnxruntime: pip install 'pysofie[verify]'")
    nodes = [
        helper.make_node("Add", ["x", "x"], ["twice"], name="add"),
        helper.make_node("Div", ["twice", "three"], ["y"], name="divide"),
    ]
    x, y = support.floats("x", "n"), support.floats("y", "n")
    proto = support.model(nodes, [x], [y], {"three": np.array(3, "float32")})
    result = pysofie.verify(proto, sizes=[64], tolerance=0)
    assert result.divergence.node.name == "divide"
    assert 0 < result[0].max_ulp <= 1
    assert result.divergence.passes == ("inline_scalars",)  # it multiplies by a third
    assert not pysofie.verify(proto, sizes=[64], tolerance=0, locate=False).divergence
    assert pysofie.verify(proto, sizes=[64]).ok


def test_a_fusion_that_hides_when_tensors_are_shown_is_found():
    pytest.importorskip("onnxruntime", reason="needs onnxruntime: pip install 'pysofie[verify]'")
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["product"], name="product"),
        helper.make_node("Mul", ["product", "scale"], ["y"], name="scale"),
    ]
    weights = np.stack([np.linspace(0.1, 0.7, 8), np.zeros(8)]).astype("float32")  # sums are exact
    constants = {"w": weights, "scale": np.array(1.1, "float32")}
    proto = support.model(nodes, [support.floats("x", "n", 2)], [support.floats("y", "n", 8)], constants)
    result = pysofie.verify(proto, sizes=[64], tolerance=0)
    assert not result.ok
    assert result.divergence.node is None
    assert "fold_scales" in result.divergence.passes
    assert "a fusion is at fault" in str(result.divergence)


def test_an_exporter_that_errs_is_blamed():
    pytest.importorskip("onnxruntime", reason="needs onnxruntime: pip install 'pysofie[verify]'")

    def framework(feeds):
        return {"y": support.mlp_reference(feeds["x"]) * 1.01}

    source = Source(support.mlp().SerializeToString(), reference=framework)
    result = pysofie.verify(source, sizes=[4])
    assert [each.output for each in result.divergence.exporter] == ["y"]
    assert result.divergence.exporter[0].max_rel == pytest.approx(0.01, rel=0.1)
    assert result.divergence.node is None
    assert "The exporter is at fault" in str(result.divergence)


def test_what_onnxruntime_cannot_trace_is_said():
    pytest.importorskip("onnxruntime", reason="needs onnxruntime: pip install 'pysofie[verify]'")
    x, y = (helper.make_tensor_value_info(name, TensorProto.BFLOAT16, [3]) for name in "xy")
    proto = support.model([helper.make_node("Relu", ["x"], ["y"])], [x], [y])
    source = Source(proto.SerializeToString(), reference=lambda feeds: {"y": feeds["x"]})
    result = pysofie.verify(source)
    assert not result.ok
    assert "onnxruntime cannot run this model" in result.divergence.obstacle


def test_a_reference_must_have_the_outputs():
    pytest.importorskip("onnxruntime", reason="needs onnxruntime: pip install 'pysofie[verify]'")
    other = support.mlp()
    other.graph.node[-1].output[0] = other.graph.output[0].name = "z"
    with pytest.raises(pysofie.Error, match="the reference has no output 'y'; it has 'z'"):
        pysofie.verify(support.mlp(), against=other)


ONE = np.ones(3, "float32")


@pytest.mark.parametrize(
    ("array", "expected", "ok"),
    [
        (ONE, ONE, True),
        (ONE, ONE + np.float32(1e-6), True),
        (ONE, ONE + np.float32(1e-4), False),
        (ONE, ONE.astype("float64"), False),
        (ONE, ONE[:2], False),
        (ONE * np.nan, ONE * np.nan, True),
        (ONE * np.nan, ONE, False),
        (ONE * np.inf, ONE * np.inf, True),
        (ONE * np.inf, -ONE * np.inf, False),
        (np.array([1, 2]), np.array([1, 2]), True),
        (np.array([1, 2]), np.array([1, 3]), False),
        (ONE[:0], ONE[:0], True),
    ],
)
def test_compare(array, expected, ok):
    assert compare("y", {}, array, expected).ok is ok
