"""Precisions that round: what they round, what it costs, and that they say so."""

from __future__ import annotations

import nets
import numpy as np
import pytest
import support
from click.testing import CliRunner
from onnx import helper

import pysofie
from pysofie.cli import main
from pysofie.generate import PRECISIONS

ROUNDING = PRECISIONS[1:]
# What a weight may be off, relative to the largest of its column.
STEP = {"bfloat16": 2**-8, "bfloat16-weights": 2**-9, "float16-weights": 2**-12, "int8-weights": 1 / 254}


def network(dtype: str = "float32"):
    """A convolution, a pooling and two layers, wide enough to be worth rounding."""
    rng = np.random.default_rng(0)
    shapes = {"w0": (16, 3, 3, 3), "w1": (16, 24), "w2": (24, 2)}
    constants = {name: rng.normal(size=shape).astype(dtype) for name, shape in shapes.items()}
    nodes = [
        helper.make_node("Conv", ["x", "w0"], ["c"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("GlobalAveragePool", ["r"], ["p"]),
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("MatMul", ["f", "w1"], ["h"]),
        helper.make_node("Tanh", ["h"], ["t"]),
        helper.make_node("MatMul", ["t", "w2"], ["y"]),
    ]
    inputs = [nets.value("x", dtype, "n", 3, 6, 5)]
    return support.model(nodes, inputs, [nets.value("y", dtype, "n", 2)], constants)


def image(n: int, dtype: str = "float32") -> dict[str, np.ndarray]:
    return {"x": np.random.default_rng(n).normal(size=(n, 3, 6, 5)).astype(dtype)}


def header(folder, **options) -> str:
    return next(
        path for path in pysofie.emit(network(), folder, **options) if path.suffix == ".hxx"
    ).read_text()


@pytest.mark.parametrize("precision", ROUNDING)
def test_results_differ_by_no_more_than_the_rounding(precision):
    exact, session = pysofie.compile(network()), pysofie.compile(network(), precision=precision)
    assert (exact.precision, session.precision) == ("float32", precision)
    assert session.weights.stat().st_size < exact.weights.stat().st_size
    for n in (1, 5):
        ours, theirs = session.run(image(n))["y"], exact.run(image(n))["y"]
        difference = np.abs(ours - theirs).max() / np.abs(theirs).max()
        assert 0 < difference < 8 * STEP[precision]
        (report,) = session.compare_precision(image(n))
        assert report.max_rel == pytest.approx(difference)


def test_the_error_is_reported():
    session = pysofie.compile(network(), precision="bfloat16")
    for each in (session, session.clone()):
        assert {row.output for row in each.precision_error} == {"y"}
        assert all(row.size and row.max_abs > 0 and row.max_rel > 0 for row in each.precision_error)
    assert pysofie.compile(network()).precision_error == []


def test_verify_compares_what_is_rounded_with_onnxruntime(tmp_path):
    pytest.importorskip("onnxruntime", reason="needs onnxruntime: pip install 'pysofie[verify]'")
    results = pysofie.verify(network(), precision="bfloat16-weights", sizes=[2])
    assert all(row.ok and row.max_rel > 1e-5 for row in results)
    path = tmp_path / "net.onnx"
    path.write_bytes(network().SerializeToString())
    run = CliRunner().invoke(main, ["verify", str(path), "--precision", "bfloat16-weights", "--size", "2"])
    assert run.exit_code == 0, run.output
    assert "max rel" in run.output


@pytest.mark.parametrize("precision", ROUNDING)
def test_the_header_says_so(precision, tmp_path):
    text = header(tmp_path, precision=precision)
    assert f"// Rounded to the precision {precision}." in text.splitlines()[:3]
    assert "PackedGroups<" in text[text.rindex("inline void check_dims") :]
    assert "Rounded" not in header(tmp_path)


def test_double_precision_stays():
    session = pysofie.compile(network("float64"), precision="bfloat16")
    for row in session.precision_error:
        assert row.max_abs == 0


def test_weights_that_the_type_cannot_hold_stay():
    weights = np.full((8, 8), 1e5, "float32")
    node = helper.make_node("MatMul", ["x", "w"], ["y"])
    inputs, outputs = [support.floats("x", 1, 8)], [support.floats("y", 1, 8)]
    session = pysofie.compile(
        support.model([node], inputs, outputs, {"w": weights}), precision="float16-weights"
    )
    np.testing.assert_array_equal(session(np.ones((1, 8), "float32")), np.full((1, 8), 8e5, "float32"))


def test_what_is_not_finite_spreads_as_it_should():
    session = pysofie.compile(network(), precision="bfloat16-weights")
    x = image(2)["x"]
    x[0, 1, 2, 3] = np.nan
    y = session(x)
    assert np.isnan(y[0]).all()
    assert np.isfinite(y[1]).all()


def test_an_unknown_precision_is_refused():
    for call in (pysofie.compile, pysofie.emit):
        with pytest.raises(pysofie.UnsupportedError, match="'half' is not available"):
            call(network(), precision="half")
