"""Results as a table, as JSON and as a picture."""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.table import Table

from .measure import Result
from .native import Ceilings


def _time(nanoseconds: float) -> str:
    return f"{nanoseconds / 1e3:.3g}"


def latencies(results: Sequence[Result], ceilings: Ceilings) -> Table:
    """How fast, as a table for the terminal."""
    caption = (
        "One thread; microseconds per call, ORT is onnxruntime. "
        f"Ceilings: {ceilings.gflops:.0f} GFLOP/s in float32, "
        f"{ceilings.l1:.0f} and {ceilings.l2:.0f} GB/s from L1 and L2."
    )
    out = _table(
        "Latency",
        caption,
        "ORT",
        "p99",
        "pysofie",
        "p99",
        "faster",
        "loop",
        "GFLOP/s",
        "peak",
    )
    for result in results:
        other, ours = result.latency["onnxruntime"], result.latency["pysofie"]
        gflops = result.gflops
        out.add_row(
            result.model,
            _time(other.median),
            _time(other.p99),
            _time(ours.median),
            _time(ours.p99),
            f"[bold]{result.ratio:.1f}x[/]",
            _time(result.loop),
            "" if gflops is None else f"{gflops:.0f}",
            "" if gflops is None else f"{gflops / ceilings.gflops:.0%}",
        )
    return out


def costs(results: Sequence[Result]) -> Table:
    """What it takes, as a table for the terminal."""
    caption = "The start and the memory are those of a fresh process: pysofie from its cache / onnxruntime."
    out = _table("Costs", caption, "from Python", "compile", "start", "arena", "MiB", "difference")
    for result in results:
        out.add_row(
            result.model,
            f"{_time(result.latency['pysofie (Python)'].median)} us",
            f"{result.compile:.2f} s",
            f"{result.cached * 1e3:.0f} ms",
            f"{result.arena / 1024:.1f} KiB",
            f"{result.peak['pysofie'] / 2**20:.1f} / {result.peak['onnxruntime'] / 2**20:.1f}",
            f"{result.error:.1e}",
        )
    return out


def _table(title: str, caption: str, *columns: str) -> Table:
    out = Table(title=title, caption=caption, padding=(0, 0))
    out.add_column("model", no_wrap=True)
    for column in columns:
        out.add_column(column, justify="right")
    return out


def to_json(results: Sequence[Result], ceilings: Ceilings) -> str:
    """Everything measured, with the machine and the versions."""
    packages = ("pysofie", "onnxruntime", "numpy")
    document: dict[str, Any] = {
        "machine": {"processor": _processor(), "system": platform.platform(), **asdict(ceilings)},
        "versions": {package: version(package) for package in packages},
        "results": [{**asdict(result), "ratio": result.ratio, "gflops": result.gflops} for result in results],
    }
    return json.dumps(document, indent=2)


def plot(results: Sequence[Result], ceilings: Ceilings, path: Path) -> None:
    """Draw latencies, and the share of the peak, to a file."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 1.2 + 0.6 * len(results)), layout="constrained")
    times, shares = figure.subplots(1, 2, width_ratios=(3, 1), sharey=True)
    names = [result.model for result in results]
    engines = {"onnxruntime": "#9aa5b1", "pysofie": "#1f6feb"}
    for offset, (engine, colour) in zip((-0.2, 0.2), engines.items(), strict=True):
        values = [result.latency[engine].median / 1e3 for result in results]
        bars = times.barh([i + offset for i in range(len(names))], values, 0.38, label=engine, color=colour)
        if engine == "pysofie":
            labels = [f" {result.ratio:.1f}x faster" for result in results]
            times.bar_label(bars, labels, fontsize=9)
    times.set(
        xscale="log", xlabel="median latency [µs], one thread", yticks=range(len(names)), yticklabels=names
    )
    times.margins(x=0.25)
    times.invert_yaxis()
    figure.legend(*times.get_legend_handles_labels(), loc="outside upper center", ncols=2, frameon=False)
    share = [0 if result.gflops is None else result.gflops / ceilings.gflops for result in results]
    shares.barh(range(len(names)), share, 0.5, color=engines["pysofie"])
    shares.set(xlim=(0, 1), xlabel=f"share of the peak of {ceilings.gflops:.0f} GFLOP/s")
    shares.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    figure.savefig(path, dpi=150)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "")
