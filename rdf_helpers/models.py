"""The models of a functor, and their sessions in event loops."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from pysofie import _core
from pysofie.errors import Error, ShapeError

if TYPE_CHECKING:
    from pysofie.session import Session

    from .layout import Plan

# Data frames run the code of a compiled model after its functor is gone: such a library stays loaded.
_kept_loaded: list[Session] = []


class Models:
    """The models among which events choose: one, or the folds of a cross-validation.

    Attributes
    ----------
    sessions : list of Session
        One of each.
    first : Session
        The first of them, as which all take inputs and give outputs.

    Raises
    ------
    Error
        They differ in inputs or outputs.
    """

    def __init__(self, sessions: Sequence[Session]) -> None:
        self.sessions = list(sessions)
        self.first = self.sessions[0]
        self._shared: dict[tuple[int, ...], _core.AdapterModels] = {}
        self._lock = threading.Lock()
        for session in self.sessions[1:]:
            _require_alike(self.first, session)

    def shapes(self, plan: Plan) -> tuple[list[int], list[list[int]]]:
        """Values of the symbols that the models take, and the shapes of the outputs for them."""
        runner = self.first.library.session(str(self.first.weights))
        sizes, last = plan.smallest, 1 << 12
        while True:
            symbols = plan.symbol_values(self.first.symbols, sizes)
            try:
                runner.prepare(symbols)
                return symbols, runner.output_shapes()
            except ShapeError:
                if not plan.open_symbols or max(sizes) >= last:
                    raise
            sizes = [
                2 * size if extent.low != extent.high else size
                for size, extent in zip(sizes, plan.extents, strict=True)
            ]

    def shared(self, plan: Plan) -> int:
        """The address of the models whose sessions all threads of all event loops share."""
        symbols, _ = self.shapes(plan)
        with self._lock:
            if tuple(symbols) not in self._shared:
                _kept_loaded.extend(self.sessions)
                self._shared[tuple(symbols)] = self._open(symbols)
            return self._shared[tuple(symbols)].address

    def _open(self, symbols: Sequence[int]) -> _core.AdapterModels:
        return _core.AdapterModels(
            [
                (session.library.address, session.name, str(session.weights), output_facts(session))
                for session in self.sessions
            ],
            list(symbols),
        )


def output_facts(session: Session) -> list[tuple[int, int, bool]]:
    """Itemsize, rank, and whether the data decide the shape, of each output."""
    return [
        (np.dtype(tensor.dtype).itemsize, len(tensor.shape), tensor.name in session.measured)
        for tensor in session.outputs
    ]


def _require_alike(first: Session, other: Session) -> None:
    for what in ("inputs", "outputs"):
        if getattr(other, what) != getattr(first, what):
            ours, theirs = ("; ".join(map(str, getattr(s, what))) for s in (first, other))
            raise Error(f"fold: the models differ in their {what}: {ours} and {theirs}")
