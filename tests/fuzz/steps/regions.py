"""Recurrent networks, branches, loops and sequences."""

from __future__ import annotations

from typing import Any

from fuzz.draft import TYPES, Graph, Value, step
from onnx import helper

GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}
FUNCTIONS = {"RNN": 1, "GRU": 2, "LSTM": 3}
NUMBERS = ("float32", "float64", "int32", "int64")


@step("RNN", "GRU", "LSTM", types=["float32"], ranks=(3,), sizes=(1, 2, 3, 5), tame=True)
def recurrent(graph: Graph, x: Value, operator: str) -> None:
    direction, hidden = graph.pick("forward", "reverse", "bidirectional"), graph.number(1, 5)
    ways, rows = 2 if direction == "bidirectional" else 1, GATES[operator] * hidden
    steps, batch, features = x.shape
    weights = lambda *shape: graph.constant(graph.array(x.dtype, shape) / 4, x.dtype)  # noqa: E731
    maybe = lambda name: name if graph.flip() else ""  # noqa: E731
    inputs = [x, weights(ways, rows, features), weights(ways, rows, hidden), maybe(weights(ways, 2 * rows))]
    inputs.append(maybe(graph.operand(graph.numbers(1, steps, batch), "int32")))
    inputs.append(maybe(graph.tensor(x.dtype, ways, batch, hidden)))
    options: dict[str, Any] = {"hidden_size": hidden, "direction": direction}
    if operator == "LSTM":
        inputs += [maybe(graph.tensor(x.dtype, ways, batch, hidden)), maybe(weights(ways, 3 * hidden))]
        options["input_forget"] = graph.number(0, 1)
    if operator == "GRU":
        options["linear_before_reset"] = graph.number(0, 1)
    if graph.flip(0.3):
        options["clip"] = graph.pick(0.5, 1.0)
    if graph.flip(0.3):
        options["activations"] = [
            graph.pick("Tanh", "Sigmoid", "Relu", "Softsign") for _ in range(FUNCTIONS[operator] * ways)
        ]
    graph.add(operator, inputs, 3 if operator == "LSTM" else 2, exact=False, **options)


def body(nodes: list[Any], inputs: list[Any], outputs: list[str]) -> Any:
    results = [helper.make_empty_tensor_value_info(name) for name in outputs]
    return helper.make_graph(nodes, "body", inputs, results)


def typed(name: str, x: Value) -> Any:
    return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(x.array.dtype), None)


@step("If", types=NUMBERS)
def branch(graph: Graph, x: Value, operator: str) -> None:
    """Branches that read the outer scope, and whose results may differ in their sizes."""
    condition, y, result = graph.tensor("bool"), graph.tensor(x.dtype), graph.fresh()
    one, other = (graph.fresh() for _ in range(2))
    first = helper.make_node("Add", [x.name, y], [one])
    second = helper.make_node("Mul", [x.name, y], [other])
    if x.rank and graph.flip():
        second = helper.make_node("Concat", [x.name, x.name], [other], axis=graph.axis(x))
    sides = {"then_branch": body([first], [], [one]), "else_branch": body([second], [], [other])}
    graph.extend([helper.make_node(operator, [condition], [result], **sides)], [result], sized=False)


@step("Loop", types=NUMBERS, ranks=(0, 1, 2))
def loop(graph: Graph, x: Value, operator: str) -> None:
    """A sum that goes on for some trips, with every partial sum; the condition may end it.

    There is a first trip: without one, what is collected has a single axis in onnxruntime.
    """
    trip, condition, state, going, after, partial, last, collected = (graph.fresh() for _ in range(8))
    y, stop = graph.tensor(x.dtype), graph.constant(graph.number(0, 4))
    nodes = [
        helper.make_node("Add", [state, y], [after]),
        helper.make_node("Identity", [after], [partial]),
        helper.make_node("Less", [trip, stop], [going]),
    ]
    if graph.flip():
        nodes[-1] = helper.make_node("Identity", [condition], [going])
    scalars = [helper.make_tensor_value_info(trip, 7, []), helper.make_tensor_value_info(condition, 9, [])]
    repeated = body(nodes, [*scalars, typed(state, x)], [going, after, partial])
    limit, start = graph.operand(graph.number(1, 4)), graph.pick("", graph.operand(True, "bool"))
    node = helper.make_node(operator, [limit, start, x.name], [last, collected], body=repeated)
    graph.extend([node], [last, collected], sized=False)


@step("Scan", types=NUMBERS, ranks=(1, 2, 3), sizes=(1, 2, 3, 5))
def scan(graph: Graph, x: Value, operator: str) -> None:
    """Running sums along any axis, in either direction, laid along any axis."""
    graph.fix(x)
    state, item, after, partial, last, collected = (graph.fresh() for _ in range(6))
    axis = graph.number(-x.rank, x.rank - 1)
    shape = [n for i, n in enumerate(x.shape) if i != axis % x.rank]
    nodes = [
        helper.make_node("Add", [state, item], [after]),
        helper.make_node("Identity", [after], [partial]),
    ]
    repeated = body(nodes, [typed(state, x), typed(item, x)], [after, partial])
    options = {
        "num_scan_inputs": 1,
        "scan_input_axes": [axis],
        "scan_output_axes": [graph.number(-x.rank, x.rank - 1)],
        "scan_input_directions": [graph.number(0, 1)],
        "scan_output_directions": [graph.number(0, 1)],
    }
    start = graph.tensor(x.dtype, *shape)
    graph.extend(
        [helper.make_node(operator, [start, x.name], [last, collected], body=repeated, **options)],
        [last, collected],
    )


MAKERS = ("SequenceConstruct", "SequenceInsert", "SequenceErase", "SplitToSequence", "SequenceMap")
TAKERS = ("SequenceAt", "SequenceLength", "ConcatFromSequence")


@step(*MAKERS, *TAKERS, types=NUMBERS, ranks=(1, 2, 3), sizes=(1, 2, 3, 5))
def sequence(graph: Graph, x: Value, operator: str) -> None:
    """A list of tensors, of which one, their number, or all joined are taken."""
    graph.fix(x)
    maker = operator if operator in MAKERS else graph.pick(*MAKERS)
    taker = operator if operator in TAKERS else graph.pick(*TAKERS)
    nodes, pieces, length = made(graph, x, maker)
    result = graph.fresh()
    graph.extend([*nodes, taken(graph, taker, pieces, result, length)], [result])


def made(graph: Graph, x: Value, operator: str) -> tuple[list[Any], str, int]:
    """The nodes that make a sequence, its name and its length."""
    pieces, changed = graph.fresh(), graph.fresh()
    if operator == "SplitToSequence":
        axis = graph.axis(x)
        return [helper.make_node(operator, [x.name], [pieces], axis=axis)], pieces, x.shape[axis]
    length = graph.number(2, 3)
    parts = [x.name, *(graph.tensor(x.dtype, *x.shape) for _ in range(length - 1))]
    nodes = [helper.make_node("SequenceConstruct", parts, [pieces])]
    if operator == "SequenceConstruct":
        return nodes, pieces, length
    if operator == "SequenceMap":
        item, doubled = graph.fresh(), graph.fresh()
        doubles = helper.make_node("Add", [item, item], [doubled])
        mapped = helper.make_graph([doubles], "body", [typed(item, x)], [typed(doubled, x)])
        return [*nodes, helper.make_node(operator, [pieces], [changed], body=mapped)], changed, length
    position = graph.constant(graph.number(-length, length - 1))
    if operator == "SequenceErase":
        return [*nodes, helper.make_node(operator, [pieces, position], [changed])], changed, length - 1
    more = [pieces, graph.tensor(x.dtype, *x.shape), position]
    return [*nodes, helper.make_node(operator, more, [changed])], changed, length + 1


def taken(graph: Graph, operator: str, pieces: str, result: str, length: int) -> Any:
    """The node that makes a tensor of a sequence."""
    if operator == "SequenceAt":
        position = graph.constant(graph.number(-length, length - 1))
        return helper.make_node(operator, [pieces, position], [result])
    if operator == "SequenceLength":
        return helper.make_node(operator, [pieces], [result])
    return helper.make_node(operator, [pieces], [result], axis=0, new_axis=graph.number(0, 1))


@step("Optional", "OptionalGetElement", "OptionalHasElement", types=TYPES)
def optional(graph: Graph, x: Value, operator: str) -> None:
    there, result = graph.fresh(), graph.fresh()
    use = graph.pick("OptionalGetElement", "OptionalHasElement") if operator == "Optional" else operator
    nodes = [helper.make_node("Optional", [x.name], [there]), helper.make_node(use, [there], [result])]
    graph.extend(nodes, [result])
