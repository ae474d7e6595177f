"""Which column of a data frame feeds which element of which input of a model."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pysofie.errors import Error, ShapeError
from pysofie.model import Tensor

Columns = Sequence[str] | Mapping[str, Sequence[str] | str] | str


@dataclass(frozen=True)
class Binding:
    """The columns of every input and what they make of the model's symbols.

    Attributes
    ----------
    inputs : tuple of (Tensor, tuple of str)
        In the model's order; one column for each element, row-major.
    symbols : dict of str to int
        Value of each symbol that occurs in an input.
    """

    inputs: tuple[tuple[Tensor, tuple[str, ...]], ...]
    symbols: dict[str, int]

    @property
    def columns(self) -> list[str]:
        """All columns, in the order in which an event's values are handed over."""
        return [column for _, columns in self.inputs for column in columns]


def bind(inputs: Sequence[Tensor], columns: Columns | None, features: Columns | None = None) -> Binding:
    """Give every input its columns.

    Parameters
    ----------
    inputs : sequence of Tensor
        The model's inputs.
    columns : list of str, dict of str to list of str, or None
        What the user said. A list serves a model of one input, or one whose inputs take one value each.
    features : like `columns`
        What the model's metadata says, for when the user said nothing.

    Raises
    ------
    Error
        If the columns of an input are not known, or an input is named that the model does not have.
    ShapeError
        If an input takes another number of values than it has columns.
    """
    named = _by_input(inputs, columns if columns is not None else _default(inputs, features))
    symbols: dict[str, int] = {}
    for tensor in inputs:
        _solve(tensor, named[tensor.name], symbols)
    return Binding(tuple((tensor, named[tensor.name]) for tensor in inputs), symbols)


def _default(inputs: Sequence[Tensor], features: Columns | None) -> Columns:
    if features:
        return features
    if all(_values(tensor) == 1 for tensor in inputs):
        return {tensor.name: [tensor.name] for tensor in inputs}
    wide = next(tensor for tensor in inputs if _values(tensor) != 1)
    raise Error(
        f"which columns feed the input {wide}? The model names no features: give columns=[...]"
        + (", a dict of input name -> list" if len(inputs) > 1 else "")
    )


def _by_input(inputs: Sequence[Tensor], columns: Columns) -> dict[str, tuple[str, ...]]:
    names = [tensor.name for tensor in inputs]
    if isinstance(columns, Mapping):
        return _from_mapping(names, columns)
    listed = _as_names(columns, "columns")
    if len(inputs) == 1:
        return {names[0]: listed}
    if any(_values(tensor) != 1 for tensor in inputs):
        raise Error(f"the model has {len(inputs)} inputs: columns must be a dict with keys {_quoted(names)}")
    if len(listed) != len(inputs):
        raise ShapeError(f"the model takes one value for each of {_quoted(names)}, got {len(listed)} columns")
    return {name: (column,) for name, column in zip(names, listed, strict=True)}


def _from_mapping(names: list[str], columns: Mapping[str, Sequence[str] | str]) -> dict[str, tuple[str, ...]]:
    unknown = [str(name) for name in columns if name not in names]
    if unknown:
        raise Error(
            f"columns names no input of the model: {_quoted(unknown)}; its inputs are {_quoted(names)}"
        )
    missing = [name for name in names if name not in columns]
    if missing:
        raise Error(f"columns lacks the model's input {_quoted(missing)}")
    return {name: _as_names(columns[name], f"columns[{name!r}]") for name in names}


def _as_names(columns: Sequence[str] | str, what: str) -> tuple[str, ...]:
    names = (columns,) if isinstance(columns, str) else tuple(columns)
    if not all(isinstance(name, str) and name for name in names):
        raise Error(f"{what} must hold names of columns, got {list(names)!r}")
    return names


def _values(tensor: Tensor) -> int:
    """Elements of one event, when every symbol is 1."""
    return math.prod(dim for dim in tensor.shape if isinstance(dim, int))


def _solve(tensor: Tensor, columns: tuple[str, ...], symbols: dict[str, int]) -> None:
    """Settle the symbols of an input: a leading one is the batch, thus 1; one other takes what is left."""
    for axis, dim in enumerate(tensor.shape):
        if isinstance(dim, str):
            rest = len(columns) // max(_values(tensor), 1)
            symbols.setdefault(dim, 1 if axis == 0 else rest)
    expected = math.prod(symbols[dim] if isinstance(dim, str) else dim for dim in tensor.shape)
    if expected != len(columns):
        values = f"{expected} value" + ("" if expected == 1 else "s")
        raise ShapeError(
            f"the input {tensor} takes {values} per event, got {len(columns)} columns: {_quoted(columns)}"
        )


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)
