"""Comparisons find differences, and do not see any where there are none."""

from __future__ import annotations

import nets
import numpy as np
import pytest
import support
from onnx import TensorProto, helper

import pysofie
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
