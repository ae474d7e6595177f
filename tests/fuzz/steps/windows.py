"""Convolutions, poolings, normalised channels and resampled images."""

from __future__ import annotations

from typing import Any

import numpy as np
from fuzz.draft import FLOATS, Graph, UnfitError, Value, step

IMAGE = (3, 4, 5)
SIDES = (1, 2, 3, 5, 8)


def geometry(graph: Graph, kernel: list[int]) -> dict[str, Any]:
    """Strides and padding; onnxruntime takes a stride beyond the kernel for a negative padding."""
    strides = [graph.number(1, k) for k in kernel]
    if graph.flip(0.3):
        return {"strides": strides, "auto_pad": graph.pick("SAME_UPPER", "SAME_LOWER", "VALID")}
    dilations = [graph.pick(1, 1, 2) for _ in kernel]
    pads = [graph.number(0, k - 1) for k in kernel * 2]
    return {"strides": strides, "pads": pads, "dilations": dilations}


def kernel_for(graph: Graph, x: Value, largest: int = 3) -> list[int]:
    return [graph.number(1, min(largest, n)) for n in x.shape[2:]]


def must_fit(x: Value, kernel: list[int], options: dict[str, Any]) -> None:
    """A window is no larger than the padded image."""
    rank = len(kernel)
    pads = options.get("pads", [0] * 2 * rank)
    for i, (n, k) in enumerate(zip(x.shape[2:], kernel, strict=True)):
        if n + pads[i] + pads[i + rank] < (k - 1) * options.get("dilations", [1] * rank)[i] + 1:
            raise UnfitError


@step("Conv", types=["float32"], ranks=IMAGE, sizes=SIDES)
def convolve(graph: Graph, x: Value, operator: str) -> None:
    channels, kernel = x.shape[1], kernel_for(graph, x)
    groups = graph.pick(*(g for g in (1, 1, channels) if channels % g == 0))
    outputs = groups * graph.number(1, 3)
    options = geometry(graph, kernel)
    must_fit(x, kernel, options)
    weights = [graph.constant(graph.array(x.dtype, (outputs, channels // groups, *kernel)), x.dtype)]
    weights += [graph.tensor(x.dtype, outputs)] if graph.flip() else []
    graph.add(operator, [x, *weights], group=groups, **options)


@step("ConvTranspose", types=["float32"], ranks=IMAGE, sizes=SIDES, tame=True)
def transposed(graph: Graph, x: Value, operator: str) -> None:
    """Where it inserts zeros, onnxruntime multiplies them with infinite weights."""
    graph.fix(x)
    channels, rank = x.shape[1], x.rank - 2
    groups = graph.pick(1, channels)
    kernel = graph.numbers(2, 3, rank)
    options: dict[str, Any] = {"strides": [graph.number(1, k) for k in kernel]}
    if graph.flip(0.3):
        options["auto_pad"] = graph.pick("SAME_UPPER", "SAME_LOWER", "VALID")
    else:
        low = [graph.number(0, k - 1) for k in kernel]
        options["pads"] = [*low, *(graph.number(0, k - 1 - n) for k, n in zip(kernel, low, strict=True))]
        options["output_padding"] = [graph.number(0, stride - 1) for stride in options["strides"]]
    weights = graph.constant(graph.array(x.dtype, (channels, graph.number(1, 3), *kernel)), x.dtype)
    graph.add(operator, [x, weights], group=groups, **options)


@step("ConvInteger", "QLinearConv", types=("uint8",), ranks=(3, 4), sizes=SIDES)
def whole_convolution(graph: Graph, x: Value, operator: str) -> None:
    kernel = kernel_for(graph, x)
    options = geometry(graph, kernel)
    must_fit(x, kernel, options)
    outputs = graph.number(1, 3)
    weights = graph.constant(graph.array("uint8", (outputs, x.shape[1], *kernel)), "uint8")
    point = [graph.constant(graph.number(0, 3), "uint8") for _ in range(3)]
    size = [graph.constant(graph.pick(0.5, 1.0, 2.0), "float32") for _ in range(3)]
    if operator == "ConvInteger":
        graph.add(operator, [x, weights, point[0], point[1]], **options)
        return
    bias = graph.constant(graph.numbers(-9, 9, outputs), "int32")
    graph.add(
        operator, [x, size[0], point[0], weights, size[1], point[1], size[2], point[2], bias], **options
    )


@step("DeformConv", types=["float32"], ranks=(4,), sizes=(2, 3, 5), tame=True)
def deform(graph: Graph, x: Value, operator: str) -> None:
    """Offsets in eighths: nothing lies on the border between inside and outside by luck."""
    graph.fix(x)
    batch, channels = x.shape[:2]
    kernel = graph.numbers(1, 2, 2)
    height, width = (n - k + 1 for n, k in zip(x.shape[2:], kernel, strict=True))
    weights = graph.constant(graph.array(x.dtype, (graph.number(1, 3), channels, *kernel)), x.dtype)
    points = kernel[0] * kernel[1]
    inputs = [x, weights, graph.tensor(x.dtype, batch, 2 * points, height, width)]
    if graph.flip():
        inputs += (
            [graph.pick("", graph.tensor(x.dtype, 1))] if graph.constants[weights].shape[0] == 1 else [""]
        )
        inputs.append(graph.tensor(x.dtype, batch, points, height, width))
    graph.add(operator, inputs, kernel_shape=kernel, pads=[0] * 4)


@step("MaxPool", types=["float32"], ranks=IMAGE, sizes=SIDES, tame=True)
@step("AveragePool", "LpPool", types=["float32"], ranks=IMAGE, sizes=SIDES)
def pool(graph: Graph, x: Value, operator: str) -> None:
    kernel = kernel_for(graph, x)
    options = geometry(graph, kernel) | {"kernel_shape": kernel}
    must_fit(x, kernel, options)
    if "pads" in options and operator != "LpPool":
        options["ceil_mode"] = graph.number(0, 1)
    if operator == "AveragePool":
        options["count_include_pad"] = graph.number(0, 1)
    if operator == "LpPool":
        options["p"] = graph.number(1, 3)
    graph.add(operator, [x], exact=operator == "MaxPool", **options)


@step("MaxPool", types=["float32"], ranks=IMAGE, sizes=SIDES, exact=True, tame=True)
def positions(graph: Graph, x: Value, operator: str) -> None:
    kernel = kernel_for(graph, x, 2)
    graph.add(operator, [x], 2, kernel_shape=kernel, strides=kernel, storage_order=graph.number(0, 1))


@step("MaxUnpool", types=["float32"], ranks=IMAGE, sizes=(2, 4), exact=True, tame=True)
def unpool(graph: Graph, x: Value, operator: str) -> None:
    """Onto the image that was pooled: onnxruntime takes positions in another one for those of its own."""
    if any(n % 2 for n in x.shape[2:]):
        raise UnfitError
    kernel = [2] * (x.rank - 2)
    pooled, where = graph.add("MaxPool", [x], 2, kernel_shape=kernel, strides=kernel)
    graph.add(operator, [pooled, where], kernel_shape=kernel, strides=kernel)


@step("GlobalAveragePool", types=["float32"], ranks=IMAGE, sizes=SIDES)
@step("GlobalMaxPool", types=["float32"], ranks=IMAGE, sizes=SIDES, tame=True)
def whole_image(graph: Graph, x: Value, operator: str) -> None:
    graph.add(operator, [x], exact=operator == "GlobalMaxPool")


@step("LRN", types=["float32"], ranks=(4,), sizes=SIDES, tame=True)
def local(graph: Graph, x: Value, operator: str) -> None:
    """Without infinities, which onnxruntime subtracts again when its window moves on."""
    graph.add(operator, [x], exact=False, size=graph.pick(1, 3, 5), bias=graph.pick(1.0, 2.0), alpha=0.5)


@step("BatchNormalization", types=["float32"], ranks=(2, 3, 4), sizes=SIDES)
def batch_norm(graph: Graph, x: Value, operator: str) -> None:
    channels = x.shape[1]
    parameters = [graph.constant(graph.array(x.dtype, (channels,)), x.dtype) for _ in range(3)]
    variance = graph.constant([graph.pick(0.25, 1.0, 4.0) for _ in range(channels)], x.dtype)
    graph.add(operator, [x, *parameters, variance], exact=False)


@step(
    "InstanceNormalization",
    "GroupNormalization",
    types=["float32"],
    ranks=(3, 4),
    sizes=SIDES,
    exact=True,
    tame=True,
)
def channel_norm(graph: Graph, x: Value, operator: str) -> None:
    graph.fix(x)
    channels = x.shape[1]
    groups = {"num_groups": graph.pick(1, channels)} if operator == "GroupNormalization" else {}
    parameters = [graph.tensor(x.dtype, channels) for _ in range(2)]
    graph.add(operator, [x, *parameters], exact=False, epsilon=0.125, **groups)


@step(
    "LayerNormalization",
    "RMSNormalization",
    "MeanVarianceNormalization",
    types=["float32"],
    ranks=(2, 3, 4),
    sizes=SIDES,
    exact=True,
    tame=True,
)
def row_norm(graph: Graph, x: Value, operator: str) -> None:
    if operator == "MeanVarianceNormalization":
        if x.rank != 4 or x.array.std((0, 2, 3)).min() < 0.1:  # onnxruntime loses small variances
            raise UnfitError
        graph.add(operator, [x], exact=False)
        return
    axis = graph.number(-x.rank, x.rank - 1)
    shape = x.shape[axis % x.rank :]
    inputs = [x, graph.tensor(x.dtype, *shape)]
    if operator == "LayerNormalization" and graph.flip():
        inputs.append(graph.tensor(x.dtype, *shape))
    graph.add(operator, inputs, exact=False, axis=axis, epsilon=0.125)


@step("Resize", types=["float32"], ranks=(3, 4), sizes=(1, 2, 3, 5), exact=True, tame=True)
def resize(graph: Graph, x: Value, operator: str) -> None:
    """To whole sizes: of others, onnxruntime aligns corners that lie elsewhere than those of ONNX."""
    mode = graph.pick("nearest", "linear", "cubic")
    if mode == "cubic" and x.rank != 4:
        raise UnfitError
    options = {"coordinate_transformation_mode": graph.pick("half_pixel", "asymmetric", "align_corners")}
    if mode == "nearest":
        options["nearest_mode"] = graph.pick("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")
    if mode == "cubic":
        options |= {"exclude_outside": graph.number(0, 1), "cubic_coeff_a": graph.pick(-0.5, -0.75)}
    factors = [1.0] * (x.rank - 2) + [graph.pick(0.5, 1.0, 2.0, 4.0) for _ in range(2)]
    if any(n * f % 1 for n, f in zip(x.shape, factors, strict=True)):
        raise UnfitError
    graph.add(operator, [x, "", graph.constant(factors, "float32")], exact=False, mode=mode, **options)


@step("GridSample", types=["float32"], ranks=(4,), sizes=(2, 3, 5), exact=True, tame=True)
def sample(graph: Graph, x: Value, operator: str) -> None:
    graph.fix(x)
    """With zeros around for cubics: onnxruntime clamps points, where ONNX clamps what is read for them."""
    grid = graph.tensor(x.dtype, x.shape[0], graph.number(0, 3), graph.number(1, 3), 2)
    mode = graph.pick("linear", "nearest", "cubic")
    padding = "zeros" if mode == "cubic" else graph.pick("zeros", "border", "reflection")
    options = {"align_corners": graph.number(0, 1), "mode": mode, "padding_mode": padding}
    graph.add(operator, [x, grid], exact=False, **options)


@step("AffineGrid", types=["float32"], ranks=(1,), tame=True)
def grid(graph: Graph, x: Value, operator: str) -> None:
    """Of more than one point along each axis: where onnxruntime puts a single one is not where ONNX does."""
    batch, space = graph.number(1, 2), graph.number(2, 3)
    size = graph.constant([batch, 1, *graph.numbers(2, 4, space)])
    theta = graph.tensor(x.dtype, batch, space, space + 1)
    graph.add(operator, [theta, size], exact=False, align_corners=graph.number(0, 1))


@step("RoiAlign", types=["float32"], ranks=(4,), sizes=(1, 2, 3, 5), exact=True, tame=True)
def regions(graph: Graph, x: Value, operator: str) -> None:
    count = graph.number(1, 3)
    low = np.array(graph.numbers(0, 3, 2 * count)).reshape(count, 2)
    corners = np.concatenate([low, low + np.array(graph.numbers(1, 3, 2 * count)).reshape(count, 2)], 1)
    which = graph.numbers(0, x.shape[0] - 1, count)
    options = {"mode": graph.pick("avg", "max"), "sampling_ratio": graph.number(0, 2)}
    options["coordinate_transformation_mode"] = graph.pick("half_pixel", "output_half_pixel")
    inputs = [x, graph.operand(corners, x.dtype), graph.operand(which)]
    graph.add(operator, inputs, exact=False, output_height=graph.number(1, 3), output_width=2, **options)


@step("Col2Im", types=FLOATS, ranks=(2,), sizes=(1, 2, 3))
def columns(graph: Graph, x: Value, operator: str) -> None:
    graph.fix(x)
    image, block = graph.numbers(2, 4, 2), graph.numbers(1, 2, 2)
    blocks = (image[0] - block[0] + 1) * (image[1] - block[1] + 1)
    data = graph.tensor(x.dtype, x.shape[0], x.shape[1] * block[0] * block[1], blocks)
    graph.add(operator, [data, graph.constant(image), graph.constant(block)])
