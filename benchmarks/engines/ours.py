"""pysofie: bound from Python, and in a C++ loop."""

from __future__ import annotations

import threading
import time

import pysofie
from benchmarks import native
from benchmarks.engines import source_facts
from benchmarks.task import Arrays, Task
from pysofie.memory import memory_plan


def build(task: Task) -> None:
    """Compile into the cache, which the caller has made an empty folder of its own."""
    pysofie.compile(task.model)


class _Loaded:
    def __init__(self, task: Task) -> None:
        self._model = task.model
        self._session = pysofie.compile(task.model)
        self._feeds = task.feeds
        self.call = self._bind()

    def _bind(self):
        if self._session.measured:  # outputs of unknown size cannot be bound
            return lambda: self._session.run(self._feeds)
        return self._session.bind(self._feeds)

    def outputs(self) -> Arrays:
        return self.call()

    def loop(self) -> native.Calls:
        return native.OpenModel(self._session, self._feeds).calls()

    def facts(self) -> dict[str, float | None]:
        self._session.run(self._feeds)
        arena = self._session.arena_bytes
        plan = memory_plan(pysofie.load(self._model), self._sizes())
        bound = plan.lower_bound if arena == plan.arena_bytes else None  # unless the data asked for more room
        header = self._session.weights.with_suffix(".hxx")
        return {"arena": arena, "arena_bound": bound, **source_facts([header])}

    def _sizes(self) -> dict[str, int]:
        shapes = [
            zip(tensor.shape, self._feeds[tensor.name].shape, strict=True) for tensor in self._session.inputs
        ]
        return {dim: size for dims in shapes for dim, size in dims if isinstance(dim, str)}

    def scaling(self, seconds: float) -> dict[str, float]:
        """How many times the calls per second of one thread two threads make, from C++ and from Python."""
        opened = [self.loop(), self.loop()]
        native_rates = [native.calls_per_second(opened[:count], seconds) for count in (1, 2)]
        bound = [self._bind(), self._bind()]
        python_rates = [_python_rate(bound[:count], seconds) for count in (1, 2)]
        return {
            "scaling_cpp": native_rates[1] / native_rates[0],
            "scaling_python": python_rates[1] / python_rates[0],
        }


def _python_rate(calls, seconds: float) -> float:
    """Calls per second of Python threads together."""
    rates: list[float] = []
    barrier = threading.Barrier(len(calls))

    def work(call) -> None:
        call()
        barrier.wait()
        done, start = 0, time.perf_counter()
        while (elapsed := time.perf_counter() - start) < seconds:
            call()
            done += 1
        rates.append(done / elapsed)

    threads = [threading.Thread(target=work, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(rates)


load = _Loaded
