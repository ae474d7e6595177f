"""The benchmark's section in README.md, and docs/benchmarks.md: both are written, never edited."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from . import plot
from .engines import PEERS
from .report import NAMES, engines_of, microseconds, times
from .results import Result, geometric_mean

ROOT = Path(__file__).parents[1]
BEGIN, END = "<!-- benchmarks: written by python -m benchmarks --readme -->", "<!-- end of benchmarks -->"
HEAD = "| models | number | faster | least | most |", "|---|---:|---:|---:|---:|"


def write(results: Sequence[Result], heading: dict[str, Any], root: Path = ROOT) -> None:
    """Replace the section of README.md, the page with all figures, and the picture.

    Raises
    ------
    ValueError
        README.md has no such section.
    """
    readme = root / "README.md"
    before, begin, rest = readme.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{readme} lacks the lines {BEGIN!r} and {END!r}")
    readme.write_text("".join((before, BEGIN, "\n", section(results, heading), END, after)))
    (root / "docs" / "benchmarks.md").write_text(page(results, heading))
    plot.speed_ups(results, root / "docs" / "benchmark.png")


def section(results: Sequence[Result], heading: dict[str, Any]) -> str:
    """Speed-ups by kind of network."""
    natural = [result for result in results if result.job.is_natural and result.faster is not None]
    kinds = {
        kind: [r for r in natural if r.job.kind == kind] for kind in sorted({r.job.kind for r in natural})
    }
    rows = [_row(kind, members) for kind, members in kinds.items()] + [_row("**all**", natural)]
    note = (
        f"Times faster than the better of onnxruntime and OpenVINO, one event at a time. {_machine(heading)}"
    )
    picture = "![Speed-ups model by model](docs/benchmark.png)"
    more = "All figures: [docs/benchmarks.md](docs/benchmarks.md)."
    return "\n".join(("", *HEAD, *rows, "", f"{note} {more}", "", picture, ""))


def page(results: Sequence[Result], heading: dict[str, Any]) -> str:
    """All latencies."""
    engines = engines_of(results)
    lines = [
        "# Benchmarks",
        "",
        f"Written by `{_command()}`. Median microseconds per call, from Python with bound "
        "buffers; emx-onnx-cgen in a C++ loop. " + _machine(heading),
        "",
        f"| model | {' | '.join(NAMES[engine] for engine in engines)} | faster |",
        f"|---|{'---:|' * (len(engines) + 1)}",
    ]
    for result in results:
        cells = [microseconds(result.median(e) or result.median(e, "loop")) for e in engines]
        lines.append(f"| {result.job.label} | {' | '.join(cells)} | {times(result.faster)} |")
    return "\n".join(lines) + "\n"


def _row(kind: str, results: Sequence[Result]) -> str:
    ratios = [result.faster for result in results if result.faster is not None]
    cells = [kind, str(len(ratios)), *map(times, (geometric_mean(ratios), min(ratios), max(ratios)))]
    return f"| {' | '.join(cells)} |"


def _command() -> str:
    """What wrote the page."""
    return shlex.join(["python", "-m", "benchmarks", *sys.argv[1:]])


def _machine(heading: dict[str, Any]) -> str:
    versions = ", ".join(f"{NAMES[e]} {heading['versions'][e]}" for e in PEERS if e in heading["versions"])
    return f"One thread of {heading['processor']}; {versions}."
