"""Gradients against PyTorch's."""

from __future__ import annotations

import numpy as np
import pytest
import support
from onnx import helper

import pysofie

pytestmark = pytest.mark.torch


def pool() -> object:
    """Overlapping, padded windows."""
    attributes = {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}
    nodes = [
        helper.make_node("MaxPool", ["x"], ["p"], **attributes),
        helper.make_node("Relu", ["p"], ["r"]),
        helper.make_node("Softmax", ["r"], ["y"], axis=-1),
    ]
    return support.model(nodes, [support.floats("x", "n", 2, 8, 8)], [support.floats("y", "n", 2, 4, 4)])


def test_ties():
    """Of equal elements in a window the first has the gradient, and Relu has none at zero."""
    torch = pytest.importorskip("torch", reason="no PyTorch: pip install 'pysofie[torch]'")
    rng = np.random.default_rng(0)
    x, seed = (
        rng.integers(-1, 2, (3, 2, 8, 8)).astype("float32"),
        rng.random((3, 2, 4, 4)).astype("float32"),
    )
    tensor = torch.tensor(x, requires_grad=True)
    pooled = torch.nn.functional.max_pool2d(tensor, 3, 2, 1)
    torch.softmax(torch.relu(pooled), -1).backward(torch.tensor(seed))
    gradient = pysofie.compile(pool()).gradient(x, seed=seed)["x"]
    np.testing.assert_allclose(gradient, tensor.grad.numpy(), rtol=1e-5, atol=1e-7)
