"""Files of new columns, written chunk by chunk: friends of the trees that they belong to.

A file is written under a name of its own beside its place, and gets its name when it is whole. So whatever
happens, nobody ever sees a part of it, and writers that run at the same time do not meet.
"""

from __future__ import annotations

import os
import secrets
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import numpy as np

from pysofie.errors import Error
from pysofie.trees import need

Arrays = Mapping[str, Any]


class Friend(ABC):
    """A file that takes columns.

    Parameters
    ----------
    file : file object
        Open for writing.
    tree : str
        The name of the tree, where the format has one.
    nothing : dict of str to array
        The columns of no event: they have the types of all.
    """

    @abstractmethod
    def __init__(self, file: IO[bytes], tree: str, nothing: Arrays) -> None: ...

    @abstractmethod
    def write(self, columns: Arrays) -> None:
        """Append events: NumPy arrays, or awkward arrays where each event has its own number of values."""

    @abstractmethod
    def close(self) -> None:
        """Write what is left."""


class _Root(Friend):
    """A TTree."""

    def __init__(self, file: IO[bytes], tree: str, nothing: Arrays) -> None:
        uproot = need("uproot", "uproot")
        # Scores hardly compress; LZ4 at least wastes no time on them.
        self._file = uproot.recreate(file, compression=uproot.LZ4(1))
        self._tree = self._file.mktree(tree, {name: _branch_type(array) for name, array in nothing.items()})

    def write(self, columns: Arrays) -> None:
        self._tree.extend(dict(columns))

    def close(self) -> None:
        self._file.close()


def _branch_type(array: Any) -> Any:
    """What uproot calls the type of a branch."""
    if isinstance(array, np.ndarray):
        return np.dtype((array.dtype, array.shape[1:]))
    return str(array.type.content)


class _Parquet(Friend):
    """A table, each chunk a group of rows."""

    def __init__(self, file: IO[bytes], tree: str, nothing: Arrays) -> None:
        table = _arrow(nothing)
        self._writer = need("pyarrow.parquet", "parquet").ParquetWriter(
            file,
            table.schema,
            use_dictionary=False,  # scores hardly repeat
        )

    def write(self, columns: Arrays) -> None:
        self._writer.write_table(_arrow(columns))

    def close(self) -> None:
        self._writer.close()


def _arrow(columns: Arrays) -> Any:
    awkward = need("awkward", "parquet")
    need("pyarrow", "parquet")
    rows = awkward.to_packed(awkward.zip(dict(columns), depth_limit=1))
    table = awkward.to_arrow_table(rows, extensionarray=False)
    return table.replace_schema_metadata(None)


_FORMATS: dict[str, type[Friend]] = {".root": _Root, ".parquet": _Parquet}


def require_writable(path: Path, *, overwrite: bool) -> type[Friend]:
    """Say no before any work is done.

    Parameters
    ----------
    path : pathlib.Path
        Where the file shall lie; its suffix says the format.
    overwrite : bool
        Whether there may be one.

    Returns
    -------
    type
        The class that writes the format.

    Raises
    ------
    Error
        The format is not known, the folder is missing or closed, or there is a file already.
    """
    if path.suffix not in _FORMATS:
        raise Error(f"{path}: the suffix says the format; it can be {' or '.join(_FORMATS)}")
    if path.is_dir():
        raise Error(f"{path} is a folder")
    if not path.parent.is_dir():
        raise Error(f"{path}: there is no folder {path.parent}")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise Error(f"{path}: no file can be made in {path.parent}")
    if path.exists() and not overwrite:
        raise _exists(path)
    return _FORMATS[path.suffix]


@contextmanager
def create(path: Path, tree: str, nothing: Arrays, *, overwrite: bool) -> Iterator[Friend]:
    """A file that comes into being at the end of the context, whole, and not at all after an exception.

    Parameters
    ----------
    path : pathlib.Path
        As `require_writable` takes it.
    tree : str
        The name of the tree, where the format has one.
    nothing : dict of str to array
        The columns of no event: they have the types of all.
    overwrite : bool
        Whether it may replace a file.

    Raises
    ------
    Error
        As `require_writable`, and if another process was faster.
    """
    writer = require_writable(path, overwrite=overwrite)
    temporary = path.with_name(f".{path.name[:200]}.{secrets.token_hex(8)}.part")
    try:
        with open(temporary, "xb+") as file:
            friend = writer(file, tree, nothing)
            try:
                yield friend
            except BaseException:
                with suppress(Exception):  # what went wrong was said already
                    friend.close()
                raise
            friend.close()
        _publish(temporary, path, overwrite=overwrite)
    finally:
        temporary.unlink(missing_ok=True)


def _publish(temporary: Path, path: Path, *, overwrite: bool) -> None:
    if overwrite:
        os.replace(temporary, path)
        return
    try:
        os.link(temporary, path)  # unlike a rename, it never replaces
    except FileExistsError as error:
        raise _exists(path) from error
    except OSError:  # a file system without links
        if path.exists():
            raise _exists(path) from None
        os.replace(temporary, path)


def _exists(path: Path) -> Error:
    return Error(f"{path} exists; --overwrite (overwrite=True) replaces it")
