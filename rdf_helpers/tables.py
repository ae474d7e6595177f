"""Columns out of the arrays and tables that users have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pysofie.errors import Error, ShapeError

from . import expressions
from .columns import ColumnType, quoted

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]


@dataclass(frozen=True)
class Lists:
    """A column of lists: those of event i are ``values[starts[i]:starts[i] + counts[i]]``.

    `length` is that of all lists, where the column's type says so.
    """

    values: Array
    counts: NDArray[np.int64]
    length: int | None = None

    @property
    def starts(self) -> NDArray[np.int64]:
        """Where the list of each event begins."""
        return np.cumsum(self.counts) - self.counts

    def __len__(self) -> int:
        return len(self.counts)


Column = Any  # an array of numbers of shape (n_events,), or Lists


def awkward() -> Any:
    """The package awkward.

    Raises
    ------
    Error
        If it is not installed, with the way to get it.
    """
    try:
        import awkward as ak
    except ImportError as error:
        raise Error(
            f"lists of different lengths need awkward ({error}): pip install 'pysofie[uproot]'"
        ) from error
    return ak


def is_table(value: Any) -> bool:
    """Whether columns are taken from it by name, as from a mapping, records or a pandas.DataFrame."""
    if isinstance(value, Mapping):
        return True
    if getattr(value, "fields", None):
        return True
    names = getattr(getattr(value, "dtype", None), "names", None)
    return bool(names) or (hasattr(value, "columns") and hasattr(value, "__getitem__"))


def is_awkward(value: Any) -> bool:
    """Whether it is an array of awkward, which need not be installed."""
    return type(value).__module__.partition(".")[0] == "awkward"


def as_column(value: Any, name: str) -> Column:
    """Numbers or lists of them.

    Raises
    ------
    ShapeError
        It holds something else.
    """
    if is_awkward(value):
        return _of_awkward(value, name)
    array = np.atleast_1d(np.asarray(value))
    if array.dtype == object and array.ndim == 1:
        return _of_awkward(awkward().Array([np.asarray(row) for row in array]), name)
    if array.dtype.kind not in "biuf" or array.ndim > 2:
        raise ShapeError(
            f"column '{name}' is an array {array.dtype}{list(array.shape)}; one number, or one list of "
            "numbers, per event is expected"
        )
    if array.ndim == 1:
        return array
    length = array.shape[1]
    return Lists(np.ascontiguousarray(array).ravel(), np.full(len(array), length, np.int64), length)


def _of_awkward(value: Any, name: str) -> Column:
    ak = awkward()
    try:
        if value.ndim == 1:
            return ak.to_numpy(value, allow_missing=False)
        if value.ndim == 2:
            values = ak.to_numpy(ak.flatten(value, axis=1), allow_missing=False)
            return Lists(values, ak.to_numpy(ak.num(value, axis=1)).astype(np.int64))
    except ValueError as error:
        raise ShapeError(f"column '{name}' has missing values or other than numbers: {error}") from error
    raise ShapeError(f"column '{name}' has {value.ndim} axes: {value.type}; lists of numbers are expected")


def pick(table: Any, column: str) -> Column:
    """A column of a table, see `is_table`.

    Raises
    ------
    ShapeError
        There is none of that name, or it does not hold numbers.
    """
    try:
        value = table[column]
    except Exception as error:  # every kind of table has its own
        known = [
            str(name) for name in (getattr(table, "fields", None) or getattr(table, "columns", None) or table)
        ]
        raise ShapeError(f"there is no column '{column}' among {', '.join(known)}") from error
    return as_column(value, column)


def columns_of(table: Any, wanted: Sequence[str], helpers: Sequence[str]) -> dict[str, Column]:
    """Columns of a table, see `is_table`, and the values of expressions over its columns.

    Raises
    ------
    Error
        As `pick` and `evaluated`.
    """
    columns = {column: pick(table, column) for column in wanted}
    for expression in helpers:
        if expression not in columns:
            columns[expression] = evaluated(table, expression)
    return columns


def type_of(column: Column) -> ColumnType:
    """What a column holds; in arrays it has no C++ type."""
    return ColumnType("", "", isinstance(column, Lists), getattr(column, "length", None))


def evaluated(table: Any, expression: str) -> Column:
    """The value of an expression for every event of a table, or for every entry of its lists.

    Raises
    ------
    Error
        The expression is not understood, a column is missing, or lists differ in length.
    """
    values = {column: pick(table, column) for column in expressions.columns(expression)}
    if list(values) == [expression]:
        return values[expression]
    lists = [column for column, value in values.items() if isinstance(value, Lists)]
    if not lists:
        return np.asarray(expressions.evaluate(expression, values))
    counts = values[lists[0]].counts
    if any(not np.array_equal(values[column].counts, counts) for column in lists):
        raise ShapeError(f"{expression!r}: {quoted(lists)} differ in length")
    flat = {
        column: value.values if isinstance(value, Lists) else np.repeat(value, counts)
        for column, value in values.items()
    }
    return Lists(np.asarray(expressions.evaluate(expression, flat)), counts)


def split(given: Sequence[Any], count: int | None) -> list[Any]:
    """One array for each column: a table of shape (n_events, n_columns) has several."""
    if len(given) == 1 and not is_awkward(given[0]) and np.ndim(given[0]) == 2:
        table = np.asarray(given[0])
        if count != 1 or table.shape[1] == 1:
            return list(table.T)
    return list(given)
