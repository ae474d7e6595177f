"""The command line of the benchmarks."""

from __future__ import annotations

import argparse
import itertools
import os
import platform
import tempfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from pysofie import _core
from pysofie.machine import ceilings

from . import plot, readme, report
from .engines import ENGINES
from .measure import Settings, measure
from .results import Store
from .task import Zoo

ZOO = Path(os.environ.get("PYSOFIE_ZOO", Path(__file__).parents[2] / "shared" / "zoo")) / "models"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Time models of the zoo with pysofie and other engines, each in a process of its own "
        "with one thread; they take turns. A run that was interrupted goes on where it ended. AOTInductor "
        "and emx-onnx-cgen compile for every size anew; they are timed with one event only.",
        epilog="examples: python -m benchmarks wide_mlp --batch 1 16; python -m benchmarks --readme",
    )
    parser.add_argument("models", nargs="*", help="default: the whole zoo")
    parser.add_argument("--zoo", type=Path, default=ZOO, help="folder of <model>.onnx and <model>.npz")
    parser.add_argument(
        "--batch",
        type=int,
        nargs="+",
        default=[1, 16, 256],
        help="for models that have a batch; default: 1 16 256",
    )
    parser.add_argument(
        "--engines", nargs="+", choices=ENGINES, default=list(ENGINES), help="default: all that are installed"
    )
    parser.add_argument("--rounds", type=int, default=10, help="how often the engines take turns")
    parser.add_argument("--seconds", type=float, default=0.2, help="length of a turn")
    parser.add_argument("--patience", type=float, default=900, help="seconds after which a build is given up")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results", help="folder")
    parser.add_argument("--again", action="store_true", help="measure again what is in the output folder")
    parser.add_argument(
        "--readme",
        action="store_true",
        help="write the table in README.md, docs/benchmarks.md and its picture",
    )
    return parser.parse_args()


def _installed(engines: list[str], console: Console) -> tuple[str, ...]:
    """The engines that are there; a line for each of the others."""
    for name in engines:
        if not ENGINES[name].is_installed:
            console.print(f"{name} is not installed and left out: {ENGINES[name].install}", highlight=False)
    return tuple(name for name in engines if ENGINES[name].is_installed)


def _warn_of_others(console: Console) -> None:
    """Say when other programs are at work: calls that they interrupt take milliseconds more."""
    load, processors = os.getloadavg()[0], os.cpu_count() or 1
    if load > processors / 2:
        console.print(
            f"The machine is busy (load {load:.1f} on {processors} processors): these figures mean little.",
            style="yellow",
            highlight=False,
        )


def _heading(settings: Settings) -> dict[str, Any]:
    """What results depend on."""
    core = os.stat(_core.__file__)
    return {
        "processor": report.processor(),
        "system": platform.platform(),
        "versions": {name: _version(ENGINES[name].package) for name in settings.engines},
        "core": [core.st_size, core.st_mtime_ns],
        "rounds": settings.rounds,
        "seconds": settings.seconds,
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"


def main() -> None:
    """Measure, and write table, JSON and pictures."""
    options, console = _arguments(), Console()
    if not console.is_terminal:
        console.width = 160
    engines = _installed(options.engines, console)
    settings = Settings(engines, options.rounds, options.seconds, options.patience)
    zoo = Zoo(options.zoo)
    jobs = list(zoo.jobs(options.models, options.batch))
    file = options.output / "results.json"
    if options.again:
        file.unlink(missing_ok=True)
    _warn_of_others(console)
    store = Store(file, _heading(settings), ceilings())
    left = [job for job in jobs if job.label not in store.results]
    columns = TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("", total=sum(map(settings.steps, left)))

        def step(name: str) -> None:
            progress.update(task, description=name, advance=1)

        for _, sizes in itertools.groupby(left, lambda job: job.model):
            with tempfile.TemporaryDirectory(prefix="pysofie-benchmark-") as folder:
                for job in sizes:
                    store.add(measure(job, zoo, Path(folder), settings, step))
    results = [store.results[job.label] for job in jobs]
    console.print(*report.tables(results, ceilings()), report.summary(results), sep="\n")
    plot.speed_ups(results, options.output / "speed-ups.png")
    plot.latencies(results, options.output / "latencies.png")
    console.print(f"Written to {options.output}: results.json, speed-ups.png, latencies.png", highlight=False)
    if options.readme:
        readme.write(results, store.heading)


if __name__ == "__main__":
    main()
