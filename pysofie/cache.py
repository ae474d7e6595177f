"""Compiled models on disk: found by content, written atomically, readable by their owner alone."""

from __future__ import annotations

import atexit
import hashlib
import os
import shutil
import stat
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


def key(*parts: object) -> str:
    """A name for everything that a compiled model depends on."""
    return hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()[:40]


def directory() -> Path:
    """Where compiled models are kept: ``$PYSOFIE_CACHE_DIR``, else the user's cache folder."""
    chosen = os.environ.get("PYSOFIE_CACHE_DIR")
    if chosen:
        return Path(chosen).absolute()
    import platformdirs

    return Path(platformdirs.user_cache_dir("pysofie", appauthor=False))


def fetch(name: str, make: Callable[[Path], None]) -> Path:
    """The entry of this name, made if it is not there.

    Parameters
    ----------
    name : str
        From `key`.
    make : callable
        Fills an empty folder. It runs in one process at a time; if it fails, nothing is left behind.

    Returns
    -------
    pathlib.Path
        The folder of the entry. If the cache cannot be used, a warning says why, and the folder is a
        private one that disappears with the process.
    """
    root = directory()
    problem = _distrust(root)
    if problem is None:
        if (root / name).is_dir():
            return root / name
        problem = _prepare(root)
    if problem is not None:
        warnings.warn(
            f"compiled models are not kept: {problem}; set PYSOFIE_CACHE_DIR to a folder of your own",
            stacklevel=4,
        )
        return make_private(make)
    return _make_entry(root, name, make)


def make_private(make: Callable[[Path], None]) -> Path:
    """Fill a folder that disappears with the process."""
    folder = Path(tempfile.mkdtemp(prefix="pysofie-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    make(folder)
    return folder


def _make_entry(root: Path, name: str, make: Callable[[Path], None]) -> Path:
    from filelock import FileLock

    entry = root / name
    with FileLock(root / f"{name}.lock", mode=0o600):
        if entry.is_dir():  # another process was faster
            return entry
        with _scratch(root) as folder:
            make(folder)
            os.rename(folder, entry)
    return entry


@contextmanager
def _scratch(root: Path) -> Iterator[Path]:
    """A folder beside the entries, gone afterwards unless it was renamed."""
    folder = Path(tempfile.mkdtemp(prefix="making-", dir=root))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _distrust(root: Path) -> str | None:
    """Why libraries from this folder must not be loaded, if so: whoever writes there runs code here."""
    try:
        status = root.stat()
    except FileNotFoundError:
        return None
    except OSError as error:
        return f"{root}: {error.strerror}"
    if not stat.S_ISDIR(status.st_mode):
        return f"{root} is not a folder"
    if status.st_uid != os.getuid():
        return f"{root} belongs to another user"
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return f"others may write to {root} (chmod 700 helps)"
    return None


def _prepare(root: Path) -> str | None:
    """Make the cache folder; why it cannot be written to, if so."""
    try:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _scratch(root):
            return None
    except OSError as error:
        return f"{root} cannot be written to ({error.strerror})"
