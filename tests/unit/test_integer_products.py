"""Products of quantised numbers become products of bytes, with the results of onnxruntime."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
import support
from nets import value
from onnx import helper

import pysofie

node = helper.make_node
RNG = np.random.default_rng(3)


def code(proto: onnx.ModelProto, folder) -> str:
    """The generated kernels, without the runtime in front of them."""
    header = next(path for path in pysofie.emit(proto, folder) if path.suffix == ".hxx").read_text()
    return header[header.rindex("inline void check_dims") :]


def expected(proto: onnx.ModelProto, feeds: dict[str, np.ndarray]) -> list[np.ndarray]:
    """What onnxruntime computes when it does what the model says, node by node."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(proto.SerializeToString(), options)
    return session.run(None, feeds)


def weights(*shape: int, low: int = -128, high: int = 128, dtype: str = "int8") -> np.ndarray:
    return RNG.integers(low, high, shape).astype(dtype)


def scalar(number: float, dtype: str = "float32") -> np.ndarray:
    return np.array(number, dtype)


def quantised_net(dtype: str, channels: int = 16, spread: float = 0.01) -> onnx.ModelProto:
    """Conv -> Relu -> Conv -> MatMul with quantised activations and weights, as exporters write it."""
    constants = {
        "sx": scalar(0.05),
        "zx": scalar(7, dtype),
        "s1": scalar(0.2),
        "z1": scalar(3, dtype),
        "sw": RNG.uniform(spread / 2, spread, channels).astype("float32"),
        "zw": np.zeros(channels, "int8"),
        "w0": weights(channels, 4, 3, 3),
        "w1": weights(channels, channels, 3, 3),
        "b0": RNG.normal(size=channels).astype("float32"),
        "w2": weights(channels * 5 * 6, 10),
        "s2": scalar(spread),
        "z2": scalar(0, "int8"),
    }
    nodes = [
        node("QuantizeLinear", ["x", "sx", "zx"], ["xq"]),
        node("DequantizeLinear", ["xq", "sx", "zx"], ["xr"]),
        node("DequantizeLinear", ["w0", "sw", "zw"], ["w0r"], axis=0),
        node("Conv", ["xr", "w0r", "b0"], ["c0"], pads=[1, 1, 1, 1]),
        node("Relu", ["c0"], ["r0"]),
        node("QuantizeLinear", ["r0", "s1", "z1"], ["q1"]),
        node("DequantizeLinear", ["q1", "s1", "z1"], ["f1"]),
        node("DequantizeLinear", ["w1", "sw", "zw"], ["w1r"], axis=0),
        node("Conv", ["f1", "w1r"], ["c1"], pads=[1, 1, 1, 1]),
        node("Add", ["c1", "f1"], ["a1"]),
        node("QuantizeLinear", ["a1", "s1", "z1"], ["q2"]),
        node("DequantizeLinear", ["q2", "s1", "z1"], ["f2"]),
        node("Flatten", ["f2"], ["flat"]),
        node("DequantizeLinear", ["w2", "s2", "z2"], ["w2r"]),
        node("MatMul", ["flat", "w2r"], ["y"]),
    ]
    inputs = [support.floats("x", "n", 4, 5, 6)]
    return support.model(nodes, inputs, [support.floats("y", "n", 10)], constants)


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
def test_between_quantisations(dtype, tmp_path):
    proto = quantised_net(dtype)
    assert code(proto, tmp_path).count("ByteDot") == 3
    x = RNG.normal(size=(3, 4, 5, 6)).astype("float32")
    (theirs,) = expected(proto, {"x": x})
    ours = pysofie.compile(proto)(x)
    # a code that is undecided to the last bits of a float moves a result by one step
    step = 0.2 * 128 * 0.01
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=2 * step)
    assert np.mean(np.abs(ours - theirs) > 1e-3 * np.abs(theirs).max()) < 0.02


@pytest.mark.parametrize("left", ["int8", "uint8"])
def test_sums_are_exact_whatever_the_zero_points(left, tmp_path):
    limits = np.iinfo(left)
    constants = {"w": weights(200, 24), "za": scalar(limits.max, left)}
    nodes = [node("MatMulInteger", ["x", "w", "za"], ["y"])]
    proto = support.model(nodes, [value("x", left, "n", 200)], [value("y", "int32", "n", 24)], constants)
    assert "ByteDot" in code(proto, tmp_path)
    for x in (RNG.integers(limits.min, limits.max, (7, 200), endpoint=True), np.full((1, 200), limits.min)):
        want = (x.astype("int64") - limits.max) @ constants["w"].astype("int64")
        np.testing.assert_array_equal(pysofie.compile(proto)(x.astype(left)), want)


def test_weights_less_their_zero_points_are_bytes(tmp_path):
    constants = {"w": weights(40, 16, low=0, high=256, dtype="uint8"), "zw": scalar(128, "uint8")}
    nodes = [node("MatMulInteger", ["x", "w", "", "zw"], ["y"])]
    outputs = [value("y", "int32", 4, 16)]
    proto = support.model(nodes, [value("x", "uint8", 4, 40)], outputs, constants)
    assert "ByteDot" in code(proto, tmp_path)
    x = RNG.integers(0, 256, (4, 40)).astype("uint8")
    np.testing.assert_array_equal(pysofie.compile(proto)(x), expected(proto, {"x": x})[0])


def test_a_zero_point_that_the_data_decide(tmp_path):
    constants = {"w": weights(48, 20), "sw": scalar(0.02), "zw": scalar(0, "int8")}
    nodes = [
        node("DynamicQuantizeLinear", ["x"], ["q", "s", "z"]),
        node("MatMulInteger", ["q", "w", "z", "zw"], ["sums"]),
        node("Cast", ["sums"], ["real"], to=1),
        node("Mul", ["s", "sw"], ["scale"]),
        node("Mul", ["real", "scale"], ["y"]),
    ]
    proto = support.model(nodes, [support.floats("x", "n", 48)], [support.floats("y", "n", 20)], constants)
    assert "ByteDot" in code(proto, tmp_path)
    session = pysofie.compile(proto)
    for rows in (1, 6):
        x = RNG.normal(size=(rows, 48)).astype("float32")
        np.testing.assert_allclose(session(x), expected(proto, {"x": x})[0], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("depth", "columns", "zero"),
    [
        (8, 16, 0),  # too shallow
        (40, 4, 0),  # too narrow
        (40, 16, 3),  # weights that are no bytes without their zero point
    ],
)
def test_other_products_stay_as_they_are(depth, columns, zero, tmp_path):
    constants = {"w": weights(depth, columns), "za": scalar(0, "int8"), "zw": scalar(zero, "int8")}
    nodes = [node("MatMulInteger", ["x", "w", "za", "zw"], ["y"])]
    outputs = [value("y", "int32", "n", columns)]
    proto = support.model(nodes, [value("x", "int8", "n", depth)], outputs, constants)
    assert "ByteDot" not in code(proto, tmp_path)
    x = RNG.integers(-128, 128, (3, depth)).astype("int8")
    want = x.astype("int64") @ (constants["w"].astype("int64") - zero)
    np.testing.assert_array_equal(pysofie.compile(proto)(x), want)


def test_activations_of_different_scales_are_not_mixed(tmp_path):
    constants = {
        "s": scalar(0.1),
        "t": scalar(0.3),
        "z": scalar(0, "int8"),
        "w": weights(32, 16),
        "sw": scalar(0.01),
    }
    nodes = [
        node("DequantizeLinear", ["a", "s", "z"], ["ar"]),
        node("DequantizeLinear", ["b", "t", "z"], ["br"]),
        node("Concat", ["ar", "br"], ["x"], axis=1),
        node("DequantizeLinear", ["w", "sw", "z"], ["wr"]),
        node("MatMul", ["x", "wr"], ["y"]),
    ]
    inputs = [value("a", "int8", 3, 16), value("b", "int8", 3, 16)]
    proto = support.model(nodes, inputs, [support.floats("y", 3, 16)], constants)
    assert "ByteDot" not in code(proto, tmp_path)
    feeds = {name: RNG.integers(-128, 128, (3, 16)).astype("int8") for name in "ab"}
    (theirs,) = expected(proto, feeds)
    np.testing.assert_allclose(pysofie.compile(proto)(**feeds), theirs, rtol=1e-5, atol=1e-5)
