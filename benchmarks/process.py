"""The process of an engine, as its parent sees it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .task import Arrays

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")


class EngineError(Exception):
    """An engine cannot run a model, or its process ended."""


class Process:
    """Builds a model, loads it in a fresh process with one thread, and lets that do what it is told to.

    Parameters
    ----------
    engine : str
        A key of `benchmarks.engines.ENGINES`.
    model : pathlib.Path
        The ONNX file.
    feeds : dict of str to numpy.ndarray
        The inputs by name.
    folder : pathlib.Path
        Does not exist yet. Beside it is the cache for compiled models.
    patience : float
        Seconds after which a build is given up.

    Raises
    ------
    EngineError
        The engine cannot run the model.
    """

    def __init__(self, engine: str, model: Path, feeds: Arrays, folder: Path, patience: float) -> None:
        folder.mkdir()
        np.savez(folder / "feeds.npz", allow_pickle=False, **feeds)
        self._folder = folder
        keywords: dict[str, Any] = {
            "cwd": Path(__file__).parents[1],
            "env": {**os.environ, **ONE_THREAD, "PYSOFIE_CACHE_DIR": str(folder.parent / "cache")},
            "stdout": subprocess.PIPE,
            "stderr": subprocess.DEVNULL,
            "text": True,
        }

        def command(action: str) -> list[str]:
            return [sys.executable, "-m", "benchmarks.worker", action, engine, str(model), str(folder)]

        try:
            done = subprocess.run(command("build"), timeout=patience, check=False, **keywords)
        except subprocess.TimeoutExpired:
            raise EngineError(f"not built after {patience:.0f} s") from None
        self.facts = _read(done.stdout, done.returncode)
        self._process = subprocess.Popen(command("serve"), stdin=subprocess.PIPE, **keywords)
        try:
            self.facts |= self._answer()
        except BaseException:
            self.end()
            raise

    def ask(self, *question: object) -> dict[str, Any]:
        """Let it do something: the name of a method of `benchmarks.worker.Server`, and its arguments."""
        assert self._process.stdin is not None
        try:
            print(json.dumps(question), file=self._process.stdin, flush=True)
        except BrokenPipeError:
            raise EngineError("its process ended") from None
        return self._answer()

    def durations(self, way: str, seconds: float) -> NDArray[np.uint64]:
        """Nanoseconds of each of as many calls as fit into the time, "python" or "loop"."""
        self.ask("turn", way, seconds)
        result: NDArray[np.uint64] = np.load(self._folder / "durations.npy")
        return result

    def outputs(self) -> Arrays:
        self.ask("outputs")
        with np.load(self._folder / "outputs.npz") as data:
            return {name: data[name] for name in data.files}

    def end(self) -> None:
        self._process.kill()
        self._process.communicate()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        return _read(line, None if line else self._process.wait())


def _read(line: str, code: int | None) -> dict[str, Any]:
    if not line:
        raise EngineError(f"its process ended with code {code}")
    answer: dict[str, Any] = json.loads(line)
    if "error" in answer:
        raise EngineError(answer["error"])
    return answer
