"""Matrix products in all their forms, and what is made of them."""

from __future__ import annotations

import numpy as np
from fuzz.draft import Graph, UnfitError, Value, step

COMMON = ("float32", "float64", "int32", "int64")
FEW = (1, 2, 3, 5)


@step("MatMul", types=COMMON, ranks=(1, 2, 3, 4))
def matmul(graph: Graph, x: Value, operator: str) -> None:
    """Onnxruntime has no product of nothing."""
    if 0 in x.shape:
        raise UnfitError
    depth, columns = x.shape[-1], graph.pick(1, 3, 8, 19)
    batch = [1 if graph.flip() else n for n in x.shape[:-2]]
    shape = [depth] if graph.flip(0.2) else [*batch[graph.number(0, len(batch)) :], depth, columns]
    graph.add(operator, [x, graph.tensor(x.dtype, *shape)])


@step("Gemm", types=("float32", "float64"), ranks=(2,), sizes=(1, 2, 3, 5, 17))
def gemm(graph: Graph, x: Value, operator: str) -> None:
    flipped, turned = graph.number(0, 1), graph.number(0, 1)
    rows, depth = x.shape[::-1] if flipped else x.shape
    columns = graph.pick(1, 3, 8, 19)
    y = graph.tensor(x.dtype, *((columns, depth) if turned else (depth, columns)))
    bias = graph.pick((), (columns,), (1, columns), (rows, 1), (rows, columns))
    inputs = [x, y, graph.tensor(x.dtype, *bias)] if graph.flip() else [x, y]
    graph.add(
        operator,
        inputs,
        transA=flipped,
        transB=turned,
        alpha=graph.pick(1.0, 0.5),
        beta=graph.pick(1.0, 0.25),
    )


@step("Einsum", ranks=(1, 2, 3), sizes=FEW)
def einsum(graph: Graph, x: Value, operator: str) -> None:
    """Letters of x, some of which another tensor shares, and of which some remain."""
    mine = "abc"[: x.rank]
    sizes = dict(zip(mine, x.shape, strict=True)) | {"d": graph.number(1, 4), "e": 2}
    shared = graph.dice.sample(mine, graph.number(0, x.rank))
    letters = [*shared, *graph.dice.sample("de", graph.number(0, 2))]
    graph.dice.shuffle(letters)
    yours = "".join(letters)
    known = sorted({*mine, *yours})
    result = "".join(graph.dice.sample(known, graph.number(0, len(known))))
    if not yours:
        graph.add(operator, [x], equation=f"{mine}->{result}")
        return
    y = graph.tensor(x.dtype, *(sizes[letter] for letter in yours))
    graph.add(operator, [x, y], equation=f"{mine},{yours}->{result}")


@step("MatMulInteger", types=("uint8", "int8"), ranks=(2, 3), sizes=FEW)
def whole_product(graph: Graph, x: Value, operator: str) -> None:
    dtype = graph.pick("uint8", "int8") if x.dtype == "uint8" else "int8"
    y = graph.tensor(dtype, x.shape[-1], graph.number(1, 5))
    zeros = [graph.operand(graph.number(0, 3), t) if graph.flip() else "" for t in (x.dtype, dtype)]
    graph.add(operator, [x, y, *zeros])


def scale(graph: Graph, *shape: int) -> str:
    """Powers of two, so that rounding is no matter of luck."""
    values = [graph.pick(0.25, 0.5, 1.0, 2.0) for _ in range(int(np.prod(shape)))]
    return graph.operand(np.reshape(values, shape), "float32")


@step("QLinearMatMul", types=("uint8", "int8"), ranks=(2, 3), sizes=FEW)
def quantised_product(graph: Graph, x: Value, operator: str) -> None:
    point = lambda: graph.operand(graph.number(0, 5), x.dtype)  # noqa: E731
    y = graph.tensor(x.dtype, x.shape[-1], graph.number(1, 5))
    graph.add(operator, [x, scale(graph), point(), y, scale(graph), point(), scale(graph), point()])


@step("QuantizeLinear", "DynamicQuantizeLinear", types=["float32"], exact=True, tame=True)
def quantise(graph: Graph, x: Value, operator: str) -> None:
    if operator == "DynamicQuantizeLinear":
        if not x.array.any():  # of zeros alone, the scale of onnxruntime is not that of ONNX
            raise UnfitError
        graph.add(operator, [x], 3, exact=False)
        return
    along = {"axis": graph.axis(x)} if x.rank and graph.flip() else {}
    shape = [x.shape[axis] for axis in along.values()]
    point = graph.constant(graph.array(graph.pick("uint8", "int8"), shape), None)
    graph.add(operator, [x, scale(graph, *shape), point], **along)


@step("DequantizeLinear", types=("uint8", "int8", "int32"))
def dequantise(graph: Graph, x: Value, operator: str) -> None:
    point = graph.operand(0 if x.dtype == "int32" else 3, x.dtype)
    graph.add(operator, [x, scale(graph), point])


@step("Det", ranks=(2, 3), sizes=(1, 2, 3), tame=True)
def determinant(graph: Graph, x: Value, operator: str) -> None:
    if x.shape[-1] != x.shape[-2]:
        raise UnfitError
    graph.add(operator, [x], exact=False)


@step("DFT", ranks=(3, 4), sizes=FEW, tame=True)
def fourier(graph: Graph, x: Value, operator: str) -> None:
    """The last axis holds real and imaginary parts, or real ones only."""
    if x.shape[-1] > 2:
        raise UnfitError
    graph.fix(x)
    axis, inverse = graph.number(0, x.rank - 2), graph.number(0, 1)
    onesided = int(x.shape[-1] == 1 and not inverse and graph.flip())
    length = graph.constant(graph.number(1, 8)) if graph.flip() else ""
    graph.add(
        operator, [x, length, graph.constant(axis - graph.pick(0, x.rank))],
        exact=False, inverse=inverse, onesided=onesided,
    )  # fmt: skip
