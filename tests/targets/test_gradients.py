"""Gradients on the devices' targets are those on the processor."""

from __future__ import annotations

import nets
import numpy as np
import pytest
from targets.available import TARGETS, require

import pysofie


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", ["conv", "attention"])
def test_gradient(target, name):
    require(target)
    proto = nets.ALL[name]()
    shape = {"conv": (3, 1, 8, 9), "attention": (2, 5, 8)}[name]
    x = np.random.default_rng(1).standard_normal(shape).astype("float32")
    seed = np.arange(8 if name == "attention" else 3)
    ours, expected = (pysofie.compile(proto, target=t).gradient(x, seed=seed) for t in (target, "cpu"))
    for key, gradient in expected.items():
        np.testing.assert_allclose(ours[key], gradient, rtol=1e-4, atol=1e-5 * np.abs(gradient).max())
