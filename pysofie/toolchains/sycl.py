"""Compiling generated SYCL code to a shared library."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from pysofie.errors import CompileError
from pysofie.toolchains import sycl_wheels
from pysofie.toolchains.host import exports, run

#: SYCL compilers in order of preference, with what makes them translate SYCL and keep NaN and infinity.
COMPILERS = {
    "icpx": ["-fsycl", "-fp-model=precise"],
    "clang++": ["-fsycl", "-ffp-model=precise"],
    "acpp": ["-fno-fast-math"],
}
MISSING = (
    "no SYCL compiler: put icpx, acpp or a clang++ that knows -fsycl on the PATH, or name one in SYCL_CXX; "
    "to try SYCL on this machine's CPU, pip install 'pysofie[sycl]' into an environment and set "
    "PYSOFIE_SYCL_ROOT to it"
)


def compiler() -> list[str] | None:
    """The SYCL compiler and its options: ``$SYCL_CXX``, else the first one on the PATH that works."""
    if "SYCL_CXX" in os.environ:
        command = shlex.split(os.environ["SYCL_CXX"])
        return [*command, *COMPILERS.get(Path(command[0]).name, [])] if command else None
    for name, options in COMPILERS.items():
        if shutil.which(name) and _translates([name, *options]):
            return [name, *options]
    return None


def _translates(command: Sequence[str]) -> bool:
    """Whether the command finds SYCL's header: a plain clang++ does not."""
    probe = subprocess.run(
        [*command, "-x", "c++", "-fsyntax-only", "-"],
        input="#include <sycl/sycl.hpp>\n",
        capture_output=True,
        text=True,
        check=False,
    )
    return probe.returncode == 0


def compile_shared(source: Path, library: Path, options: Sequence[str] = ()) -> None:
    """Compile a SYCL source to a shared library; see `build`.

    It stays until the process ends: libsycl knows kernels by their names, and forgets those that another
    library has too when the first is unloaded.
    """
    hidden = ["-fvisibility=hidden", f"-Wl,{exports(library)}", "-Wl,-z,nodelete"]
    build(source, library, ["-fPIC", "-shared", *hidden, *options])


def build(source: Path, output: Path, options: Sequence[str] = ()) -> None:
    """Compile a SYCL source to a program.

    A SYCL compiler is used where there is one. Without, and only if the environment variable
    `PYSOFIE_SYCL_ROOT` names an environment with the wheels of ``pysofie[sycl]``, the host compiler and
    those wheels are (see `pysofie.toolchains.sycl_wheels`). Large matrix products go to oneMKL where it is
    there: its wheels, or what `MKLROOT` says beside Intel's compiler.

    Parameters
    ----------
    source, output : pathlib.Path
        The C++ file and the program to write.
    options : sequence of str
        Further options of the compiler.

    Raises
    ------
    CompileError
        If there is no SYCL compiler, or it refuses the source.
    """
    command = compiler()
    if command is not None:
        if "MKLROOT" in os.environ and Path(command[0]).name == "icpx":
            options = ["-DSOFIE_SYCL_MKL", "-DMKL_ILP64", "-qmkl=parallel", *options]
        run([*command, "-std=c++17", "-O2", str(source), *options, "-o", str(output)], source)
        return
    root = os.environ.get("PYSOFIE_SYCL_ROOT")
    if not root:
        raise CompileError(MISSING)
    sycl_wheels.build(Path(root), source, output, ["-O2", *options])
