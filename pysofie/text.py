"""Text that comes from models, made fit to be shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.text import Text

    from pysofie.model import Tensor


def printable(text: str, length: int | None = None) -> str:
    """Text without control characters, which terminals and XML would obey, and no longer than `length`."""
    shown = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
    return shown if length is None or len(shown) <= length else f"{shown[: length - 1]}…"


def short(name: str, length: int = 34) -> str:
    """The end of a name, which says most in the paths that exporters make."""
    end = "/".join(printable(name).strip("/").split("/")[-2:])
    return end if len(end) <= length else f"…{end[-length + 1 :]}"


def cell(text: str, style: str = "") -> Text:
    """Text for a table of `rich` that is not read as markup."""
    from rich.text import Text

    return Text(printable(text), style=style)


def type_text(tensor: Tensor) -> str:
    """Dtype and shape of a tensor; a question mark if they are not known."""
    return f"{tensor.dtype}[{', '.join(map(str, tensor.shape))}]" if tensor.dtype else "?"


def counted(operators: Sequence[str]) -> str:
    """Operators in their order, equal neighbours counted: ``"MatMul, Add x2"``."""
    runs: list[tuple[str, int]] = []
    for op in operators:
        if runs and runs[-1][0] == op:
            runs[-1] = (op, runs[-1][1] + 1)
        else:
            runs.append((op, 1))
    return ", ".join(op if count == 1 else f"{op} x{count}" for op, count in runs)


def quantity(value: float, unit: str) -> str:
    """A number with three digits and a prefix: ``quantity(1234, "FLOP")`` is ``"1.23 kFLOP"``."""
    for power, prefix in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= 0.9995 * power:  # which three digits round to the power
            return f"{value / power:.3g} {prefix}{unit}"
    return f"{value:g} {unit}"
