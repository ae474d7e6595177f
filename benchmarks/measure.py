"""One model through all engines, interleaved."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import pysofie

from . import fresh, native
from .engines import ENGINES, Feeds


@dataclass(frozen=True)
class Latency:
    """Nanoseconds per call."""

    median: float
    p99: float

    @classmethod
    def of(cls, durations: NDArray[Any]) -> Latency:
        return cls(float(np.median(durations)), float(np.quantile(durations, 0.99)))


@dataclass(frozen=True)
class Result:
    """What is known about a model after its benchmark.

    Attributes
    ----------
    model : str
        Name, with the batch if one was asked for.
    latency : dict of str to Latency
        By engine, single calls with a clock between them. "pysofie" is called in a loop inside C++, and
        "pysofie (Python)" as ``session(x)``; onnxruntime from Python with bound buffers.
    loop : float
        Nanoseconds per call of pysofie in a plain C++ loop.
    flops : float or None
        Floating-point operations of a call, where the zoo's index knows them.
    error : float
        Largest difference from onnxruntime, relative to the largest value of the output.
    compile, cached : float
        Seconds to compile the model, and to load it from the cache in a fresh process.
    arena : int
        Bytes for intermediate tensors.
    peak : dict of str to float
        By engine, the bytes by which a fresh process grew at its peak.
    """

    model: str
    latency: dict[str, Latency]
    loop: float
    flops: float | None
    error: float
    compile: float
    cached: float
    arena: int
    peak: dict[str, float]

    @property
    def ratio(self) -> float:
        """How many times faster than onnxruntime."""
        return self.latency["onnxruntime"].median / self.latency["pysofie"].median

    @property
    def gflops(self) -> float | None:
        """Operations per nanosecond in the plain loop."""
        return None if self.flops is None else self.flops / self.loop


def measure(
    name: str,
    path: Path,
    feeds: Feeds,
    flops: float | None,
    *,
    rounds: int,
    seconds: float,
    progress: Callable[[], None],
) -> Result:
    """Benchmark one model.

    Parameters
    ----------
    name, path : str, pathlib.Path
        The model.
    feeds : dict of str to numpy.ndarray
        Its inputs.
    flops : float or None
        Operations of a call on these inputs.
    rounds : int
        How often the engines take turns.
    seconds : float
        How long a turn lasts, roughly.
    progress : callable
        Called after each round.

    Returns
    -------
    Result
        Everything measured.
    """
    start = time.perf_counter()
    session = pysofie.compile(path, cache=False)
    compile_seconds = time.perf_counter() - start
    sessions = {engine: load(path) for engine, load in ENGINES.items()}
    expected = sessions["onnxruntime"].run(feeds)
    error = max(_difference(value, expected[key]) for key, value in session.run(feeds).items())

    calls: dict[str, Callable[[int], NDArray[Any]]] = {
        engine: partial(loaded.benchmark, feeds) for engine, loaded in sessions.items()
    }
    calls["pysofie (Python)"] = partial(_python_calls, session, feeds)
    repeats = {key: _repeat(call, seconds) for key, call in calls.items()}
    durations: dict[str, list[NDArray[Any]]] = {key: [] for key in calls}
    for _ in range(rounds):
        for key, call in calls.items():
            durations[key].append(call(repeats[key]))
        progress()

    started = _fresh(path, feeds)
    return Result(
        model=name,
        latency={key: Latency.of(np.concatenate(value)) for key, value in durations.items()},
        loop=native.loop_nanoseconds(session, feeds, seconds),
        flops=flops,
        error=error,
        compile=compile_seconds,
        cached=started["pysofie"]["seconds"],
        arena=session.arena_bytes,
        peak={engine: values["bytes"] for engine, values in started.items()},
    )


def _python_calls(session: pysofie.Session, feeds: Feeds, repeat: int) -> NDArray[np.uint64]:
    arrays, clock = [feeds[tensor.name] for tensor in session.inputs], time.perf_counter_ns
    durations = np.empty(repeat, np.uint64)
    for i in range(repeat):
        start = clock()
        session(*arrays)
        durations[i] = clock() - start
    return durations


def _repeat(call: Callable[[int], NDArray[Any]], seconds: float) -> int:
    return int(np.clip(seconds * 1e9 / np.median(call(20)), 20, 200_000))


def _difference(value: NDArray[Any], expected: NDArray[Any]) -> float:
    wide = expected.astype(np.float64)
    largest = float(np.max(np.abs(wide), initial=0.0))
    return float(np.max(np.abs(value - wide), initial=0.0)) / (largest or 1.0)


def _fresh(path: Path, feeds: Feeds) -> dict[str, dict[str, float]]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "feeds.npz"
        np.savez(file, allow_pickle=False, **feeds)
        return {engine: fresh.start(engine, path, file) for engine in ENGINES}
