"""Fourier transforms and windows, against ONNX's reference evaluator."""

from __future__ import annotations

import functools

import numpy as np
from comparison import Comparison, Nodes
from hypothesis import given, settings
from hypothesis import strategies as st

seeds = st.integers(0, 1000)


@functools.cache
def transforms(dtype: str) -> Comparison:
    """Products with the matrix of roots, and fast transforms of composite and prime lengths."""
    inputs = {"real": (dtype, ("n", 12, 1)), "complex": (dtype, (2, 12, "n", 2))}
    nodes = Nodes(inputs, opset=20)
    for length in (1, 5, 12, 20, 128, 130, 131, 192, 256):
        size = nodes.constant(length)
        nodes.add("DFT", ["real", size])
        nodes.add("DFT", ["real", size], onesided=1)
        for axis in (1, -2):
            nodes.add("DFT", ["complex", size, nodes.constant(axis)])
            nodes.add("DFT", ["complex", size, nodes.constant(axis)], inverse=1)
        if length > 1:
            nodes.add("DFT", ["complex", size, nodes.constant(1)], inverse=1, onesided=1)
    nodes.add("DFT", ["real", "", nodes.constant(0)])
    nodes.add("DFT", ["complex", "", nodes.constant(2)], inverse=1)
    return nodes.compile("onnx")


@settings(max_examples=10, deadline=None)
@given(n=st.integers(1, 40), dtype=st.sampled_from(["float32", "float64"]), seed=seeds)
def test_transforms(n, dtype, seed):
    rng = np.random.default_rng(seed)
    real, complex_ = rng.uniform(-1, 1, (n, 12, 1)), rng.uniform(-1, 1, (2, 12, n, 2))
    transforms(dtype).check({"real": real.astype(dtype), "complex": complex_.astype(dtype)}, scale=10)


@functools.cache
def short_time_transforms() -> Comparison:
    nodes = Nodes({"x": ("float32", ("n", 300, 1)), "z": ("float32", (2, "l", 2))}, opset=17)
    for length, step in ((16, 4), (16, 16), (150, 37)):
        scalars = [nodes.constant(step), nodes.weights(length), nodes.constant(length)]
        frames = (300 - length) // step + 1
        shape = ("n", frames, length // 2 + 1, 2)
        nodes.add_typed("STFT", ["x", *scalars], "float32", shape, onesided=1)
        shape = ("n", frames, length, 2)
        nodes.add_typed("STFT", ["x", scalars[0], "", scalars[2]], "float32", shape, onesided=0)
        shape = (2, f"frames_{step}", length, 2)
        nodes.add_typed("STFT", ["z", *scalars], "float32", shape, onesided=0)
    return nodes.compile("onnx")


@settings(max_examples=10, deadline=None)
@given(n=st.integers(1, 3), length=st.integers(150, 400), seed=seeds)
def test_short_time_transforms(n, length, seed):
    rng = np.random.default_rng(seed)
    x, z = rng.uniform(-1, 1, (n, 300, 1)), rng.uniform(-1, 1, (2, length, 2))
    short_time_transforms().check({"x": x.astype(np.float32), "z": z.astype(np.float32)}, scale=10)


def test_windows():
    nodes = Nodes({"x": ("float32", (1,))}, opset=17)
    for op in ("HannWindow", "HammingWindow", "BlackmanWindow"):
        for size in (2, 7, 64):
            nodes.add(op, [nodes.constant(size)], periodic=size % 2, output_datatype=11 if size > 7 else 1)
    for filters, length in ((8, 128), (20, 16)):
        edges = [nodes.constant(edge, "float32") for edge in (20.0, 7000.0)]
        sizes = [nodes.constant(n) for n in (filters, length, 16000)]
        nodes.add("MelWeightMatrix", [*sizes, *edges], output_datatype=1)
    nodes.add("Identity", ["x"])
    nodes.compile("onnx").check({"x": np.zeros(1, np.float32)})
