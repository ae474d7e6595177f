"""Elements in another order, fewer or more of them; and the tensors made of shapes."""

from __future__ import annotations

import numpy as np
from fuzz.draft import NUMBERS, TYPES, Graph, UnfitError, Value, step
from onnx import helper

RANKED = (1, 2, 3, 4)


@step("Transpose", types=TYPES)
def transpose(graph: Graph, x: Value, operator: str) -> None:
    options = {"perm": graph.dice.sample(range(x.rank), x.rank)} if x.rank and graph.flip(0.8) else {}
    graph.add(operator, [x], **options)


@step("Flatten", types=TYPES)
def flatten(graph: Graph, x: Value, operator: str) -> None:
    graph.add(operator, [x], axis=graph.number(-x.rank, x.rank))


@step("Reshape", types=TYPES)
def reshape(graph: Graph, x: Value, operator: str) -> None:
    """Neighbouring axes are joined; zeros take a length over and -1 stands for what is left."""
    cut = graph.number(0, x.rank)
    shape = [*x.shape[:cut], int(np.prod(x.shape[cut:]))]
    if graph.flip() and 0 not in shape[:cut]:
        shape[:cut] = [0 if graph.flip() else n for n in shape[:cut]]
        shape[cut] = -1
        graph.add(operator, [x, graph.constant(shape)])
    else:
        graph.add(operator, [x, graph.constant(shape)], allowzero=1)


@step("Unsqueeze", types=TYPES, ranks=(0, 1, 2, 3))
def unsqueeze(graph: Graph, x: Value, operator: str) -> None:
    graph.add(operator, [x, graph.constant([graph.number(-x.rank - 1, x.rank)])])


@step("Squeeze", types=TYPES, ranks=RANKED, sizes=(1, 1, 2))
def squeeze(graph: Graph, x: Value, operator: str) -> None:
    axes = [i for i in range(-x.rank, x.rank) if x.shape[i] == 1]
    if not axes:
        raise UnfitError
    named = graph.flip() or graph.dynamic or not x.sized
    graph.add(operator, [x, graph.constant([graph.pick(*axes)])] if named else [x])


@step("Expand", types=TYPES)
def expand(graph: Graph, x: Value, operator: str) -> None:
    free = 1 if graph.dynamic or not x.sized else graph.pick(1, 2)
    shape = [free if n == 1 else graph.pick(1, n) for n in x.shape]
    graph.add(operator, [x, graph.constant([*graph.numbers(1, 3, graph.number(0, 2)), *shape])])


@step("Tile", types=TYPES, ranks=RANKED)
def tile(graph: Graph, x: Value, operator: str) -> None:
    graph.add(operator, [x, graph.constant(graph.numbers(0, 3, x.rank))])


@step("Concat", types=TYPES, ranks=RANKED)
def concat(graph: Graph, x: Value, operator: str) -> None:
    axis = graph.axis(x)
    fitting = [v for v in graph.values.values() if v.dtype == x.dtype and v.shape == x.shape]
    parts = [graph.pick(*fitting) for _ in range(graph.number(0, 2))]
    shape = list(x.shape)
    shape[axis] = graph.number(0, 3)
    graph.add(
        operator, graph.dice.sample([x, *parts, graph.tensor(x.dtype, *shape)], 2 + len(parts)), axis=axis
    )


@step("Split", types=TYPES, ranks=RANKED)
def split(graph: Graph, x: Value, operator: str) -> None:
    axis = graph.axis(x, 1)
    length, count = x.shape[axis], graph.number(1, 3)
    if graph.flip() and count <= length and (length + count - 1) // count * (count - 1) <= length:
        graph.add(operator, [x], count, axis=axis, num_outputs=count)
        return
    cuts = sorted(graph.numbers(0, length, count - 1))
    sizes = np.diff([0, *cuts, length]).tolist()
    graph.add(operator, [x, graph.constant(sizes)], count, axis=axis)


@step("Slice", types=TYPES, ranks=RANKED)
def cut(graph: Graph, x: Value, operator: str) -> None:
    """Not to the greatest number backwards, which onnxruntime takes for the first element."""
    axes = sorted(graph.dice.sample(range(x.rank), graph.number(1, x.rank)))
    far = graph.pick(2**31 - 1, 2**63 - 1)
    ends = [-far, -17, *range(-5, 6), 17, far]
    steps = [graph.pick(1, 1, 2, 3, -1, -2, far, -far) for _ in axes]
    starts = [graph.pick(*ends) for _ in axes]
    stops = [graph.pick(*(ends if step > 0 else ends[:-1])) for step in steps]
    named = [axis - graph.pick(0, x.rank) for axis in axes]
    graph.add(operator, [x, *map(graph.constant, (starts, stops, named, steps))])


@step("Pad", types=("float32", "float64", "int32", "int64", "int8", "uint8"), ranks=RANKED)
def pad(graph: Graph, x: Value, operator: str) -> None:
    """Within the axis: beyond, onnxruntime cuts off too much, and what is reflected is undefined."""
    mode = graph.pick("constant", "constant", "reflect", "edge", "wrap")
    axes = sorted(graph.dice.sample(range(x.rank), graph.number(1, x.rank)))
    low = [-min(2, n // 2) for n in (x.shape[a] for a in axes)]
    if mode != "constant" and 0 in x.shape:
        raise UnfitError
    high = [2 if mode in ("constant", "edge") else min(2, x.shape[a] - 1) for a in axes]
    if mode != "constant":
        low = [0] * len(axes)
    pads = [graph.number(a, b) for a, b in zip(low * 2, high * 2, strict=True)]
    value = graph.operand(graph.array(x.dtype, ()), None) if graph.flip() else ""
    graph.add(operator, [x, graph.constant(pads), value, graph.constant(axes)], mode=mode)


@step("DepthToSpace", "SpaceToDepth", ranks=(4,), sizes=(2, 4, 8))
def blocks(graph: Graph, x: Value, operator: str) -> None:
    if x.shape[2] % 2 or x.shape[3] % 2:
        raise UnfitError
    if operator == "SpaceToDepth":
        graph.add(operator, [x], blocksize=2)
    elif x.shape[1] % 4:
        raise UnfitError
    else:
        graph.add(operator, [x], blocksize=2, mode=graph.pick("DCR", "CRD"))


@step("Trilu", types=TYPES, ranks=(2, 3, 4))
def triangle(graph: Graph, x: Value, operator: str) -> None:
    inputs = [x, graph.operand(graph.number(-20, 20))] if graph.flip() else [x]
    graph.add(operator, inputs, upper=graph.number(0, 1))


@step("ReverseSequence", types=TYPES, ranks=(2, 3, 4), sizes=(1, 2, 3, 5))
def reverse(graph: Graph, x: Value, operator: str) -> None:
    batch = graph.number(0, 1)
    lengths = graph.operand(graph.numbers(1, x.shape[1 - batch], x.shape[batch]))
    graph.add(operator, [x, lengths], batch_axis=batch, time_axis=1 - batch)


@step("CenterCropPad", ranks=RANKED)
def crop(graph: Graph, x: Value, operator: str) -> None:
    axes = graph.dice.sample(range(x.rank), graph.number(1, x.rank))
    sizes = graph.constant(graph.numbers(1, 7, len(axes)))
    graph.add(operator, [x, sizes], axes=[axis - graph.pick(0, x.rank) for axis in axes])


@step("Shape", "Size", types=TYPES)
def sizes(graph: Graph, x: Value, operator: str) -> None:
    if operator == "Size":
        graph.add(operator, [x])
        return
    names = ("start", "end")
    graph.add(operator, [x], **{name: graph.number(-5, 5) for name in names if graph.flip()})


@step("EyeLike", types=NUMBERS, ranks=(2,))
def eye(graph: Graph, x: Value, operator: str) -> None:
    options = {"dtype": helper.np_dtype_to_tensor_dtype(np.dtype(graph.pick("float32", "int64", "float64")))}
    graph.add(operator, [x], k=graph.number(-3, 3), **(options if graph.flip() else {}))


@step("ConstantOfShape", types=TYPES)
def filled(graph: Graph, x: Value, operator: str) -> None:
    (shape,) = graph.add("Shape", [x])
    value = helper.make_tensor("", helper.np_dtype_to_tensor_dtype(np.dtype(x.dtype)), [1], [1])
    graph.add(operator, [shape], **({"value": value} if graph.flip() else {}))


@step("HannWindow", "HammingWindow", "BlackmanWindow", types=["int64"], ranks=(0,), tame=True)
def window(graph: Graph, x: Value, operator: str) -> None:
    size = graph.constant(graph.number(1, 20))
    graph.add(operator, [size], exact=False, periodic=graph.number(0, 1))


@step("Range", types=["int32", "int64", "float32"], ranks=(0,), tame=True)
def steps(graph: Graph, x: Value, operator: str) -> None:
    """From a value that only the run tells, so that only a run tells the length."""
    if not np.isfinite(x.array) or abs(x.array) > 20 or not x.exact:
        raise UnfitError
    limit, delta = (
        graph.operand(graph.number(-9, 9), x.dtype),
        graph.constant(graph.pick(1, 2, -1, -3), x.dtype),
    )
    graph.add(operator, [x, limit, delta], sized=False)
