"""Results as pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from .engines import ENGINES, OURS
from .report import engines_of
from .results import Result, geometric_mean

FASTER, SLOWER, GREY = "#1f6feb", "#d1242f", "#57606a"
COLOURS = {
    OURS: FASTER,
    "onnxruntime": "#9aa5b1",
    "openvino": "#8250df",
    "aotinductor": "#e16f24",
    "emx": "#2da44e",
}


def _farthest(results: Sequence[Result], result: Result) -> float:
    """How far to the right anything of a model is drawn."""
    return max(r.faster or 1.0 for r in results if r.job.model == result.job.model)


def speed_ups(results: Sequence[Result], path: Path) -> None:
    """Draw how many times faster than the better of onnxruntime and OpenVINO, model by model."""
    compared = {r.job.model: r for r in results if r.job.is_natural and r.faster is not None}
    order = sorted(compared.values(), key=lambda result: result.faster or 0.0)
    figure = Figure(figsize=(9, 1.6 + 0.24 * len(order)), layout="constrained")
    axes = figure.subplots()
    rows = {result.job.model: row for row, result in enumerate(order)}
    ratios = [result.faster or 0.0 for result in order]
    bars = axes.barh(
        list(rows.values()),
        [ratio - 1 for ratio in ratios],
        0.7,
        left=1,
        color=[FASTER if ratio >= 1 else SLOWER for ratio in ratios],
        label="one event",
    )
    farthest = [_farthest(results, result) for result in order]
    for bar, ratio, place in zip(bars, ratios, farthest, strict=True):
        axes.annotate(
            f"{ratio:.1f}",
            (place, bar.get_y() + bar.get_height() / 2),
            (6, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
        )
    batches = sorted({r.job.batch for r in results if r.job.batch is not None and not r.job.is_natural})
    for batch, marker in zip(batches, "od^sv", strict=False):
        points = [
            (r.faster, rows[r.job.model])
            for r in results
            if r.job.batch == batch and r.faster is not None and r.job.model in rows
        ]
        if points:
            axes.scatter(
                *zip(*points, strict=True),
                24,
                marker=marker,
                color=GREY,
                edgecolor="white",
                zorder=3,
                label=f"batch {batch}",
            )
    axes.axvline(1, color="black", linewidth=1)
    mean = geometric_mean(ratios)
    if mean is not None:
        axes.axvline(mean, color=FASTER, linestyle=":", linewidth=1.5, label=f"geometric mean: {mean:.1f}")
    axes.set(xscale="log", yticks=list(rows.values()), yticklabels=list(rows), ylim=(-0.6, len(order) - 0.4))
    axes.set_xlabel(
        "times faster than the better of onnxruntime and OpenVINO, one thread, called from Python"
    )
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}x")
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.tick_params(axis="y", labelsize=8)
    axes.margins(x=0.08)
    axes.legend(loc="lower right", frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=150)


def latencies(results: Sequence[Result], path: Path) -> None:
    """Draw the median latency of every engine, and up to the 99th percentile as a line."""
    engines = engines_of(results)
    figure = Figure(figsize=(9, 1.6 + 0.24 * len(results)), layout="constrained")
    axes = figure.subplots()
    for engine in engines:
        way = "python" if ENGINES[engine].from_python else "loop"
        rows = [row for row, result in enumerate(results) if engine in result.engines]
        values = [results[row].engines[engine].latency[way] for row in rows]
        medians = [value.median / 1e3 for value in values]
        label = engine if way == "python" else f"{engine} (C++ loop)"
        axes.scatter(medians, rows, 22, color=COLOURS[engine], label=label, zorder=3)
        axes.hlines(rows, medians, [value.p99 / 1e3 for value in values], color=COLOURS[engine], linewidth=1)
    axes.set(xscale="log", xlabel="latency [µs], one thread: median, and a line to the 99th percentile")
    axes.set(yticks=range(len(results)), yticklabels=[result.job.label for result in results])
    axes.tick_params(axis="y", labelsize=8)
    axes.grid(axis="both", color="#eaeef2")
    axes.set_axisbelow(True)
    axes.set_ylim(len(results) - 0.4, -0.6)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper center", ncols=5, frameon=False)
    figure.savefig(path, dpi=150)
