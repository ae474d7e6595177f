"""The files of a user's own that go into the compiled text of an operator."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pysofie.custom.definition import Definition

# Those under a condition count too: reading one more does no harm.
_INCLUDE = re.compile(rb'^[ \t]*#[ \t]*include(?:_next)?[ \t]*(?:"([^"\n]+)"|<([^>\n]+)>)', re.MULTILINE)
# In the order in which compilers look into the folders.
_FOLDERS = ("-I", "-isystem", "-idirafter")


@dataclass(frozen=True)
class _Flags:
    """What flags of a compiler name.

    Attributes
    ----------
    quoted, folders : tuple of pathlib.Path
        Where it looks for headers: first for "quoted" names, and for all.
    files : tuple of pathlib.Path
        What it is given: headers, sources, objects, and the archives of libraries.
    """

    quoted: tuple[Path, ...]
    folders: tuple[Path, ...]
    files: tuple[Path, ...]

    @staticmethod
    def of(flags: Sequence[str]) -> _Flags:
        """Read flags."""
        quoted = tuple(map(Path, _values(flags, "-iquote")))
        folders = tuple(Path(folder) for option in _FOLDERS for folder in _values(flags, option))
        libraries = list(_values(flags, "-l"))
        archives = [Path(folder) / f"lib{name}.a" for folder in _values(flags, "-L") for name in libraries]
        candidates = [*map(Path, flags), *map(Path, _values(flags, "-include")), *archives]
        return _Flags(quoted, folders, tuple(path for path in candidates if _is_file(path)))

    def included(self, text: bytes, folder: Path | None = None) -> Iterator[Path]:
        """The headers that a text includes, which lies in a folder of theirs or in none."""
        beside = self.quoted if folder is None else (folder, *self.quoted)
        for quoted, angled in _INCLUDE.findall(text):
            name = (quoted or angled).decode(errors="surrogateescape")
            folders = (*beside, *self.folders) if quoted else self.folders
            found = next(filter(_is_file, (Path(name), *(each / name for each in folders))), None)
            if found is not None:
                yield found


def contents(definition: Definition) -> str:
    """Identifies the contents of headers, of what they include in turn, and of files that flags name.

    What lies in no folder that the flags name belongs to the system, and does not count.

    Parameters
    ----------
    definition : Definition
        Of the operator.

    Returns
    -------
    str
        A digest.
    """
    flags = _Flags.of(definition.flags)
    lines = [f"#include {header}\n" for header in definition.headers]
    text = "".join([*lines, *(definition.bodies or {}).values()]).encode()
    waiting = [*flags.files, *flags.included(text)]
    digest, seen = hashlib.sha256(), set()
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        content = path.read_bytes()
        digest.update(hashlib.sha256(content).digest())
        waiting += flags.included(content, path.parent)
    return digest.hexdigest()


def _is_file(path: Path) -> bool:
    # The compiler runs in a folder where there is nothing of the user's.
    return path.is_absolute() and path.is_file()


def _values(flags: Sequence[str], option: str) -> Iterator[str]:
    """What an option is given, in one word with it or in the next."""
    for flag, following in zip(flags, [*flags[1:], ""], strict=False):
        value = following if flag == option else flag.removeprefix(option)
        if flag.startswith(option) and value:
            yield value
