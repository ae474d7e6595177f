"""What the kernels of a model take, and how that compares with what the machine can do."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from pysofie.machine import Ceilings

_L1_BYTES = 32 << 10


class KernelProfile(NamedTuple):
    """A kernel of a session that was compiled with ``profile=True``.

    Attributes
    ----------
    nodes : str
        The nodes of the model that it comes from.
    nanoseconds, calls : int
        The time that it has taken so far, in so many calls.
    operations : int
        Of one call, for the sizes of the last run; a multiply-add counts two. Those of routines (sorting,
        decompositions) are not known, and 0.
    bytes : int
        Of the distinct elements that one call reads and writes.
    """

    nodes: str
    nanoseconds: int
    calls: int
    operations: int
    bytes: int

    @property
    def time(self) -> float:
        """Nanoseconds of a call; a few tens of them are the clock's, in every block of rows."""
        return self.nanoseconds / max(self.calls, 1)

    @property
    def gflops(self) -> float:
        """Operations per nanosecond."""
        return self.operations / self.time if self.time else 0.0

    @property
    def gbytes(self) -> float:
        """Bytes per nanosecond."""
        return self.bytes / self.time if self.time else 0.0

    def floor(self, ceilings: Ceilings) -> float:
        """The least nanoseconds of a call: for arithmetic in float32, or for reading from a cache."""
        bandwidth = ceilings.l1 if self.bytes <= _L1_BYTES else ceilings.l2
        return max(self.operations / ceilings.gflops, self.bytes / bandwidth)

    def is_arithmetic(self, ceilings: Ceilings) -> bool:
        """Whether arithmetic, not reading, sets the floor."""
        return self.operations / ceilings.gflops == self.floor(ceilings)

    def efficiency(self, ceilings: Ceilings) -> float:
        """The floor as a share of the time."""
        return self.floor(ceilings) / self.time if self.time else 0.0


def table(rows: Sequence[KernelProfile], ceilings: Ceilings) -> Table:
    """A table for `rich`, the dearest kernels first."""
    from rich.markup import escape
    from rich.table import Table

    total = sum(row.nanoseconds for row in rows) or 1
    out = Table(
        title="kernels",
        expand=True,
        caption=f"Ceilings of this machine: {ceilings.gflops:.0f} GFLOP/s in float32, "
        f"{ceilings.l1:.0f} and {ceilings.l2:.0f} GB/s from L1 and L2.",
    )
    for column, width in (("us", 9), ("share", 5), ("GFLOP/s", 7), ("GB/s", 6), ("of the ceiling", 15)):
        out.add_column(column, justify="right", no_wrap=True, min_width=width)
    out.add_column("from the nodes", overflow="ellipsis", no_wrap=True, ratio=1)
    for row in sorted(rows, key=lambda row: -row.nanoseconds):
        ceiling = "arithmetic" if row.is_arithmetic(ceilings) else "reading"
        out.add_row(
            f"{row.time / 1000:.3f}",
            f"{row.nanoseconds / total:.1%}",
            f"{row.gflops:.1f}" if row.operations else "",
            f"{row.gbytes:.1f}",
            f"{row.efficiency(ceilings):.0%} {ceiling}",
            escape(row.nodes),
        )
    return out
