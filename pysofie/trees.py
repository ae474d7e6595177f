"""Trees in ROOT files, read with uproot: finding them, checking them, and their columns in chunks."""

from __future__ import annotations

import difflib
import glob
import importlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pysofie.errors import Error

# A URL, and what follows a colon in one that is not the name of a tree.
_URL = re.compile(r"\w+://")
_PORT = re.compile(r"\d*/")


Events = Mapping[str, Any]


def need(module: str, extra: str) -> Any:
    """An optional package.

    Raises
    ------
    Error
        It is not installed; the message says how to get it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise Error(f"this needs {module} ({error}): pip install 'pysofie[{extra}]'") from error


@dataclass(frozen=True)
class Tree:
    """A tree in a file, and how many events it holds.

    Attributes
    ----------
    file : str
        Path or URL.
    name : str
        The tree's name, with the folders in the file that it lies in.
    entries : int
        How many events it holds.
    """

    file: str
    name: str
    entries: int

    @property
    def title(self) -> str:
        """The name without folders."""
        return self.name.rpartition("/")[2].partition(";")[0]

    @contextmanager
    def opened(self) -> Iterator[Any]:
        """What uproot knows of the tree, for as long as the file is open."""
        with _opened(self.file) as file:
            yield file[self.name]


def find(inputs: str | os.PathLike[str] | Sequence[str | os.PathLike[str]]) -> list[Tree]:
    """Find trees in files.

    Parameters
    ----------
    inputs : path, or sequence of paths
        ``file.root:tree``, where the file may be a pattern as of the shell, or a URL that uproot can open.
        The tree may be left out where a file holds only one.

    Returns
    -------
    list of Tree
        In the order given; what a pattern matches by name.

    Raises
    ------
    Error
        A file is missing or no ROOT file, or lacks the tree.
    """
    texts = [inputs] if isinstance(inputs, (str, os.PathLike)) else list(inputs)
    if not texts:
        raise Error("no input is given")
    return [_tree(file, name) for text in texts for file, name in _files(os.fspath(text))]


def _files(text: str) -> list[tuple[str, str | None]]:
    """The files that are meant, and the tree's name if it is given."""
    file, colon, name = text.rpartition(":")
    if not colon or not name or os.path.exists(text) or (_URL.match(text) and _PORT.match(name)):
        file, name = text, ""
    if _URL.match(file) or os.path.exists(file):
        return [(file, name or None)]
    found = sorted(path for path in glob.glob(file, recursive=True) if os.path.isfile(path))
    if not found:
        raise Error(f"no file {file!r}")
    return [(path, name or None) for path in found]


@contextmanager
def _opened(file: str) -> Iterator[Any]:
    uproot = need("uproot", "uproot")
    try:
        if _URL.match(file):
            opened = uproot.open({file: None})
        else:  # not as text, in which uproot would look for the name of a tree
            opened = uproot.open(Path(file), handler=uproot.MultithreadedFileSource)
    except (OSError, ValueError, ImportError) as error:
        raise Error(f"cannot read {file}: {error}") from error
    with opened:
        yield opened


def _tree(file: str, name: str | None) -> Tree:
    with _opened(file) as opened:
        classes = opened.classnames(recursive=True, cycle=False)
        trees = [key for key, kind in classes.items() if kind in ("TTree", "TNtuple", "ROOT::RNTuple")]
        if name is None and len(trees) == 1:
            name = trees[0]
        if name is None or name.partition(";")[0] not in trees:
            missing = "say which tree, as in file.root:tree" if name is None else f"it has no tree {name!r}"
            raise Error(f"{file}: {missing}; it has {', '.join(map(repr, trees)) or 'none'}")
        return Tree(file, name, int(opened[name].num_entries))


class Columns:
    """The columns of an open tree that a model needs.

    Parameters
    ----------
    tree : Tree
        Which it is, for messages.
    opened : uproot.TTree or uproot.RNTuple
        The tree itself.
    names : sequence of str
        The wanted columns: branches, also of other branches (``jets.pt``, ``jets/pt``).

    Raises
    ------
    Error
        A branch is missing or does not hold numbers.
    """

    def __init__(self, tree: Tree, opened: Any, names: Sequence[str]) -> None:
        self._tree = tree
        self._opened = opened
        self._keys = {name: self._key(name) for name in names}
        self._prototypes = {name: self._prototype(name) for name in names}
        awkward = need("awkward", "uproot")
        flat = all(_is_flat(awkward, array) for array in self._prototypes.values())
        self._library = "np" if flat else "ak"

    def nothing(self) -> Events:
        """The columns of no event: they have the types of all."""
        awkward = need("awkward", "uproot")
        return {
            name: awkward.to_numpy(array) if self._library == "np" else array
            for name, array in self._prototypes.items()
        }

    def chunks(self, size: int | str, executor: Any = None) -> Iterator[tuple[int, Events]]:
        """The columns of all events, chunk by chunk.

        Parameters
        ----------
        size : int or str
            Events of a chunk, or bytes as in "100 MB".
        executor : concurrent.futures.Executor, optional
            Decompresses.

        Yields
        ------
        events : int
            How many there are.
        columns : dict of str to array
            NumPy arrays, or awkward arrays if one of them is jagged.
        """
        if self._tree.entries == 0:
            return
        selected = frozenset(self._keys.values())
        chunks = self._opened.iterate(
            filter_name=selected.__contains__,
            step_size=self.events_per_chunk(size),
            decompression_executor=executor,
            library=self._library,
        )
        try:
            for columns in chunks:
                arrays = {name: columns[key] for name, key in self._keys.items()}
                yield len(next(iter(arrays.values()))), arrays
        except Exception as error:  # uproot's errors for damaged files are of many kinds
            raise Error(f"cannot read {self._where}: {error}") from error

    def events_per_chunk(self, size: int | str) -> int:
        """How many events a chunk of that size has.

        Parameters
        ----------
        size : int or str
            Events, or bytes as in "100 MB".

        Raises
        ------
        Error
            It is neither.
        """
        if isinstance(size, int):
            return max(size, 1)
        fields = [self._opened[key] for key in set(self._keys.values())]
        numbers = 8 * self._tree.entries  # those of an RNTuple do not know how large they are
        bytes_of_all = sum(int(getattr(field, "uncompressed_bytes", numbers)) for field in fields)
        return max(memory_size(size) * self._tree.entries // max(bytes_of_all, 1), 1)

    def _key(self, name: str) -> str:
        """The whole path of a branch."""
        known = self._opened.keys(recursive=True)
        if name in known:
            return name
        inner = [key for key in known if key.endswith(f"/{name}")]
        if len(inner) == 1:
            return str(inner[0])
        close = inner or difflib.get_close_matches(name, known, n=3)
        hint = f"did you mean {' or '.join(close)}?" if close else f"it has {', '.join(known) or 'none'}"
        raise Error(f"{self._where} has no branch {name!r}; {hint}")

    def _prototype(self, name: str) -> Any:
        """The column of no event."""
        branch = self._opened[self._keys[name]]
        try:
            array = branch.array(entry_stop=0, library="ak")
        except Exception as error:  # uproot has no common error for what it cannot interpret
            raise Error(self._no_numbers(name, branch)) from error
        if not _holds_numbers(need("awkward", "uproot").type(array).content):
            raise Error(self._no_numbers(name, branch))
        return array

    def _no_numbers(self, name: str, branch: Any) -> str:
        return f"{self._where}: branch {name!r} is of type {branch.typename}, which is not made of numbers"

    @property
    def _where(self) -> str:
        return f"the tree {self._tree.name!r} of {self._tree.file}"


def memory_size(text: str) -> int:
    """Bytes, as in "100 MB" or "1 GiB".

    Raises
    ------
    Error
        It is not a size.
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d*)?)\s*([kMGT]?)(i?)B\s*", text)
    if not found:
        raise Error(f"chunk={text!r} is neither a number of events nor bytes, as in '100 MB'")
    number, prefix, binary = found.groups()
    return int(float(number) * (1024 if binary else 1000) ** " kMGT".index(prefix or " "))


def _holds_numbers(kind: Any) -> bool:
    """Whether an awkward type is a number or a list of numbers."""
    while hasattr(kind, "content") and "__array__" not in kind.parameters:
        kind = kind.content
    return np.dtype(getattr(kind, "primitive", "O")).kind in "biuf"


def _is_flat(awkward: Any, array: Any) -> bool:
    """Whether every event has as many numbers."""
    kind = awkward.type(array).content
    while hasattr(kind, "content"):
        if not hasattr(kind, "size"):
            return False
        kind = kind.content
    return True
