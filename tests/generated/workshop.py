"""Compiling generated headers: as users do, and as a library under flags of the test's choice."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import onnx

import pysofie
from pysofie import _core
from pysofie.compile import build, entry_point
from pysofie.generate import Options
from pysofie.importers import as_source
from pysofie.toolchains import host

HERE = Path(__file__).parent
# What generated code is compiled with, but for the optimisation, which is slow.
LIBRARY = tuple(flag for flag in host.FLAGS if flag != "-O3")
PROGRAM = ("-std=c++17", "-O1", "-fno-math-errno", "-fno-trapping-math")


def compile_program(
    source: Path, folder: Path, *flags: str, units: Sequence[Path] = (), compiler: str = "g++"
) -> Path:
    """Compile a C++ program that includes headers of `folder`."""
    program = folder / source.stem
    files = map(str, (source, *units))
    subprocess.run([compiler, *PROGRAM, f"-I{folder}", *flags, *files, "-o", str(program)], check=True)
    return program


def run(program: Path, *arguments: str, **variables: str) -> str:
    """Standard output of a program, run where it lies."""
    # A preloaded allocator must not come before the sanitizer's.
    environment = {key: text for key, text in os.environ.items() if key != "LD_PRELOAD"} | variables
    done = subprocess.run(
        [str(program), *arguments],
        cwd=program.parent,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def sessions(
    models: Iterable[onnx.ModelProto | pysofie.Model],
    folder: Path,
    *flags: str,
    disabled_passes: Sequence[str] = (),
    load: bool = True,
) -> list[pysofie.Session]:
    """Compile models into one library with the compiler flags given, and load it unless it cannot be here."""
    sources = [
        as_source(model) if isinstance(model, pysofie.Model) else as_source(model, name=f"model_{i}")
        for i, model in enumerate(models)
    ]
    options = Options(disabled_passes=tuple(disabled_passes))
    build(sources, options, host.Host(("g++",), (*LIBRARY, *flags)), folder)
    return open_sessions(folder, len(sources) if load else 0)


def open_sessions(folder: Path, count: int) -> list[pysofie.Session]:
    """Load what `sessions` compiled."""
    library = str(folder / "model.so")
    return [
        pysofie.Session(_core.Library(library, entry_point(i)), folder / f"{i}.dat") for i in range(count)
    ]


def reference(model: onnx.ModelProto, feeds: dict[str, np.ndarray]) -> list[np.ndarray]:
    """What onnxruntime computes, without optimisations of its own."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return session.run(None, feeds)


def feeds(session: pysofie.Session, sizes: dict[str, int], seed: int = 0) -> dict[str, np.ndarray]:
    """Inputs for a session whose symbols have these values."""
    rng = np.random.default_rng(seed)
    result = {}
    for tensor in session.inputs:
        shape = [dim if isinstance(dim, int) else sizes[dim] for dim in tensor.shape]
        if tensor.dtype == "bool":
            result[tensor.name] = rng.integers(0, 2, shape).astype(bool)
        elif tensor.dtype.startswith("float"):
            result[tensor.name] = rng.standard_normal(shape).astype(tensor.dtype)
        else:
            result[tensor.name] = rng.integers(0, 10, shape).astype(tensor.dtype)
    return result
