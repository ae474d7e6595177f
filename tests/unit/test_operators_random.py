"""Random numbers: their distributions, and when they are drawn anew."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import onnx
import pytest
from comparison import TARGET
from onnx import helper
from support import floats, model

import pysofie

COUNT = 40_000
# Differences that chance exceeds once in a hundred million times.
SIGMAS = 6


def drawing(op: str, shape: tuple[int | str, ...], inputs: int = 0, **attributes: Any) -> onnx.ModelProto:
    """A model of one node, with an input or an attribute of that shape."""
    node = helper.make_node(op, ["x"][:inputs], ["y"], **attributes)
    if not inputs:
        node.attribute.append(helper.make_attribute("shape", shape))
    y = helper.make_tensor_value_info("y", attributes.get("dtype", 1), [None] * len(shape))
    return model([node], [floats("x", *shape)][:inputs], [y], opset=22)


def draw(op: str, *feeds: np.ndarray, **attributes: Any) -> np.ndarray:
    shape = feeds[0].shape if feeds else (COUNT,)
    return pysofie.compile(drawing(op, shape, len(feeds), **attributes), target=TARGET)(*feeds)


def distance(sample: np.ndarray, distribution: Any) -> float:
    """The statistic of Kolmogorov and Smirnov, in units of its spread for samples of this size."""
    expected = distribution(np.sort(sample.astype(np.float64)))
    steps = np.arange(len(sample) + 1) / len(sample)
    gap = max(np.abs(expected - steps[1:]).max(), np.abs(expected - steps[:-1]).max())
    return float(gap * math.sqrt(len(sample)))


@pytest.mark.parametrize("dtype", [1, 11])
def test_uniform(dtype):
    y = draw("RandomUniform", low=-2.0, high=3.0, seed=1.0, dtype=dtype)
    assert y.dtype == helper.tensor_dtype_to_np_dtype(dtype)
    assert y.min() >= -2
    assert y.max() <= 3
    assert distance(y, lambda x: (x + 2) / 5) < 2.5
    assert len(np.unique(y)) > 0.99 * COUNT


@pytest.mark.parametrize("dtype", [1, 11])
def test_normal(dtype):
    y = draw("RandomNormal", mean=5.0, scale=0.5, seed=1.0, dtype=dtype)
    assert y.dtype == helper.tensor_dtype_to_np_dtype(dtype)
    assert distance(y, lambda x: 0.5 * (1 + np.vectorize(math.erf)((x - 5) / 0.5 / math.sqrt(2)))) < 2.5
    assert np.abs(np.corrcoef(y[:-1], y[1:])[0, 1]) < SIGMAS / math.sqrt(COUNT)


def test_bernoulli():
    p = np.repeat(np.array([0, 0.1, 0.5, 1, np.nan], np.float32), COUNT // 5)
    y = draw("Bernoulli", p, seed=2.0, dtype=9)
    assert y.dtype == bool
    shares = y.reshape(5, -1).mean(axis=1)
    np.testing.assert_allclose(shares, [0, 0.1, 0.5, 1, 0], atol=SIGMAS * 0.5 / math.sqrt(COUNT // 5))
    assert shares[[0, 3, 4]].tolist() == [0, 1, 0]


def test_multinomial():
    with np.errstate(divide="ignore"):
        logits = np.log(np.array([[1, 2, 0, 5], [4, 0, 0, 0]], np.float32))
    samples = 20_000
    y = draw("Multinomial", logits, sample_size=samples, seed=3.0, dtype=7)
    assert (y.shape, y.dtype) == ((2, samples), np.int64)
    shares = np.bincount(y[0], minlength=4) / samples
    np.testing.assert_allclose(shares, [1 / 8, 2 / 8, 0, 5 / 8], atol=SIGMAS * 0.5 / math.sqrt(samples))
    assert (y[1] == 0).all()


def test_like_another_tensor():
    x = np.zeros((2, 3), np.float32)
    assert draw("RandomNormalLike", x, dtype=11).dtype == np.float64
    assert draw("RandomUniformLike", x).shape == (2, 3)
    with pytest.raises(pysofie.InvalidModelError, match="not defined"):
        draw("RandomUniformLike", x, dtype=6)


def test_sizes_known_when_it_runs():
    session = pysofie.compile(drawing("RandomNormalLike", ("n", 3), 1), target=TARGET)
    for n in (4, 0, 7):
        assert session(np.zeros((n, 3), np.float32)).shape == (n, 3)


def test_seed():
    """Sessions of one seed draw alike, and every run anew."""
    proto = drawing("RandomNormal", (5,), seed=7.0)
    first, second = pysofie.compile(proto, target=TARGET), pysofie.compile(proto, target=TARGET)
    runs = [first() for _ in range(3)]
    for run in runs:
        np.testing.assert_array_equal(run, second())
    assert len(np.unique(runs)) == 15


def test_no_seed():
    """Every session, every run and every node has numbers of its own."""
    nodes = [helper.make_node("RandomUniform", [], [name], shape=[5]) for name in "ab"]
    proto = model(nodes, [], [floats("a", 5), floats("b", 5)], opset=22)
    session = pysofie.compile(proto, target=TARGET)
    draws = [np.stack(list(each.run({}).values())) for each in (session, session, session.clone())]
    assert len(np.unique(draws)) > 28


def test_known_numbers():
    """All targets and all versions draw these."""
    known = np.array([0.6537358164787292, 0.35106009244918823, 0.8814167976379395], np.float32)
    np.testing.assert_array_equal(draw("RandomUniform", seed=1.0)[:3], known)
