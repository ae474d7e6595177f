"""Results as tables for the terminal."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.markup import escape
from rich.table import Table

from pysofie.machine import Ceilings

from .engines import ENGINES, OURS, PEERS
from .results import Result, geometric_mean

NAMES = {
    "onnxruntime": "ORT",
    "openvino": "OpenVINO",
    "aotinductor": "AOTI",
    "emx": "emx",
    OURS: "pysofie",
}


def tables(results: Sequence[Result], ceilings: Ceilings) -> list[Table]:
    """Everything that is worth looking at."""
    natural = [result for result in results if result.job.is_natural]
    return [
        _python(results),
        _loops(results, ceilings),
        _building(natural),
        _memory(results),
        *_failures(results),
    ]


def summary(results: Sequence[Result]) -> str:
    """The geometric means, and what is slower."""
    lines = [f"Times faster than the better of {' and '.join(NAMES[peer] for peer in PEERS)}:"]
    natural = [result for result in results if result.job.is_natural]
    lines.append(_mean("one event", natural))
    for batch in sorted({result.job.batch for result in results if not result.job.is_natural}, key=int):
        lines.append(_mean(f"batch {batch}", [result for result in results if result.job.batch == batch]))
    return "\n".join(lines)


def _mean(what: str, results: Sequence[Result]) -> str:
    mean = geometric_mean(result.faster for result in results)
    if mean is None:
        return f"  {what}: nothing to compare with"
    slower = [r.job.model for r in results if r.faster is not None and r.faster < 1]
    return f"  {what}: {mean:.2f} (geometric mean of {len(results)}); slower: {', '.join(slower) or 'none'}"


def engines_of(results: Sequence[Result]) -> list[str]:
    """Those that ran any of the models, in the usual order."""
    return [engine for engine in ENGINES if any(engine in result.engines for result in results)]


def microseconds(nanoseconds: float | None) -> str:
    """Three digits, or nothing."""
    if nanoseconds is None:
        return ""
    value = nanoseconds / 1e3
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def times(ratio: float | None) -> str:
    return "" if ratio is None else f"{ratio:.1f}x"


def _python(results: Sequence[Result]) -> Table:
    engines = [engine for engine in engines_of(results) if ENGINES[engine].from_python]
    table = _table(
        "Called from Python with bound buffers",
        "Microseconds per call, one thread, median and the 99th percentile; "
        "faster: than the better of onnxruntime (ORT) and OpenVINO.",
        *(column for engine in engines for column in (NAMES[engine], "p99")),
        "faster",
    )
    for result in results:
        cells = []
        for engine in engines:
            latency = result.engines[engine].latency["python"] if engine in result.engines else None
            cells += [microseconds(latency and latency.median), microseconds(latency and latency.p99)]
        table.add_row(result.job.label, *cells, f"[bold]{times(result.faster)}[/]")
    return table


def _loops(results: Sequence[Result], ceilings: Ceilings) -> Table:
    table = _table(
        "Called in a C++ loop",
        "Microseconds per call; plain: without a clock between the calls, which the GFLOP/s are of. "
        f"Ceilings: {ceilings.gflops:.0f} GFLOP/s in float32, "
        f"{ceilings.l1:.0f} and {ceilings.l2:.0f} GB/s from L1 and L2. Threads: what two make of one.",
        *("pysofie", "p99", "plain", "GFLOP/s", "share", "emx", "faster", "C++ threads", "Python threads"),
    )
    for result in results:
        latency = result.engines[OURS].latency["loop"] if OURS in result.engines else None
        gflops = result.gflops
        table.add_row(
            result.job.label,
            microseconds(latency and latency.median),
            microseconds(latency and latency.p99),
            microseconds(result.plain),
            "" if gflops is None else f"{gflops:.0f}",
            "" if gflops is None else f"{gflops / ceilings.gflops:.0%}",
            microseconds(result.median("emx", "loop")),
            times(result.ratio("emx", "loop")),
            *(times(result.scaling.get(key)) for key in ("scaling_cpp", "scaling_python")),
        )
    return table


def _building(results: Sequence[Result]) -> Table:
    engines = engines_of(results)
    builders = [engine for engine in engines if engine not in PEERS]
    table = _table(
        "Code",
        "Build: seconds to generate and compile. Start: milliseconds to load the model, or what was built, "
        "in a fresh process. Source: lines and KiB, with the runtime and without the weights.",
        *(f"{NAMES[engine]} build" for engine in builders),
        *(f"{NAMES[engine]} start" for engine in engines),
        *("source", "KiB", "emx source", "KiB"),
    )
    for result in results:
        row = _Row(result)
        table.add_row(
            result.job.label,
            *(row.cell(engine, "build", "{:.1f}") for engine in builders),
            *(row.cell(engine, "start", "{:.0f}", 1e3) for engine in engines),
            *(
                cell
                for engine in (OURS, "emx")
                for cell in (
                    row.cell(engine, "source_lines", "{:.0f}"),
                    row.cell(engine, "source_bytes", "{:.0f}", 2**-10),
                )
            ),
        )
    return table


def _memory(results: Sequence[Result]) -> Table:
    engines = engines_of(results)
    table = _table(
        "Memory",
        "MiB by which a fresh process grows to load the model and to run it ten times. Arena: KiB for "
        "intermediate tensors, and in units of what is alive together. Difference: from onnxruntime.",
        *(f"{NAMES[engine]}" for engine in engines),
        *("arena", "of the bound", "difference"),
    )
    for result in results:
        row = _Row(result)
        measured = result.engines.get(OURS)
        bound = measured.arena_bound if measured else None
        table.add_row(
            result.job.label,
            *(row.cell(engine, "peak", "{:.1f}", 2**-20) for engine in engines),
            row.cell(OURS, "arena", "{:.1f}", 2**-10),
            row.cell(OURS, "arena", "{:.3f}", 1 / bound) if bound else "",
            row.cell(OURS, "error", "{:.0e}"),
        )
    return table


@dataclass(frozen=True)
class _Row:
    """The cells of a result."""

    result: Result

    def cell(self, engine: str, what: str, text: str, unit: float = 1) -> str:
        """An attribute of `Measured`, or nothing."""
        value = getattr(self.result.engines.get(engine), what, None)
        return "" if value is None else text.format(value * unit)


def _failures(results: Sequence[Result]) -> list[Table]:
    table = Table("model", "engine", "why it does not run", title="Left out", title_justify="left")
    for result in results:
        for engine, reason in result.failed.items():
            table.add_row(result.job.label, NAMES[engine], escape(_essence(reason)))
    return [table] if table.row_count else []


def _essence(reason: str) -> str:
    """The first line that does not only announce the next."""
    lines = reason.strip().splitlines()
    return next((line for line in lines if not line.endswith(":")), lines[0])[:200]


def _table(title: str, caption: str, *columns: str) -> Table:
    table = Table(title=title, caption=caption, padding=(0, 0), title_justify="left", caption_justify="left")
    table.add_column("model", no_wrap=True)
    for column in columns:
        table.add_column(column, justify="right")
    return table


def processor() -> str:
    """What the machine calls itself."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "")
