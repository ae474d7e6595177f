"""The host's C++ compiler."""

from __future__ import annotations

import os
import platform
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pysofie.errors import CompileError

# Fast, but never at the price of the meaning of NaN and infinity.
FLAGS = (
    "-std=c++17",
    "-O3",
    "-march=native",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-fPIC",
    "-shared",
    "-fvisibility=hidden",
)
_NAMES = ("c++", "g++", "clang++")
# -fvisibility=hidden leaves the templates of the standard library visible, to be mixed with those of others.
_EXPORTS = "{ global: pysofie_*; local: *; };"


@dataclass(frozen=True)
class Host:
    """A compiler command and its flags."""

    command: tuple[str, ...]
    flags: tuple[str, ...] = FLAGS

    def identity(self) -> str:
        """Compiler, flags and processor as text."""
        binary = Path(self.command[0]).resolve()
        status = binary.stat()
        return f"{self.command} {binary} {status.st_size} {status.st_mtime_ns} {self.flags} {processor()}"

    def build(self, source: Path, library: Path, options: Sequence[str] = ()) -> None:
        """Compile; see `Toolchain.build`."""
        link = f"-Wl,{exports(library)}"
        run([*self.command, *self.flags, str(source), *options, link, "-o", str(library)], source)


def exports(library: Path) -> str:
    """The linker's option that hides all of a library but the tables of its models.

    Else two models of one name would share what C++ has once in a process: templates and inline functions.
    """
    script = library.with_suffix(".map")
    script.write_text(_EXPORTS)
    return f"--version-script={script}"


def find(compiler: str | None = None) -> Host:
    """Look for a compiler: the argument, else ``$CXX``, else the system's.

    Raises
    ------
    CompileError
        There is none.
    """
    wish = compiler or os.environ.get("CXX")
    if wish:
        command = shlex.split(wish)
        binary = shutil.which(command[0]) if command else None
        if binary is None:
            origin = "compiler=" if compiler else "$CXX"
            raise CompileError(f"the compiler {wish!r} (from {origin}) does not exist or cannot be executed")
        return Host((binary, *command[1:]))
    for name in _NAMES:
        binary = shutil.which(name)
        if binary is not None:
            return Host((binary,))
    raise CompileError(
        f"no C++ compiler found (looked for $CXX, {', '.join(_NAMES)}); install one, for example with "
        "`apt install g++`, `dnf install gcc-c++` or `conda install cxx-compiler`"
    )


def run(command: list[str], source: Path) -> None:
    """Run a compiler.

    Raises
    ------
    CompileError
        It failed, or could not be started.
    """
    try:
        result = subprocess.run(
            command,
            cwd=source.parent,
            env={**os.environ, "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
    except OSError as error:
        raise CompileError(f"cannot start {command[0]}: {error.strerror}") from error
    if result.returncode != 0:
        raise CompileError(
            f"the compiler failed (exit code {result.returncode}):\n  {shlex.join(command)}\n{result.stdout}",
            log=result.stdout,
        )


@cache
def processor() -> str:
    """What ``-march=native`` depends on."""
    lines = []
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            for line in file:
                if line.startswith(("model name", "flags", "Features", "CPU part", "isa")):
                    lines.append(line.strip())
                elif not line.strip():  # the first processor stands for all
                    break
    except FileNotFoundError:
        lines.append(platform.processor())
    return " ".join([platform.machine(), *lines])
