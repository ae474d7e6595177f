"""The machine's ceilings, and loops around compiled models, timed in C++."""

from __future__ import annotations

import ctypes
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from pysofie import Session
from pysofie.toolchains import host

HERE = Path(__file__).parent
RUNTIME = HERE.parent / "cpp" / "runtime"


@dataclass(frozen=True)
class Ceilings:
    """What one core can do at most.

    Attributes
    ----------
    gflops : float
        Multiplications and additions in float32, 1e9 per second.
    l1, l2 : float
        Reading from the first- and second-level cache, 1e9 bytes per second.
    """

    gflops: float
    l1: float
    l2: float


@cache
def library() -> ctypes.CDLL:
    """Compile `native.cpp` with the host's compiler."""
    compiler = host.find()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "native.so"
        flags = [*compiler.flags, "-fvisibility=default", f"-I{RUNTIME}"]
        host.run([*compiler.command, *flags, str(HERE / "native.cpp"), "-o", str(path)], HERE / "native.cpp")
        native = ctypes.CDLL(str(path))
    for function in (native.fma_gflops, native.read_gbytes, native.loop_nanoseconds):
        function.restype = ctypes.c_double
    return native


def ceilings() -> Ceilings:
    """Measure the machine."""
    native = library()
    l1, l2 = (native.read_gbytes(ctypes.c_size_t(size)) for size in (16 << 10, 512 << 10))
    return Ceilings(native.fma_gflops(), l1, l2)


def loop_nanoseconds(session: Session, feeds: dict[str, np.ndarray[Any, Any]], seconds: float) -> float:
    """Nanoseconds per call in a plain C++ loop, without a clock between the calls.

    Parameters
    ----------
    session : pysofie.Session
        A model for the CPU.
    feeds : dict of str to numpy.ndarray
        The inputs, of the model's dtypes and row-major.
    seconds : float
        How long to try, roughly.

    Returns
    -------
    float
        The least of many tries.
    """
    symbols: dict[str, int] = {}
    for tensor in session.inputs:
        for dim, size in zip(tensor.shape, feeds[tensor.name].shape, strict=True):
            if isinstance(dim, str):
                symbols[dim] = size
    outputs = session.run(feeds)
    one = max(float(session.benchmark(feeds, 50).min()), 1.0)
    tries = 100
    calls = max(1, int(seconds * 1e9 / tries / one))
    nanoseconds: float = library().loop_nanoseconds(
        ctypes.c_void_p(session.library.address),
        str(session.weights).encode(),
        (ctypes.c_int64 * len(symbols))(*(symbols[name] for name in session.symbols)),
        _pointers([feeds[tensor.name] for tensor in session.inputs]),
        _pointers([outputs[tensor.name] for tensor in session.outputs]),
        ctypes.c_int64(calls),
        tries,
    )
    return nanoseconds


def _pointers(arrays: list[np.ndarray[Any, Any]]) -> Any:
    return (ctypes.c_void_p * len(arrays))(*(array.ctypes.data for array in arrays))
