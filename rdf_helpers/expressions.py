"""Expressions over columns, as data frames take them, evaluated on arrays and other values."""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pysofie.errors import Error

_BINARY: dict[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Mod: np.fmod,  # as in C++, with the sign of the dividend
    ast.BitAnd: operator.and_,
    ast.BitOr: operator.or_,
    ast.BitXor: operator.xor,
    ast.RShift: operator.rshift,
    ast.LShift: operator.lshift,
}
_COMPARISONS: dict[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}


@dataclass(frozen=True)
class Rules:
    """What expressions mean for values of some kind.

    Attributes
    ----------
    number : callable
        Makes a value of a number in the text.
    promote : callable
        The value that arithmetic computes with in place of another.
    divide : callable
        What ``/`` does.
    functions : dict of str to callable
        The functions that can be called, by their C++ names.
    """

    number: Callable[[Any], Any]
    promote: Callable[[Any], Any]
    divide: Callable[[Any, Any], Any]
    functions: Mapping[str, Callable[..., Any]] = field(default_factory=dict)


def parse(expression: str, functions: Collection[str] = ()) -> ast.expr:
    """Read an expression of numbers, columns, operators and functions of C++.

    Raises
    ------
    Error
        It is no such expression.
    """
    if "~" in expression:
        raise _refusal(expression, functions)
    python = re.sub(r"\bstd::", "", expression) if functions else expression
    python = python.replace("&&", " and ").replace("||", " or ")
    python = re.sub(r"!(?!=)", "~", python)  # `not` would bind less tightly than C++'s `!`
    try:
        tree = ast.parse(python.strip(), mode="eval").body
    except (SyntaxError, ValueError) as error:
        raise _refusal(expression, functions) from error
    if any(_is_foreign(node, functions) or _binds_otherwise(node) for node in ast.walk(tree)):
        raise _refusal(expression, functions)
    return tree


def _is_foreign(node: ast.AST, functions: Collection[str]) -> bool:
    """Whether it means something else in C++, or calls what is no function."""
    if isinstance(node, ast.Call):
        return not isinstance(node.func, ast.Name) or node.func.id not in functions or bool(node.keywords)
    return isinstance(node, ast.Subscript)


def _binds_otherwise(node: ast.AST) -> bool:
    """Whether it compares what ``&``, ``|`` or ``^`` gives, without parentheses: C++ compares first."""
    if not isinstance(node, ast.Compare):
        return False
    left, right = node.left, node.comparators[-1]
    bare = [left] * (left.col_offset == node.col_offset)
    bare += [right] * (right.end_col_offset == node.end_col_offset)
    bitwise = (ast.BitAnd, ast.BitOr, ast.BitXor)
    return any(isinstance(operand, ast.BinOp) and isinstance(operand.op, bitwise) for operand in bare)


def columns(expression: str, functions: Collection[str] = ()) -> list[str]:
    """The columns that an expression reads, in the order in which they stand there."""
    found = []
    tree = parse(expression, functions)
    inner = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    inner |= {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    for node in ast.walk(tree):
        if isinstance(node, (ast.Name, ast.Attribute)) and id(node) not in inner:
            found.append((node.lineno, node.col_offset, ast.unparse(node)))
    return list(dict.fromkeys(name for _, _, name in sorted(found)))


def evaluate(expression: str, values: Mapping[str, Any], rules: Rules | None = None) -> Any:
    """The value of an expression.

    Parameters
    ----------
    expression : str
        Numbers, columns, and the operators that C++ shares with Python.
    values : dict of str to numpy.ndarray
        The columns; by other rules, values of another kind.
    rules : Rules, optional
        By default those of arrays.

    Returns
    -------
    numpy.ndarray

    Raises
    ------
    Error
        It uses something else; a data frame may still take it.
    """
    rules = rules or _ARRAYS

    def visit(node: ast.AST) -> Any:
        if isinstance(node, (ast.Name, ast.Attribute)):
            return values[ast.unparse(node)]
        if isinstance(node, ast.Constant) and isinstance(node.value, (int, float, bool)):
            return rules.number(node.value)
        if isinstance(node, ast.BinOp) and (isinstance(node.op, ast.Div) or type(node.op) in _BINARY):
            compute = rules.divide if isinstance(node.op, ast.Div) else _BINARY[type(node.op)]
            return compute(rules.promote(visit(node.left)), rules.promote(visit(node.right)))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            return rules.functions[node.func.id](*map(visit, node.args))
        if isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in _COMPARISONS:
            return _COMPARISONS[type(node.ops[0])](visit(node.left), visit(node.comparators[0]))
        if isinstance(node, ast.BoolOp):
            combine = np.logical_and if isinstance(node.op, ast.And) else np.logical_or
            parts = [visit(value) for value in node.values]
            result = parts[0]
            for part in parts[1:]:
                result = combine(result, part)
            return result
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Invert):
            return np.logical_not(visit(node.operand))
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            return -rules.promote(visit(node.operand))
        raise _refusal(expression, rules.functions)

    return visit(parse(expression, rules.functions))


def _number(value: Any) -> Any:
    """A float is what NumPy rounds to the other operand's type, a float64 is not."""
    return np.float64(value) if isinstance(value, float) else value


def _promote(value: Any) -> Any:
    """C++ computes with int where operands are smaller, and so never with bool."""
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "biu" or value.dtype.itemsize >= 4:
        return value
    return value.astype(np.int32)


def _divide(a: Any, b: Any) -> Any:
    if np.result_type(a, b).kind in "biu":  # towards zero
        return np.trunc(np.divide(a, b)).astype(np.int64)
    return np.divide(a, b)


_ARRAYS = Rules(_number, _promote, _divide)


def _refusal(expression: str, functions: Collection[str]) -> Error:
    if functions:
        return Error(
            f"{expression!r} is not understood: numbers, tensors, operators and the functions "
            f"{', '.join(functions)} are; a Python function can do more"
        )
    return Error(
        f"on arrays, {expression!r} is not understood: numbers, columns and operators are; "
        "give the name of a column"
    )
