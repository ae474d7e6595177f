"""Element by element: functions, arithmetic, comparisons, casts."""

from __future__ import annotations

import numpy as np
from fuzz.draft import FLOATS, INTEGERS, NUMBERS, TYPES, Graph, UnfitError, Value, magnitude, step
from onnx import helper

SIGNED = ("int8", "int16", "int32", "int64")
UNSIGNED = ("uint8", "uint16", "uint32", "uint64")
ATTRIBUTES: dict[str, dict[str, tuple[object, ...]]] = {
    "Celu": {"alpha": (0.5, 2.0)},
    "Elu": {"alpha": (0.5, 2.0)},
    "Gelu": {"approximate": ("none", "tanh")},
    "HardSigmoid": {"alpha": (0.5, 0.125), "beta": (0.25, 1.0)},
    "IsInf": {"detect_negative": (0, 1), "detect_positive": (0, 1)},
    "LeakyRelu": {"alpha": (0.5, 2.0, -0.25)},
    "Selu": {"alpha": (0.5, 2.0), "gamma": (0.5, 2.0)},
    "Shrink": {"lambd": (0.25, 1.0), "bias": (0.0, 0.5)},
    "Swish": {"alpha": (0.5, 2.0)},
    "ThresholdedRelu": {"alpha": (0.5, 0.0)},
}


def attributes(graph: Graph, operator: str) -> dict[str, object]:
    known = ATTRIBUTES.get(operator, {})
    return {name: graph.pick(*options) for name, options in known.items() if graph.flip()}


@step("Neg", types=(*FLOATS, *SIGNED))
@step("Abs", types=NUMBERS)
@step("Sign", types=NUMBERS, exact=True)
@step("Dropout")
@step("Identity", types=TYPES)
@step("Not", types=["bool"])
@step("BitwiseNot", types=INTEGERS)
@step("Relu", "LeakyRelu", types=FLOATS)
@step("Floor", "Ceil", "Round", "IsNaN", "IsInf", "ThresholdedRelu", "Shrink", exact=True)
def unary(graph: Graph, x: Value, operator: str) -> None:
    graph.add(operator, [x], **attributes(graph, operator))


@step("Tanh", "Sigmoid", "Erf", "Sin", "Cos", "Atan", "Asinh", types=["float32"])
@step("Softplus", "Softsign", "Elu", "Selu", "Celu", "Gelu", "Mish", types=["float32"])
@step("HardSigmoid", "HardSwish", "Swish", types=["float32"])
@step("Exp", "Sinh", "Cosh", "Sqrt", "Log", "Reciprocal", "Tan", "Asin", "Acos", "Acosh", "Atanh", exact=True)
def smooth(graph: Graph, x: Value, operator: str) -> None:
    graph.add(operator, [x], exact=False, **attributes(graph, operator))


def partner(graph: Graph, x: Value, dtype: str | None = None) -> Value | str:
    """A tensor that broadcasts with x: one that is there, or a new one."""
    dtype = dtype or x.dtype
    fitting = [v for v in graph.values.values() if v.dtype == dtype and v.shape == x.shape]
    if fitting and graph.flip():
        return graph.pick(*fitting)
    shape = [1 if graph.flip() else n for n in x.shape][graph.number(0, x.rank) :]
    if not graph.dynamic and x.sized and graph.flip(0.3):
        shape = [graph.pick(1, 2) if n == 1 else n for n in shape]
        shape = [m if n == 1 else n for m, n in zip(shape, x.shape[x.rank - len(shape) :], strict=True)]
    return graph.tensor(dtype, *shape)


def either_order(graph: Graph, *operands: Value | str) -> list[Value | str]:
    return graph.dice.sample(operands, len(operands))


@step("And", "Or", "Xor", "Equal", types=["bool"])
@step("BitwiseAnd", "BitwiseOr", "BitwiseXor", types=INTEGERS)
@step("Add", "Sub", "Mul", types=NUMBERS)
@step("Less", "LessOrEqual", "Greater", "GreaterOrEqual", "Equal", types=NUMBERS, exact=True)
def binary(graph: Graph, x: Value, operator: str) -> None:
    y = partner(graph, x)
    if operator in ("Less", "LessOrEqual", "Greater", "GreaterOrEqual", "Equal"):
        exact(graph, y)
    graph.add(operator, either_order(graph, x, y))


def exact(graph: Graph, *operands: Value | str) -> None:
    for operand in operands:
        value = graph.values.get(operand) if isinstance(operand, str) else operand
        if value is not None and not value.exact:
            raise UnfitError


@step("Max", "Min", types=(*FLOATS, "int32", "int64", "uint32", "uint64"))
@step("Sum", "Mean", types=["float32"])
def variadic(graph: Graph, x: Value, operator: str) -> None:
    operands = [x, *(partner(graph, x) for _ in range(graph.number(0, 3)))]
    graph.add(operator, either_order(graph, *operands), exact=operator != "Mean")


def nonzero(graph: Graph, x: Value) -> str:
    """A divisor: onnxruntime ends the process when an integer is divided by zero, or the least one by -1."""
    shape = [1 if graph.flip() else n for n in x.shape]
    values = graph.array(x.dtype, shape)
    if x.dtype in FLOATS:
        return graph.operand(values, None)
    fine = (values != 0) & (values != np.array(-1).astype(x.dtype))
    return graph.operand(np.where(fine, values, 3).astype(x.dtype), None)


@step("Pow", types=("float32", "float64", "int32", "int64"), exact=True, tame=True)
def power(graph: Graph, x: Value, operator: str) -> None:
    """Of numbers whose power the type holds: what is more is undefined."""
    if magnitude([x.array]) > 100:
        raise UnfitError
    exponent = graph.constant(graph.pick(0, 1, 2, 3), graph.pick("float32", "int64"))
    graph.add(operator, [x, exponent], exact=False)


@step("Div", "Mod", types=NUMBERS, exact=True)
def divide(graph: Graph, x: Value, operator: str) -> None:
    fmod = int(x.dtype in FLOATS or graph.flip())
    options = {"fmod": fmod} if operator == "Mod" else {}
    graph.add(operator, [x, nonzero(graph, x)], exact=x.dtype not in FLOATS, **options)


@step("BitShift", types=UNSIGNED)
def shift(graph: Graph, x: Value, operator: str) -> None:
    """By less than the width: more is undefined."""
    places = graph.operand(graph.numbers(0, 7, x.shape[-1] if x.rank else 1), x.dtype)
    graph.add(operator, [x, places], direction=graph.pick("LEFT", "RIGHT"))


@step("PRelu", tame=True)
def slope(graph: Graph, x: Value, operator: str) -> None:
    """Of finite slopes: onnxruntime multiplies zeros too."""
    shape = [1 if graph.flip() else n for n in x.shape][graph.number(0, x.rank) :]
    graph.add(operator, [x, graph.tensor(x.dtype, *shape)])


@step("Clip", types=NUMBERS)
def clip(graph: Graph, x: Value, operator: str) -> None:
    low, high = sorted(graph.numbers(0, 2, 2))
    limits = [graph.operand(n, x.dtype) if graph.flip() else "" for n in (low, high)]
    graph.add(operator, [x, *limits])


@step("Where", types=TYPES)
def choose(graph: Graph, x: Value, operator: str) -> None:
    graph.add(operator, [partner(graph, x, "bool"), x, partner(graph, x)])


@step("Cast", "CastLike", types=TYPES, exact=True)
def cast(graph: Graph, x: Value, operator: str) -> None:
    """What lies outside of the integer type is undefined when it comes from a floating type."""
    dtype = graph.pick(*TYPES)
    undefined = not np.isfinite(x.array).all() or dtype in UNSIGNED or np.abs(x.array).max(initial=0) > 127
    if x.dtype in FLOATS and dtype not in (*FLOATS, "bool") and undefined:
        raise UnfitError
    if operator == "CastLike":
        graph.add(operator, [x, graph.tensor(dtype, graph.number(0, 2))])
    else:
        graph.add(operator, [x], to=helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))
