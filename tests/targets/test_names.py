"""Models of one name in one process: no library or kernel answers for another."""

from __future__ import annotations

import subprocess

import numpy as np
import pytest
import support
from onnx import helper
from targets.available import TARGETS, require

import pysofie


def scaled(factor: float):
    """Scale and shift, always under the same name."""
    nodes = [helper.make_node("Mul", ["x", "f"], ["p"]), helper.make_node("Add", ["p", "f"], ["y"])]
    inputs, outputs = [support.floats("x", "n")], [support.floats("y", "n")]
    return support.model(nodes, inputs, outputs, {"f": np.array([factor], "float32")})


def shifted():
    """Another computation and other inputs, under that name."""
    inputs = [support.floats("x", "n"), support.floats("z", "n")]
    return support.model([helper.make_node("Sub", ["x", "z"], ["y"])], inputs, [support.floats("y", "n")])


@pytest.mark.parametrize("target", TARGETS)
def test_models_of_one_name(target):
    require(target)
    x = np.arange(5, dtype="float32")
    first, second, third = (pysofie.compile(m, target=target) for m in (scaled(2), scaled(3), shifted()))
    np.testing.assert_allclose(first(x), 2 * x + 2)
    np.testing.assert_allclose(second(x), 3 * x + 3)
    np.testing.assert_allclose(third(x, x), 0 * x)
    np.testing.assert_allclose(first(x), 2 * x + 2)
    library = first.weights.parent / "model.so"
    lines = subprocess.check_output(["nm", "-D", "--defined-only", str(library)], text=True).splitlines()
    assert [line.split()[-1] for line in lines] == ["pysofie_get_model_0"]
