"""Convolutions and poolings: what their code must look like, and that it is right."""

from __future__ import annotations

import nets
import numpy as np
import onnxruntime
import pytest
import support
from onnx import helper

import pysofie


def kernels_of(header: str) -> str:
    return header[header.rindex("inline void check_dims") :]


def emitted(proto, tmp_path) -> str:
    header = next(path for path in pysofie.emit(proto, tmp_path) if path.suffix == ".hxx")
    return kernels_of(header.read_text())


def agrees_with_onnxruntime(proto, feeds) -> None:
    theirs = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    ours = pysofie.compile(proto).run(feeds)
    for output, expected in zip(proto.graph.output, theirs.run(None, feeds), strict=True):
        np.testing.assert_allclose(ours[output.name], expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("channels", [5, 16, 24])
def test_windows_of_single_channels_run_along_the_channels(tmp_path, channels):
    weights = {
        "pointwise": nets.constant(channels, 3, 1, 1, seed=1),
        "depthwise": nets.constant(channels, 1, 3, 3, seed=2),
        "mixing": nets.constant(4, channels, 1, 1, seed=3),
    }
    nodes = [
        helper.make_node("Conv", ["x", "pointwise"], ["a"]),
        helper.make_node("Conv", ["a", "depthwise"], ["b"], group=channels, pads=[1] * 4, strides=[2, 1]),
        helper.make_node("Conv", ["b", "mixing"], ["y"]),
    ]
    proto = support.model(
        nodes, [support.floats("x", 2, 3, "h", 7)], [support.floats("y", 2, 4, None, None)], weights
    )
    text = emitted(proto, tmp_path)
    assert "load_strided" not in text
    window = next(kernel for kernel in text.split("static inline void") if "accumulator" in kernel)
    assert f"for_lanes<float, {channels}>" in window
    x = np.random.default_rng(4).standard_normal((2, 3, 9, 7)).astype(np.float32)
    agrees_with_onnxruntime(proto, {"x": x})


@pytest.mark.parametrize("operator", ["MaxPool", "AveragePool"])
def test_padded_pooling_runs_along_the_channels(tmp_path, operator):
    window = {"kernel_shape": [3, 2], "pads": [1, 1, 1, 0], "strides": [2, 1], "ceil_mode": 1}
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"]),
        helper.make_node(operator, ["a"], ["b"], **window),
        helper.make_node("Conv", ["b", "v"], ["y"]),
    ]
    weights = {"w": nets.constant(16, 3, 1, 1, seed=1), "v": nets.constant(4, 16, 1, 1, seed=2)}
    proto = support.model(
        nodes, [support.floats("x", 1, 3, 8, 7)], [support.floats("y", 1, 4, None, None)], weights
    )
    pooling = next(
        kernel for kernel in emitted(proto, tmp_path).split("static inline void") if " ? " in kernel
    )
    assert "for_lanes<float, 16>" in pooling
    x = np.random.default_rng(3).standard_normal((1, 3, 8, 7)).astype(np.float32)
    x[0, 1, 2, 3] = np.inf
    agrees_with_onnxruntime(proto, {"x": x})
