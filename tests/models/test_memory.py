"""The arena of every model of the zoo is within 5 % of what is alive together."""

from __future__ import annotations

import numpy as np
import pytest
import support
import zoo

import pysofie
from pysofie.memory import memory_plan

pytestmark = pytest.mark.skipif(not zoo.exists(), reason=zoo.MISSING)


@pytest.mark.parametrize("name", zoo.names())
def test_arena(name):
    model = pysofie.load(zoo.path(name))
    data = np.load(support.ZOO / f"{name}.npz")
    for case in sorted({key.partition(".")[0] for key in data.files}):
        shapes = {tensor.name: data[f"{case}.in.{tensor.name}"].shape for tensor in model.inputs}
        sizes = {
            dim: size
            for tensor in model.inputs
            for dim, size in zip(tensor.shape, shapes[tensor.name], strict=True)
            if isinstance(dim, str)
        }
        assert memory_plan(model, sizes).ratio <= 1.05
