"""What was measured, and the file that keeps it."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pysofie.machine import Ceilings

from .engines import OURS, PEERS
from .task import Job


@dataclass(frozen=True)
class Latency:
    """Nanoseconds per call."""

    median: float
    p99: float

    @classmethod
    def of(cls, durations: NDArray[Any]) -> Latency:
        return cls(float(np.median(durations)), float(np.quantile(durations, 0.99)))


@dataclass(frozen=True)
class Measured:
    """An engine with a model.

    Attributes
    ----------
    latency : dict of str to Latency
        "python": called from Python with bound buffers; "loop": in a C++ loop. A clock between the calls.
    build : float or None
        Seconds to generate and compile code, or None where there is no such step.
    start : float
        Seconds to load the model, or what was built, in a fresh process.
    peak : int
        Bytes by which that process grew at its peak, until after the first ten calls.
    error : float or None
        Largest difference from the reference, relative to the largest value of the output.
    source_lines, source_bytes : int or None
        Size of the generated source, weights not counted.
    arena, arena_bound : int or None
        Bytes for intermediate tensors, and the most bytes of them that are alive together.
    """

    latency: dict[str, Latency]
    build: float | None
    start: float
    peak: int
    error: float | None = None
    source_lines: int | None = None
    source_bytes: int | None = None
    arena: int | None = None
    arena_bound: int | None = None


@dataclass(frozen=True)
class Result:
    """A model with all engines.

    Attributes
    ----------
    job : Job
        What was measured.
    engines : dict of str to Measured
        By engine, those that ran.
    failed : dict of str to str
        Why the others did not.
    plain : float
        Nanoseconds per call of pysofie in a C++ loop without a clock.
    scaling : dict of str to float
        How many times the calls per second of one thread two threads make, by language.
    """

    job: Job
    engines: dict[str, Measured]
    failed: dict[str, str]
    plain: float | None
    scaling: dict[str, float]

    def median(self, engine: str, way: str = "python") -> float | None:
        """Nanoseconds per call, if it ran."""
        measured = self.engines.get(engine)
        return None if measured is None or way not in measured.latency else measured.latency[way].median

    def ratio(self, engine: str, way: str = "python") -> float | None:
        """How many times faster than an engine pysofie is, both called the same way."""
        theirs, ours = self.median(engine, way), self.median(OURS, way)
        return None if theirs is None or ours is None else theirs / ours

    @property
    def faster(self) -> float | None:
        """How many times faster than the better of onnxruntime and OpenVINO."""
        ratios = [ratio for ratio in map(self.ratio, PEERS) if ratio is not None]
        return min(ratios, default=None)

    @property
    def gflops(self) -> float | None:
        """Operations per nanosecond without a clock between the calls."""
        return None if self.job.flops is None or self.plain is None else self.job.flops / self.plain

    @classmethod
    def of(cls, content: dict[str, Any]) -> Result:
        """What `asdict` made."""
        engines = {
            name: Measured(
                **entry | {"latency": {way: Latency(**values) for way, values in entry["latency"].items()}}
            )
            for name, entry in content["engines"].items()
        }
        return cls(**content | {"job": Job(**content["job"]), "engines": engines})


def geometric_mean(values: Iterable[float | None]) -> float | None:
    """Of those that are there."""
    logarithms = [math.log(value) for value in values if value is not None]
    return math.exp(sum(logarithms) / len(logarithms)) if logarithms else None


class Store:
    """A JSON file of results, from which an interrupted run goes on.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    heading : dict
        What results depend on. Those of another heading are not taken up.
    ceilings : Ceilings
        Of the machine, kept beside the results.
    """

    def __init__(self, path: Path, heading: dict[str, Any], ceilings: Ceilings) -> None:
        self._path, self.heading = path, json.loads(json.dumps(heading))
        self._ceilings = asdict(ceilings)
        self.results: dict[str, Result] = {}
        if path.exists():
            content = json.loads(path.read_text())
            if content["heading"] == self.heading:
                self.results = {entry["label"]: Result.of(entry["result"]) for entry in content["results"]}

    def add(self, result: Result) -> None:
        """Keep a result, on disk too."""
        self.results[result.job.label] = result
        self._path.parent.mkdir(parents=True, exist_ok=True)
        written = self._path.with_suffix(".writing")
        document: dict[str, Any] = {"heading": self.heading, "ceilings": self._ceilings}
        document["results"] = [_entry(result) for result in self.results.values()]
        written.write_text(json.dumps(document, indent=1))
        os.replace(written, self._path)


def _entry(result: Result) -> dict[str, Any]:
    return {
        "label": result.job.label,
        "faster": result.faster,
        "gflops": result.gflops,
        "result": asdict(result),
    }
