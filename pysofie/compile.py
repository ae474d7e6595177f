"""From a model to a session: generate code, compile it, keep the result."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pysofie import cache as compiled
from pysofie.custom.building import blamed_text, flags_of
from pysofie.errors import CompileError
from pysofie.generate import Gradient, Options, check_precision, generate
from pysofie.importers import Source, as_source
from pysofie.model import Model

if TYPE_CHECKING:
    from pysofie.importers import Dims, ModelLike
    from pysofie.session import Session
    from pysofie.toolchains import Toolchain


def compile(
    source: ModelLike,
    *,
    target: str = "cpu",
    precision: str = "float32",
    compiler: str | None = None,
    cache: bool = True,
    profile: bool = False,
    gradient: bool = False,
    dims: Dims | None = None,
    name: str | None = None,
    outputs: Sequence[str] | None = None,
    disabled_passes: Sequence[str] = (),
) -> Session:
    """Compile a model and load the result.

    Parameters
    ----------
    source : Model, path, bytes or onnx.ModelProto
        As for `pysofie.load`, which also explains `dims`, `name` and `outputs`.
    target : {"cpu", "sycl", "alpaka"}
        What to generate code for.
    precision : {"float32", "bfloat16", "bfloat16-weights", "float16-weights", "int8-weights"}
        What the products of float32 may round, which changes results; `Session.precision_error` says by how
        much. The last three round the weights, to integers with one scale for each column in the case of
        "int8-weights"; "bfloat16" rounds weights and the activations that they multiply. Sums stay float32,
        and a model computes in the types it states, so that float64 stays float64.
    compiler : str, optional
        A command, or "cling"; by default ``$CXX``, else the system's compiler, else Cling in ROOT.
    cache : bool
        Whether to keep the result, and to take one that was kept.
    profile : bool
        Whether to time every kernel; see `Session.profile`.
    gradient : bool
        Whether to compile the gradient of the only floating-point output by all floating-point inputs now,
        and not when `Session.gradient` is first called.
    dims, name, outputs : optional
        See `pysofie.load`.
    disabled_passes : sequence of str
        Optimisations to leave out, by name, for the search of faults.

    Returns
    -------
    Session

    Raises
    ------
    InvalidModelError, UnsupportedError, ShapeError
        As `pysofie.load`; also if `gradient` is asked for and there is none.
    CompileError
        There is no compiler, or it refused the code.

    Examples
    --------
    >>> session = pysofie.compile("model.onnx", dims={"batch": 1})  # doctest: +SKIP
    >>> y = session(x)  # doctest: +SKIP
    """
    check_precision(precision)
    options = Options(target, profile, tuple(disabled_passes), precision)
    model = as_source(source, dims=dims, name=name, outputs=outputs)
    session = _session(model, options, compiler, cache)
    if gradient:
        session.gradients.of(session, Gradient())
    if not isinstance(source, (Model, Source)):
        model.forget()  # the session keeps the content alone
    return session


def _session(model: Source, options: Options, compiler: str | None, cache: bool) -> Session:
    from pysofie.weights import Origin

    session = _compiled(model, options, compiler, cache)
    session.origin = Origin(model, options, lambda model, options: _session(model, options, compiler, cache))
    return session


def _compiled(model: Source, options: Options, compiler: str | None, cache: bool) -> Session:
    from pysofie import _core, toolchains
    from pysofie.session import Session
    from pysofie.toolchains import cling

    if compiler == cling.NAME:
        return cling.compile(model, options)
    try:
        toolchain = toolchains.find(options.target, compiler)
    except CompileError:
        if not cling.stands_in(compiler, options):
            raise
        return cling.compile(model, options)

    def make(folder: Path) -> None:
        build([model], options, toolchain, folder)

    folder = compiled.fetch(_key([model], options, toolchain), make) if cache else compiled.make_private(make)
    return Session(_core.Library(str(folder / "model.so"), entry_point(0)), folder / "0.dat")


def compile_many(
    sources: Sequence[ModelLike],
    *,
    target: str = "cpu",
    compiler: str | None = None,
    gradient: Gradient | None = None,
) -> list[Session]:
    """Compile many small models in one go, which is much faster than one by one.

    Parameters
    ----------
    sources : sequence of Model, path, bytes or onnx.ModelProto
        As for `pysofie.load`. Models that are loaded already must differ in name.
    target, compiler
        As for `compile`.
    gradient : Gradient, optional
        Compile programs of gradients in place of the models.

    Returns
    -------
    list of Session
        One for each source, in order.

    Raises
    ------
    Error
        As `compile`, if any of the models fails.
    """
    from pysofie import _core, toolchains
    from pysofie.session import Session
    from pysofie.weights import Origin

    options = Options(target, gradient=gradient)
    toolchain = toolchains.find(target, compiler)
    models = [
        as_source(source) if isinstance(source, Model) else as_source(source, name=f"model_{i}")
        for i, source in enumerate(sources)
    ]
    if len({source.name for source in models}) < len(models):
        raise ValueError("models that are compiled into one library must differ in name")
    folder = compiled.fetch(
        _key(models, options, toolchain), lambda folder: build(models, options, toolchain, folder)
    )
    return [
        Session(
            _core.Library(str(folder / "model.so"), entry_point(i)),
            folder / f"{i}.dat",
            Origin(model, options, lambda model, options: _session(model, options, compiler, cache=True)),
        )
        for i, model in enumerate(models)
    ]


def entry_point(index: int) -> str:
    """The name of the function that the library exports for its `index`-th model."""
    return f"pysofie_get_model_{index}"


def build(models: Sequence[Source], options: Options, toolchain: Toolchain, folder: Path) -> None:
    """Generate code for models and compile it into one library.

    Parameters
    ----------
    models : sequence of Source
        What to compile.
    options : Options
        How to generate code.
    toolchain : Toolchain
        How to compile it.
    folder : pathlib.Path
        Receives ``model.so`` and, for the model at place i, ``i.hxx`` and ``i.dat``.

    Raises
    ------
    CompileError
        The generated code was refused; it is kept, and the error says where.
    """
    lines = ["#define PYSOFIE_SHARED_LIBRARY"]
    loaded = [source.load() for source in models]
    for i, model in enumerate(loaded):
        files = generate(model, options)
        for file, content in files.items():
            (folder / f"{i}{Path(file).suffix}").write_bytes(content)
        lines += [
            "#undef PYSOFIE_GET_MODEL",
            f"#define PYSOFIE_GET_MODEL {entry_point(i)}",
            f'#include "{i}.hxx"',
        ]
    unit = folder / "model.cpp"
    unit.write_text("\n".join(lines) + "\n")
    try:
        toolchain.build(unit, folder / "model.so", flags_of(loaded))
    except CompileError as error:
        kept = Path(tempfile.mkdtemp(prefix="pysofie-failed-"))
        shutil.copytree(folder, kept, dirs_exist_ok=True)
        raise CompileError(
            f"{error}{blamed_text(loaded, options.target, error.log)}\nThe generated code is kept in {kept}",
            log=error.log,
            source=kept,
        ) from error


def _key(models: Sequence[Source], options: Options, toolchain: Toolchain) -> str:
    from pysofie import __version__, _core

    core = os.stat(_core.__file__)
    parts = [__version__, core.st_size, core.st_mtime_ns, options, toolchain.identity()]
    return compiled.key(*parts, *(model.digest for model in models))
