"""What is said of operations that cannot be written down."""

from __future__ import annotations

import inspect
import reprlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from pysofie.errors import Error


class UnknownElementsError(Error, TypeError):
    """The elements of a tensor are asked for, which only a run has.

    A TypeError, as NumPy's functions expect it of what they cannot convert.
    """


class PlaceError(Error, IndexError):
    """A tensor has nothing at an index; an IndexError, as of arrays."""


def attempt(what: str, function: Callable[..., Any], *args: Any, **keywords: Any) -> Any:
    """Call a function, whose errors about types and values become those of what the user wrote.

    Raises
    ------
    Error
        The function raised; the message names `what`.
    """
    try:
        return function(*args, **keywords)
    except Error:
        raise
    except (TypeError, ValueError, OverflowError) as error:
        raise Error(f"{what}: {error}") from error


def require_parameters(
    name: str, function: Callable[..., Any], args: Sequence[Any], keywords: Mapping[str, Any]
) -> None:
    """Refuse arguments that what stands for a function of NumPy does not take.

    Raises
    ------
    Error
        There is such an argument; the message tells those that are taken.
    """
    signature = inspect.signature(function)
    try:
        signature.bind(*args, **keywords)
    except TypeError as error:
        raise Error(
            f"{name} of symbolic tensors takes {', '.join(signature.parameters)}, and {error}"
        ) from None


def listed(operands: Iterable[Any]) -> str:
    """Operands in a message; arrays and lists are shortened."""
    from pysofie.tracing.tensor import Tensor

    return ", ".join(str(x) if isinstance(x, Tensor) else reprlib.repr(x) for x in operands)
