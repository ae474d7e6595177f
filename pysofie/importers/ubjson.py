"""Universal Binary JSON, in which XGBoost keeps its models: read without trust in what it says of sizes."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

from pysofie.errors import InvalidModelError

# The numbers by their markers, as struct and NumPy name them; all have their first byte in front.
_NUMBERS = {"i": ">i1", "U": ">u1", "I": ">i2", "l": ">i4", "L": ">i8", "d": ">f4", "D": ">f8"}
_CONSTANTS = {"T": True, "F": False, "N": None, "Z": None}
_MAX_NESTING = 64


def loads(content: bytes) -> Any:
    """Read a document.

    Raises
    ------
    InvalidModelError
        It is none, or it is truncated.
    """
    try:
        reader = _Reader(content)
        return reader.value(reader.marker(), 0)
    except (struct.error, UnicodeDecodeError, ValueError) as error:
        raise InvalidModelError(f"this is no UBJ: {error}") from error


class _Reader:
    def __init__(self, content: bytes) -> None:
        self._content = content
        self._place = 0

    def _take(self, count: int) -> bytes:
        taken = self._content[self._place : self._place + count]
        if count < 0 or len(taken) < count:
            raise InvalidModelError("this is no UBJ: it ends too early")
        self._place += count
        return taken

    def marker(self) -> str:
        """The next character."""
        return self._take(1).decode("ascii")

    def _next_is(self, marker: str) -> bool:
        if self._content[self._place : self._place + 1] != marker.encode():
            return False
        self._place += 1
        return True

    def value(self, marker: str, nesting: int) -> Any:
        """What follows a marker."""
        if nesting > _MAX_NESTING:
            raise InvalidModelError(f"this is no UBJ: it is nested more than {_MAX_NESTING} deep")
        if marker in _NUMBERS:
            kind = np.dtype(_NUMBERS[marker])
            return np.frombuffer(self._take(kind.itemsize), kind)[0].item()
        if marker in _CONSTANTS:
            return _CONSTANTS[marker]
        if marker == "S":
            return self._text()
        if marker == "{":
            return self._object(nesting)
        if marker == "[":
            return self._array(nesting)
        raise InvalidModelError(f"this is no UBJ: it has the marker {marker!r}")

    def _size(self) -> int:
        size = self.value(self.marker(), 0)
        if not isinstance(size, int):
            raise InvalidModelError(f"this is no UBJ: a size is {size!r}")
        return size

    def _text(self) -> str:
        return self._take(self._size()).decode()

    def _object(self, nesting: int) -> dict[str, Any]:
        result = {}
        while not self._next_is("}"):
            name = self._text()
            result[name] = self.value(self.marker(), nesting + 1)
        return result

    def _array(self, nesting: int) -> list[Any]:
        kind = self.marker() if self._next_is("$") else None
        if not self._next_is("#"):
            result = []
            while not self._next_is("]"):
                result.append(self.value(self.marker(), nesting + 1))
            return result
        count = self._size()
        if kind is None:
            return [self.value(self.marker(), nesting + 1) for _ in range(count)]
        if kind not in _NUMBERS:
            raise InvalidModelError(f"this is no UBJ: it has an array of {kind!r}")
        numbers = np.dtype(_NUMBERS[kind])
        values: list[Any] = np.frombuffer(self._take(count * numbers.itemsize), numbers).tolist()
        return values
