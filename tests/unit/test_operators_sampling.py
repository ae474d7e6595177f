"""Operators that read images at computed points, with random attributes and dynamic sizes."""

from __future__ import annotations

import functools
import itertools

import numpy as np
import pytest
from comparison import TARGET, Comparison, Nodes
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper
from support import floats, model

import pysofie

seeds = st.integers(0, 1000)


@functools.cache
def grid_samples(rank: int) -> Comparison:
    spatial = ("h", 5) if rank == 2 else (2, 3, "h")
    points = ("p", 2) if rank == 2 else ("p", 1, 2)
    inputs = {"x": ("float32", ("n", 2, *spatial)), "grid": ("float32", ("n", *points, rank))}
    nodes = Nodes(inputs, opset=20)
    modes = ("linear", "nearest", "cubic") if rank == 2 else ("linear", "nearest")
    for mode, padding, align in itertools.product(modes, ("zeros", "border", "reflection"), (0, 1)):
        nodes.add("GridSample", ["x", "grid"], mode=mode, padding_mode=padding, align_corners=align)
    return nodes.compile("onnx")


@pytest.mark.parametrize("rank", [2, 3])
@settings(max_examples=8, deadline=None)
@given(n=st.integers(1, 2), h=st.integers(2, 6), p=st.integers(1, 4), seed=seeds)
def test_grid_samples(rank, n, h, p, seed):
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1, 1, (n, 2, h, 5) if rank == 2 else (n, 2, 2, 3, h))
    grid = rng.uniform(-2.5, 2.5, (n, p, 2, 2) if rank == 2 else (n, p, 1, 2, 3))
    # The reference computes coordinates in float32, in another order.
    grid_samples(rank).check({"x": x.astype(np.float32), "grid": grid.astype(np.float32)}, scale=20)


def test_grid_of_nothing_finite():
    """Points at infinity and at NaN read the padding, never memory beyond the image."""
    node = helper.make_node("GridSample", ["x", "grid"], ["y"], mode="nearest")
    proto = model(
        [node], [floats("x", 1, 1, 2, 2), floats("grid", 1, 1, 4, 2)], [floats("y", 1, 1, 1, 4)], opset=20
    )
    grid = np.array([[[[np.nan, 0], [np.inf, 0], [-np.inf, 0], [1e30, 0]]]], np.float32)
    assert not pysofie.compile(proto)(np.ones((1, 1, 2, 2), np.float32), grid).any()


@functools.cache
def affine_grids() -> Comparison:
    nodes = Nodes({"plane": ("float32", ("n", 2, 3)), "space": ("float32", (2, 3, 4))}, opset=20)
    for align in (0, 1):
        nodes.add("AffineGrid", ["space", nodes.constant([2, 1, 3, 4, 5])], align_corners=align)
        nodes.add("AffineGrid", ["plane", nodes.constant([3, 1, 6, 2])], align_corners=align)
    return nodes.compile("onnx")


@settings(max_examples=5, deadline=None)
@given(seed=seeds)
def test_affine_grids(seed):
    rng = np.random.default_rng(seed)
    plane, space = rng.uniform(-1, 1, (3, 2, 3)), rng.uniform(-1, 1, (2, 3, 4))
    affine_grids().check({"plane": plane.astype(np.float32), "space": space.astype(np.float32)})


@functools.cache
def deformable_convolutions() -> Comparison:
    nodes = Nodes({"x": ("float32", ("n", 4, 7, 6))}, opset=19)
    for group, offset_group, stride, dilation, pad in (
        (1, 1, 1, 1, 1),
        (2, 1, 2, 1, 0),
        (1, 2, 1, 2, 2),
        (4, 4, 2, 1, 1),
    ):
        rows = (7 + 2 * pad - 2 * dilation - 1) // stride + 1
        columns = (6 + 2 * pad - dilation - 1) // stride + 1
        kernel = offset_group * 6
        offsets = nodes.constant(nodes.rng.uniform(-2, 2, (2, 2 * kernel, rows, columns)).round(3), "float32")
        mask = nodes.weights(2, kernel, rows, columns)
        common = {"group": group, "offset_group": offset_group, "pads": [pad] * 4}
        common |= {"strides": [stride] * 2, "dilations": [dilation] * 2}
        inputs = ["x", nodes.weights(4, 4 // group, 3, 2), offsets]
        nodes.add("DeformConv", inputs, **common)
        nodes.add("DeformConv", [*inputs, nodes.weights(4), mask], **common)
    return nodes.compile()


@settings(max_examples=5, deadline=None)
@given(seed=seeds)
def test_deformable_convolutions(seed):
    x = np.random.default_rng(seed).uniform(-1, 1, (2, 4, 7, 6)).astype(np.float32)
    deformable_convolutions().check({"x": x})


@functools.cache
def region_poolings() -> Comparison:
    inputs = {
        "x": ("float32", (2, "c", "h", 9)),
        "regions": ("float32", ("r", 4)),
        "batches": ("int64", ("r",)),
        "labelled": ("float32", ("r", 5)),
    }
    nodes = Nodes(inputs, opset=16)
    for ratio, scale, mode in itertools.product((0, 2), (1.0, 0.3), ("half_pixel", "output_half_pixel")):
        common = {"output_height": 3, "output_width": 2, "sampling_ratio": ratio, "spatial_scale": scale}
        nodes.add("RoiAlign", ["x", "regions", "batches"], coordinate_transformation_mode=mode, **common)
    for scale in (1.0, 0.4):
        nodes.add("MaxRoiPool", ["x", "labelled"], pooled_shape=[3, 2], spatial_scale=scale)
    return nodes.compile()


@settings(max_examples=12, deadline=None)
@given(c=st.integers(1, 3), h=st.integers(2, 9), r=st.integers(0, 4), seed=seeds)
def test_region_poolings(c, h, r, seed):
    rng = np.random.default_rng(seed)
    corners = np.concatenate([rng.uniform(-3, 6, (r, 2)), rng.uniform(6, 15, (r, 2))], axis=1)
    batches = rng.integers(0, 2, r)
    feeds = {
        "x": rng.uniform(-1, 1, (2, c, h, 9)).astype(np.float32),
        "regions": corners.astype(np.float32),
        "batches": batches,
        "labelled": np.column_stack([batches, corners]).astype(np.float32),
    }
    region_poolings().check(feeds)


def test_regions_of_no_image():
    nodes = Nodes({"x": ("float32", ("n", 1, "h", 4))}, opset=16)
    inputs = [nodes.constant([[0, 0, 2, 2]], "float32"), nodes.constant([0])]
    nodes.add("RoiAlign", ["x", *inputs])
    nodes.add("MaxRoiPool", ["x", nodes.constant([[0, 0, 0, 2, 2]], "float32")], pooled_shape=[2, 2])
    session = pysofie.compile(nodes.proto(), target=TARGET)
    assert all(np.isfinite(y).all() for y in session.run({"x": np.zeros((1, 1, 4, 4), "float32")}).values())
    for n, h in ((0, 4), (1, 0)):
        with pytest.raises(ValueError, match="an axis that is indexed"):
            session.run({"x": np.zeros((n, 1, h, 4), "float32")})


def test_regions_far_larger_than_the_image():
    """Only samples near the image are visited: others add nothing."""
    node = helper.make_node("RoiAlign", ["x", "regions", "batches"], ["y"], output_height=1, output_width=1)
    batches = helper.make_tensor_value_info("batches", 7, [1])
    proto = model(
        [node],
        [floats("x", 1, 1, 4, 4), floats("regions", 1, 4), batches],
        [floats("y", 1, 1, 1, 1)],
        opset=16,
    )
    session, x = pysofie.compile(proto), np.ones((1, 1, 4, 4), np.float32)
    for corners in ([-1e9, -1e9, 1e9, 1e9], [-np.inf, 0, np.inf, 4], [np.nan] * 4):
        assert abs(float(session(x, np.array([corners], np.float32), np.zeros(1, np.int64)).item())) < 1e-3


@functools.cache
def foldings() -> Comparison:
    nodes = Nodes({"x": ("float32", ("n", 12, 20)), "y": ("float32", (1, 12, "l"))}, opset=18)
    image, block = nodes.constant([5, 6]), nodes.constant([2, 3])
    nodes.add("Col2Im", ["x", nodes.constant([6, 6]), nodes.constant([2, 2])], dilations=[2, 1])
    nodes.add("Col2Im", ["x", nodes.constant([6, 6]), nodes.constant([3, 2])], pads=[0, 0, 0, 0])
    nodes.add("Col2Im", ["y", image, block], pads=[1, 0, 1, 2], strides=[2, 1])
    nodes.add("Col2Im", ["y", nodes.constant([20]), nodes.constant([3])])
    return nodes.compile("onnx")


@settings(max_examples=5, deadline=None)
@given(n=st.integers(1, 3), seed=seeds)
def test_foldings(n, seed):
    rng = np.random.default_rng(seed)
    x, y = rng.uniform(-1, 1, (n, 12, 20)), rng.uniform(-1, 1, (1, 12, 18))
    foldings().check({"x": x.astype(np.float32), "y": y.astype(np.float32)})
