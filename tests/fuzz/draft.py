"""A graph under construction, whose values are computed as it grows: no step states shapes or types."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

import nets
import numpy as np
import onnx
import onnxruntime
import support
from onnx import helper
from onnx.reference import ReferenceEvaluator

OPSET = 24
WIDE = ("float32", "float64")
FLOATS = ("float16", *WIDE)
INTEGERS = ("int32", "int64", "int32", "int64", "int8", "int16", "uint8", "uint16", "uint32", "uint64")
NUMBERS = (*FLOATS, *WIDE, *INTEGERS)
TYPES = (*NUMBERS, "bool")
SIZES = (0, 1, 2, 3, 5, 17)
# Larger magnitudes are not made: rounding would grow into differences that no tolerance tells from a fault.
LARGEST = 1000.0
MOST_ELEMENTS = 4000
# Relative to the largest numbers on the way. A float16 is rounded at each of its nodes.
TOLERANCE = {"float16": 2**-6, "float32": 1e-5, "float64": 1e-6}
# What makes no new numbers: the results of others are rounded to a float16.
MOVING = {"Abs", "Cast", "Clip", "Compress", "Concat", "Flatten", "Gather", "Identity", "Max", "Min", "Neg"}
MOVING |= {"Pad", "Relu", "Reshape", "Slice", "Split", "Transpose", "Unsqueeze", "Where"}
SPECIAL = (np.nan, np.inf, -np.inf, -0.0, 1e-40, 1e-310, 1e-38)


class UnfitError(Exception):
    """A step makes nothing of the value that was drawn for it."""


@dataclass
class Value:
    """A tensor of the graph.

    Attributes
    ----------
    exact : bool
        Whether it is computed without rounding, so that comparing or rounding it is no matter of luck.
    scale : float
        The largest finite magnitude on the way to it.
    sized : bool
        Whether its sizes are those of inputs, not what the data decide.
    tolerance : float
        How far results may be apart, relative to the scale.
    """

    name: str
    array: np.ndarray
    exact: bool = True
    scale: float = 1.0
    sized: bool = True
    tolerance: float = 0.0

    @property
    def shape(self) -> tuple[int, ...]:
        return self.array.shape

    @property
    def rank(self) -> int:
        return self.array.ndim

    @property
    def dtype(self) -> str:
        return str(self.array.dtype)


Operand = Value | np.ndarray | str


@dataclass(repr=False)
class Graph:
    """A graph under construction.

    Attributes
    ----------
    dice : Random
        What every choice is taken from.
    wild : bool
        Whether NaN, infinities, denormals and the extremes of integers are among the values.
    dynamic : bool
        Whether dimensions of inputs may be symbols.
    """

    dice: Random
    wild: bool = False
    dynamic: bool = False
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    values: dict[str, Value] = field(default_factory=dict)
    constants: dict[str, np.ndarray] = field(default_factory=dict)
    feeds: dict[str, np.ndarray] = field(default_factory=dict)
    shapes: dict[str, list[int | str]] = field(default_factory=dict)
    kept: set[str] = field(default_factory=set)
    names: int = 0

    def pick(self, *options: Any) -> Any:
        return self.dice.choice(options)

    def flip(self, chance: float = 0.5) -> bool:
        return self.dice.random() < chance

    def number(self, low: int, high: int) -> int:
        return self.dice.randint(low, high)

    def numbers(self, low: int, high: int, count: int) -> list[int]:
        return [self.number(low, high) for _ in range(count)]

    def axis(self, x: Value, least: int = 0) -> int:
        """An axis of a value that has at least so many elements, counted from either end."""
        axes = [i for i in range(-x.rank, x.rank) if x.shape[i] >= least]
        if not axes:
            raise UnfitError
        return self.pick(*axes)

    def fix(self, x: Value) -> None:
        """Make all sizes known when code is generated, as what follows takes no others.

        Raises
        ------
        UnfitError
            The data decide the sizes of x.
        """
        if not x.sized:
            raise UnfitError
        self.dynamic = False
        self.shapes = {name: list(array.shape) for name, array in self.feeds.items()}

    def fresh(self) -> str:
        self.names += 1
        return f"v{self.names}"

    def array(self, dtype: str, shape: Sequence[int]) -> np.ndarray:
        """Eighths and small whole numbers; now and then what is special about the type."""
        rng = np.random.default_rng(self.number(0, 2**16))
        kind = np.dtype(dtype)
        if dtype == "bool":
            return rng.integers(0, 2, shape).astype(bool)
        if kind.kind == "f":
            values, special = rng.integers(-16, 17, shape) / 8, np.array(SPECIAL)
        else:
            limits = np.iinfo(kind)
            values = rng.integers(max(-3, limits.min), 4, shape)
            special = np.array([limits.min, limits.max])
        if not self.wild:
            return np.asarray(values, kind)
        with np.errstate(all="ignore"):
            chosen = rng.choice(special.astype(kind), shape)
        return np.asarray(np.where(rng.random(shape) < 0.2, chosen, values), kind)

    def constant(self, array: Any, dtype: str | None = "int64") -> str:
        name = f"c{len(self.constants)}"
        self.constants[name] = np.asarray(array, dtype)
        return name

    def input(self, array: np.ndarray) -> Value:
        value = Value(self.fresh(), array, True, magnitude([array]))
        self.feeds[value.name] = array
        # What is 1 may broadcast, which must be known when code is generated.
        free = [self.dynamic and n != 1 and self.flip() for n in array.shape]
        self.shapes[value.name] = [f"d{n}" if f else n for n, f in zip(array.shape, free, strict=True)]
        self.values[value.name] = value
        return value

    def operand(self, array: Any, dtype: str | None = "int64") -> str:
        """A constant or an input."""
        array = np.asarray(array, dtype)
        return self.input(array).name if self.flip(0.3) else self.constant(array, dtype)

    def tensor(self, dtype: str, *shape: int) -> str:
        """An operand with random elements."""
        return self.operand(self.array(dtype, shape), dtype)

    def add(
        self,
        operator: str,
        inputs: Sequence[Operand],
        outputs: int = 1,
        *,
        exact: bool = True,
        sized: bool = True,
        **attributes: Any,
    ) -> list[Value]:
        """Add a node, and compute its outputs; arrays become constants."""
        names = [self.fresh() for _ in range(outputs)]
        node = helper.make_node(operator, [self._named(x) for x in inputs], names, **attributes)
        return self.extend([node], names, exact=exact, sized=sized)

    def _named(self, x: Operand) -> str:
        if isinstance(x, Value):
            return x.name
        return x if isinstance(x, str) else self.constant(x, None)

    def extend(
        self, nodes: list[onnx.NodeProto], results: list[str], *, exact: bool = True, sized: bool = True
    ) -> list[Value]:
        """Add nodes of which only the results are values of the graph.

        Raises
        ------
        UnfitError
            The results are too large.
        """
        taken = {name: self.values[name] for name in taken_by(nodes) if name in self.values}
        arrays = evaluate(nodes, {name: v.array for name, v in taken.items()}, self.constants, results)
        scale = max([magnitude(arrays), *(v.scale for v in taken.values())])
        floats = [a for a in arrays if a.dtype.kind == "f"]
        if magnitude(floats) > LARGEST or sum(a.size for a in arrays) > MOST_ELEMENTS:
            raise UnfitError
        half = any(a.dtype == np.float16 for a in arrays) and not MOVING.issuperset(n.op_type for n in nodes)
        exact = exact and not half and all(v.exact for v in taken.values())
        self.nodes += nodes
        sized = sized and all(v.sized for v in taken.values())
        worst = max([0.0, *(v.tolerance for v in taken.values())])
        made = [
            Value(name, array, exact, scale, sized, max(worst, TOLERANCE.get(str(array.dtype), 0.0)))
            for name, array in zip(results, arrays, strict=True)
        ]
        self.values |= {value.name: value for value in made}
        self.kept |= {name for name in results if self.flip(0.15)}
        return made

    def model(self) -> onnx.ModelProto:
        """The outputs are the values that no node takes, and some of the others."""
        taken = set(taken_by(self.nodes))
        made = {name for node in self.nodes for name in node.output}
        inputs = [nets.value(name, str(a.dtype), *self.shapes[name]) for name, a in self.feeds.items()]
        outputs = [
            nets.value(name, v.dtype, *(f"{name}_{i}" for i in range(v.rank)))
            for name, v in self.values.items()
            if name in made and (name in self.kept or name not in taken)
        ]
        for i, node in enumerate(self.nodes):
            node.name = f"{node.op_type}_{i}"
        return support.model(self.nodes, inputs, outputs, self.constants, opset=OPSET, name="fuzz")


def magnitude(arrays: Iterable[np.ndarray]) -> float:
    """The largest finite number of all arrays, in magnitude."""
    return max((float(np.abs(a[np.isfinite(a)], dtype=float).max(initial=0)) for a in arrays), default=0.0)


def taken_by(nodes: Iterable[onnx.NodeProto]) -> list[str]:
    """The names that nodes read, those in their subgraphs included."""
    names = []
    for node in nodes:
        names += node.input
        for attribute in node.attribute:
            if attribute.HasField("g"):
                names += taken_by(attribute.g.node)
                names += [output.name for output in attribute.g.output]
    return names


def evaluate(
    nodes: list[onnx.NodeProto],
    feeds: dict[str, np.ndarray],
    constants: dict[str, np.ndarray],
    results: list[str],
) -> list[np.ndarray]:
    """What onnxruntime computes; where it has no kernel for a type, what ONNX's reference does."""
    taken = set(taken_by(nodes))
    model = support.model(
        nodes,
        [nets.value(name, str(array.dtype), *array.shape) for name, array in feeds.items()],
        [helper.make_empty_tensor_value_info(name) for name in results],
        {name: array for name, array in constants.items() if name in taken},
        opset=OPSET,
    )
    try:
        return [np.asarray(array) for array in runtime(model).run(None, feeds)]
    except Exception as error:
        if "NOT_IMPLEMENTED" not in str(error) and "NotImplemented" not in type(error).__name__:
            raise
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [np.asarray(array) for array in ReferenceEvaluator(model).run(None, feeds)]


def runtime(model: onnx.ModelProto) -> onnxruntime.InferenceSession:
    """A session of onnxruntime, without optimisations of its own."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


@dataclass(frozen=True)
class Step:
    """A way for a graph to grow, from a value of certain types and ranks.

    Attributes
    ----------
    operators : tuple of str
        One of them is chosen.
    exact : bool
        Whether it takes values without rounding only, as what compares or rounds does.
    tame : bool
        Whether it takes no NaN, infinities or extremes of integers.
    """

    apply: Callable[[Graph, Value, str], Any]
    operators: tuple[str, ...]
    types: tuple[str, ...]
    ranks: tuple[int, ...]
    sizes: tuple[int, ...]
    exact: bool
    tame: bool

    def takes(self, value: Value) -> bool:
        return (
            value.dtype in self.types
            and value.rank in self.ranks
            and all(n >= min(self.sizes) for n in value.shape)
            and (value.exact or not self.exact)
            and (np.isfinite(value.array).all() or not self.tame)
        )


STEPS: list[Step] = []


def step(
    *operators: str,
    types: Sequence[str] = WIDE,
    ranks: Sequence[int] = (0, 1, 2, 3, 4),
    sizes: Sequence[int] = SIZES,
    exact: bool = False,
    tame: bool = False,
) -> Callable[[Callable[[Graph, Value, str], Any]], Callable[[Graph, Value, str], Any]]:
    """Register a step; `types`, `ranks` and `sizes` are those of the value that it starts from."""

    def register(apply: Callable[[Graph, Value, str], Any]) -> Callable[[Graph, Value, str], Any]:
        STEPS.append(Step(apply, operators, tuple(types), tuple(ranks), tuple(sizes), exact, tame))
        return apply

    return register
