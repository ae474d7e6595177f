"""What is measured: a model with inputs of one size."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Task:
    """A model with inputs, and a folder for what an engine makes of them.

    Attributes
    ----------
    model : pathlib.Path
        The ONNX file.
    feeds : dict of str to numpy.ndarray
        The inputs by name.
    folder : pathlib.Path
        An engine's own, where `build` leaves what `load` finds.
    """

    model: Path
    feeds: Arrays
    folder: Path


@dataclass(frozen=True)
class Job:
    """A line of the benchmark.

    Attributes
    ----------
    model, kind : str
        Name in the zoo, and what kind of network it is.
    batch : int or None
        The size of the leading dim; None for a model without a batch, which runs in its natural size.
    flops : float or None
        Floating-point operations, where the zoo's index knows them.
    """

    model: str
    kind: str
    batch: int | None
    flops: float | None

    @property
    def label(self) -> str:
        return self.model if self.batch is None else f"{self.model} x {self.batch}"

    @property
    def is_natural(self) -> bool:
        """Whether it is one event."""
        return self.batch in (None, 1)


class Zoo:
    """A folder with ``index.json`` and, for each model, ``<model>.onnx`` and ``<model>.npz``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._index = {entry["name"]: entry for entry in json.loads((folder / "index.json").read_text())}

    def jobs(self, models: Sequence[str], batches: Sequence[int]) -> Iterator[Job]:
        """All models, or those that are named, each in all batches that it can have."""
        for name in models or sorted(self._index):
            entry = self._index[name]
            flops = None if entry["flops_partial"] else float(entry["flops"])
            kind = entry.get("kind", "")
            if not self._is_batched(name):
                yield Job(name, kind, None, flops)
                continue
            for batch in batches:
                yield Job(name, kind, batch, None if flops is None else flops * batch)

    def path(self, model: str) -> Path:
        return self.folder / f"{model}.onnx"

    def feeds(self, job: Job) -> Arrays:
        """The first case, or, for a batch, events of all cases of its shape again and again."""
        first, *others = self._cases(job.model)
        if job.is_natural:
            return first
        assert job.batch is not None
        feeds = {}
        for name, array in first.items():
            alike = [array, *(c[name] for c in others if c[name].shape[1:] == array.shape[1:])]
            events = np.concatenate(alike)
            feeds[name] = np.ascontiguousarray(np.resize(events, (job.batch, *array.shape[1:])))
        return feeds

    def _cases(self, model: str) -> list[Arrays]:
        with np.load(self.folder / f"{model}.npz") as data:
            arrays = {key: data[key] for key in data.files if ".in." in key}
        cases: dict[str, Arrays] = {}
        for key, array in arrays.items():
            case, _, name = key.partition(".in.")
            cases.setdefault(case, {})[name] = array
        return [cases[case] for case in sorted(cases, key=lambda case: int(case[1:]))]

    def _is_batched(self, model: str) -> bool:
        """Whether all inputs have a leading dynamic dim that is 1 for one event."""
        import onnx

        graph = onnx.load(self.path(model), load_external_data=False).graph
        constants = {tensor.name for tensor in graph.initializer}
        inputs = [value.type.tensor_type.shape.dim for value in graph.input if value.name not in constants]
        dynamic = all(dims and not dims[0].HasField("dim_value") for dims in inputs)
        return dynamic and all(array.shape[0] == 1 for array in self._cases(model)[0].values())
