"""Gradients compared with finite differences in double precision."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from comparison import TARGET

import pysofie


class Derivatives:
    """A model whose outputs are differentiated one by one.

    Parameters
    ----------
    proto : onnx.ModelProto
        With inputs of float64, or of integers.
    labels : list of str, optional
        What to call the outputs in messages.
    """

    def __init__(self, proto: onnx.ModelProto, labels: list[str] | None = None) -> None:
        self.session = pysofie.compile(proto, target=TARGET)
        self.outputs = [tensor.name for tensor in self.session.outputs if tensor.dtype == "float64"]
        self.labels = dict(zip((t.name for t in self.session.outputs), labels or self.outputs, strict=True))

    def check(self, feeds: dict[str, np.ndarray], *, step: float = 1e-6, rtol: float = 1e-6) -> None:
        """Compare the gradients of a random sum of the elements of each output."""
        rng = np.random.default_rng(len(feeds))
        expected = self.session.run(feeds)
        weights = {name: rng.uniform(0.5, 1.5, expected[name].shape) for name in self.outputs}
        slopes = self._slopes(feeds, weights, step)
        for output in self.outputs:
            seeds = {name: weights[name] * (name == output) for name in self.outputs}
            values, gradients = self.session.value_and_gradient(feeds, seed=seeds)
            np.testing.assert_allclose(values[output], expected[output], rtol=1e-12, atol=1e-12)
            for name, gradient in gradients.items():
                assert (gradient.dtype, gradient.shape) == (feeds[name].dtype, feeds[name].shape)
                np.testing.assert_allclose(
                    gradient,
                    slopes[output, name],
                    rtol=rtol,
                    atol=rtol * max(1, np.abs(slopes[output, name]).max(initial=0)),
                    err_msg=f"{self.labels[output]} by {name}",
                )

    def _slopes(
        self, feeds: dict[str, np.ndarray], weights: dict[str, np.ndarray], step: float
    ) -> dict[tuple[str, str], Any]:
        slopes = {}
        for name, array in feeds.items():
            if array.dtype != np.float64:
                continue
            for output in self.outputs:
                slopes[output, name] = np.zeros(array.shape)
            for place in np.ndindex(array.shape):
                moved = [array.copy(), array.copy()]
                moved[0][place] -= step
                moved[1][place] += step
                low, high = (self.session.run({**feeds, name: each}) for each in moved)
                for output in self.outputs:
                    change = np.sum(weights[output] * (high[output] - low[output]))
                    slopes[output, name][place] = change / (2 * step)
        return slopes
