"""Reductions, running sums, normalised rows, and the search along an axis."""

from __future__ import annotations

from fuzz.draft import FLOATS, NUMBERS, Graph, UnfitError, Value, step

RANKED = (1, 2, 3, 4)


@step("ReduceMax", "ReduceMin", types=("float32", "float64", "int32", "int64", "int8", "uint8"), tame=True)
@step("ReduceSum", "ReduceSumSquare", "ReduceL1", types=("int32", "int64"), tame=True)
@step("ReduceSum", "ReduceProd", "ReduceSumSquare", "ReduceL1")
@step("ReduceMean", "ReduceL2")
@step("ReduceLogSumExp", tame=True)
@step("ReduceLogSum", exact=True)
def reduce(graph: Graph, x: Value, operator: str) -> None:
    """Of nothing, onnxruntime knows no largest and no mean.

    Among NaN its largest, that of ReduceLogSumExp too, depends on the order, and its sums of integers do not
    wrap round as they should.
    """
    axes = graph.dice.sample(range(x.rank), graph.number(0, x.rank))
    reduced = [x.shape[axis] for axis in axes or range(x.rank)]
    if 0 in reduced and operator not in ("ReduceSum", "ReduceL1", "ReduceSumSquare", "ReduceProd"):
        raise UnfitError
    inputs = [x, graph.constant([axis - graph.pick(0, x.rank) for axis in axes])] if axes else [x]
    noop = {"noop_with_empty_axes": graph.number(0, 1)} if graph.flip(0.3) else {}
    exact = operator in ("ReduceMax", "ReduceMin", "ReduceSum")
    graph.add(operator, inputs, exact=exact, keepdims=graph.number(0, 1), **noop)


@step("Softmax", ranks=RANKED, sizes=(1, 2, 3, 5, 17))
@step("LogSoftmax", ranks=RANKED, tame=True, sizes=(1, 2, 3, 5, 17))
@step("Hardmax", ranks=RANKED, exact=True, tame=True, sizes=(1, 2, 3, 5, 17))
def along(graph: Graph, x: Value, operator: str) -> None:
    """Where one element is infinite, onnxruntime has numbers for the logarithms of the others."""
    graph.add(operator, [x], exact=operator == "Hardmax", axis=graph.axis(x, 1))


@step("LpNormalization", ranks=RANKED, exact=True, sizes=(1, 2, 3, 5, 17))
def norm(graph: Graph, x: Value, operator: str) -> None:
    graph.add(operator, [x], exact=False, axis=graph.axis(x, 1), p=graph.number(1, 2))


@step("CumSum", types=("float32", "float64", "int32", "int64"), ranks=RANKED)
def running(graph: Graph, x: Value, operator: str) -> None:
    flags = {"exclusive": graph.number(0, 1), "reverse": graph.number(0, 1)}
    graph.add(operator, [x, graph.constant(graph.axis(x))], **flags)


@step("ArgMax", "ArgMin", types=NUMBERS, ranks=RANKED, exact=True, tame=True, sizes=(1, 2, 3, 5, 17))
def extreme(graph: Graph, x: Value, operator: str) -> None:
    flags = {"keepdims": graph.number(0, 1), "select_last_index": graph.number(0, 1)}
    graph.add(operator, [x], axis=graph.axis(x, 1), **flags)


@step("TopK", types=("float32", "float64", "int32", "int64"), ranks=RANKED, exact=True, tame=True)
def top(graph: Graph, x: Value, operator: str) -> None:
    """In order: which comes first of those left unordered is free."""
    axis = graph.axis(x)
    count = graph.operand([graph.number(0, x.shape[axis])])
    graph.add(operator, [x, count], 2, sized=False, axis=axis, largest=graph.number(0, 1), sorted=1)


@step("Unique", types=("float32", "float64", "int64", "int8"), exact=True, tame=True, sizes=(1, 2, 3, 5, 17))
def unique(graph: Graph, x: Value, operator: str) -> None:
    axis = {"axis": graph.axis(x)} if x.rank and graph.flip() else {}
    graph.add(operator, [x], graph.number(1, 4), sized=False, sorted=graph.number(0, 1), **axis)


@step("NonZero", types=(*FLOATS, "int64", "int32", "bool", "uint8"), ranks=RANKED, exact=True)
def nonzero(graph: Graph, x: Value, operator: str) -> None:
    """Not of scalars, of which onnxruntime gives a row where ONNX has none."""
    graph.add(operator, [x], sized=False)
