"""Compiling generated alpaka code to a shared library.

alpaka is a header library that comes with an experiment's software; `PYSOFIE_ALPAKA_INCLUDE` says where,
and `PYSOFIE_ALPAKA_BACKEND` for which accelerator to compile. On a GPU large matrix products go to cuBLAS or
rocBLAS, which must then be installed; ``PYSOFIE_ALPAKA_BLAS=0`` does without.
"""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pysofie.errors import CompileError
from pysofie.toolchains.host import exports, run


@dataclass(frozen=True)
class Backend:
    """How to compile for one accelerator: its tag, its compilers by preference, their options."""

    tag: str
    definition: str
    compilers: tuple[str, ...] = ("g++", "clang++", "c++")
    options: tuple[str, ...] = ("-fPIC",)
    library: tuple[str, ...] = ()  #: the macro for large matrix products, and the library

    def defines(self) -> list[str]:
        return [f"-DSOFIE_ALPAKA_TAG=alpaka::{self.tag}", f"-D{self.definition}"]


BACKENDS = {
    "CpuSerial": Backend("TagCpuSerial", "ALPAKA_ACC_CPU_B_SEQ_T_SEQ_ENABLED"),
    "CpuThreads": Backend(
        "TagCpuThreads", "ALPAKA_ACC_CPU_B_SEQ_T_THREADS_ENABLED", options=("-fPIC", "-pthread")
    ),
    "CpuOmp2Blocks": Backend(
        "TagCpuOmp2Blocks", "ALPAKA_ACC_CPU_B_OMP2_T_SEQ_ENABLED", options=("-fPIC", "-fopenmp")
    ),
    "GpuCuda": Backend(
        "TagGpuCudaRt",
        "ALPAKA_ACC_GPU_CUDA_ENABLED",
        ("nvcc",),
        ("-x", "cu", "--expt-relaxed-constexpr", "--extended-lambda", "-Xcompiler=-fPIC"),
        ("-DSOFIE_ALPAKA_CUBLAS", "-lcublas"),
    ),
    "GpuHip": Backend(
        "TagGpuHipRt",
        "ALPAKA_ACC_GPU_HIP_ENABLED",
        ("hipcc",),
        ("-fPIC",),
        ("-DSOFIE_ALPAKA_ROCBLAS", "-lrocblas"),
    ),
}


def include_folder() -> Path:
    """The folder that holds ``alpaka/alpaka.hpp``.

    Raises
    ------
    CompileError
        If `PYSOFIE_ALPAKA_INCLUDE` is not set or names another folder.
    """
    folder = os.environ.get("PYSOFIE_ALPAKA_INCLUDE")
    if not folder:
        raise CompileError("no alpaka: set PYSOFIE_ALPAKA_INCLUDE to the folder that holds alpaka/alpaka.hpp")
    if not (Path(folder) / "alpaka" / "alpaka.hpp").exists():
        raise CompileError(f"PYSOFIE_ALPAKA_INCLUDE={folder} does not hold alpaka/alpaka.hpp")
    return Path(folder)


def backend() -> Backend:
    """The accelerator that `PYSOFIE_ALPAKA_BACKEND` names, ``CpuSerial`` unless set.

    Raises
    ------
    CompileError
        If there is no such accelerator.
    """
    name = os.environ.get("PYSOFIE_ALPAKA_BACKEND", "CpuSerial")
    if name not in BACKENDS:
        raise CompileError(f"PYSOFIE_ALPAKA_BACKEND={name} is none of {', '.join(BACKENDS)}")
    return BACKENDS[name]


def command(chosen: Backend) -> list[str]:
    """The compiler and its options for an accelerator, up to the source.

    Raises
    ------
    CompileError
        If its compiler is not on the PATH.
    """
    candidates = chosen.compilers
    if "ALPAKA_CXX" in os.environ:
        compiler = shlex.split(os.environ["ALPAKA_CXX"])
    else:
        compiler = [name for name in candidates if shutil.which(name)][:1]
    if not compiler:
        raise CompileError(
            f"alpaka's {chosen.tag} needs {' or '.join(candidates)} on the PATH, or ALPAKA_CXX set"
        )
    headers = ["-isystem", str(include_folder()), "-DALPAKA_DISABLE_VENDOR_RNG"]
    return [*compiler, "-std=c++20", "-O3", *chosen.options, *headers, *chosen.defines()]


def compile_shared(source: Path, library: Path, options: Sequence[str] = ()) -> None:
    """Compile an alpaka source to a shared library; see `build`."""
    hidden = "-Xcompiler=-fvisibility=hidden" if "nvcc" in backend().compilers else "-fvisibility=hidden"
    build(source, library, ["-shared", hidden, "-Xlinker", exports(library), *options])


def build(source: Path, output: Path, options: Sequence[str] = ()) -> None:
    """Compile an alpaka source to a program, for the accelerator that `PYSOFIE_ALPAKA_BACKEND` names.

    Parameters
    ----------
    source, output : pathlib.Path
        The C++ file and the program to write.
    options : sequence of str
        Further options of the compiler, for instance ``-arch=sm_90`` or ``--offload-arch=gfx90a``.

    Raises
    ------
    CompileError
        If alpaka or the accelerator's compiler is missing, or the compiler refuses the source.
    """
    chosen = backend()
    library = chosen.library if os.environ.get("PYSOFIE_ALPAKA_BLAS", "1") != "0" else ()
    if "-c" in options:
        library = library[:1]
    run([*command(chosen), str(source), *options, "-o", str(output), *library], source)
