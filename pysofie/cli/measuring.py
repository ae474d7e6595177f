"""``pysofie bench`` and ``pysofie plot``: what a model takes, in figures and pictures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import pysofie
from pysofie.cli import main, options

if TYPE_CHECKING:
    from pysofie.session import Session

_output = click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), required=True,
    help="The picture; the suffix says the format.",
)  # fmt: skip


@main.command()
@options.model
@click.argument("inputs", nargs=-1)
@click.option(
    "--batch", type=click.IntRange(min=0), default=1, show_default=True,
    help="Size of the leading dynamic dim of random inputs.",
)  # fmt: skip
@click.option("--repeat", type=click.IntRange(min=1), help="Calls; by default what takes half a second.")
@click.option("--profile", is_flag=True, help="Time every kernel, against what this machine can do.")
@click.option(
    "--plot", type=click.Path(dir_okay=False, path_type=Path),
    help="Draw the kernels' times; the suffix says the format.",
)  # fmt: skip
@options.target
@options.dims
def bench(
    model: Path,
    inputs: tuple[str, ...],
    batch: int,
    repeat: int | None,
    profile: bool,
    plot: Path | None,
    target: str,
    dims: dict[str, Any],
) -> None:
    """Time a model in a C++ loop, as a whole and kernel by kernel.

    INPUTS are a .npz file with one array per input, or NAME=FILE.npy for each; without any, random numbers
    are taken, and every symbol but the leading one is 1: --dim fixes it.

    \b
    Examples:
      pysofie bench model.onnx --batch 16
      pysofie bench model.onnx events.npz --profile --plot kernels.png
    """
    import numpy as np

    session = pysofie.compile(model, target=target, dims=dims)
    feeds = (
        options.read_inputs(inputs) if inputs else options.random_inputs(session, _leading(session, batch))
    )
    if repeat is None:
        typical = float(np.median(session.benchmark(feeds, 20)))
        repeat = int(np.clip(5e8 / max(typical, 1.0), 20, 1_000_000))
    durations = session.benchmark(feeds, repeat)
    for name, array in feeds.items():
        click.echo(f"{name}: {array.dtype}{list(array.shape)}")
    click.echo(
        f"{repeat} calls: median {np.median(durations) / 1e3:.3f} us, 99% below "
        f"{np.percentile(durations, 99) / 1e3:.3f} us, least {durations.min() / 1e3:.3f} us"
    )
    if profile or plot:
        _profile(pysofie.compile(model, target=target, dims=dims, profile=True), feeds, repeat, plot)


def _leading(session: Session, size: int) -> dict[str, int]:
    """The leading symbol of each input."""
    leading = (tensor.shape[0] for tensor in session.inputs if tensor.shape)
    return {dim: size for dim in leading if isinstance(dim, str)}


def _profile(session: Session, feeds: dict[str, Any], repeat: int, plot: Path | None) -> None:
    from pysofie import plotting, profiling
    from pysofie.machine import ceilings

    session.benchmark(feeds, repeat)
    rows = session.profile()
    options.console.print(profiling.table(rows, ceilings()))
    if plot is not None:
        plotting.profile(rows, ceilings(), plot)
        click.echo(f"wrote {plot}")


@main.group()
def plot() -> None:
    """Draw what the compiler makes of a model.

    \b
    Example:
      pysofie plot memory model.onnx -o memory.png
    """


@plot.command()
@options.model
@_output
@options.target
@options.dims
def memory(model: Path, output: Path, target: str, dims: dict[str, Any]) -> None:
    """Draw where intermediate tensors lie: kernels from left to right, offsets from bottom to top.

    Symbols that are not fixed or bounded are 1.

    \b
    Example:
      pysofie plot memory model.onnx -o memory.png --dim batch=16
    """
    from pysofie import plotting
    from pysofie.memory import memory_plan

    plotting.memory(memory_plan(pysofie.load(model, dims=dims), target=target), output)
    click.echo(f"wrote {output}")
