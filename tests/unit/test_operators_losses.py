"""Losses, which ONNX defines by other operators, for any sizes, against ONNX's reference."""

from __future__ import annotations

import functools
import itertools

import numpy as np
import pytest
from comparison import Comparison, Nodes
from hypothesis import given, settings
from hypothesis import strategies as st

CLASSES = 3
IGNORED = (1, -100, 255)  # for -1 the reference does not leave the ignored out of a mean


@functools.cache
def losses(ignored: int | None, image: bool, dtype: str) -> Comparison:
    """Both losses with every reduction, with and without weights, which may be an input."""
    sizes = ("h", "w") if image else ()
    inputs = {"x": (dtype, ("n", CLASSES, *sizes)), "labels": ("int64", ("n", *sizes))}
    nodes = Nodes(inputs | {"weights": (dtype, (CLASSES,))}, opset=22)
    constant = nodes.constant([0.5, 1.0, 2.0], dtype)
    options = {} if ignored is None else {"ignore_index": ignored}
    for reduction, weights in itertools.product(("none", "mean", "sum"), ([], ["weights"], [constant])):
        read = ["x", "labels", *weights]
        nodes.add("NegativeLogLikelihoodLoss", read, reduction=reduction, **options)
        for outputs in (1, 2):
            nodes.add("SoftmaxCrossEntropyLoss", read, outputs, reduction=reduction, **options)
    return nodes.compile("reference")


@pytest.mark.parametrize("ignored", [None, *IGNORED])
@pytest.mark.parametrize(("image", "dtype"), [(False, "float64"), (True, "float32")])
@settings(max_examples=8, deadline=None)
@given(n=st.integers(1, 5), h=st.integers(1, 4), seed=st.integers(0, 1000))
def test_losses(ignored, image, dtype, n, h, seed):
    rng = np.random.default_rng(seed)
    sizes = (h, 2) if image else ()
    labels = rng.integers(0, CLASSES, (n, *sizes))
    if ignored is not None:
        labels = np.where(rng.random(labels.shape) < 0.3, ignored, labels)
        labels.flat[0] = 0  # a mean of nothing is not defined
    x = rng.normal(size=(n, CLASSES, *sizes)).astype(dtype)
    weights = rng.uniform(0.5, 2, CLASSES).astype(dtype)
    losses(ignored, image, dtype).check({"x": x, "labels": labels, "weights": weights})
