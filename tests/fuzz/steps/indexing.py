"""Elements taken from, or put to, places that come from data."""

from __future__ import annotations

import numpy as np
from fuzz.draft import NUMBERS, TYPES, Graph, UnfitError, Value, step

RANKED = (1, 2, 3, 4)
COMMON = ("float32", "float64", "int32", "int64")


def places(graph: Graph, lengths: list[int], shape: list[int]) -> np.ndarray:
    """Random indices below the lengths, which go round along the last axis; negative ones among them."""
    count = int(np.prod(shape))
    if count and 0 in lengths:
        raise UnfitError
    drawn = [
        graph.number(-length, length - 1) for length in (lengths[i % len(lengths)] for i in range(count))
    ]
    return np.reshape(np.array(drawn, graph.pick("int64", "int32")), shape)


@step("Gather", types=TYPES, ranks=RANKED)
def gather(graph: Graph, x: Value, operator: str) -> None:
    axis = graph.axis(x)
    shape = [graph.number(0, 4) for _ in range(graph.number(0, 2))]
    graph.add(operator, [x, graph.operand(places(graph, [x.shape[axis]], shape), None)], axis=axis)


def ordered(graph: Graph, x: Value) -> list[str]:
    """Reductions that compare; among NaN, onnxruntime finds what the order decides."""
    return [] if graph.wild or not np.isfinite(x.array).all() else ["max", "min"]


def smaller(graph: Graph, x: Value, axis: int) -> list[int]:
    """The shape of a part of x, longer or shorter along the axis."""
    return [graph.number(0, 4) if i == axis % x.rank else graph.number(0, n) for i, n in enumerate(x.shape)]


@step("GatherElements", types=TYPES, ranks=RANKED)
def gather_elements(graph: Graph, x: Value, operator: str) -> None:
    axis = graph.axis(x)
    index = places(graph, [x.shape[axis]], smaller(graph, x, axis))
    graph.add(operator, [x, graph.operand(index, None)], axis=axis)


@step("ScatterElements", types=COMMON, ranks=RANKED)
def scatter_elements(graph: Graph, x: Value, operator: str) -> None:
    """Without a reduction every place is met once: which update stays otherwise is free."""
    axis = graph.axis(x, 1)
    reduction = graph.pick("add", "mul", "none", *ordered(graph, x))
    shape = smaller(graph, x, axis)
    if reduction == "none":
        shape[axis] = min(shape[axis], x.shape[axis])
        line = np.array(graph.dice.sample(range(x.shape[axis]), shape[axis]), "int64")
        around = [-1 if i == axis % x.rank else 1 for i in range(x.rank)]
        index = np.broadcast_to(line.reshape(around), shape)
    else:
        index = places(graph, [x.shape[axis]], shape)
    updates = graph.tensor(x.dtype, *shape)
    graph.add(operator, [x, graph.operand(index, None), updates], axis=axis, reduction=reduction)


@step("GatherND", types=TYPES, ranks=RANKED)
def gather_nd(graph: Graph, x: Value, operator: str) -> None:
    graph.fix(x)
    batch = graph.number(0, x.rank - 1)
    depth = graph.number(1, x.rank - batch)
    shape = [*x.shape[:batch], *graph.numbers(0, 3, graph.number(0, 2)), depth]
    index = places(graph, list(x.shape[batch : batch + depth]), shape).astype("int64")
    graph.add(operator, [x, graph.operand(index)], batch_dims=batch)


@step("ScatterND", types=COMMON, ranks=RANKED)
def scatter_nd(graph: Graph, x: Value, operator: str) -> None:
    graph.fix(x)
    depth = graph.number(1, x.rank)
    reduction = graph.pick("add", "mul", "none", *ordered(graph, x))
    count = 1 if reduction == "none" else graph.number(0, 4)
    index = places(graph, list(x.shape[:depth]), [count, depth]).astype("int64")
    updates = graph.tensor(x.dtype, count, *x.shape[depth:])
    graph.add(operator, [x, graph.operand(index), updates], reduction=reduction)


@step("Compress", types=TYPES, ranks=RANKED)
def compress(graph: Graph, x: Value, operator: str) -> None:
    """By a mask that is an input: only a run tells how much remains."""
    if graph.flip(0.3):
        mask = graph.input(graph.array("bool", [graph.number(0, x.array.size)]))
        graph.add(operator, [x, mask], sized=False)
        return
    axis = graph.axis(x)
    mask = graph.input(graph.array("bool", [graph.number(0, x.shape[axis])]))
    graph.add(operator, [x, mask], sized=False, axis=axis)


@step("OneHot", types=("int64", "int32"), ranks=(1, 2, 3), exact=True, tame=True)
def one_hot(graph: Graph, x: Value, operator: str) -> None:
    """Of whole numbers: onnxruntime does not cast others as ONNX says."""
    depth = graph.constant(graph.number(1, 6), graph.pick("int64", "int32", "float32"))
    values = graph.tensor(graph.pick("float32", "int64", "int32"), 2)
    graph.add(operator, [x, depth, values], axis=graph.number(-x.rank - 1, x.rank))


@step("TensorScatter", types=NUMBERS, ranks=(3, 4), sizes=(1, 2, 3, 5))
def cache(graph: Graph, x: Value, operator: str) -> None:
    axis = graph.number(1, x.rank - 1)
    shape = list(x.shape)
    shape[axis] = graph.number(1, shape[axis])
    mode = graph.pick("linear", "circular")
    last = x.shape[axis] - (shape[axis] if mode == "linear" else 1)
    starts = graph.operand(graph.numbers(0, last, x.shape[0]))
    graph.add(
        operator, [x, graph.tensor(x.dtype, *shape), starts], axis=axis - graph.pick(0, x.rank), mode=mode
    )


@step("NonMaxSuppression", types=["float32"], ranks=(3,), sizes=(1, 2, 3), exact=True, tame=True)
def boxes(graph: Graph, x: Value, operator: str) -> None:
    """Boxes with corners in eighths, and scores that all differ: of equals either may win."""
    batch, count, classes = x.shape[0], graph.number(1, 6), graph.number(1, 3)
    scores = graph.dice.sample(range(batch * classes * count), batch * classes * count)
    inputs = [
        graph.tensor("float32", batch, count, 4),
        graph.operand(np.reshape(scores, (batch, classes, count)) / 16, "float32"),
        graph.operand([graph.number(0, 4)]),
        graph.operand([graph.pick(0.0, 0.3, 0.7)], "float32"),
        graph.operand([graph.pick(0.0, 0.2)], "float32"),
    ]
    graph.add(operator, inputs, sized=False, center_point_box=graph.number(0, 1))
