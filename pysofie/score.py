"""Scores of the events in files, written to a file beside them: without an analysis, and without ROOT."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pysofie import friend, interrupts, trees
from pysofie.errors import Error
from pysofie.functor import Functor, make
from pysofie.trees import Columns
from rdf_helpers.event import Request

if TYPE_CHECKING:
    from pysofie.importers import ModelLike
    from pysofie.trees import Events, Tree
    from rdf_helpers import columns as naming

Scores = Mapping[str, Any]

# Events that one thread scores before it asks for more.
_BLOCK = 32768

# Between event loops there are interrupts and progress.
_MOST_EVENTS_PER_LOOP = 1_000_000

ENGINES = ("uproot", "root")


def score(
    source: ModelLike,
    inputs: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    path: str | os.PathLike[str],
    *,
    columns: naming.Columns | None = None,
    output: str | int | None = None,
    name: str = "score",
    engine: str = "uproot",
    chunk: int | str = "16 MB",
    threads: int = 0,
    overwrite: bool = False,
    progress: Callable[[int, int], None] | None = None,
    **options: Any,
) -> int:
    """Score the events of trees in ROOT files, and write the scores to a friend of these trees.

    The file has one entry for each event, in the order of the inputs. It appears when it is whole: an
    interrupted run leaves nothing behind.

    Parameters
    ----------
    source : Model, path, bytes or onnx.ModelProto
        As for `pysofie.compile`.
    inputs : path, or sequence of paths
        ``file.root:tree``; the file may be a pattern (``data/*.root:tree``) or a URL, and the tree be left
        out where a file holds only one. They are only read.
    path : path
        The file to write: a tree in a ``.root`` file, named as that of the first input, or a ``.parquet``
        file.
    columns, output
        As for `pysofie.functor`.
    name : str
        The new branch; of several outputs, what comes before the dot and the name of each.
    engine : {"uproot", "root"}
        What reads the events and calls the model: uproot, or an RDataFrame of ROOT. The scores are equal.
    chunk : int or str
        How much is read at once: events, or bytes as in "100 MB". It bounds the memory that is needed.
    threads : int
        How many threads may work; 0 takes all processors. An event loop of ROOT always takes one.
    overwrite : bool
        Whether an existing file may be replaced.
    progress : callable, optional
        Is told how many events are done, and how many there are.
    **options
        As for `pysofie.functor`.

    Returns
    -------
    int
        The number of events.

    Raises
    ------
    Error
        A file, a tree or a branch is missing or of the wrong kind, an optional package is missing, or the
        file cannot be written; nothing was written then.
    InvalidModelError, UnsupportedError, ShapeError, CompileError
        As `pysofie.functor`.

    Examples
    --------
    >>> pysofie.score("higgs.onnx", "data/*.root:events", "scores.root")  # doctest: +SKIP
    1000000
    """
    target = Path(path)
    friend.require_writable(target, overwrite=overwrite)
    if engine not in ENGINES:
        raise Error(f"engine={engine!r}: it can be {' or '.join(map(repr, ENGINES))}")
    if not name:
        raise Error("name: a branch needs one")
    found = trees.find(inputs)
    _require_other_file(target, found)
    functor = make([source], Request(columns, output), options)
    task = _Task(functor, found, name, chunk, threads or len(os.sched_getaffinity(0)))
    nothing = task.check()
    total, done = sum(tree.entries for tree in found), 0
    report = progress or (lambda done, total: None)
    report(done, total)
    with (
        closing(task.root(nothing) if engine == "root" else task.uproot()) as chunks,
        friend.create(target, found[0].title, nothing, overwrite=overwrite) as file,
    ):
        while done < total:
            with interrupts.held():
                events, scores = next(chunks)
                file.write(scores)
            done += events
            report(done, total)
    return done


def _require_other_file(target: Path, found: Sequence[Tree]) -> None:
    if target.exists() and any(os.path.exists(t.file) and target.samefile(t.file) for t in found):
        raise Error(f"{target} is an input, too")


@dataclass(frozen=True)
class _Task:
    """What is to be scored."""

    functor: Functor
    found: Sequence[Tree]
    name: str
    chunk: int | str
    threads: int

    def check(self) -> Scores:
        """The scores of no event; an error if not all trees fit the model alike."""
        kinds: dict[str, Scores] = {}
        for tree in self.found:
            with tree.opened() as opened:
                columns = Columns(tree, opened, self.functor.columns)
                columns.events_per_chunk(self.chunk)
                nothing = self._block(columns.nothing(), 0)
            kinds.setdefault(str({branch: _kind(array) for branch, array in nothing.items()}), nothing)
        if len(kinds) > 1:
            raise Error(f"the trees are not alike, their scores are {' or '.join(kinds)}")
        return nothing

    def uproot(self) -> Generator[tuple[int, Scores], None, None]:
        """The scores of all events, chunk by chunk."""
        if self.threads == 1:
            for events, columns in self._chunks(None):
                yield events, self._scores(events, columns, map)
            return
        with (
            ThreadPoolExecutor(self.threads) as workers,
            ThreadPoolExecutor(1) as reader,
            closing(self._chunks(workers)) as chunks,
            closing(_ahead(chunks, reader)) as ready,
        ):
            for events, columns in ready:
                yield events, self._scores(events, columns, workers.map)

    def root(self, nothing: Scores) -> Generator[tuple[int, Scores], None, None]:
        """The same by event loops of ROOT, which keep nothing in memory but scores."""
        from rdf_helpers import hook, ranges

        hook.install()
        places = [(tree.name, tree.file) for tree in self.found]
        total = sum(tree.entries for tree in self.found)
        with ranges.one_thread():
            for first in range(0, total, size := self._events_per_loop(nothing)):
                last = min(first + size, total)
                frame = ranges.frame(places, first, last).Define(self.name, self.functor)
                yield last - first, ranges.arrays(frame, nothing)

    def _events_per_loop(self, nothing: Scores) -> int:
        if isinstance(self.chunk, int):
            return max(self.chunk, 1)
        size = trees.memory_size(self.chunk) // sum(map(_bytes_per_event, nothing.values()))
        return max(min(size, _MOST_EVENTS_PER_LOOP), 1)

    def _chunks(self, workers: Executor | None) -> Generator[tuple[int, Events], None, None]:
        for tree in self.found:
            with tree.opened() as opened:
                yield from Columns(tree, opened, self.functor.columns).chunks(self.chunk, workers)

    def _scores(self, events: int, columns: Events, run: Callable[..., Iterable[Scores]]) -> Scores:
        parts = list(run(partial(self._block, columns), range(0, events, _BLOCK)))
        return {branch: _joined([part[branch] for part in parts]) for branch in parts[0]}

    def _block(self, columns: Events, first: int) -> Scores:
        scores = self.functor(
            {column: columns[column][first : first + _BLOCK] for column in self.functor.columns}
        )
        if isinstance(scores, Mapping):
            return {f"{self.name}.{output}": array for output, array in scores.items()}
        return {self.name: scores}


def _ahead(items: Iterator[Any], reader: Executor) -> Generator[Any, None, None]:
    """The items, each made while the one before is in use."""
    pending = reader.submit(next, items, None)
    try:
        while (item := pending.result()) is not None:
            pending = reader.submit(next, items, None)
            yield item
    finally:
        wait([pending])


def _bytes_per_event(array: Any) -> int:
    """A guess for jagged scores."""
    return array.itemsize * math.prod(array.shape[1:]) if isinstance(array, np.ndarray) else 64


def _joined(arrays: Sequence[Any]) -> Any:
    if all(isinstance(array, np.ndarray) for array in arrays):
        return np.concatenate(arrays)
    return trees.need("awkward", "uproot").concatenate(arrays)


def _kind(array: Any) -> str:
    """The type of a value of an event."""
    return str(array.type.content if hasattr(array, "type") else np.dtype((array.dtype, array.shape[1:])))
