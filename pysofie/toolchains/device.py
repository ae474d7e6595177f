"""The tool chains of the device targets, chosen by environment variables."""

from __future__ import annotations

import importlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pysofie.errors import CompileError
from pysofie.toolchains import host

# What each of them looks at; PATH decides where no variable does.
_VARIABLES = {
    "sycl": ("SYCL_CXX", "PYSOFIE_SYCL_ROOT", "MKLROOT", "CXX", "PATH"),
    "alpaka": (
        "ALPAKA_CXX",
        "PYSOFIE_ALPAKA_INCLUDE",
        "PYSOFIE_ALPAKA_BACKEND",
        "PYSOFIE_ALPAKA_BLAS",
        "PATH",
    ),
}


@dataclass(frozen=True)
class Device:
    """A tool chain whose module has ``compile_shared(source, library)``."""

    target: str

    def identity(self) -> str:
        """The choice that the environment makes, and the processor."""
        choice = {name: os.environ.get(name) for name in _VARIABLES[self.target]}
        return f"{self.target} {choice} {host.processor()}"

    def build(self, source: Path, library: Path, options: Sequence[str] = ()) -> None:
        """Compile; see `Toolchain.build`."""
        importlib.import_module(f"pysofie.toolchains.{self.target}").compile_shared(source, library, options)


def find(target: str, compiler: str | None) -> Device:
    """Take the tool chain of a device target.

    Raises
    ------
    CompileError
        A compiler is named, which is done by an environment variable here.
    """
    if compiler is not None:
        variable = _VARIABLES[target][0]
        raise CompileError(f"for target {target!r} the compiler is chosen by ${variable}, not by compiler=")
    return Device(target)
