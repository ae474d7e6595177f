"""Operators of users on devices: a composition and a text compute what they do on the processor."""

from __future__ import annotations

import numpy as np
import pytest
import support
from onnx import helper
from targets.available import TARGETS, require

import pysofie
from pysofie import custom


@pytest.mark.parametrize("target", TARGETS)
def test_composition_and_text(target):
    require(target)

    @pysofie.operator("device.test", "Norm")
    def norm(x):
        return np.linalg.norm(x, axis=-1)

    @pysofie.operator(
        "device.test",
        "Largest",
        text="""y[item] = x[width * item];
                for (std::int64_t i = 1; i < width; ++i)
                  if (x[width * item + i] > y[item]) y[item] = x[width * item + i];
                y[item] = y[item] * scale + rt::exp(0.0f);""",
    )
    def largest(x, *, scale=1.0):
        rows, width = x.shape
        return pysofie.Routine(
            {"y": (x.dtype, (rows,))}, items=rows, arguments={"width": width, "scale": scale}
        )

    nodes = [
        helper.make_node("Norm", ["x"], ["n"], domain="device.test"),
        helper.make_node("Largest", ["x"], ["l"], domain="device.test", scale=2.0),
        helper.make_node("Add", ["n", "l"], ["y"]),
    ]
    proto = support.model(
        nodes, [support.floats("x", "rows", 5)], [support.floats("y", "rows")], domains={"device.test": 1}
    )
    try:
        session = pysofie.compile(proto, target=target)
    finally:
        custom.unregister("device.test", "Norm")
        custom.unregister("device.test", "Largest")
    x = np.random.default_rng(5).standard_normal((33, 5)).astype("float32")
    np.testing.assert_allclose(session(x), norm(x) + 2 * x.max(1) + 1, rtol=1e-5)
