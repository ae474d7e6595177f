"""An engine in a process of its own, with one thread: it loads a model and calls it when it is told to.

Run as ``python -m benchmarks.worker build|serve ENGINE MODEL FOLDER``, where FOLDER holds the inputs in
``feeds.npz``. Every line on its standard input asks for something, and is answered by a line of JSON.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.engines import ENGINES, Loaded, Task

FEWEST, MOST = 3, 200_000  # calls in a turn
SLOW = 2.0  # seconds after which a model is warm enough


class Server:
    """Loads the model, and does what it is asked to."""

    def __init__(self, engine: str, task: Task) -> None:
        module = ENGINES[engine].load_module()
        Path("/proc/self/clear_refs").write_text("5")  # forget the peak of the imports
        before, start = _memory("VmRSS"), time.perf_counter()
        self._loaded: Loaded = module.load(task)
        self.start: dict[str, Any] = {"start": time.perf_counter() - start}
        for _ in range(10):
            self._loaded.call()
            if time.perf_counter() - start > SLOW:
                break
        self.start["peak"] = _memory("VmHWM") - before
        self.start |= self._loaded.facts()  # after the peak, to which they may add
        self._folder = task.folder
        self._calls = self._loaded.loop()
        self.start["loop"] = self._calls is not None
        self._repeats: dict[str, int] = {}

    def turn(self, way: str, seconds: float) -> dict[str, Any]:
        """Call it for a while, "python" or "loop", and leave the nanoseconds of each call in a file."""
        run: Callable[[int], Any] = self._python if way == "python" else self._calls.durations
        if way not in self._repeats:
            first = float(run(1)[0])  # of slow models no more calls than needed
            typical = first if first * 20 > seconds * 1e9 else max(float(np.median(run(20))), 1.0)
            self._repeats[way] = int(np.clip(seconds * 1e9 / typical, FEWEST, MOST))
        np.save(self._folder / "durations.npy", run(self._repeats[way]))
        return {}

    def outputs(self) -> dict[str, Any]:
        """Leave the outputs in a file."""
        np.savez(self._folder / "outputs.npz", **self._loaded.outputs())
        return {}

    def plain(self, seconds: float) -> dict[str, Any]:
        return {"plain": self._calls.plain(seconds)}

    def scaling(self, seconds: float) -> dict[str, Any]:
        result: dict[str, Any] = self._loaded.scaling(seconds)
        return result

    def _python(self, count: int) -> Any:
        call, clock = self._loaded.call, time.perf_counter_ns
        durations = np.empty(count, np.uint64)
        for i in range(count):
            start = clock()
            call()
            durations[i] = clock() - start
        return durations


def _memory(what: str) -> int:
    """Bytes of resident memory: "VmRSS" now, or "VmHWM" at the peak since it was reset."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(what))


def _main(action: str, engine: str, model: str, folder: str) -> None:
    # What engines print must not mix with the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def answer(content: dict[str, Any]) -> None:
        print(json.dumps(content), file=answers, flush=True)

    with np.load(Path(folder) / "feeds.npz") as data:
        task = Task(Path(model), {name: data[name] for name in data.files}, Path(folder))
    try:
        if action == "build":
            build = getattr(ENGINES[engine].load_module(), "build", None)
            start = time.perf_counter()
            if build is not None:
                build(task)
            answer({"build": time.perf_counter() - start if build is not None else None})
            return
        server = Server(engine, task)
        answer(server.start)
        for line in sys.stdin:
            name, *arguments = json.loads(line)
            answer(getattr(server, name)(*arguments))
    except Exception as error:  # whatever an engine throws is its answer
        answer({"error": f"{type(error).__name__}: {error}"})


if __name__ == "__main__":
    _main(*sys.argv[1:])
