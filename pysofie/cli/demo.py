"""``pysofie demo``: the module of the same name, with progress and a table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from pysofie.cli import main

if TYPE_CHECKING:
    from pysofie.demo import Report


@main.command()
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), default="higgs.png", show_default=True,
    help="The picture; the suffix says the format.",
)  # fmt: skip
@click.option(
    "-j", "--threads", type=click.IntRange(min=0), default=0, help="0, the default, takes all processors."
)
def demo(output: Path, threads: int) -> None:
    """Score ROOT's Higgs sample in RDataFrames and compare with onnxruntime.

    It prints events per second, the area under the ROC curve and the largest difference from onnxruntime, and
    writes a picture. It needs ROOT, onnxruntime and matplotlib (pip install 'pysofie[demo]'), and no network.

    \b
    Example:
      pysofie demo -o higgs.pdf
    """
    from pysofie.demo import run

    console = Console()
    columns = (SpinnerColumn(finished_text="[green]✓"), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        tasks: list[TaskID] = []

        def finish() -> None:
            for task in tasks:
                progress.update(task, completed=1)

        def step(what: str) -> None:
            finish()
            tasks.append(progress.add_task(what, total=1))

        report = run(output, threads=threads, step=step)
        finish()
    console.print(_table(report))
    console.print(f"picture: {report.picture}", soft_wrap=True)


def _table(report: Report) -> Table:
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    threads = f"{report.threads} thread" + ("s" if report.threads != 1 else "")
    rows = [
        ("events per second", f"{report.rate:,.0f}", f"{report.events:,} events in RDataFrame, {threads}"),
        ("model alone", f"{report.model_time * 1e6:.2f} us", "per event, one thread"),
        ("area under the ROC curve", f"{report.area:.4f}", f"on the {report.held_out:,} held-out events"),
        ("difference from onnxruntime", f"{report.difference:.1e}", f"largest of {report.compared:,} scores"),
        ("import and compile", f"{report.start_up:.2f} s", "or from the cache, the second time"),
    ]
    for what, value, remark in rows:
        table.add_row(what, f"[bold]{value}", f"[dim]{remark}")
    return table
