"""What turns generated code into a shared library: one module per target, one interface."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from pysofie.errors import UnsupportedError

TARGETS = ("cpu", "sycl", "alpaka")


class Toolchain(Protocol):
    """A way to compile generated code."""

    def identity(self) -> str:
        """Compiler, flags and processor as text: what a library depends on. Starts no process."""

    def build(self, source: Path, library: Path, options: Sequence[str] = ()) -> None:
        """Compile `source` into the shared library `library`, with further options of the compiler.

        Raises
        ------
        CompileError
            With the compiler's words.
        """


def find(target: str, compiler: str | None = None) -> Toolchain:
    """Look for the tool chain of a target.

    Parameters
    ----------
    target : {"cpu", "sycl", "alpaka"}
        What the code was generated for.
    compiler : str, optional
        A command, with arguments if need be; by default ``$CXX``, else the system's compiler.

    Raises
    ------
    UnsupportedError
        There is no such target.
    CompileError
        No tool chain was found; the message says how to get one.
    """
    check_target(target)
    from pysofie.toolchains import device, host

    return host.find(compiler) if target == "cpu" else device.find(target, compiler)


def check_target(target: str) -> None:
    """Refuse a target that does not exist."""
    if target not in TARGETS:
        raise UnsupportedError(f"target {target!r} does not exist; there are {', '.join(TARGETS)}")
