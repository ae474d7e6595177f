"""C++ expressions over symbolic tensors."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from pysofie.errors import Error
from pysofie.tracing import Tensor
from rdf_helpers import expressions

_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "abs": np.abs,
    "acos": np.arccos,
    "acosh": np.arccosh,
    "asin": np.arcsin,
    "asinh": np.arcsinh,
    "atan": np.arctan,
    "atan2": np.arctan2,
    "atanh": np.arctanh,
    "cbrt": np.cbrt,
    "ceil": np.ceil,
    "cos": np.cos,
    "cosh": np.cosh,
    "exp": np.exp,
    "expm1": np.expm1,
    "fabs": np.fabs,
    "floor": np.floor,
    "fmod": np.fmod,
    "hypot": np.hypot,
    "isfinite": np.isfinite,
    "isinf": np.isinf,
    "isnan": np.isnan,
    "log": np.log,
    "log10": np.log10,
    "log1p": np.log1p,
    "log2": np.log2,
    "max": np.maximum,
    "min": np.minimum,
    "pow": np.power,
    "round": lambda x: np.copysign(np.floor(np.abs(x) + 0.5), x),  # halves away from zero
    "sin": np.sin,
    "sinh": np.sinh,
    "sqrt": np.sqrt,
    "tan": np.tan,
    "tanh": np.tanh,
    "trunc": np.trunc,
}


def names(expression: str) -> list[str]:
    """The tensors that an expression reads; `Error` if it is none."""
    return expressions.columns(expression, _FUNCTIONS)


def evaluate(expression: str, tensors: Mapping[str, Tensor]) -> Any:
    """Write an expression down as operations on tensors, in whose types it is computed.

    Raises
    ------
    Error
        It calls a function with too few or too many arguments, or with what it does not take.
    """
    functions = {name: _weak(function) for name, function in _FUNCTIONS.items()}
    rules = expressions.Rules(lambda number: number, lambda value: value, _divide, functions)
    try:
        return expressions.evaluate(expression, tensors, rules)
    except TypeError as error:
        raise Error(f"{expression!r}: {error}") from error


def _weak(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let a function give a number for numbers, which does not decide about types as NumPy's do."""

    def apply(*arguments: Any) -> Any:
        value = function(*arguments)
        return value.item() if isinstance(value, np.generic) else value

    return apply


def _divide(a: Any, b: Any) -> Any:
    if not (_is_whole(a) and _is_whole(b)):
        return operator.truediv(a, b)
    tensors = [value for value in (a, b) if isinstance(value, Tensor)]
    if not tensors:
        return int(operator.truediv(a, b))  # of C++, towards zero
    return tensors[0].recorder.apply("Div", [a, b])[0]


def _is_whole(value: Any) -> bool:
    return (
        bool(np.issubdtype(value.dtype, np.integer)) if isinstance(value, Tensor) else isinstance(value, int)
    )
