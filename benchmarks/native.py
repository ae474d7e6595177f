"""Calls timed in C++: one after the other, and in many threads at once."""

from __future__ import annotations

import ctypes
import functools
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pysofie import Session
from pysofie.toolchains import host

Feeds = dict[str, NDArray[Any]]

HERE = Path(__file__).parent
RUNTIME = HERE.parent / "cpp" / "runtime"


@functools.cache
def library() -> ctypes.CDLL:
    """Compile `native.cpp` with the host's compiler."""
    compiler = host.find()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "native.so"
        flags = [*compiler.flags, "-fvisibility=default", "-pthread", f"-I{RUNTIME}"]
        host.run([*compiler.command, *flags, str(HERE / "native.cpp"), "-o", str(path)], HERE / "native.cpp")
        native = ctypes.CDLL(str(path))
    native.open_model.restype = ctypes.c_void_p
    native.plain_nanoseconds.restype = native.calls_per_second.restype = ctypes.c_double
    return native


@dataclass(frozen=True)
class Calls:
    """What a loop in C++ calls: a function ``int function(void* state)``.

    Attributes
    ----------
    function, state : int
        Addresses.
    owner : object
        What must live as long.
    """

    function: int
    state: int
    owner: Any

    def durations(self, count: int) -> NDArray[np.uint64]:
        """Nanoseconds of each of so many calls."""
        result = np.empty(count, np.uint64)
        library().time_calls(
            ctypes.c_void_p(self.function),
            ctypes.c_void_p(self.state),
            ctypes.c_int64(count),
            ctypes.c_void_p(result.ctypes.data),
        )
        return result

    def plain(self, seconds: float) -> float:
        """Nanoseconds per call without a clock between the calls, the least of a hundred tries at most."""
        one = float(np.median(self.durations(3)))
        tries = int(np.clip(seconds * 1e9 / one, 3, 100))
        nanoseconds: float = library().plain_nanoseconds(
            ctypes.c_void_p(self.function),
            ctypes.c_void_p(self.state),
            ctypes.c_int64(max(1, int(seconds * 1e9 / tries / max(one, 1.0)))),
            tries,
        )
        return nanoseconds


class OpenModel:
    """A session of a compiled model as C++ loops call it.

    Parameters
    ----------
    session : pysofie.Session
        A model for the CPU.
    feeds : dict of str to numpy.ndarray
        The inputs, of the model's dtypes and row-major.
    """

    def __init__(self, session: Session, feeds: Feeds) -> None:
        outputs = session.run(feeds) if session.measured else session.bind(feeds)()
        results = [outputs[tensor.name] for tensor in session.outputs]
        expected = [array.copy() for array in results]
        for array in results:
            array.fill(0)
        self._arrays = [feeds[tensor.name] for tensor in session.inputs], results
        self._session = session
        symbols: dict[str, int] = {}
        for tensor in session.inputs:
            symbols.update(zip(map(str, tensor.shape), feeds[tensor.name].shape, strict=True))
        self._native = library()
        self._state = self._native.open_model(
            ctypes.c_void_p(session.library.address),
            str(session.weights).encode(),
            (ctypes.c_int64 * len(session.symbols))(*(symbols[name] for name in session.symbols)),
            *(pointers(arrays) for arrays in self._arrays),
        )
        if self._state is None:
            raise RuntimeError("the model cannot be opened")
        for array, other in zip(results, expected, strict=True):
            np.testing.assert_array_equal(array, other)

    def calls(self) -> Calls:
        function = ctypes.cast(self._native.call_model, ctypes.c_void_p).value
        assert function is not None
        return Calls(function, self._state, self)

    def __del__(self) -> None:
        if getattr(self, "_state", None) is not None:
            self._native.close_model(ctypes.c_void_p(self._state))


def pointers(arrays: list[NDArray[Any]]) -> Any:
    """Where arrays lie, as C takes it."""
    return (ctypes.c_void_p * len(arrays))(*(array.ctypes.data for array in arrays))


def calls_per_second(sessions: list[Calls], seconds: float) -> float:
    """Calls per second of C++ threads, one for each session, all together."""
    rate: float = library().calls_per_second(
        ctypes.c_void_p(sessions[0].function),
        (ctypes.c_void_p * len(sessions))(*(session.state for session in sessions)),
        len(sessions),
        ctypes.c_double(seconds),
    )
    return rate
