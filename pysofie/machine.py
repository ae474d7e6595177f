"""What one core of this machine can do at most: the measure of how fast a kernel is."""

from __future__ import annotations

import ctypes
import functools
from dataclasses import dataclass
from pathlib import Path

from pysofie import cache
from pysofie.toolchains import host

_SOURCE = Path(__file__).with_suffix(".cpp")


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


@functools.cache
def ceilings() -> Ceilings:
    """Measure the machine, which takes a second.

    Raises
    ------
    CompileError
        There is no compiler.
    """
    compiler = host.find()
    folder = cache.fetch(
        cache.key(_SOURCE.read_text(), compiler.identity()),
        lambda folder: compiler.build(_SOURCE, folder / "machine.so"),
    )
    native = ctypes.CDLL(str(folder / "machine.so"))
    native.pysofie_fma_gflops.restype = native.pysofie_read_gbytes.restype = ctypes.c_double
    l1, l2 = (native.pysofie_read_gbytes(ctypes.c_size_t(size)) for size in (16 << 10, 512 << 10))
    return Ceilings(native.pysofie_fma_gflops(), l1, l2)
