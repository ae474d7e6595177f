"""ROOT's interpreter: getting it, and having it compile.

Cling compiles for a generic processor and hardly optimises unless told otherwise. `build` is for machines
that have ROOT and no compiler: it tells Cling otherwise, for the model's code alone.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pysofie.errors import CompileError, Error, UnsupportedError

# Where this package and pysofie lie.
_SIDE_BY_SIDE = Path(__file__).resolve().parents[1]
_declared: set[str] = set()
_ARGUMENTS, _REGISTERS = "EXTRA_CLING_ARGS", "-mllvm -optimize-regalloc"
_asked: list[str] = []
_declaring = threading.Lock()


def allocate_registers() -> None:
    """Ask for code that keeps values in registers, up to twice as fast; in vain once Cling has started.

    ROOT has Cling allocate registers quickly instead. There is no other way to say so than the environment.
    """
    arguments = os.environ.get(_ARGUMENTS, "")
    if _REGISTERS not in arguments:
        os.environ[_ARGUMENTS] = f"{arguments} {_REGISTERS}".lstrip()
        _asked.append(arguments)


def _clean_environment() -> None:
    """Take back what `allocate_registers` said, once Cling has heard it: rootcling does not understand it."""
    if not _asked:
        return
    arguments = _asked.pop()
    if arguments:
        os.environ[_ARGUMENTS] = arguments
    else:
        os.environ.pop(_ARGUMENTS, None)


def root() -> Any:
    """ROOT's Python module.

    Raises
    ------
    Error
        If it is not installed, with the way to get it.
    """
    try:
        import ROOT
    except ImportError as error:
        raise Error(
            "this needs ROOT, which cannot be imported "
            f"({error}): pip install 'pysofie[root]', or see https://root.cern/install"
        ) from error
    return ROOT


def is_there() -> bool:
    """Whether ROOT is installed."""
    from importlib.util import find_spec

    if "ROOT" in sys.modules:
        return sys.modules["ROOT"] is not None
    return find_spec("ROOT") is not None


def include_directories() -> list[Path]:
    """What to give to a compiler for ``#include "pysofie/rdf.hxx"``.

    Returns
    -------
    list of pathlib.Path
        The headers of the installed package; in a source tree, the folders that they are installed from.
    """
    installed = _SIDE_BY_SIDE / "pysofie" / "include"
    if (installed / "pysofie" / "rdf.hxx").exists():
        return [installed]
    return [_SIDE_BY_SIDE / "rdf_helpers" / "include", _SIDE_BY_SIDE / "cpp" / "runtime"]


def declare(code: str) -> None:
    """Have Cling compile `code`, once per process.

    Parameters
    ----------
    code : str
        C++ declarations.

    Raises
    ------
    CompileError
        With Cling's words, and the place where the source was kept.
    """
    interpreter = root().gInterpreter
    _clean_environment()
    with _declaring:
        if code in _declared:
            return
        with quiet() as words:
            compiled = interpreter.Declare(code)
        if not compiled:
            source, log = _keep(code), "".join(words)
            message = f"Cling refused code of pysofie, kept in {source}:\n{log}"
            raise CompileError(message, log=log, source=source)
        sys.stderr.writelines(words)
        _declared.add(code)


def declare_adapters() -> None:
    """Make ``adapter.hxx`` known to Cling."""
    for directory in include_directories():
        root().gInterpreter.AddIncludePath(str(directory))
    declare('#pragma cling optimize(3)\n#include "pysofie/adapter.hxx"\n#include <ROOT/RDataFrame.hxx>\n')


def take_flags(flags: Sequence[str]) -> None:
    """Do what flags ask a compiler for: search folders and load libraries.

    Raises
    ------
    UnsupportedError
        A flag is none of ``-I``, ``-L``, ``-l`` and ``-Wl,`` and no path of a library.
    CompileError
        A library cannot be loaded.
    """
    for flag in flags:
        if flag.startswith("-I"):
            root().gInterpreter.AddIncludePath(flag[2:])
        elif flag.startswith("-L"):
            root().gSystem.AddDynamicPath(flag[2:])
        elif flag.startswith("-l") or flag.endswith((".so", ".dylib")):
            library = f"lib{flag[2:]}" if flag.startswith("-l") else flag
            if root().gSystem.Load(library) < 0:
                raise CompileError(f"ROOT cannot load the library {library}, which an operator needs")
        elif not flag.startswith("-Wl,"):  # the linker is not there
            raise UnsupportedError(f"Cling does not take the flag {flag}, which an operator needs")


def build(header: str, name: str) -> int:
    """Compile a generated header inside ROOT, for this processor.

    Parameters
    ----------
    header : str
        Text of a generated ``<name>.hxx``.
    name : str
        The model's name as in the header's namespace, ``TMVA_SOFIE_<name>``.

    Returns
    -------
    int
        Address of the model's ``pysofie_model`` table, valid for the life of the process.

    Raises
    ------
    CompileError
        If Cling refuses the header.
    """
    tag = hashlib.sha256(header.encode()).hexdigest()[:16]
    getter = f"pysofie_get_model_{tag}"
    declare(
        _for_cling(_renamed(header, name, tag), {"PYSOFIE_SHARED_LIBRARY": "", "PYSOFIE_GET_MODEL": getter})
    )
    return int(root().addressof(getattr(root(), getter)()))


def _renamed(header: str, name: str, tag: str) -> str:
    """A header that shares no name with others in the process.

    Another model may have the same name, and a user may have included a header into Cling as it is, with
    other vectors.
    """
    for old, new in {
        rf"TMVA_SOFIE_{name}": f"TMVA_SOFIE_{name}_{tag}",
        rf"PYSOFIE_MODEL_{name}": f"PYSOFIE_MODEL_{name}_{tag}",
        "sofie_runtime": "sofie_runtime_cling",
        r"SOFIE_RUNTIME_(\w+)": r"SOFIE_RUNTIME_CLING_\1",
    }.items():
        header = re.sub(rf"\b{old}\b", new, header)
    return header


def _for_cling(header: str, macros: dict[str, str]) -> str:
    """Dress a header with what turns Cling's optimiser and vector instructions on."""
    features, width = vector_features(_processor_flags())
    macros = macros | {"SOFIE_VECTOR_BYTES": str(width)}
    # The attribute alone defines none of the macros by which code asks for instructions.
    macros |= {f"__{feature.upper()}__": "1" for feature in features}
    # Standard headers first: the attribute below is for the model's functions, not for the library's.
    lines = ["#pragma cling optimize(3)", *re.findall(r"^#include <[^>]+>$", header, re.MULTILINE)]
    for macro, value in macros.items():
        lines += [f'#pragma push_macro("{macro}")', f"#undef {macro}", f"#define {macro} {value}"]
    if features:
        attribute = f'__attribute__((target("{",".join(features)}")))'
        lines += [
            f"#pragma clang attribute push({attribute}, apply_to = function)",
            header,
            "#pragma clang attribute pop",
        ]
    else:
        lines.append(header)
    return "\n".join([*lines, *(f'#pragma pop_macro("{macro}")' for macro in macros), ""])


def vector_features(flags: set[str]) -> tuple[list[str], int]:
    """Vector instructions worth naming to the compiler, and their width.

    Parameters
    ----------
    flags : set of str
        Processor flags as the Linux kernel spells them.

    Returns
    -------
    features : list of str
        Names for ``__attribute__((target))``; empty where the platform's default is all there is.
    width : int
        Bytes of a vector register.
    """
    avx2, avx512 = ["avx2", "fma"], ["avx512f", "avx512dq", "avx512vl", "avx512bw"]
    if not flags.issuperset(avx2):
        return [], 16
    if not flags.issuperset(avx512):
        return avx2 + _compiler_names(flags, ["avx_vnni"]), 32
    return avx2 + avx512 + _compiler_names(flags, ["avx512_vnni", "avx512_bf16"]), 64


def _compiler_names(flags: set[str], wanted: list[str]) -> list[str]:
    return [flag.replace("_", "") for flag in wanted if flag in flags]


def _processor_flags() -> set[str]:
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return set()
    found = re.search(r"^flags\s*:(.*)$", text, re.MULTILINE)
    return set(found.group(1).split()) if found else set()


def _keep(code: str) -> Path:
    handle, path = tempfile.mkstemp(prefix="pysofie_", suffix=".hxx")
    with os.fdopen(handle, "w") as file:
        file.write(code)
    return Path(path)


@contextmanager
def quiet() -> Iterator[list[str]]:
    """Collect what C++ code writes to the standard error; complete when the context has ended."""
    words: list[str] = []
    sys.stderr.flush()
    saved = os.dup(2)
    with tempfile.TemporaryFile(mode="w+") as file:
        os.dup2(file.fileno(), 2)
        try:
            yield words
        finally:
            os.dup2(saved, 2)
            os.close(saved)
            file.seek(0)
            words.append(file.read())
