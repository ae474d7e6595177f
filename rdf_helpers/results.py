"""What a model's outputs become: a number, a list or lists of numbers per event, or a struct of these."""

from __future__ import annotations

import enum
import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pysofie.errors import Error, UnsupportedError
from pysofie.model import Tensor

from .columns import quoted

#: What the user may ask for: an output by name or position, ``"name[i]"`` for an element along its last axis,
#: a list of these, or a dict of member -> output for a struct.
Outputs = str | int | Sequence[str | int] | Mapping[str, str | int] | None

#: How C++ spells NumPy's types.
CPP_TYPES = {
    "bool": "bool",
    "int8": "std::int8_t",
    "int16": "std::int16_t",
    "int32": "std::int32_t",
    "int64": "std::int64_t",
    "uint8": "std::uint8_t",
    "uint16": "std::uint16_t",
    "uint32": "std::uint32_t",
    "uint64": "std::uint64_t",
    "float32": "float",
    "float64": "double",
}


class Kind(enum.Enum):
    """What an event has of an output."""

    NUMBER = enum.auto()
    LIST = enum.auto()
    LISTS = enum.auto()


@dataclass(frozen=True)
class Choice:
    """An output, or one element along its last axis, that is wanted.

    Attributes
    ----------
    member : str
        A C++ identifier: its name where there are several.
    output : int
        The position among the model's outputs.
    element : int or None
        The position along the last axis; None for all.
    """

    member: str
    output: int
    element: int | None = None


@dataclass(frozen=True)
class Result:
    """What a choice becomes.

    Attributes
    ----------
    choice : Choice
        What it is made of.
    dtype : str
        NumPy's name of the elements' type.
    kind : Kind
        Number, list, or list of lists; of higher ranks the trailing axes are one list.
    axes : tuple of int
        The output's axes that an event sees, those that are not of size 1; the chosen element's is none.
    stride : int
        Elements from one to the next that is wanted.
    is_open : bool
        Whether its length differs from event to event.
    """

    choice: Choice
    dtype: str
    kind: Kind
    axes: tuple[int, ...]
    stride: int
    is_open: bool

    @property
    def column_type(self) -> str:
        """C++ type of the column that it makes."""
        element = CPP_TYPES[self.dtype]
        vector = f"ROOT::RVec<{element}>"
        return {Kind.NUMBER: element, Kind.LIST: vector, Kind.LISTS: f"ROOT::RVec<{vector}>"}[self.kind]


def require_numbers(tensors: Sequence[Tensor]) -> None:
    """Refuse elements that columns cannot hold, with `UnsupportedError`."""
    for tensor in tensors:
        if tensor.dtype not in CPP_TYPES:
            raise UnsupportedError(
                f"{tensor}: columns cannot hold {tensor.dtype}; let the model cast it from and to float32"
            )


def choose(outputs: Sequence[Tensor], wanted: Outputs) -> tuple[tuple[Choice, ...], bool]:
    """Find the outputs that are wanted.

    Parameters
    ----------
    outputs : sequence of Tensor
        The model's outputs.
    wanted : str, int, list, dict or None
        See `Outputs`; None for all.

    Returns
    -------
    choices : tuple of Choice
    is_struct : bool
        Whether they are the members of a struct.

    Raises
    ------
    Error
        There is no such output or element.
    """
    if wanted is None:
        wanted = 0 if len(outputs) == 1 else list(range(len(outputs)))
    if isinstance(wanted, Mapping):
        if not wanted:
            raise Error("output={}: it names no output")
        return tuple(_choice(outputs, part, _member(name)) for name, part in wanted.items()), True
    if isinstance(wanted, (str, int, np.integer)):
        return (_choice(outputs, wanted, None),), False
    if not isinstance(wanted, Sequence):
        raise Error(f"output={wanted!r}: give a name, a position, or a list or dict of them")
    choices: list[Choice] = []
    for part in wanted:
        choice = _choice(outputs, part, None)
        if choice.member in [other.member for other in choices]:
            choice = _choice(outputs, part, f"{choice.member}_{len(choices)}")
        choices.append(choice)
    if not choices:
        raise Error("output=[]: it names no output")
    return tuple(choices), True


def describe(
    choices: Sequence[Choice],
    outputs: Sequence[Tensor],
    shapes: Sequence[Sequence[int]],
    open_symbols: Collection[str],
    measured: Collection[str],
) -> list[Result]:
    """Say what the choices become.

    Parameters
    ----------
    choices : sequence of Choice
        From `choose`.
    outputs : sequence of Tensor
        The model's outputs.
    shapes : sequence of shapes
        Of the outputs, for some value of the open symbols.
    open_symbols : collection of str
        The symbols that differ from event to event.
    measured : collection of str
        The outputs whose shapes the data decide.

    Returns
    -------
    list of Result

    Raises
    ------
    Error
        An element is chosen along an axis that is too short, or whose size is not known.
    """
    return [
        _describe(
            choice,
            outputs[choice.output],
            shapes[choice.output],
            _open_axes(outputs[choice.output], open_symbols, outputs[choice.output].name in measured),
        )
        for choice in choices
    ]


def _describe(choice: Choice, tensor: Tensor, shape: Sequence[int], is_open: Sequence[bool]) -> Result:
    axes = [axis for axis, size in enumerate(shape) if is_open[axis] or size != 1]
    stride = 1
    if choice.element is not None:
        last = len(shape) - 1
        if is_open[last]:
            raise Error(f"output: the last axis of {tensor} is not as long in every event")
        _require_element(Tensor(tensor.name, tensor.dtype, tuple(shape)), choice.element)
        axes = [axis for axis in axes if axis != last]
        stride = shape[last]
        choice = Choice(choice.member, choice.output, choice.element % stride)
    open_axes = [axis for axis in axes if is_open[axis]]
    kind = Kind.NUMBER if not axes else Kind.LISTS if len(axes) > 1 and open_axes else Kind.LIST
    return Result(choice, tensor.dtype, kind, tuple(axes), stride, bool(open_axes))


def _open_axes(tensor: Tensor, symbols: Collection[str], measured: bool) -> list[bool]:
    """Which dims differ from event to event; a dim is a number, or an expression of symbols."""
    return [
        isinstance(dim, str)
        and (dim in symbols or measured or bool(set(re.split(r"[\s+*/%(),-]+", dim)) & set(symbols)))
        for dim in tensor.shape
    ]


def _choice(outputs: Sequence[Tensor], wanted: str | int | np.integer, member: str | None) -> Choice:
    names = [tensor.name for tensor in outputs]
    if isinstance(wanted, str):
        if wanted in names:
            return Choice(member or _identifier(wanted), names.index(wanted))
        found = re.fullmatch(r"(.+)\[(-?\d+)\]", wanted)
        if found and found.group(1) in names:
            position, element = names.index(found.group(1)), int(found.group(2))
            _require_element(outputs[position], element)
            return Choice(member or _identifier(wanted), position, element)
    elif not isinstance(wanted, bool) and -len(names) <= wanted < len(names):
        position = int(wanted) % len(names)
        return Choice(member or _identifier(names[position]), position)
    raise Error(
        f"output={wanted!r}: the model's outputs are {quoted(names)}; 'name[i]' is one element of them"
    )


def _identifier(name: str) -> str:
    """A C++ identifier for an output's name."""
    from pysofie import _core

    return str(_core.sanitize(name))


def _require_element(tensor: Tensor, element: int) -> None:
    last = tensor.shape[-1] if tensor.shape else 0
    if isinstance(last, int) and not -last <= element < last:
        raise Error(f"output: the last axis of {tensor} has no element {element}")


def _member(name: str) -> str:
    if not name.isidentifier() or not name.isascii():
        raise Error(f"output: {name!r} is no C++ identifier, and cannot name a member")
    return name


def values(array: np.ndarray, result: Result) -> np.ndarray:
    """What a result is of an output of some events, as an array.

    Parameters
    ----------
    array : numpy.ndarray
        The output, with an axis of events in front.
    result : Result
        What is wanted of it.

    Returns
    -------
    numpy.ndarray
        Of shape (events,), (events, n), or (events, m, n) for lists of lists.
    """
    if result.choice.element is not None:
        array = array[..., result.choice.element]
    sizes = [array.shape[axis + 1] for axis in result.axes]
    if result.kind is Kind.LISTS:
        return array.reshape(len(array), sizes[0], math.prod(sizes[1:]))
    return array.reshape(len(array), *([math.prod(sizes)] if result.kind is Kind.LIST else []))
