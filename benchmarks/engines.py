"""The engines that are compared: each loads a model file and times its own calls."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import onnxruntime
from numpy.typing import NDArray

import pysofie

Feeds = dict[str, NDArray[Any]]


class Engine(Protocol):
    """A loaded model."""

    def run(self, feeds: Feeds) -> dict[str, NDArray[Any]]:
        """Outputs by name."""
        ...

    def benchmark(self, feeds: Feeds, repeat: int) -> NDArray[np.uint64]:
        """Nanoseconds of each of `repeat` calls on the same inputs, one thread, buffers bound."""
        ...


class OnnxRuntime:
    """onnxruntime from Python, with one thread and bound buffers."""

    def __init__(self, path: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self._outputs = [output.name for output in self._session.get_outputs()]

    def run(self, feeds: Feeds) -> dict[str, NDArray[Any]]:
        return dict(zip(self._outputs, self._session.run(self._outputs, feeds), strict=True))

    def benchmark(self, feeds: Feeds, repeat: int) -> NDArray[np.uint64]:
        binding = self._session.io_binding()
        for name, array in feeds.items():
            binding.bind_ortvalue_input(name, onnxruntime.OrtValue.ortvalue_from_numpy(array))
        for name, array in self.run(feeds).items():
            binding.bind_ortvalue_output(name, onnxruntime.OrtValue.ortvalue_from_numpy(array))
        run, clock = self._session.run_with_iobinding, time.perf_counter_ns
        durations = np.empty(repeat, np.uint64)
        for i in range(repeat):
            start = clock()
            run(binding)
            durations[i] = clock() - start
        return durations


ENGINES: dict[str, Callable[[Path], Engine]] = {
    "pysofie": lambda path: pysofie.compile(path),
    "onnxruntime": OnnxRuntime,
}
