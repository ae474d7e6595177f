"""ROOT's interpreter as a compiler, for machines that have no other.

It compiles into the running process: there is no library to keep, and nothing is taken from the cache.
"""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import TYPE_CHECKING

from pysofie.cache import make_private
from pysofie.errors import CompileError, UnsupportedError
from pysofie.toolchains import host

if TYPE_CHECKING:
    from pysofie.generate import Options
    from pysofie.importers.source import Source
    from pysofie.session import Session

#: What `pysofie.compile` is given as `compiler` to get here.
NAME = "cling"


def is_needed() -> bool:
    """Whether this machine has no compiler."""
    try:
        host.find()
    except CompileError:
        return not os.environ.get("CXX")
    return False


def stands_in(compiler: str | None, options: Options) -> bool:
    """Whether Cling may take the place of a host compiler that was not found."""
    wished = compiler or os.environ.get("CXX")
    return not wished and options.target == "cpu" and importlib.util.find_spec("ROOT") is not None


def compile(source: Source, options: Options) -> Session:
    """Generate code and compile it inside ROOT.

    Parameters
    ----------
    source : Source
        The model.
    options : Options
        How to generate code; the target is "cpu".

    Returns
    -------
    Session

    Raises
    ------
    UnsupportedError
        The target is another, or an operator that a user wrote needs a flag that Cling does not take.
    Error
        ROOT is not installed.
    CompileError
        Cling refused the code.
    """
    from pysofie import _core
    from pysofie.custom.building import flags_of
    from pysofie.generate import generate
    from pysofie.session import Session
    from rdf_helpers import cling

    if options.target != "cpu":
        raise UnsupportedError(f"Cling compiles for the target 'cpu', not {options.target!r}")
    cling.allocate_registers()
    model = source.load()
    files = {Path(name): content for name, content in generate(model, options).items()}
    header = next(path for path in files if path.suffix == ".hxx")
    cling.take_flags(flags_of([model]))
    address = cling.build(files[header].decode(), header.stem)

    def keep(folder: Path) -> None:
        (folder / "0.dat").write_bytes(files.get(header.with_suffix(".dat"), b""))

    return Session(_core.Library.from_address(address), make_private(keep) / "0.dat")
