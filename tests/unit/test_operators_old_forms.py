"""Forms of operators that only old opsets have, against NumPy: onnxruntime has not kept them."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import helper
from support import floats, model

import pysofie


def run(op: str, opset: int, *arrays: np.ndarray, **attributes: object) -> np.ndarray:
    """One node whose first input is fed, and whose others are constants."""
    names = [f"x{i}" for i in range(len(arrays))]
    output = floats("y")
    output.type.tensor_type.shape.SetInParent()
    proto = model(
        [helper.make_node(op, names, ["y"], **attributes)],
        [floats("x0", *arrays[0].shape)],
        [output],
        dict(zip(names[1:], arrays[1:], strict=True)),
        opset=opset,
    )
    return pysofie.compile(proto)(arrays[0])


def random(*shape: int) -> np.ndarray:
    return np.random.default_rng(len(shape)).uniform(0.5, 1.5, shape).astype(np.float32)


def test_gemm_that_broadcasts_by_attribute():
    a, b, c = random(3, 4), random(4, 5), random(5)
    np.testing.assert_allclose(run("Gemm", 6, a, b, c, broadcast=1), a @ b + c, rtol=1e-5)


@pytest.mark.parametrize("opset", [6, 8])
@pytest.mark.parametrize("spatial", [0, 1])
def test_batch_normalisation(opset, spatial):
    x = random(2, 3, 4)
    shape = (3,) if spatial else (3, 4)
    scale, bias, mean, variance = (i + random(*shape) for i in range(4))
    attributes = {"is_test": 1} if opset == 6 else {}
    y = run(
        "BatchNormalization",
        opset,
        x,
        scale,
        bias,
        mean,
        variance,
        spatial=spatial,
        epsilon=0.1,
        **attributes,
    )
    scale, bias, mean, variance = (p.reshape(*shape, *[1] * spatial) for p in (scale, bias, mean, variance))
    np.testing.assert_allclose(y, (x - mean) / np.sqrt(variance + 0.1) * scale + bias, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_softmax_over_flattened_axes(axis):
    x = random(2, 3, 4)
    powers = np.exp(x)
    axes = tuple(range(axis, 3))
    np.testing.assert_allclose(
        run("Softmax", 6, x, axis=axis), powers / powers.sum(axes, keepdims=True), rtol=1e-5
    )
