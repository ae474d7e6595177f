"""Resize and Upsample with every attribute and dynamic sizes."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest
from comparison import Comparison, Nodes
from hypothesis import given, settings
from hypothesis import strategies as st

seeds = st.integers(0, 1000)
# Without half_pixel_symmetric: where it hits an element, rounding errors choose the reference's answer.
COORDINATES = ("half_pixel", "align_corners", "asymmetric", "tf_crop_and_resize")
ROUNDINGS = ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")
CASES = 14


def attributes(nodes: Nodes, mode: str) -> dict[str, Any]:
    chosen: dict[str, Any] = {"mode": mode, "coordinate_transformation_mode": nodes.choice(*COORDINATES)}
    if mode == "nearest":
        return chosen | {"nearest_mode": nodes.choice(*ROUNDINGS)}
    chosen["exclude_outside"] = nodes.integer(0, 1)
    chosen["antialias"] = nodes.integer(0, 1)
    if mode == "cubic":
        chosen["cubic_coeff_a"] = nodes.choice(-0.75, -0.5)
    if chosen["coordinate_transformation_mode"] == "tf_crop_and_resize":
        chosen["extrapolation_value"] = 2.5
    return chosen


@functools.cache
def resizings(mode: str, dtype: str) -> Comparison:
    """Scales that are exact in binary, as the reference rounds others differently."""
    nodes = Nodes({"x": (dtype, (2, "c", "h", 6)), "roi": ("float64", (4,))}, opset=19, seed=len(mode))
    for _ in range(CASES):
        chosen = attributes(nodes, mode)
        crops = chosen["coordinate_transformation_mode"] == "tf_crop_and_resize"
        inputs = ["x", "roi" if crops else ""]
        axes = nodes.choice([2, 3], [3, 2])
        if nodes.choice(True, False):
            scales = [nodes.choice(0.25, 0.5, 1.0, 1.5, 2.0, 3.0) for _ in axes]
            inputs.append(nodes.constant(scales, "float32"))
        else:
            inputs += ["", nodes.constant([nodes.integer(1, 11) for _ in axes])]
            chosen["keep_aspect_ratio_policy"] = nodes.choice("stretch", "not_larger", "not_smaller")
        nodes.add("Resize", inputs, axes=axes, **chosen)
    return nodes.compile("onnx")


@pytest.mark.parametrize(
    ("mode", "dtype"), [("nearest", "int32"), ("linear", "float64"), ("cubic", "float32")]
)
@settings(max_examples=12, deadline=None)
@given(c=st.integers(1, 2), h=st.integers(4, 13), seed=seeds)
def test_resizings(mode, dtype, c, h, seed):
    rng = np.random.default_rng(seed)
    x = rng.uniform(-9, 9, (2, c, h, 6)).astype(dtype)
    roi = np.sort(rng.uniform(-0.2, 1.2, (2, 2)), axis=0).ravel()
    resizings(mode, dtype).check({"x": x, "roi": roi}, scale=10)


@functools.cache
def old_resizings(op: str, opset: int) -> Comparison:
    nodes = Nodes({"x": ("float32", ("n", 2, "h", 5))}, opset=opset)
    for mode in ("nearest", "linear"):
        for scales in ((2.0, 2.0), (3.0, 1.0), (1.5, 0.5) if op == "Resize" else (1.5, 2.5)):
            everywhere = [1.0, 1.0, *scales]
            if opset == 7:
                nodes.add(op, ["x"], mode=mode, scales=everywhere)
            else:
                nodes.add(op, ["x", nodes.constant(everywhere, "float32")], mode=mode)
    return nodes.compile()


@pytest.mark.parametrize(("op", "opset"), [("Upsample", 7), ("Upsample", 9), ("Resize", 10)])
@settings(max_examples=8, deadline=None)
@given(n=st.integers(1, 3), h=st.integers(2, 9), seed=seeds)
def test_old_resizings(op, opset, n, h, seed):
    x = np.random.default_rng(seed).uniform(-1, 1, (n, 2, h, 5)).astype(np.float32)
    old_resizings(op, opset).check({"x": x})


@functools.cache
def volumes() -> Comparison:
    """All axes of a volume at once, and sizes computed from those of another tensor."""
    inputs = {"x": ("float32", (1, 2, "d", 4, 5)), "like": ("float32", ("e", 7, "f"))}
    nodes = Nodes(inputs, opset=13)
    nodes.add("Shape", ["like"])
    nodes.add("Concat", [nodes.constant([1, 2]), "y0"], axis=0)
    nodes.add("Resize", ["x", "", "", "y1"], mode="linear")
    for mode in ("nearest", "linear"):
        sizes = nodes.constant([1, 2, 7, 6, 3])
        nodes.add("Resize", ["x", "", "", sizes], mode=mode)
        scales = nodes.constant([1, 1, 2, 1.5, 2], "float32")
        nodes.add("Resize", ["x", "", scales], mode=mode, coordinate_transformation_mode="align_corners")
    return nodes.compile()


@settings(max_examples=8, deadline=None)
@given(d=st.integers(1, 6), e=st.integers(1, 9), seed=seeds)
def test_volumes(d, e, seed):
    x = np.random.default_rng(seed).uniform(-1, 1, (1, 2, d, 4, 5)).astype(np.float32)
    volumes().check({"x": x, "like": np.zeros((e, 7, 3), np.float32)})
