"""``pysofie score``: the function of the same name, with progress and rate."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

import pysofie
from pysofie.cli import main, options
from pysofie.score import ENGINES


def _parse_chunk(_context: click.Context, _option: click.Parameter, value: str) -> int | str:
    return int(value) if value.strip().isdecimal() else value


@main.command()
@options.model
@click.argument("inputs", nargs=-1, required=True, metavar="FILE:TREE...")
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), required=True,
    help="The file to write: .root or .parquet.",
)  # fmt: skip
@options.columns
@options.take
@click.option("--name", default="score", show_default=True, help="The new branch.")
@click.option(
    "--engine", type=click.Choice(ENGINES), default="uproot", show_default=True,
    help="What reads: uproot, or RDataFrame, which needs ROOT.",
)  # fmt: skip
@click.option(
    "--chunk", default="16 MB", show_default=True, callback=_parse_chunk, metavar="EVENTS|BYTES",
    help="How much is read at once.",
)  # fmt: skip
@click.option(
    "-j", "--threads", type=click.IntRange(min=0), default=0, help="0, the default, takes all processors."
)
@click.option("--overwrite", is_flag=True, help="Replace the file if there is one.")
@options.precision
@options.dims
def score(
    model: Path,
    inputs: tuple[str, ...],
    output: Path,
    columns: list[str] | dict[str, list[str]] | None,
    take: int | str | None,
    name: str,
    engine: str,
    chunk: int | str,
    threads: int,
    overwrite: bool,
    precision: str,
    dims: dict[str, Any],
) -> None:
    """Score the events of trees in ROOT files, and write the scores to a friend tree or a Parquet file.

    FILE:TREE is a file, or a pattern that files match, and a tree, which may be left out where a file holds
    only one. The inputs are only read. The output appears when it is whole.

    \b
    Examples:
      pysofie score model.onnx data.root:events --columns pt,eta,phi -o scores.root
      pysofie score model.onnx "data/*.root:events" --take probabilities -o scores.parquet
    """
    start = time.perf_counter()
    with _terminable(), _progress() as progress:
        bar = progress.add_task("score", total=None, visible=False)
        events = pysofie.score(
            model,
            inputs,
            output,
            columns=columns,
            output=take,
            name=name,
            engine=engine,
            chunk=chunk,
            threads=threads,
            overwrite=overwrite,
            progress=lambda done, total: progress.update(bar, completed=done, total=total, visible=True),
            precision=precision,
            dims=dims,
        )
    seconds = time.perf_counter() - start
    click.echo(f"wrote {output}: {events:,} events in {seconds:.2f} s, {events / seconds:,.0f} per second")


@contextmanager
def _terminable() -> Iterator[None]:
    """Leave by an exception when the process is told to end, so that what is unfinished is removed."""

    def leave(number: int, _frame: object) -> None:
        sys.exit(128 + number)

    numbers = (signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(number, leave) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


class _Rate(ProgressColumn):
    """Events per second."""

    def render(self, task: Task) -> Text:
        rate = task.finished_speed or task.speed
        return Text("" if rate is None else f"{rate:,.0f} events/s", style="progress.data.speed")


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        MofNCompleteColumn(),
        _Rate(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )
