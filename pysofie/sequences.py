"""Sequences and optionals at the interface of a session, whose code knows only tensors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pysofie.errors import ShapeError


@dataclass(frozen=True)
class Value:
    """An input or output of a model that has sequences or optionals.

    Attributes
    ----------
    name : str
        The name in the model file.
    kind : {"tensor", "sequence", "absent"}
        What it is; an optional that is there is what it holds.
    count : int
        How many tensors of the code it is.
    """

    name: str
    kind: str
    count: int


def values_of(entries: Sequence[Any] | None) -> list[Value]:
    """Read a description's list of values; empty if all of a model's values are tensors."""
    return [_value(entry) for entry in entries or ()]


def _value(entry: Any) -> Value:
    if isinstance(entry, str):
        return Value(entry, "tensor", 1)
    name, count = entry
    return Value(name, "absent", 0) if count is None else Value(name, "sequence", count)


def spread(
    arrays: Sequence[Any], named: Mapping[str, Any], values: Sequence[Value]
) -> tuple[list[Any], dict[str, Any]]:
    """Replace sequences by their tensors, named ``x[0]``, ``x[1]``, ..., and leave out absent optionals.

    Raises
    ------
    ShapeError
        A sequence has another length than the model was compiled for, or an absent optional is given.
    """
    by_name = {value.name: value for value in values}
    in_order = [
        tensor for value, given in zip(values, arrays, strict=False) for _, tensor in _tensors(value, given)
    ]
    surplus = list(arrays[len(values) :])
    by_tensor = {
        tensor_name: tensor
        for name, given in named.items()
        for tensor_name, tensor in (_tensors(by_name[name], given) if name in by_name else [(name, given)])
    }
    return in_order + surplus, by_tensor


def _tensors(value: Value, given: Any) -> Iterator[tuple[str, Any]]:
    if value.kind == "tensor":
        yield value.name, given
    elif value.kind == "absent":
        if given is not None:
            raise ShapeError(f"input {value.name!r}: the model was compiled for this optional to be absent")
    elif not isinstance(given, (list, tuple)) or len(given) != value.count:
        came = f"{len(given)} tensors" if isinstance(given, (list, tuple)) else type(given).__name__
        raise ShapeError(f"input {value.name!r} is a sequence of {value.count} tensors; got {came}")
    else:
        yield from ((f"{value.name}[{i}]", tensor) for i, tensor in enumerate(given))


def tensors(named: Mapping[str, Any]) -> dict[str, Any]:
    """Replace sequences by their tensors, and leave out absent optionals."""
    result: dict[str, Any] = {}
    for name, value in named.items():
        if isinstance(value, list):
            result.update((f"{name}[{i}]", tensor) for i, tensor in enumerate(value))
        elif value is not None:
            result[name] = value
    return result


def collect(tensors: Sequence[Any], values: Sequence[Value]) -> dict[str, Any]:
    """Put the tensors of a session's outputs together to the model's values."""
    result: dict[str, Any] = {}
    rest = iter(tensors)
    for value in values:
        own = [next(rest) for _ in range(value.count)]
        result[value.name] = {"tensor": own[:1], "sequence": [own], "absent": [None]}[value.kind][0]
    return result
