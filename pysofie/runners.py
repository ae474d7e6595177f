"""The runners of a session: each ready for inputs of certain shapes, all with the same weights."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pysofie.arrays import raw, raw_dtype
from pysofie.errors import ShapeError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pysofie._core import Library, Runner
    from pysofie.signature import Signature
    from pysofie.weights import WeightsFile

    Array = NDArray[Any]


class PreparedRunner:
    """A runner of the core, prepared for the shapes of the inputs that came last.

    Attributes
    ----------
    core : pysofie._core.Runner
        The runner itself.
    """

    def __init__(self, core: Runner, signature: Signature) -> None:
        self.core = core
        self._signature = signature
        self._input_dtypes = signature.input_dtypes
        self._has_foreign = signature.has_foreign
        self._output_dtypes = [raw_dtype(np.dtype(tensor.dtype)) for tensor in signature.outputs]
        self._shapes: tuple[tuple[int, ...], ...] | None = None
        self._outputs: list[tuple[tuple[int, ...], np.dtype[Any]]] = []

    def compute(self, arrays: Sequence[Any]) -> list[Array]:
        """Compute the outputs of arrays, one for each input, in order."""
        for array, dtype in zip(arrays, self._input_dtypes, strict=True):
            if type(array) is not np.ndarray or array.dtype != dtype or not array.flags.carray:
                arrays = self._signature.ready(arrays)
                break
        shapes = tuple([array.shape for array in arrays])
        if shapes != self._shapes:
            self._prepare(shapes)
        if self._has_foreign:
            arrays = raw(arrays)
        outputs = self._new_outputs()
        while not self.core.run(arrays, outputs):  # the data ask for larger sizes than ever before
            self._prepare(shapes)
            outputs = self._new_outputs()
        if self._signature.measured:
            outputs = self._trimmed(outputs)
        return self._typed(outputs) if self._has_foreign else outputs

    def compute_each(self, arrays: Sequence[Array]) -> list[Array]:
        """Compute the outputs of events, one after the other; arrays have an axis of events in front.

        Raises
        ------
        ShapeError
            They have not, or it differs in length; and as `output_shapes`.
        """
        counts = {array.shape[:1] for array in arrays}
        if len(counts) != 1 or () in counts:
            came = ", ".join(str(array.shape) for array in arrays)
            raise ShapeError(
                f"{self._signature.name}: the inputs need one axis of events in front, got {came}"
            )
        (count,) = counts.pop()
        shapes = self.output_shapes([array.shape[1:] for array in arrays])
        outputs = [
            np.empty((count, *shape), dtype) for shape, dtype in zip(shapes, self._output_dtypes, strict=True)
        ]
        self.core.run_each(raw(arrays), outputs, count)
        return self._typed(outputs)

    def bind(self, inputs: Sequence[Array], outputs: Sequence[Array]) -> Callable[[], dict[str, Any]]:
        """Fix arrays that fit; see `pysofie.Session.bind`."""
        return self.core.bind(raw(inputs), raw(outputs), self._signature.named(outputs))

    def benchmark(self, arrays: Sequence[Array], repeat: int) -> NDArray[np.uint64]:
        """Time runs; see `pysofie.Session.benchmark`."""
        self.compute(arrays)  # makes room for what the data ask for
        return self.core.benchmark(raw(arrays), self._new_outputs(), repeat)

    def output_shapes(self, shapes: Sequence[tuple[int, ...]]) -> list[tuple[int, ...]]:
        """The shapes of the outputs for inputs of these shapes; the largest, where the data decide them.

        Raises
        ------
        ShapeError
            A rank or dim does not fit.
        """
        if tuple(shapes) != self._shapes:
            self._prepare(tuple(shapes))
        return [shape for shape, _ in self._outputs]

    def _prepare(self, shapes: tuple[tuple[int, ...], ...]) -> None:
        self._shapes = None
        self.core.prepare(self._signature.symbol_values(shapes))
        self._outputs = [
            (tuple(shape), dtype)
            for shape, dtype in zip(self.core.output_shapes(), self._output_dtypes, strict=True)
        ]
        self._shapes = shapes

    def _new_outputs(self) -> list[Array]:
        """Room for the largest outputs."""
        return [np.empty(shape, dtype) for shape, dtype in self._outputs]

    def _trimmed(self, outputs: list[Array]) -> list[Array]:
        """The outputs in the shapes that the data of the last run decided."""
        shapes = self.core.result_shapes()
        return [np.ndarray(shape, array.dtype, array) for shape, array in zip(shapes, outputs, strict=True)]

    def _typed(self, outputs: list[Array]) -> list[Array]:
        """The outputs in the model's dtypes, in place of integers for foreign ones."""
        return [x.view(tensor.dtype) for tensor, x in zip(self._signature.outputs, outputs, strict=True)]


class Runners:
    """The runners of one session, whose weights are replaced together.

    Attributes
    ----------
    replaced : WeightsFile or None
        The weights that they have in place of those that the code was generated with.
    """

    def __init__(self, library: Library, weights: Path, signature: Signature) -> None:
        self.replaced: WeightsFile | None = None
        self._library = library
        self._weights = weights
        self._signature = signature
        self._lock = threading.Lock()  # of the runners and of what replaced their weights
        self._all: weakref.WeakSet[Runner] = weakref.WeakSet()

    def new(self) -> PreparedRunner:
        """Make a runner with memory of its own.

        Raises
        ------
        Error
            The weights file is missing, broken or not that of the code.
        """
        with self._lock:
            core = self._library.session(str(self._weights))
            if self.replaced is not None:
                core.set_weights(str(self.replaced.path))
            self._all.add(core)
        return PreparedRunner(core, self._signature)

    def replace(self, file: WeightsFile) -> None:
        """Let all runners, and those to come, have the weights of a file; or none of them.

        Raises
        ------
        Error
            The file is that of other code.
        """
        with self._lock:
            # The first to read the file tells whether it is good, and has it in memory for the others.
            reader = self._library.session(str(self._weights))
            reader.set_weights(str(file.path))
            for core in list(self._all):
                core.set_weights(str(file.path))
            self.replaced = file


class PerThread(threading.local):
    """What each thread has of its own.

    Attributes
    ----------
    runner : PreparedRunner
        Made when the thread first asks for it.
    """

    def __init__(self, runners: Runners) -> None:
        self.runner = runners.new()
