"""Pictures of a compiled model; they need matplotlib (pip install 'pysofie[plot]')."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pysofie.errors import Error

if TYPE_CHECKING:
    from pysofie.machine import Ceilings
    from pysofie.memory import MemoryPlan
    from pysofie.profiling import KernelProfile

_FASTEST = 24  # kernels of a profile that are drawn one by one


def memory(plan: MemoryPlan, path: Path) -> None:
    """Draw the arena: when each tensor is alive, and where it lies.

    Parameters
    ----------
    plan : MemoryPlan
        What to draw.
    path : pathlib.Path
        The picture; the suffix says the format.

    Raises
    ------
    Error
        matplotlib is missing.
    """
    figure = figure_of(10, 6)
    axes = figure.subplots()
    colours = _colours(len(plan.blocks))
    unit, name = (1024, "KiB") if plan.arena_bytes >= 10 * 1024 else (1, "bytes")
    for block, colour in zip(plan.blocks, colours, strict=True):
        width, height = block.last - block.first + 1, block.bytes / unit
        axes.bar(
            block.first - 0.5,
            height,
            width,
            block.offset / unit,
            align="edge",
            color=colour,
            edgecolor="white",
        )
        label = _label(plan, block.first)
        # what fits is a matter of the axes' size: some 7 characters to an inch, in lines of 0.15 inches
        room = 7 * 8.5 * width / max(len(plan.kernels), 1)
        if height > plan.arena_bytes / unit / 30 and room >= 3:
            axes.text(
                block.first - 0.5 + width / 2,
                block.offset / unit + height / 2,
                label if len(label) <= room else f"{label[: int(room) - 1]}…",
                ha="center",
                va="center",
                fontsize=7,
            )
    axes.axhline(plan.lower_bound / unit, color="black", linewidth=1, linestyle=":")
    axes.set(
        xlim=(-0.5, len(plan.kernels) - 0.5),
        ylim=(0, max(plan.arena_bytes, 1) / unit * 1.02),
        xlabel="kernel",
        ylabel=f"offset in the arena [{name}]",
    )
    sizes = ", ".join(f"{symbol} = {value}" for symbol, value in plan.sizes.items())
    axes.set_title(
        f"arena of {plan.arena_bytes:,} bytes; dotted: {plan.lower_bound:,} are alive together "
        f"(x {plan.ratio:.3f})" + (f"\n{sizes}" if sizes else ""),
        fontsize=10,
    )
    figure.savefig(path, dpi=150)


def profile(rows: Sequence[KernelProfile], ceilings: Ceilings, path: Path) -> None:
    """Draw the time of each kernel, and the part of it that the machine needs at least.

    Parameters
    ----------
    rows : sequence of KernelProfile
        From `Session.profile`.
    ceilings : Ceilings
        Of the machine.
    path : pathlib.Path
        The picture; the suffix says the format.

    Raises
    ------
    Error
        matplotlib is missing.
    """
    ordered = sorted(rows, key=lambda row: -row.nanoseconds)
    drawn, rest = ordered[:_FASTEST], ordered[_FASTEST:]
    names = [_shortened(row.nodes) for row in drawn]
    times = [row.time / 1000 for row in drawn]
    floors = [min(row.floor(ceilings), row.time) / 1000 for row in drawn]
    if rest:
        names.append(f"{len(rest)} more")
        times.append(sum(row.time for row in rest) / 1000)
        floors.append(sum(min(row.floor(ceilings), row.time) for row in rest) / 1000)
    figure = figure_of(10, 1.5 + 0.26 * len(names))
    axes = figure.subplots()
    places = range(len(names))
    bars = axes.barh(places, times, 0.75, color="#c8d1da", label="time")
    axes.barh(places, floors, 0.75, color="#1f6feb", label="floor: arithmetic, or reading from the cache")
    total = sum(times) or 1.0
    axes.bar_label(bars, [f"{time / total:.1%}" for time in times], padding=3, fontsize=8)
    axes.set(yticks=places, yticklabels=names, xlabel=f"µs per call, {total:.3g} in all")
    axes.tick_params(axis="y", labelsize=8)
    axes.invert_yaxis()
    axes.margins(x=0.08, y=0.01)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="lower right", frameon=False)
    figure.savefig(path, dpi=150)


def figure_of(width: float, height: float, *, layout: Literal["constrained"] | None = "constrained") -> Any:
    """A figure of that many inches.

    Raises
    ------
    Error
        matplotlib is missing.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise Error("pictures need matplotlib: pip install 'pysofie[plot]'") from error
    return Figure(figsize=(width, height), layout=layout)


def _colours(count: int) -> list[Any]:
    import matplotlib

    palette = matplotlib.colormaps["tab20"]
    return [(*palette(i % palette.N)[:3], 0.75) for i in range(count)]


def _label(plan: MemoryPlan, kernel: int) -> str:
    """The end of the name of the first node, without its operator."""
    node = plan.kernels[kernel].partition(",")[0]
    return "/".join(node.rpartition(" ")[2].split("/")[-2:])


def _shortened(nodes: str, length: int = 40) -> str:
    first, comma, _ = nodes.partition(", ")
    text = f"{first}, ..." if comma else first
    return text if len(text) <= length else f"…{text[-length:]}"
