"""Convolutions and poolings: what their code must look like, and that it is right."""

from __future__ import annotations

import nets
import numpy as np
import onnx
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


def plane(channels, outputs, *, image=("n", 14, 13), dtype="float32", weights=None, **attributes):
    """One convolution with a bias and what follows it: a residual and a Relu."""
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    batch, height, width = image
    constants = {
        "w": nets.constant(outputs, channels, 3, 3, dtype=dtype, seed=1) / 10 if weights is None else weights,
        "b": nets.constant(outputs, dtype=dtype, seed=2),
    }
    nodes = [
        helper.make_node("Conv", ["x", "w", "b"], ["c"], **{"pads": [1] * 4, **attributes}),
        helper.make_node("Sigmoid", ["c"], ["s"]),
        helper.make_node("Add", ["s", "c"], ["r"]),
        helper.make_node("Relu", ["r"], ["y"]),
    ]
    x = helper.make_tensor_value_info("x", kind, (batch, channels, height, width))
    y = helper.make_tensor_value_info("y", kind, (batch, outputs, None, None))
    return support.model(nodes, [x], [y], constants)


def image(*shape, dtype="float32"):
    return np.random.default_rng(7).standard_normal(shape).astype(dtype)


@pytest.mark.parametrize(
    "shape",
    [
        (16, 16, 1, 16, 16),
        (12, 20, 3, 13, 14),
        (33, 17, 2, 15, 20),
        (64, 64, 1, 8, 8),
        (24, 48, 2, 21, 8),
        (13, 70, 1, 29, 13),
    ],
)
def test_filtered_convolutions_with_tiles_of_any_size(tmp_path, shape):
    channels, outputs, batch, height, width = shape
    proto = plane(channels, outputs, image=(batch, height, width))
    assert "rt::convolve<" in emitted(proto, tmp_path)
    agrees_with_onnxruntime(proto, {"x": image(batch, channels, height, width)})


def test_filtered_convolutions_of_any_height(tmp_path):
    proto = plane(16, 20, image=("n", "h", 18))
    assert "rt::convolve<" in emitted(proto, tmp_path)
    for batch, height in [(1, 1), (2, 3), (3, 9), (1, 16), (0, 4)]:
        agrees_with_onnxruntime(proto, {"x": image(batch, 16, height, 18)})


def summed(proto, x):
    """The sums of the convolution with a padding of one, in double precision."""
    w = next(onnx.numpy_helper.to_array(t) for t in proto.graph.initializer if t.name == "w")
    padded = np.pad(x.astype(np.float64), ((0, 0), (0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), (2, 3))
    return np.einsum("nchwyx,ocyx->nohw", windows, w.astype(np.float64))


def alone(proto):
    """The model's convolution without what precedes and follows it."""
    del proto.graph.node[1:]
    del proto.graph.node[0].input[2]
    proto.graph.node[0].output[0] = "y"
    return proto


def test_filtered_convolutions_in_double_precision():
    proto = alone(plane(18, 17, dtype="float64"))
    x = image(2, 18, 14, 13, dtype="float64")
    result = pysofie.compile(proto).run({"x": x})["y"]
    np.testing.assert_allclose(result, summed(proto, x), rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize(
    "special", [[np.nan], [np.inf], [-np.inf], [np.inf, -np.inf], [3e38], [3e38, -3e38]], ids=str
)
def test_what_is_not_finite_stays_in_its_window(special):
    x = image(2, 16, 14, 13)
    for i, value in enumerate(special):
        x[1, 3 + i, 5, 6 + i] = value
    proto = plane(16, 16)
    theirs = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    expected = theirs.run(None, {"x": x})[0]
    result = pysofie.compile(proto).run({"x": x})["y"]
    assert np.isfinite(expected[1, 0, 8:]).all()
    np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-5)


def test_the_error_of_filtering_is_a_few_times_that_of_direct_sums():
    proto = alone(plane(64, 64, image=(1, 16, 16)))
    x = image(1, 64, 16, 16)
    exact = summed(proto, x)
    direct = onnxruntime.InferenceSession(proto.SerializeToString()).run(None, {"x": x})[0]
    filtered = pysofie.compile(proto).run({"x": x})["y"]
    assert np.std(filtered - exact) < 4 * np.std(direct - exact)


@pytest.mark.parametrize(
    "other",
    [
        {"strides": [2, 1]},
        {"dilations": [1, 2]},
        {"channels": 8},
        {"outputs": 8},
        {"image": ("n", 4, 8)},
        {"image": ("n", 5, 16)},
        {"group": 2, "weights": nets.constant(16, 8, 3, 3)},
        {"weights": nets.constant(16, 16, 3, 5)},
        {"weights": np.full((16, 16, 3, 3), np.inf, np.float32)},
    ],
    ids=str,
)
def test_other_convolutions_are_direct_sums(tmp_path, other):
    proto = plane(other.pop("channels", 16), other.pop("outputs", 16), **other)
    text = emitted(proto, tmp_path)
    assert "rt::contract(" in text
    assert "rt::convolve<" not in text
