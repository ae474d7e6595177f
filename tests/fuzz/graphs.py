"""Random small graphs, drawn by hypothesis, with inputs to run them on."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

import nets
import numpy as np
import onnx
from hypothesis import strategies as st
from onnx import helper

FLOATS = ("float16", "float32", "float64")
INTEGERS = ("int32", "int64")
DTYPES = (*FLOATS, *INTEGERS, "bool")
SIZES = (0, 1, 2, 3, 5, 17)
# Larger magnitudes are not made: rounding would grow into differences that no tolerance tells from a fault.
LARGEST = 1000.0


# What makes no new numbers: the results of others are rounded to a float16.
MOVING = ("Neg", "Abs", "Relu", "Identity", "Max", "Min", "Where", "Transpose", "Flatten", "Unsqueeze")
MOVING += ("Gather", "Slice", "Concat", "Pad", "Compress", "ReduceMax", "ReduceMin")


@dataclass
class Value:
    """A tensor of the graph.

    Attributes
    ----------
    exact : bool
        Whether it is computed without rounding, so that comparing or rounding it is no matter of luck.
    bound : float
        No element is larger in magnitude.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    exact: bool = True
    bound: float = 2.0


@dataclass(repr=False)
class Graph:
    """A graph under construction."""

    nodes: list[onnx.NodeProto] = field(default_factory=list)
    values: list[Value] = field(default_factory=list)
    constants: dict[str, np.ndarray] = field(default_factory=dict)
    feeds: dict[str, np.ndarray] = field(default_factory=dict)
    symbolic: dict[str, list[bool]] = field(default_factory=dict)

    def constant(self, array: object, dtype: str = "int64") -> str:
        name = f"c{len(self.constants)}"
        self.constants[name] = np.asarray(array, dtype)
        return name

    def add(self, operator: str, inputs: list[str], result: Value, **attributes: object) -> None:
        if result.dtype == "float16" and operator not in MOVING:
            result.exact = False
        self.nodes.append(helper.make_node(operator, inputs, [result.name], **attributes))
        self.values.append(result)

    def name(self) -> str:
        return f"v{len(self.values)}"

    def model(self) -> onnx.ModelProto:
        """All values that no node takes are outputs."""
        taken = {name for node in self.nodes for name in node.input}
        inputs = [
            nets.value(
                name,
                str(array.dtype),
                *(f"d{n}" if free else n for n, free in zip(array.shape, self.symbolic[name], strict=True)),
            )
            for name, array in self.feeds.items()
        ]
        made = {name for node in self.nodes for name in node.output}
        outputs = [
            nets.value(v.name, v.dtype, *(f"{v.name}_{i}" for i in range(len(v.shape))))
            for v in self.values
            if v.name in made and v.name not in taken
        ]
        return nets.net("fuzz", self.nodes, inputs, outputs, self.constants)


def array(dice: Random, dtype: str, shape: tuple[int, ...]) -> np.ndarray:
    """Eighths and small whole numbers, of a random but reproducible order."""
    rng = np.random.default_rng(dice.randint(0, 2**16))
    if dtype == "bool":
        values = rng.integers(0, 2, shape)
    elif dtype in FLOATS:
        values = rng.integers(-16, 17, shape) / 8
    else:
        values = rng.integers(-2, 3, shape)
    return np.asarray(values, dtype)


def add_input(dice: Random, graph: Graph, dtype: str, shape: tuple[int, ...], symbolic: bool) -> Value:
    value = Value(graph.name(), dtype, shape)
    graph.feeds[value.name] = array(dice, dtype, shape)
    graph.symbolic[value.name] = [symbolic and flip(dice) for _ in shape]
    graph.values.append(value)
    return value


def flip(dice: Random) -> bool:
    return dice.random() < 0.5


SMOOTH = ("Tanh", "Sigmoid", "Erf", "Sin", "Cos", "Softplus", "Softsign", "Atan", "Elu", "Gelu", "Mish")
EXACT = ("Neg", "Abs", "Relu", "Identity")
ROUNDING = ("Floor", "Ceil", "Round", "Sign")


def unary(dice: Random, graph: Graph, x: Value) -> None:
    if x.dtype == "bool":
        graph.add("Not", [x.name], Value(graph.name(), "bool", x.shape))
        return
    choices = list(EXACT if x.dtype in FLOATS else EXACT[:2])
    if x.dtype in ("float16", "float32"):
        choices += SMOOTH
        if x.bound <= 4:
            choices.append("Exp")
    if x.dtype in FLOATS and x.exact:
        choices += ROUNDING
    operator = dice.choice(choices)
    exact = x.exact and operator not in (*SMOOTH, "Exp")
    bound = 60.0 if operator == "Exp" else x.bound + 1
    graph.add(operator, [x.name], Value(graph.name(), x.dtype, x.shape, exact, bound))


def partner(dice: Random, graph: Graph, x: Value, dtype: str | None = None) -> Value:
    """A tensor that broadcasts with x: one that is there, or a new constant."""
    dtype = dtype or x.dtype
    fitting = [v for v in graph.values if v.dtype == dtype and v.shape == x.shape]
    if fitting and flip(dice):
        return dice.choice(fitting)
    shape = tuple(1 if flip(dice) else n for n in x.shape)[dice.randint(0, len(x.shape)) :]
    return Value(graph.constant(array(dice, dtype, shape), dtype), dtype, shape)


def binary(dice: Random, graph: Graph, x: Value) -> None:
    y = partner(dice, graph, x)
    names = [x.name, y.name]
    if flip(dice):
        names.reverse()
    exact = x.exact and y.exact
    if x.dtype == "bool":
        graph.add(dice.choice(("And", "Or", "Xor")), names, Value(graph.name(), "bool", x.shape))
        return
    choices = ["Add", "Sub", "Max", "Min"]
    if x.bound * y.bound <= LARGEST:
        choices.append("Mul")
    if exact:
        choices += ["Less", "Equal", "GreaterOrEqual"]
    operator = dice.choice(choices)
    dtype = "bool" if operator in ("Less", "Equal", "GreaterOrEqual") else x.dtype
    bound = x.bound * y.bound if operator == "Mul" else x.bound + y.bound
    graph.add(operator, names, Value(graph.name(), dtype, x.shape, exact, bound))


def choose(dice: Random, graph: Graph, x: Value) -> None:
    condition, y = partner(dice, graph, x, "bool"), partner(dice, graph, x)
    result = Value(graph.name(), x.dtype, x.shape, x.exact and y.exact, max(x.bound, y.bound))
    graph.add("Where", [condition.name, x.name, y.name], result)


def cast(dice: Random, graph: Graph, x: Value) -> None:
    """What was rounded to a float16 remains one, so that a dtype tells how far results may be apart."""
    rounded = x.dtype in FLOATS and not x.exact
    dtype = dice.choice(("float16",) if rounded and x.dtype == "float16" else FLOATS if rounded else DTYPES)
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    graph.add("Cast", [x.name], Value(graph.name(), dtype, x.shape, x.exact, x.bound), to=kind)


def transpose(dice: Random, graph: Graph, x: Value) -> None:
    order = dice.sample(range(len(x.shape)), len(x.shape))
    result = Value(graph.name(), x.dtype, tuple(x.shape[i] for i in order), x.exact, x.bound)
    graph.add("Transpose", [x.name], result, perm=list(order))


def flatten(dice: Random, graph: Graph, x: Value) -> None:
    axis = dice.randint(0, len(x.shape))
    shape = (int(np.prod(x.shape[:axis])), int(np.prod(x.shape[axis:])))
    graph.add("Flatten", [x.name], Value(graph.name(), x.dtype, shape, x.exact, x.bound), axis=axis)


def unsqueeze(dice: Random, graph: Graph, x: Value) -> None:
    axis = dice.randint(0, len(x.shape))
    shape = (*x.shape[:axis], 1, *x.shape[axis:])
    graph.add(
        "Unsqueeze", [x.name, graph.constant([axis])], Value(graph.name(), x.dtype, shape, x.exact, x.bound)
    )


def take(dice: Random, graph: Graph, x: Value) -> None:
    axis = dice.randint(0, len(x.shape) - 1)
    length = x.shape[axis]
    if flip(dice) and length > 0:
        indices = [dice.randrange(-length, length) for _ in range(dice.randint(0, 4))]
        shape = (*x.shape[:axis], len(indices), *x.shape[axis + 1 :])
        inputs, attributes = [x.name, graph.constant(indices)], {"axis": axis}
        graph.add("Gather", inputs, Value(graph.name(), x.dtype, shape, x.exact, x.bound), **attributes)
        return
    start, stop = dice.randint(-3, 4), dice.randint(-3, 20)
    step = dice.choice((1, 1, 2, -1))
    count = len(range(length)[slice(*clamped(start, stop, step, length))])
    shape = (*x.shape[:axis], count, *x.shape[axis + 1 :])
    inputs = [x.name, *(graph.constant([n]) for n in (start, stop, axis, step))]
    graph.add("Slice", inputs, Value(graph.name(), x.dtype, shape, x.exact, x.bound))


def clamped(start: int, stop: int, step: int, length: int) -> tuple[int, int | None, int]:
    """ONNX's Slice in Python's terms: the end is a position, never the sign of "before the first"."""
    start, stop = (n + length if n < 0 else n for n in (start, stop))
    if step > 0:
        return max(start, 0), max(stop, 0), step
    start, stop = min(start, length - 1), max(stop, -1)
    return (max(start, 0) if start >= 0 else 0, None if stop < 0 else stop, step) if start >= 0 else (0, 0, 1)


def concat(dice: Random, graph: Graph, x: Value) -> None:
    axis = dice.randint(0, len(x.shape) - 1)
    y = dice.choice([v for v in graph.values if v.dtype == x.dtype and v.shape == x.shape])
    shape = (*x.shape[:axis], 2 * x.shape[axis], *x.shape[axis + 1 :])
    result = Value(graph.name(), x.dtype, shape, x.exact and y.exact, max(x.bound, y.bound))
    graph.add("Concat", [x.name, y.name], result, axis=axis)


def pad(dice: Random, graph: Graph, x: Value) -> None:
    pads = [dice.randint(0, 2) for _ in range(2 * len(x.shape))]
    shape = tuple(n + pads[i] + pads[i + len(x.shape)] for i, n in enumerate(x.shape))
    graph.add("Pad", [x.name, graph.constant(pads)], Value(graph.name(), x.dtype, shape, x.exact, x.bound))


def reduce(dice: Random, graph: Graph, x: Value) -> None:
    axes = sorted(dice.sample(range(len(x.shape)), dice.randint(1, len(x.shape))))
    count = int(np.prod([x.shape[i] for i in axes]))
    choices = ["ReduceSum"] if x.bound * max(count, 1) <= LARGEST else []
    if count > 0:
        choices += ["ReduceMax", "ReduceMin"]
        choices += ["ReduceMean"] if x.dtype in FLOATS else []
    if not choices:
        return
    operator = dice.choice(choices)
    keep = flip(dice)
    shape = tuple(1 if i in axes else n for i, n in enumerate(x.shape) if keep or i not in axes)
    exact, bound = x.exact and operator != "ReduceMean", x.bound * max(count, 1)
    result = Value(graph.name(), x.dtype, shape, exact, bound)
    graph.add(operator, [x.name, graph.constant(axes)], result, keepdims=int(keep))


def softmax(dice: Random, graph: Graph, x: Value) -> None:
    operator = dice.choice(("Softmax", "LogSoftmax"))
    axis = dice.randint(-len(x.shape), len(x.shape) - 1)
    graph.add(operator, [x.name], Value(graph.name(), x.dtype, x.shape, False, 2 * x.bound + 5), axis=axis)


def matmul(dice: Random, graph: Graph, x: Value) -> None:
    columns = dice.choice((1, 3, 8, 19))
    weights = graph.constant(array(dice, x.dtype, (x.shape[-1], columns)), x.dtype)
    bound = x.bound * 2 * max(x.shape[-1], 1)
    if bound <= LARGEST:
        shape = (*x.shape[:-1], columns)
        graph.add("MatMul", [x.name, weights], Value(graph.name(), x.dtype, shape, x.exact, bound))


def scatter(dice: Random, graph: Graph, x: Value) -> None:
    """Whole numbers, whose sums have no order."""
    axis = dice.randint(0, len(x.shape) - 1)
    shape = tuple(dice.randint(0, 4 if i == axis else n) for i, n in enumerate(x.shape))
    count, length = int(np.prod(shape)), x.shape[axis]
    places = np.reshape([dice.randrange(-length, length) for _ in range(count)], shape)
    updates = graph.constant(array(dice, x.dtype, shape), x.dtype)
    reduction = dice.choice(("add", "max", "min"))
    bound = x.bound + 2 * max(count, 1)
    if bound <= LARGEST:
        result = Value(graph.name(), x.dtype, x.shape, x.exact, bound)
        inputs = [x.name, graph.constant(places), updates]
        graph.add("ScatterElements", inputs, result, axis=axis, reduction=reduction)


def compress(dice: Random, graph: Graph, x: Value) -> None:
    """By a mask that is an input: only a run tells how much remains."""
    axis = dice.randint(0, len(x.shape) - 1)
    mask = add_input(dice, graph, "bool", (x.shape[axis],), False)
    shape = (*x.shape[:axis], int(graph.feeds[mask.name].sum()), *x.shape[axis + 1 :])
    inputs, result = [x.name, mask.name], Value(graph.name(), x.dtype, shape, x.exact, x.bound)
    graph.add("Compress", inputs, result, axis=axis)


STEPS = (
    *(unary, unary, binary, binary, choose, cast, transpose, flatten, unsqueeze, take, concat, pad, reduce),
    *(softmax, matmul, scatter, compress),
)


def applicable(step: object, x: Value) -> bool:
    if step in (take, concat, reduce, transpose, scatter, compress) and not x.shape:
        return False
    if step is scatter:
        return x.dtype in ("float32", "float64", "int32", "int64") and 0 not in x.shape
    if step is reduce and x.dtype == "bool":
        return False
    if step is pad and (not x.shape or x.dtype == "bool"):
        return False
    if step is unsqueeze and len(x.shape) > 3:
        return False
    if step in (softmax, matmul):
        return bool(x.shape) and x.dtype in FLOATS and x.shape[-1] > 0
    return step is not concat or int(np.prod(x.shape)) < 2000


def graph_of(seed: int) -> Graph:
    """One or two inputs, and one to eight nodes.

    Hypothesis chooses the seed and no more: left to itself it prefers what is small, and most graphs would
    be one node.
    """
    dice = Random(seed)
    graph = Graph()
    symbolic = flip(dice)
    for _ in range(dice.randint(1, 2)):
        shape = tuple(dice.choice(SIZES) for _ in range(dice.randint(0, 3)))
        add_input(dice, graph, dice.choice(("float32", "float32", *DTYPES)), shape, symbolic)
    for _ in range(dice.randint(1, 8)):
        x = dice.choice(graph.values[-3:])
        step = dice.choice([each for each in STEPS if applicable(each, x)])
        step(dice, graph, x)
    if not graph.nodes:
        unary(dice, graph, graph.values[-1])
    return graph


graphs = st.integers(0, 2**48).map(graph_of)
