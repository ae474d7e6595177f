"""Expressions over columns, as data frames take them, evaluated on arrays."""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Mapping
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


def parse(expression: str) -> ast.expr:
    """Read an expression of numbers, columns and operators of C++.

    Raises
    ------
    Error
        It is no such expression.
    """
    if "~" in expression:
        raise _refusal(expression)
    python = expression.replace("&&", " and ").replace("||", " or ")
    python = re.sub(r"!(?!=)", "~", python)  # `not` would bind less tightly than C++'s `!`
    try:
        tree = ast.parse(python.strip(), mode="eval").body
    except (SyntaxError, ValueError) as error:
        raise _refusal(expression) from error
    if any(isinstance(node, (ast.Call, ast.Subscript)) or _binds_otherwise(node) for node in ast.walk(tree)):
        raise _refusal(expression)
    return tree


def _binds_otherwise(node: ast.AST) -> bool:
    """Whether it compares what ``&``, ``|`` or ``^`` gives, without parentheses: C++ compares first."""
    if not isinstance(node, ast.Compare):
        return False
    left, right = node.left, node.comparators[-1]
    bare = [left] * (left.col_offset == node.col_offset)
    bare += [right] * (right.end_col_offset == node.end_col_offset)
    bitwise = (ast.BitAnd, ast.BitOr, ast.BitXor)
    return any(isinstance(operand, ast.BinOp) and isinstance(operand.op, bitwise) for operand in bare)


def columns(expression: str) -> list[str]:
    """The columns that an expression reads."""
    found = []
    tree = parse(expression)
    inner = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    for node in ast.walk(tree):
        if isinstance(node, (ast.Name, ast.Attribute)) and id(node) not in inner:
            found.append(ast.unparse(node))
    return list(dict.fromkeys(found))


def evaluate(expression: str, values: Mapping[str, Any]) -> Any:
    """The value of an expression for arrays.

    Parameters
    ----------
    expression : str
        Numbers, columns, and the operators that C++ shares with Python.
    values : dict of str to numpy.ndarray
        The columns.

    Returns
    -------
    numpy.ndarray

    Raises
    ------
    Error
        It uses something else; a data frame may still take it.
    """

    def visit(node: ast.AST) -> Any:
        if isinstance(node, (ast.Name, ast.Attribute)):
            return values[ast.unparse(node)]
        if isinstance(node, ast.Constant) and isinstance(node.value, (int, float, bool)):
            # A float is what NumPy rounds to the other operand's type, a float64 is not.
            return np.float64(node.value) if isinstance(node.value, float) else node.value
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
            return _divide(_promote(visit(node.left)), _promote(visit(node.right)))
        if isinstance(node, ast.BinOp) and type(node.op) in _BINARY:
            return _BINARY[type(node.op)](_promote(visit(node.left)), _promote(visit(node.right)))
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
            return -_promote(visit(node.operand))
        raise _refusal(expression)

    return visit(parse(expression))


def _promote(value: Any) -> Any:
    """C++ computes with int where operands are smaller, and so never with bool."""
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "biu" or value.dtype.itemsize >= 4:
        return value
    return value.astype(np.int32)


def _divide(a: Any, b: Any) -> Any:
    if np.result_type(a, b).kind in "biu":  # towards zero
        return np.trunc(np.divide(a, b)).astype(np.int64)
    return np.divide(a, b)


def _refusal(expression: str) -> Error:
    return Error(
        f"on arrays, {expression!r} is not understood: numbers, columns and operators are; "
        "give the name of a column"
    )
