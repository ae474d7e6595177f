"""The errors of pysofie; all derive from `Error`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Error(Exception):
    """Base of every error that pysofie raises on purpose."""


class InvalidModelError(Error):
    """The file or object is not a well-formed model."""


class UnsupportedError(Error):
    """The model is well-formed but uses something that pysofie cannot compile; all of it is listed."""


class ShapeError(Error, ValueError):
    """An array, a dimension or a dtype does not fit the model."""


class CompileError(Error):
    """The host compiler is missing or refused the generated code.

    Attributes
    ----------
    log : str
        What the compiler said.
    source : pathlib.Path or None
        The folder in which the generated code was kept.
    """

    def __init__(self, message: str, *, log: str = "", source: Path | None = None) -> None:
        super().__init__(message)
        self.log = log
        self.source = source


@contextmanager
def errors_of(model: str | None) -> Iterator[None]:
    """Let the message of an `InvalidModelError` begin with the name of the model, if it has one."""
    try:
        yield
    except InvalidModelError as error:
        if model is None:
            raise
        raise InvalidModelError(f"{model}: {error}") from error
