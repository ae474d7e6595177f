"""Events in arrays, scored as a data frame scores them: bit by bit the same."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pysofie.errors import ShapeError

from . import results
from .columns import quoted
from .event import Event
from .layout import Layout
from .tables import Column, Lists, awkward

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pysofie.session import Session

    Array = NDArray[Any]


# Events that go through the model at once: what it reads and gives stays in the cache.
_BLOCK = 8192


def convert(values: Array, dtype: str) -> Array:
    """What `convert` in convert.hxx does: NaN becomes zero, and what is out of range the nearest integer."""
    if values.dtype == dtype:
        return values
    if values.dtype.kind != "f" or np.dtype(dtype).kind not in "iu":
        with np.errstate(over="ignore"):
            return values.astype(dtype)
    limits = np.iinfo(dtype)
    low, high = values <= float(limits.min), values >= float(limits.max)
    whole = np.where(low | high | np.isnan(values), 0, values).astype(dtype)
    return np.where(low, limits.min, np.where(high, limits.max, whole)).astype(dtype)


def score(event: Event, sessions: Sequence[Session], columns: Mapping[str, Column]) -> dict[str, Any]:
    """Score events.

    Parameters
    ----------
    event : Event
        What happens to an event.
    sessions : sequence of Session
        The models among which it chooses.
    columns : dict of str to column
        From `as_column`.

    Returns
    -------
    dict of str to array
        By the name of the member: NumPy arrays where all events have as many values, else awkward arrays.

    Raises
    ------
    ShapeError
        The columns differ in length, or lists do not fit.
    """
    return _Scorer(event, sessions, columns).score()


class _Scorer:
    def __init__(self, event: Event, sessions: Sequence[Session], columns: Mapping[str, Column]) -> None:
        self.event = event
        self.plan = event.plan
        self.sessions = sessions
        self.columns = columns
        lengths = {len(column) for column in columns.values()}
        if len(lengths) > 1:
            raise ShapeError(f"columns differ in length: {', '.join(map(str, sorted(lengths)))} events")
        self.events = lengths.pop()
        self.kept = self._kept()

    def score(self) -> dict[str, Any]:
        entries = [self._entries(i) for i in range(len(self.plan.extents))]
        folds = self._folds()
        parts: list[tuple[NDArray[np.int64], list[Array]]] = []
        sizes = [self._sizes(i, entries[i]) for i in range(len(entries))]
        for key, where in _groups(np.stack([folds, *sizes], axis=1)):
            for first in range(0, len(where), _BLOCK):
                block = where[first : first + _BLOCK]
                parts.append((block, self._run(self.sessions[key[0]], block, key[1:], entries)))
        if not parts:  # no events, and yet shapes and types
            parts.append(
                (
                    np.empty(0, np.int64),
                    self._run(self.sessions[0], np.empty(0, np.int64), self.plan.smallest, entries),
                )
            )
        return {
            result.choice.member: self._gather(result, [(where, outputs[i]) for where, outputs in parts])
            for i, result in enumerate(self.event.results)
        }

    # --- what differs from event to event ---------------------------------------------------------------

    def _kept(self) -> Lists | None:
        """The entries that the model sees, where the user chooses among them."""
        if not self.event.selects_objects:
            return None
        chosen = self.columns[self.event.where or ""]
        event = np.repeat(np.arange(self.events), chosen.counts)[chosen.values.astype(bool)]
        return Lists(np.flatnonzero(chosen.values), np.bincount(event, minlength=self.events))

    def _entries(self, i: int) -> NDArray[np.int64]:
        """How many entries each event has along an extent."""
        lists = list(self.plan.extents[i].lists)
        if self.kept is not None:
            lists.append(self.event.where or "")
        first: NDArray[np.int64] = self.columns[lists[0]].counts
        for column in lists[1:]:
            different = np.flatnonzero(self.columns[column].counts != first)
            if different.size:
                k = int(different[0])
                raise ShapeError(
                    f"event {k}: column '{lists[0]}' has {first[k]} entries, column '{column}' has "
                    f"{self.columns[column].counts[k]}"
                )
        if self.kept is not None:
            return self.kept.counts
        return first

    def _sizes(self, i: int, entries: NDArray[np.int64]) -> NDArray[np.int64]:
        extent = self.plan.extents[i]
        if self.plan.padding is not None:
            return np.clip(entries, extent.low, extent.high)
        high = np.iinfo(np.int64).max if extent.high is None else extent.high
        outside = np.flatnonzero((entries < extent.low) | (entries > high))
        if outside.size:
            k = int(outside[0])
            raise ShapeError(
                f"event {k} has {entries[k]} entries in {quoted(extent.lists)}; the model takes "
                f"{extent.low} to {extent.high}: give pad="
            )
        return entries

    def _folds(self) -> NDArray[np.int64]:
        if self.event.fold is None:
            return np.zeros(self.events, np.int64)
        folds: NDArray[np.int64] = self.columns[self.event.fold].astype(np.int64)
        outside = np.flatnonzero((folds < 0) | (folds >= len(self.sessions)))
        if outside.size:
            raise ShapeError(f"event {outside[0]} chooses model {folds[outside[0]]} of {len(self.sessions)}")
        return folds

    # --- runs -------------------------------------------------------------------------------------------

    def _run(
        self, session: Session, events: NDArray[np.int64], sizes: list[int], entries: list[NDArray[np.int64]]
    ) -> list[Any]:
        """The results of events for which the extents have the same sizes."""
        wanted = self._wanted(events)
        feeds = {
            layout.tensor.name: self._input(i, layout, events[wanted], sizes, entries)
            for i, layout in enumerate(self.plan.layouts)
        }
        if session.measured:
            return self._run_measured(session, feeds, wanted)
        outputs = session.run_each(feeds)
        values = []
        for result in self.event.results:
            some = results.values(outputs[session.outputs[result.choice.output].name], result)
            if wanted.all():
                values.append(some)
                continue
            default = convert(np.array([self.event.default]), result.dtype)
            every = np.full((len(events), *some.shape[1:]), default[0], some.dtype)
            every[wanted] = some
            values.append(every)
        return values

    def _run_measured(self, session: Session, feeds: Mapping[str, Array], wanted: Array) -> list[Any]:
        """One array per event, as the data decide how many values there are."""
        ran = []
        for i in range(int(wanted.sum())):
            outputs = session.run({name: array[i] for name, array in feeds.items()})
            ran.append(outputs)
        values = []
        for result in self.event.results:
            name = session.outputs[result.choice.output].name
            of_runs = iter([results.values(outputs[name][None], result)[0] for outputs in ran])
            nothing = self._without_run(session, result)
            values.append([next(of_runs) if runs else nothing for runs in wanted])
        return values

    def _without_run(self, session: Session, result: results.Result) -> Array:
        """The result of an event that is left out."""
        if result.is_open:
            return np.empty((0,) * (2 if result.kind is results.Kind.LISTS else 1), result.dtype)
        shape = self.plan.shape(session.outputs[result.choice.output], self.plan.smallest)
        size = [math.prod(shape[axis] for axis in result.axes)] if result.axes else []
        return np.full(size, convert(np.array([self.event.default]), result.dtype)[0])

    def _wanted(self, events: NDArray[np.int64]) -> Array:
        if self.event.where is None or self.event.selects_objects:
            return np.ones(len(events), bool)
        return _of(self.columns[self.event.where], events).astype(bool)

    def _input(
        self,
        index: int,
        layout: Layout,
        events: NDArray[np.int64],
        sizes: list[int],
        entries: list[NDArray[np.int64]],
    ) -> Array:
        shape = self.plan.shape(layout.tensor, sizes)
        array = np.empty((len(events), *shape), layout.tensor.dtype)
        if layout.axis is None or layout.extent is None:
            flat = array.reshape(len(events), len(layout.columns))
            for j, column in enumerate(layout.columns):
                flat[:, j] = self._scaled(layout, j, _of(self.columns[column], events))
            return array
        before, size, after = (
            math.prod(shape[: layout.axis]),
            shape[layout.axis],
            math.prod(shape[layout.axis + 1 :]),
        )
        places = array.reshape(len(events), before, size, after)
        within = np.arange(size) < _of(entries[layout.extent], events)[:, None]
        if layout.marks is not None:
            places[:, 0, :, 0] = within == layout.marks
            return array
        padding = convert(np.array([self.plan.padding or 0.0]), layout.tensor.dtype)[0]
        for j, column in enumerate(layout.columns):
            values = self._entry_values(layout, j, column, events, size, within)
            places[:, j // after, :, j % after] = np.where(within, values, padding)
        return array

    def _entry_values(
        self, layout: Layout, j: int, column: str, events: NDArray[np.int64], size: int, within: Array
    ) -> Array:
        """Of shape (events, size), or (events, 1) for a number that all entries share."""
        source = self.columns[column]
        if not isinstance(source, Lists):
            return self._scaled(layout, j, _of(source, events))[:, None]
        if not source.values.size:
            return np.zeros((len(events), size), layout.tensor.dtype)
        lists = source if self.kept is None else self.kept
        chosen = np.where(within, _of(lists.starts, events)[:, None] + np.arange(size), 0)
        if self.kept is not None:
            chosen = self.kept.values[chosen] if self.kept.values.size else np.zeros_like(chosen)
        return self._scaled(layout, j, source.values)[chosen]

    def _scaled(self, layout: Layout, j: int, values: Array) -> Array:
        scaling = self.event.scalings.get((layout.tensor.name, j))
        return convert(values if scaling is None else scaling.apply(values), layout.tensor.dtype)

    # --- results ----------------------------------------------------------------------------------------

    def _gather(self, result: results.Result, parts: Sequence[tuple[NDArray[np.int64], Any]]) -> Any:
        """All events in their order."""
        if not result.is_open:
            first = np.asarray(parts[0][1])
            every = np.empty((self.events, *first.shape[1:]), result.dtype)
            for where, values in parts:
                every[where] = values
            return every
        ak = awkward()
        depth = 2 if result.kind is results.Kind.LISTS else 1
        order = np.argsort(np.concatenate([where for where, _ in parts]), kind="stable")
        jagged = ak.concatenate([_jagged(values, depth, result.dtype) for _, values in parts])[order]
        return jagged if self.kept is None else self._scattered(result, jagged)

    def _scattered(self, result: results.Result, kept: Any) -> Any:
        """The values of all objects, those that were left out included."""
        ak = awkward()
        chosen = self.columns[self.event.where or ""]
        assert self.kept is not None
        flat = ak.to_numpy(ak.flatten(kept, axis=1))
        default = convert(np.array([self.event.default]), result.dtype)[0]
        every = np.full((len(chosen.values), *flat.shape[1:]), default, result.dtype)
        every[self.kept.values] = flat
        return ak.unflatten(every, chosen.counts)


def _groups(keys: NDArray[np.int64]) -> list[tuple[list[int], NDArray[np.int64]]]:
    """The rows that differ, each with the positions where it is."""
    if not len(keys):
        return []
    if (keys == keys[0]).all():
        return [(keys[0].tolist(), np.arange(len(keys)))]
    rows, inverse, counts = np.unique(keys, axis=0, return_inverse=True, return_counts=True)
    places = np.split(np.argsort(inverse.ravel(), kind="stable"), np.cumsum(counts)[:-1])
    return list(zip(rows.tolist(), places, strict=True))


def _of(values: Array, events: NDArray[np.int64]) -> Array:
    """Those of some events, which are ordered; without a copy if they follow each other."""
    if len(events) and events[-1] - events[0] + 1 == len(events):
        return values[events[0] : events[-1] + 1]
    return values[events]


def _jagged(values: Any, depth: int, dtype: str) -> Any:
    """An awkward array of lists, though they may be equally long."""
    ak = awkward()
    if isinstance(values, np.ndarray):
        return ak.from_regular(ak.from_numpy(values), axis=None)
    if not values:
        return ak.from_regular(ak.from_numpy(np.empty((0,) * (depth + 1), dtype)), axis=None)
    return ak.concatenate([ak.from_regular(ak.from_numpy(row[None]), axis=None) for row in values])
