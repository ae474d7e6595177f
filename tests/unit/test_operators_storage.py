"""Tensors of types that are stored and not computed in, and quantisation, against ONNX's reference."""

from __future__ import annotations

import functools
import warnings

import ml_dtypes
import numpy as np
import pytest
from comparison import TARGET, Nodes
from hypothesis import given, settings
from hypothesis import strategies as st
from nets import mlp, value
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator
from storage_types import SMALL_INTEGERS, TYPES, codes, scalar_type
from support import model

import pysofie

HALVES = ["float16", "bfloat16"]
EXACT = {"Add": np.add, "Sub": np.subtract, "Mul": np.multiply, "Div": np.divide, "Max": np.maximum}
NEWEST = 28
POWERS = "float8_e8m0fnu"


def onnx_type(name: str) -> int:
    return helper.np_dtype_to_tensor_dtype(scalar_type(name))


def assert_equal(ours: np.ndarray, theirs: np.ndarray, label: object = "") -> None:
    assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape), label
    np.testing.assert_array_equal(ours.astype(np.float64), theirs.astype(np.float64), err_msg=str(label))


def check(nodes: Nodes, feeds: dict[str, np.ndarray]) -> None:
    proto = nodes.proto()
    session = pysofie.compile(proto, target=TARGET)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = ReferenceEvaluator(proto).run(None, feeds)
    for label, ours, theirs in zip(nodes.labels, session.run(feeds).values(), expected, strict=True):
        assert_equal(ours, np.asarray(theirs), label)


# --- arithmetic --------------------------------------------------------------------------------------------


@functools.cache
def arithmetic(dtype: str) -> pysofie.Session:
    nodes = [helper.make_node(name, ["a", "b"], [name]) for name in EXACT]
    outputs = [value(name, dtype, "n") for name in EXACT]
    return pysofie.compile(
        model(nodes, [value(x, dtype, "n") for x in "ab"], outputs, opset=20), target=TARGET
    )


@pytest.mark.parametrize("dtype", HALVES)
@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), count=st.integers(0, 70))
def test_every_result_is_rounded_once(dtype, seed, count):
    rng = np.random.default_rng(seed)
    a, b = (rng.choice(codes(dtype), count) for _ in "ab")
    results = arithmetic(dtype).run({"a": a, "b": b})
    with np.errstate(all="ignore"):
        for name, function in EXACT.items():
            expected = function(a.astype(np.float32), b.astype(np.float32)).astype(scalar_type(dtype))
            assert_equal(results[name], expected, name)


@pytest.mark.parametrize("dtype", HALVES)
def test_network(dtype):
    x = np.random.default_rng(3).standard_normal((33, 7)).astype(scalar_type(dtype))
    ours = pysofie.compile(mlp("batch", dtype), target=TARGET)(x)
    exact = pysofie.compile(mlp("batch"), target=TARGET)(x.astype(np.float32))
    assert ours.dtype == x.dtype
    error = np.abs(ours.astype(np.float32) - exact).max()
    assert 0 < error < 8 * float(ml_dtypes.finfo(scalar_type(dtype)).eps)


def test_types_that_are_not_that_of_the_first_input():
    rng = np.random.default_rng(5)
    x = rng.standard_normal((4, 6)).astype(np.float16)
    nodes = [
        helper.make_node("LayerNormalization", ["x", "scale"], ["y", "mean", "deviation"]),
        helper.make_node("OneHot", ["hot", "depth", "values"], ["z"]),
        helper.make_node("IsNaN", ["x"], ["nan"]),
    ]
    outputs = [value("y", "float16", 4, 6), value("mean", "float32", 4, 1)]
    outputs += [value("deviation", "float32", 4, 1), value("z", "float16", 2, 3), value("nan", "bool", 4, 6)]
    constants = {"scale": np.ones(6, np.float16), "depth": np.int64(3), "values": np.float16([0.5, 2])}
    proto = model(nodes, [value("x", "float16", 4, 6), value("hot", "int64", 2)], outputs, constants)
    results = pysofie.compile(proto, target=TARGET).run({"x": x, "hot": np.int64([2, 0])})
    assert [str(array.dtype) for array in results.values()] == [
        "float16",
        "float32",
        "float32",
        "float16",
        "bool",
    ]
    np.testing.assert_allclose(results["mean"][:, 0], x.astype(np.float32).mean(axis=1), atol=1e-6)
    np.testing.assert_array_equal(results["z"], np.float16([[0.5, 0.5, 2], [2, 0.5, 0.5]]))


# --- moving and converting ---------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", TYPES)
def test_movement(dtype):
    nodes = Nodes({"x": (dtype, ("n", 4)), "y": (dtype, ("n", 4))}, opset=NEWEST)
    constants = {"shape": [-1, 2, 2], "pads": [0, 1, 1, 0], "axes": [0]}
    names = {name: nodes.constant(values) for name, values in constants.items()}
    nodes.add("Identity", ["x"])
    nodes.add("Transpose", ["x"], perm=[1, 0])
    nodes.add("Reshape", ["x", names["shape"]])
    nodes.add("Unsqueeze", ["x", names["axes"]])
    nodes.add("Shape", ["x"])
    if dtype != POWERS:  # which have no zero
        nodes.add("Pad", ["x", names["pads"]])
    if dtype in HALVES:
        nodes.add("Concat", ["x", "y"], axis=1)
        nodes.add("Gather", ["x", nodes.constant([1, 3, 1])], axis=1)
        nodes.add("Where", [nodes.constant([True, False, True, True], "bool"), "x", "y"])
        nodes.add("Split", ["x"], outputs=2, axis=1, num_outputs=2)
    rng = np.random.default_rng(7)
    every = codes(dtype)
    numbers = every[np.isfinite(every.astype(np.float32))]
    check(nodes, {name: rng.choice(numbers, (19, 4)) for name in "xy"})


def converted(x: np.ndarray, target: str) -> np.ndarray:
    real = x.astype(np.float32)
    return (real.astype(np.int32) if target in SMALL_INTEGERS else real).astype(scalar_type(target))


@pytest.mark.parametrize("source", ["float32", "float64", "int32", "bool", *TYPES])
def test_cast(source):
    every = ["float32", "float64", "int8", "uint8", "int32", "bool", *TYPES]
    targets = [name for name in every if name not in (source, POWERS)]
    nodes = Nodes({"x": (source, ("n",))}, opset=NEWEST)
    for target in targets:
        nodes.add("Cast", ["x"], to=onnx_type(target))
    # Beyond the range of an integer any result will do.
    numbers = np.float32([0, 1, 2, 3, 0.5, 0.75, 1.5, 1.25, 0.1, 6, 2.75])
    if source in TYPES:
        every = codes(source).astype(np.float32)
        numbers = every[np.isfinite(every) & (every >= 0) & (every <= 7)]
    x = numbers.astype(scalar_type(source))
    results = pysofie.compile(nodes.proto(), target=TARGET).run({"x": x})
    for target, ours in zip(targets, results.values(), strict=True):
        assert_equal(ours, converted(x, target), target)


@pytest.mark.parametrize("source", ["float32", *HALVES])
def test_cast_to_powers_of_two(source):
    nodes = Nodes({"x": (source, ("n",))}, opset=NEWEST)
    for mode in ("up", "down", "nearest"):
        for saturate in (0, 1):
            nodes.add("Cast", ["x"], to=onnx_type(POWERS), round_mode=mode, saturate=saturate)
    x = np.float32([1, 2, 3, 0.5, 0.75, 1.5, 1.25, 0.1, 6, 2.75, 3e-8, 6e4, np.nan])
    check(nodes, {"x": x.astype(scalar_type(source))})


FLOAT8 = ["float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz"]


@pytest.mark.parametrize("source", ["float32", *HALVES])
def test_cast_beyond_the_range(source):
    nodes = Nodes({"x": (source, ("n",))}, opset=NEWEST)
    for target in (*HALVES, *FLOAT8):
        for saturate in (0, 1) if target in FLOAT8 else (1,):
            if target != source:
                nodes.add("Cast", ["x"], to=onnx_type(target), saturate=saturate)
    far = [240, 244, 248, 448, 460, 464, 465, 5e4, 57344, 61440, 62e3, 65504, 1e5, 1e30, np.inf]
    x = np.float32([*far, *(-np.float32(far)), np.nan])
    with np.errstate(over="ignore"):
        check(nodes, {"x": x.astype(scalar_type(source))})


def test_bits():
    pairs = [("float32", "int32"), ("float16", "int16"), ("uint16", "bfloat16"), ("float64", "uint64")]
    pairs += [("int8", "float8_e4m3fn"), ("float4_e2m1fn", "uint4"), ("int4", "float4_e2m1fn")]
    rng = np.random.default_rng(11)
    for source, target in pairs:
        x = rng.integers(-3, 4, 21).astype(scalar_type(source))
        node = helper.make_node("BitCast", ["x"], ["y"], to=onnx_type(target))
        proto = model([node], [value("x", str(x.dtype), 21)], [value("y", target, 21)], opset=26)
        assert_equal(pysofie.compile(proto, target=TARGET)(x), x.view(scalar_type(target)))


def test_bits_of_another_width_are_refused():
    node = helper.make_node("BitCast", ["x"], ["y"], to=TensorProto.INT16)
    proto = model([node], [value("x", "float32", 2)], [value("y", "int16", 2)], opset=26)
    with pytest.raises(pysofie.InvalidModelError, match="float32 has 32 bits, one of int16 has 16"):
        pysofie.load(proto)


# --- quantisation ------------------------------------------------------------------------------------------

QUANTISED = ["int8", "uint8", "int16", "uint16", *SMALL_INTEGERS]


def zeros(nodes: Nodes, dtype: str, *shape: int) -> str:
    limits = ml_dtypes.iinfo(scalar_type(dtype))
    values = nodes.rng.integers(int(limits.min), int(limits.max), shape, endpoint=True)
    return nodes.constant(values, scalar_type(dtype))


@pytest.mark.parametrize("dtype", QUANTISED)
def test_quantise(dtype):
    nodes = Nodes({"x": ("float32", ("n", 7, 5))}, opset=NEWEST)
    for axis, shape in ((1, ()), (1, (7,)), (-1, (5,))):
        scale = nodes.constant(nodes.rng.uniform(0.1, 2, shape), "float32")
        nodes.add("QuantizeLinear", ["x", scale, zeros(nodes, dtype, *shape)], axis=axis)
        nodes.add("QuantizeLinear", ["x", scale], axis=axis, output_dtype=onnx_type(dtype))
    rng = np.random.default_rng(13)
    check(nodes, {"x": (rng.standard_normal((4, 7, 5)) * 20).astype(np.float32)})


@pytest.mark.parametrize("dtype", [*QUANTISED, *FLOAT8, "float4_e2m1fn"])
def test_dequantise(dtype):
    nodes = Nodes({"x": (dtype, ("n", 7, 5))}, opset=NEWEST)
    for axis, shape in ((1, ()), (1, (7,)), (-1, (5,))):
        for kind in ("float32", "float16"):
            scale = nodes.constant(nodes.rng.uniform(0.1, 2, shape), kind)
            nodes.add("DequantizeLinear", ["x", scale], axis=axis)
            if dtype in QUANTISED:
                nodes.add("DequantizeLinear", ["x", scale, zeros(nodes, dtype, *shape)], axis=axis)
    nodes.add("DequantizeLinear", ["x", scale], axis=2, output_dtype=TensorProto.BFLOAT16)
    rng = np.random.default_rng(17)
    if dtype in ("int16", "uint16"):
        every = np.arange(1000).astype(dtype)
    else:
        every = codes(dtype) if dtype in TYPES else np.arange(256, dtype=np.uint8).view(dtype)
    numbers = every[np.isfinite(every.astype(np.float32))]
    check(nodes, {"x": rng.choice(numbers, (3, 7, 5))})


@pytest.mark.parametrize("size", [6, 7])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_blocks(size, axis):
    shape, block = [4, 4, 4], 3
    shape[axis] = size
    scales = [*shape]
    scales[axis] = -(-size // block)
    nodes = Nodes({"x": ("float32", shape), "q": ("int4", shape)}, opset=NEWEST)
    scale = nodes.constant(nodes.rng.uniform(0.1, 2, scales), "float32")
    for dtype in ("int8", "uint4"):
        zero = zeros(nodes, dtype, *scales)
        nodes.add("QuantizeLinear", ["x", scale, zero], axis=axis, block_size=block)
    zero = zeros(nodes, "int4", *scales)
    nodes.add("DequantizeLinear", ["q", scale, zero], axis=axis, block_size=block)
    rng = np.random.default_rng(19)
    x = (rng.standard_normal(shape) * 9).astype(np.float32)
    check(nodes, {"x": x, "q": rng.integers(-8, 8, shape).astype(ml_dtypes.int4)})


def test_blocks_of_a_size_known_at_run_time():
    node = helper.make_node("DequantizeLinear", ["q", "scale"], ["y"], axis=0, block_size=4)
    inputs = [value("q", "int8", "n", 3), value("scale", "float32", "blocks", 3)]
    session = pysofie.compile(model([node], inputs, [value("y", "float32", "n", 3)], opset=NEWEST))
    rng = np.random.default_rng(23)
    for n in (1, 4, 10, 12, 0):
        q = rng.integers(-128, 128, (n, 3)).astype(np.int8)
        scale = rng.uniform(0.1, 1, (-(-n // 4), 3)).astype(np.float32)
        expected = q.astype(np.float32) * np.repeat(scale, 4, axis=0)[:n]
        np.testing.assert_array_equal(session(q, scale), expected)
    with pytest.raises(pysofie.ShapeError, match="number of scales"):
        session(np.zeros((9, 3), np.int8), np.ones((2, 3), np.float32))


@pytest.mark.parametrize("scale", ["float32", *HALVES])
@pytest.mark.parametrize("dtype", ["int8", "uint8", *FLOAT8])
def test_matrix_product(dtype, scale):
    """Sums are exact: of integers, and of the small halves that all of the types have."""
    names = ["a", "a_scale", "zero", "b", "b_scale", "zero", "y_scale", "zero"]
    rng = np.random.default_rng(29)
    step = 0.5 if dtype in FLOAT8 else 1
    feeds = {"a": step * rng.integers(0, 8, (3, 6)), "b": step * rng.integers(0, 8, (6, 5)), "zero": 2}
    feeds = {name: np.asarray(x).astype(scalar_type(dtype)) for name, x in feeds.items()}
    factors = {"a_scale": 0.5, "b_scale": 0.25, "y_scale": 0.125}
    feeds |= {name: scalar_type(scale).type(x) for name, x in factors.items()}
    inputs = [value(name, str(x.dtype), *x.shape) for name, x in feeds.items()]
    node = helper.make_node("QLinearMatMul", names, ["y"])
    y = pysofie.compile(model([node], inputs, [value("y", dtype, 3, 5)], opset=21), target=TARGET).run(feeds)
    a, b = (feeds[name].astype(np.float32) - 2 for name in "ab")
    limits = ml_dtypes.finfo if dtype in FLOAT8 else ml_dtypes.iinfo
    highest, lowest = float(limits(scalar_type(dtype)).max), float(limits(scalar_type(dtype)).min)
    assert_equal(y["y"], np.clip(a @ b + 2, lowest, highest).astype(scalar_type(dtype)))


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), count=st.integers(1, 50), offset=st.sampled_from([-5.0, 0.0, 5.0]))
def test_dynamic_quantisation(seed, count, offset):
    session, reference = dynamic_quantisation()
    x = (np.random.default_rng(seed).standard_normal(count) + offset).astype(np.float32)
    y, scale, zero = session.run({"x": x}).values()
    theirs = reference.run(None, {"x": x})
    np.testing.assert_allclose(scale, theirs[1], rtol=1e-6)
    assert zero == theirs[2]
    assert np.abs(y.astype(int) - theirs[0].astype(int)).max() <= 1


@functools.cache
def dynamic_quantisation() -> tuple[pysofie.Session, ReferenceEvaluator]:
    node = helper.make_node("DynamicQuantizeLinear", ["x"], ["y", "scale", "zero"])
    outputs = [value("y", "uint8", "n"), value("scale", "float32"), value("zero", "uint8")]
    proto = model([node], [value("x", "float32", "n")], outputs, opset=11)
    return pysofie.compile(proto, target=TARGET), ReferenceEvaluator(proto)


def test_scale_and_zero_point_of_different_shapes_are_refused():
    node = helper.make_node("DequantizeLinear", ["x", "scale", "zero"], ["y"])
    inputs = [value("x", "int8", 4, 3), value("scale", "float32", 3), value("zero", "int8", 2)]
    with pytest.raises(pysofie.ShapeError, match="sizes of the scale and the zero point"):
        pysofie.load(model([node], inputs, [value("y", "float32", 4, 3)], opset=NEWEST))
