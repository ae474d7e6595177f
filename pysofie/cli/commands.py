"""The commands, each a thin layer over the function of the same name."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.table import Table

import pysofie
from pysofie.cli import main, options
from pysofie.errors import Error
from pysofie.sequences import tensors

if TYPE_CHECKING:
    from pysofie.model import Model


@main.command()
@click.argument("model", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=False)
@click.option("--operators", is_flag=True, help="List the operators that can be compiled.")
@options.dims
def info(model: Path | None, operators: bool, dims: dict[str, Any]) -> None:
    """Show the inputs, outputs, nodes and cost of a model, or what operators there are.

    \b
    Examples:
      pysofie info model.onnx --dim batch=1
      pysofie info --operators
    """
    if operators:
        _print_operators()
    if model is not None:
        _print_model(model, dims)
    elif not operators:
        raise click.UsageError("give a model, or --operators")


def _print_operators() -> None:
    table = Table("domain", "operator", "since opset")
    for domain, operator, version in pysofie.operators():
        table.add_row(domain or "ai.onnx", operator, str(version))
    options.console.print(table)


def _print_model(model: Path, dims: dict[str, Any]) -> None:
    from pysofie.explain_tables import node_table

    loaded = pysofie.load(model, dims=dims)
    explanation = pysofie.explain(loaded)
    _print_signature(loaded)
    options.console.print(node_table(explanation))
    for line in _cost(loaded):
        options.console.print(line, highlight=False, markup=False)


def _cost(loaded: Model) -> list[str]:
    """What a run costs, for people."""
    from pysofie import _core
    from pysofie.memory import memory_plan

    statistics = _core.Program(loaded.graph, []).statistics()
    plan = memory_plan(loaded)
    sizes = ", ".join(f"{symbol} = {value}" for symbol, value in plan.sizes.items())
    return [
        f"kernels:    {statistics['kernels']}",
        f"weights:    {statistics['weight_bytes']:,} bytes",
        f"arena:      {plan.arena_bytes:,} bytes{f' for {sizes}' if sizes else ''}; "
        f"{plan.lower_bound:,} are alive together (x {plan.ratio:.3f})",
        f"operations: {statistics['operations']}",
    ]


@main.command()
@options.model
@options.dims
def check(model: Path, dims: dict[str, Any]) -> None:
    """Say whether a model can be compiled; if not, list everything that stands against it.

    `pysofie explain` shows the same in the graph, and what can be done.

    \b
    Example:
      pysofie check model.onnx
    """
    from pysofie import _core

    loaded = pysofie.load(model, dims=dims)
    _core.Program(loaded.graph, [])
    _print_signature(loaded)
    options.console.print("[green]ok:[/] every operator is supported")


@main.command()
@options.model
@click.option(
    "-o", "--output", type=click.Path(file_okay=False, path_type=Path), default=Path(), help="Folder."
)
@options.target
@click.option("--inline", is_flag=True, help="Put the weights into the header.")
@click.option("--profile", is_flag=True, help="Let the code time its kernels.")
@click.option("--gradient", is_flag=True, help="Write a session for gradients, too.")
@click.option("--name", help="Name of the generated code; by default that of the file.")
@click.option("--rdf", is_flag=True, help="Write a column of RDataFrame, too: a header for ROOT macros.")
@options.columns
@options.take
@click.option(
    "--type",
    "types",
    multiple=True,
    callback=options.parse_types,
    metavar="COLUMN=TYPE",
    help="With --rdf: the C++ type of a column that is not float. May be repeated.",
)
@options.precision
@options.dims
@options.wanted
@options.pre
@options.post
def emit(
    model: Path,
    output: Path,
    target: str,
    precision: str,
    inline: bool,
    profile: bool,
    gradient: bool,
    name: str | None,
    rdf: bool,
    columns: list[str] | dict[str, list[str]] | None,
    take: int | str | None,
    types: dict[str, str],
    dims: dict[str, Any],
    wanted: tuple[str, ...] | None,
    pre: dict[str, str] | None,
    post: dict[str, str] | None,
) -> None:
    """Write the C++ code of a model.

    \b
    Examples:
      pysofie emit model.onnx -o generated
      pysofie emit model.onnx --target sycl --dim batch=1:4096
      pysofie emit model.onnx --rdf --columns pt,eta --type pt=ROOT::RVec<float>
      pysofie emit model.onnx --tensor score --tensor layer3
      pysofie emit model.onnx --pre "x=log1p(x / 1000)" --post "score=1 - score"
    """
    if rdf and (target != "cpu" or inline or profile or gradient):
        raise click.UsageError("--rdf goes with neither --target nor --inline nor --profile nor --gradient")
    if not rdf and (columns or take is not None or types):
        raise click.UsageError("--columns, --take and --type need --rdf")
    loaded = pysofie.load(model, name=name, dims=dims, outputs=wanted, pre=pre, post=post)
    if rdf:
        functor = pysofie.functor(loaded, columns=columns, output=take, precision=precision)
        files = functor.emit(output, types=types)
    else:
        files = pysofie.emit(
            loaded,
            output,
            target=target,
            weights="inline" if inline else "file",
            profile=profile,
            precision=precision,
            gradient=gradient,
        )
    for file in files:
        click.echo(f"wrote {file} ({file.stat().st_size} bytes)")


@main.command()
@options.model
@click.argument("inputs", nargs=-1)
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write the outputs to a .npz."
)
@click.option("--repeat", type=click.IntRange(min=1), help="Time that many calls in a C++ loop.")
@click.option("--profile", is_flag=True, help="Time every kernel.")
@options.target
@options.dims
@options.wanted
def run(
    model: Path,
    inputs: tuple[str, ...],
    output: Path | None,
    repeat: int | None,
    profile: bool,
    target: str,
    dims: dict[str, Any],
    wanted: tuple[str, ...] | None,
) -> None:
    """Compile a model and run it on arrays from files.

    INPUTS are a .npz file with one array per input, or NAME=FILE.npy for each; without any, random numbers
    are taken and every symbol is 1.

    \b
    Examples:
      pysofie run model.onnx events.npz -o scores.npz
      pysofie run model.onnx x=events.npy --repeat 1000
      pysofie run model.onnx events.npz --tensor layer3
    """
    import numpy as np

    start = time.perf_counter()
    session = pysofie.compile(model, target=target, dims=dims, profile=profile, outputs=wanted)
    click.echo(f"compiled or found in the cache in {time.perf_counter() - start:.2f} s")
    feeds = options.read_inputs(inputs) if inputs else options.random_inputs(session)
    outputs = tensors(session.run(feeds))
    for name, array in outputs.items():
        click.echo(f"{name}: {array.dtype}{list(array.shape)}\n{np.array2string(array, threshold=20)}")
    if repeat:
        durations = session.benchmark(feeds, repeat)
        click.echo(
            f"{repeat} calls: median {np.median(durations):.0f} ns, "
            f"99% below {np.percentile(durations, 99):.0f} ns"
        )
    if profile:
        from pysofie import profiling
        from pysofie.machine import ceilings

        options.console.print(profiling.table(session.profile(), ceilings()))
    if output is not None:
        np.savez(output, **outputs)
        click.echo(f"wrote {output}")


@main.command()
@options.model
@click.option(
    "--size", "sizes", type=click.IntRange(min=0), multiple=True, default=(1, 2, 7, 64), show_default=True
)
@click.option("--seed", default=0, show_default=True)
@click.option(
    "--tolerance",
    type=float,
    help="Largest relative difference; by default 1e-5, 1e-12 for float64, 2e-2 with --precision.",
)
@click.option(
    "--against",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Compare with another model, such as the one that this was made of.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@options.target
@options.precision
@options.dims
def verify(
    model: Path,
    sizes: tuple[int, ...],
    seed: int,
    tolerance: float | None,
    against: Path | None,
    as_json: bool,
    target: str,
    precision: str,
    dims: dict[str, Any],
) -> None:
    """Compare a compiled model with its framework, or onnxruntime, on random inputs.

    If they differ, the exit status is 1, and the first node where the two part is shown.

    \b
    Examples:
      pysofie verify model.onnx --size 1 --size 1000
      pysofie verify model.onnx --precision bfloat16
      pysofie verify simplified.onnx --against model.onnx --json
    """
    from pysofie.verify import table

    results = pysofie.verify(
        model, sizes=sizes, seed=seed, target=target, precision=precision, tolerance=tolerance, dims=dims,
        against=against,
    )  # fmt: skip
    if as_json:
        click.echo(json.dumps(results.to_dict(), indent=2))
    else:
        options.console.print(table(results))
        if results.divergence is not None:
            options.console.print(str(results.divergence), markup=False, highlight=False)
    if not results.ok:
        raise Error("outputs differ by more than the tolerance")


@main.command()
@click.option("--cflags", is_flag=True, help="What compiles generated code and the headers for RDataFrame.")
@click.option("--ldflags", is_flag=True, help="What links a program that emits code itself, by <sofie/...>.")
@click.option("--cmake", is_flag=True, help="The folder for pysofie_DIR.")
@click.option("--include", is_flag=True, help="The folder of the C++ headers.")
def config(cflags: bool, ldflags: bool, cmake: bool, include: bool) -> None:
    """Print what C++ projects need to know of this installation, in one line.

    Generated code is linked to nothing: it needs --cflags alone.

    \b
    Examples:
      g++ -O3 -march=native $(pysofie config --cflags) analysis.cpp
      cmake -S . -B build -Dpysofie_DIR=$(pysofie config --cmake)
    """
    from pysofie import _core
    from rdf_helpers.cling import include_directories

    installed, headers = Path(_core.__file__).parent, include_directories()
    # Operators register themselves, so that nothing refers to their objects.
    core = f"-L{installed / 'lib'} -Wl,--whole-archive -lsofie -Wl,--no-whole-archive"
    answers = [
        (cflags, "-std=c++17 " + " ".join(f"-I{folder}" for folder in headers)),
        (ldflags, core),
        (cmake, str(installed / "lib" / "cmake" / "pysofie")),
        (include, str(headers[0])),
    ]
    asked = [text for wanted, text in answers if wanted]
    if not asked:
        raise click.UsageError("give --cflags, --ldflags, --cmake or --include")
    click.echo(" ".join(asked))


def _print_signature(model: Model) -> None:
    from pysofie.explain_tables import signature

    options.console.print(signature(model))
    for key, value in model.metadata.items():
        options.console.print(f"{key}: {value}", highlight=False, markup=False)
