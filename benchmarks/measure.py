"""One model through all engines, which take turns, each in a process of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from .engines import ENGINES, OURS
from .process import EngineError, Process
from .results import Latency, Measured, Result
from .task import Arrays, Job, Zoo

REFERENCE = "onnxruntime"
WRONG = 0.05  # relative to the largest value of an output: more than the steps of quantised numbers
T = TypeVar("T")


@dataclass(frozen=True)
class Settings:
    """How to measure.

    Attributes
    ----------
    engines : tuple of str
        Keys of `ENGINES`.
    rounds : int
        How often the engines take turns.
    seconds : float
        How long a turn lasts, roughly.
    patience : float
        Seconds after which a build is given up.
    """

    engines: tuple[str, ...]
    rounds: int = 10
    seconds: float = 0.2
    patience: float = 900.0

    def engines_for(self, job: Job) -> list[str]:
        return [engine for engine in self.engines if job.is_natural or not ENGINES[engine].is_static]

    def steps(self, job: Job) -> int:
        """How often `measure` reports its progress."""
        return len(self.engines_for(job)) + self.rounds


class _Race:
    """The processes of the engines; those that fail leave it."""

    def __init__(self) -> None:
        self.processes: dict[str, Process] = {}
        self.failed: dict[str, str] = {}

    def add(self, engine: str, start: Callable[[], Process]) -> None:
        try:
            self.processes[engine] = start()
        except EngineError as error:
            self.failed[engine] = str(error)

    def each(self, action: Callable[[str, Process], T]) -> dict[str, T]:
        results = {}
        for engine, process in list(self.processes.items()):
            try:
                results[engine] = action(engine, process)
            except EngineError as error:
                self.failed[engine] = str(error)
                self.processes.pop(engine).end()
        return results

    def end(self) -> None:
        for process in self.processes.values():
            process.end()


def measure(job: Job, zoo: Zoo, folder: Path, settings: Settings, progress: Callable[[str], None]) -> Result:
    """Benchmark one model.

    Parameters
    ----------
    job : Job
        What to measure.
    zoo : Zoo
        Where the model is.
    folder : pathlib.Path
        For temporary files. What was compiled for another size of the model is found there.
    settings : Settings
        How.
    progress : callable
        Called before each step with its name.

    Returns
    -------
    Result
        Everything measured. An engine that cannot run the model, or is wrong, has the reason instead.
    """
    feeds, race = zoo.feeds(job), _Race()
    durations: dict[str, dict[str, list[NDArray[Any]]]] = {engine: {} for engine in settings.engines}

    def take_turn(engine: str, process: Process) -> None:
        for way in _ways(engine, process):
            durations[engine].setdefault(way, []).append(process.durations(way, settings.seconds))

    try:
        for engine in settings.engines_for(job):
            progress(f"{job.label}: {engine}")
            start = partial(Process, engine, zoo.path(job.model), feeds, folder / f"{job.label}-{engine}")
            race.add(engine, partial(start, settings.patience))
        for number in range(settings.rounds):
            progress(f"{job.label}: round {number + 1} of {settings.rounds}")
            race.each(take_turn)
        outputs = race.each(lambda _, process: process.outputs())
        ours = race.each(lambda engine, process: _ours(process, settings) if engine == OURS else {})
    finally:
        race.end()
    errors = {engine: _error(arrays, outputs.get(REFERENCE)) for engine, arrays in outputs.items()}
    wrong = {engine: error for engine, error in errors.items() if error is not None and not error < WRONG}
    for engine, error in wrong.items():
        race.failed[engine] = f"its outputs differ from those of {REFERENCE} by {error:.1g}"
    engines = {
        engine: _measured(durations[engine], process.facts, errors[engine])
        for engine, process in race.processes.items()
        if engine not in wrong
    }
    mine = ours.get(OURS, {})
    return Result(job, engines, race.failed, mine.pop("plain", None), mine)


def _ways(engine: str, process: Process) -> list[str]:
    """How it can be called."""
    ways = ["python"] if ENGINES[engine].from_python else []
    return [*ways, "loop"] if process.facts["loop"] else ways


def _ours(process: Process, settings: Settings) -> dict[str, Any]:
    return process.ask("plain", settings.seconds) | process.ask("scaling", settings.seconds)


def _measured(
    durations: dict[str, list[NDArray[Any]]], facts: dict[str, Any], error: float | None
) -> Measured:
    known = {field.name for field in fields(Measured)}
    latency = {way: Latency.of(np.concatenate(turns)) for way, turns in durations.items()}
    return Measured(latency=latency, error=error, **{k: v for k, v in facts.items() if k in known})


def _error(outputs: Arrays, expected: Arrays | None) -> float | None:
    """The largest difference, relative to the largest value of the output."""
    if expected is None:
        return None
    return max(_difference(outputs[name], array) for name, array in expected.items() if name in outputs)


def _difference(value: NDArray[Any], expected: NDArray[Any]) -> float:
    wide = expected.astype(np.float64)
    if value.shape != wide.shape:
        return float("inf")
    with np.errstate(invalid="ignore"):
        apart = np.where(value == wide, 0.0, np.abs(value - wide))  # equal infinities do not differ
    largest = float(np.max(np.abs(wide), initial=0.0, where=np.isfinite(wide)))
    return float(np.max(apart, initial=0.0)) / (largest or 1.0)
