"""The interface of ONNX's backends."""

from __future__ import annotations

import numpy as np
import pytest
import support
from onnx import helper

import pysofie
from pysofie import backend

X = np.array([[-1, 0, 2]], "float32")


def test_prepare_and_run():
    prepared = backend.prepare(support.mlp())
    for inputs in ([X], X, {"x": X}):
        (y,) = prepared.run(inputs)
        np.testing.assert_allclose(y, support.mlp_reference(X), rtol=1e-5)
    (y,) = pysofie.backend.run_model(support.mlp(), [X])
    np.testing.assert_allclose(y, support.mlp_reference(X), rtol=1e-5)


def test_run_node():
    (y,) = backend.run_node(helper.make_node("Relu", ["x"], ["y"]), [X])
    np.testing.assert_array_equal(y, np.maximum(X, 0))
    (y,) = backend.run_node(helper.make_node("Add", ["x", "x"], ["y"]), [X], opset_version=13)
    np.testing.assert_array_equal(y, 2 * X)


def test_devices():
    assert backend.supports_device("CPU")
    assert not backend.supports_device("CUDA")
    with pytest.raises(ValueError, match="CUDA"):
        backend.prepare(support.mlp(), "CUDA")
