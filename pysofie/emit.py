"""Generated code written to a folder, for C++ programs."""

from __future__ import annotations

import os
import shlex
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from pysofie.custom.building import flags_of
from pysofie.generate import Gradient, Options, check_precision, generate
from pysofie.importers import as_source

if TYPE_CHECKING:
    from pysofie.importers import Dims, ModelLike


def emit(
    source: ModelLike,
    directory: str | os.PathLike[str] = ".",
    *,
    target: str = "cpu",
    weights: str = "file",
    profile: bool = False,
    precision: str = "float32",
    gradient: bool = False,
    dims: Dims | None = None,
    name: str | None = None,
) -> list[Path]:
    """Write the C++ code of a model.

    Parameters
    ----------
    source : Model, path, bytes or onnx.ModelProto
        As for `pysofie.load`, which also explains `dims` and `name`.
    directory : path
        Where to; made if it is not there.
    target : {"cpu", "sycl", "alpaka"}
        What to generate code for.
    weights : {"file", "inline"}
        Whether the weights go to ``<name>.dat`` or into the header.
    profile : bool
        Whether the code times its kernels.
    precision : str
        What may be rounded, see `pysofie.compile`.
    gradient : bool
        Whether to write ``<name>_gradient.hxx``, too: a `Session` that takes the inputs and a weight for
        every element of the output, and gives the output and the gradients of its weighted sum by all
        floating-point inputs.
    dims, name : optional
        See `pysofie.load`.

    Returns
    -------
    list of pathlib.Path
        The files: ``<name>.hxx``, and ``<name>.dat`` unless the weights are inline. A file that was there
        is replaced as a whole; if anything fails, nothing is written. What the text of operators that a user
        wrote needs of the compiler stands in the first line of the header.

    Raises
    ------
    InvalidModelError, UnsupportedError, ShapeError
        As `pysofie.load`; also if `gradient` is asked for and there is none.
    """
    from pysofie import toolchains

    toolchains.check_target(target)
    check_precision(precision)
    if weights not in ("file", "inline"):
        raise ValueError(f"weights={weights!r}: must be 'file' or 'inline'")
    model = as_source(source, dims=dims, name=name).load()
    files: dict[str, bytes] = {}
    for wish in (None, Gradient())[: 1 + gradient]:
        files |= generate(model, Options(target, profile, (), precision, wish), weights=weights)
    if flags := shlex.join(flags_of([model])):
        note = f"Do not edit. Compile with {flags}".encode()
        for header in [file for file in files if file.endswith(".hxx")]:
            files[header] = files[header].replace(b"Do not edit.", note, 1)
    folder = Path(directory)
    folder.mkdir(parents=True, exist_ok=True)
    return [write_file(folder / file, content) for file, content in sorted(files.items())]


def write_file(path: Path, content: bytes) -> Path:
    """Write a file that appears as a whole, or replaces the one that is there.

    Parameters
    ----------
    path : pathlib.Path
        In a folder that exists.
    content : bytes
        What it shall hold.

    Returns
    -------
    pathlib.Path
        `path`.
    """
    descriptor, scratch = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(scratch, 0o666 & ~umask)
        os.replace(scratch, path)
    except BaseException:
        os.unlink(scratch)
        raise
    return path
