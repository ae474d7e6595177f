"""Which columns of a data frame belong to which input of a model, and what they hold."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pysofie.errors import Error, ShapeError
from pysofie.model import Tensor

Columns = Sequence[str] | Mapping[str, Sequence[str] | str] | str

# What a column may hold, as ROOT spells it when type aliases are resolved.
_ARITHMETIC = {"bool", "signed char", "float", "double"} | frozenset(
    f"{sign}{size}" for sign in ("", "unsigned ") for size in ("char", "short", "int", "long", "long long")
)
# Aliases that ROOT does not resolve, because they mean the same on every platform.
_ROOT_ALIASES = {"Long64_t": "long long", "ULong64_t": "unsigned long long"}
_LIST = re.compile(
    r"(?:ROOT::(?:VecOps::)?RVec|(?:std::)?vector|(?:std::)?array)"
    r"<([\w: ]+?)\s*(?:,\s*(?:(\d+)\w*|[\w:]+<.*>))?\s*>"
)


@dataclass(frozen=True)
class ColumnType:
    """What a column holds for one event: a number, or a list of numbers.

    Attributes
    ----------
    spelled : str
        The C++ type.
    element : str
        The C++ type of the number.
    is_list : bool
        Whether there are any number of them: ROOT::RVec, std::vector, std::array.
    length : int or None
        How many, where the type says so.
    """

    spelled: str
    element: str
    is_list: bool
    length: int | None = None


def column_type(node: Any, column: str, resolve: Callable[[str], Any]) -> ColumnType | None:
    """The type of a data frame's column; None if it does not hold numbers.

    Parameters
    ----------
    node : ROOT.RDF.RInterface
        The data frame.
    column : str
        One of its columns.
    resolve : callable
        Replaces the aliases in a C++ type.
    """
    return parse_type(str(node.GetColumnType(column)), resolve)


def parse_type(spelled: str, resolve: Callable[[str], Any] = str) -> ColumnType | None:
    """What a C++ type holds; None if it is not a number nor a list of numbers.

    Parameters
    ----------
    spelled : str
        The type.
    resolve : callable
        Replaces the aliases in a C++ type.
    """
    found = _LIST.fullmatch(spelled)
    element = (found.group(1) if found else spelled).strip()
    resolved = _ROOT_ALIASES.get(element) or str(resolve(element))
    if resolved not in _ARITHMETIC:
        return None
    if found is None:
        return ColumnType(resolved, resolved, False)
    return ColumnType(spelled, resolved, True, int(found.group(2)) if found.group(2) else None)


def match(
    inputs: Sequence[Tensor], columns: Columns | None, features: Columns | None, filled: Collection[str] = ()
) -> dict[str, tuple[str, ...]]:
    """Give every input its columns.

    Parameters
    ----------
    inputs : sequence of Tensor
        The model's inputs.
    columns : list of str, dict of str to list of str, or None
        What the user said. A list serves a model of one input, or one whose inputs take one column each.
    features : like `columns`
        What the model's metadata says, for when the user said nothing.
    filled : collection of str
        Inputs that take no columns, as they are masks.

    Returns
    -------
    dict of str to tuple of str
        The columns of each input that takes some, in the model's order.

    Raises
    ------
    Error
        If the columns of an input are not known, or an input is named that the model does not have.
    ShapeError
        If several inputs should share a list that is not as long as they are many.
    """
    taking = [tensor for tensor in inputs if tensor.name not in filled]
    names = [tensor.name for tensor in taking]
    chosen = columns if columns is not None else features or _own_names(taking)
    if isinstance(chosen, Mapping):
        return _from_mapping(names, chosen)
    listed = _as_names(chosen, "columns")
    if len(names) == 1:
        return {names[0]: listed}
    if any(may_need_several(tensor) for tensor in taking):
        raise Error(f"the model has {len(names)} inputs: columns must be a dict with keys {quoted(names)}")
    if len(listed) != len(names):
        raise ShapeError(f"the model takes one value for each of {quoted(names)}, got {len(listed)} columns")
    return {name: (column,) for name, column in zip(names, listed, strict=True)}


def distinct(named: Mapping[str, Sequence[str]]) -> list[str]:
    """The columns of all inputs, each once."""
    return list(dict.fromkeys(column for columns in named.values() for column in columns))


def may_need_several(tensor: Tensor) -> bool:
    """Whether one column is not enough for the input: more than one of its axes is longer than 1."""
    return sum(dim != 1 for dim in tensor.shape[1:]) > 1 or any(
        isinstance(dim, int) and dim != 1 for dim in tensor.shape
    )


def _own_names(inputs: Sequence[Tensor]) -> Columns:
    """The names of the inputs, if each can be a column."""
    for tensor in inputs:
        if may_need_several(tensor):
            raise Error(
                f"which columns feed the input {tensor}? The model names no features: give columns=[...]"
                + (", a dict of input name -> list" if len(inputs) > 1 else "")
            )
    return {tensor.name: [tensor.name] for tensor in inputs}


def _from_mapping(names: list[str], columns: Mapping[str, Sequence[str] | str]) -> dict[str, tuple[str, ...]]:
    unknown = [str(name) for name in columns if name not in names]
    if unknown:
        raise Error(f"columns: {quoted(unknown)} is no input that takes columns; there are {quoted(names)}")
    missing = [name for name in names if name not in columns]
    if missing:
        raise Error(f"columns lacks the model's input {quoted(missing)}")
    return {name: _as_names(columns[name], f"columns[{name!r}]") for name in names}


def _as_names(columns: Sequence[str] | str, what: str) -> tuple[str, ...]:
    names = (columns,) if isinstance(columns, str) else tuple(columns)
    if not all(isinstance(name, str) and name for name in names):
        raise Error(f"{what} must hold names of columns, got {list(names)!r}")
    return names


def quoted(names: Sequence[str]) -> str:
    """Names for people."""
    return ", ".join(f"'{name}'" for name in names)


def cpp_string(text: str) -> str:
    """A C++ string literal of any text."""
    if re.fullmatch(r"[\w .,:;()\[\]<>=+*/-]*", text, re.ASCII):
        return json.dumps(text)
    return '"' + "".join(f"\\{byte:03o}" for byte in text.encode()) + '"'
