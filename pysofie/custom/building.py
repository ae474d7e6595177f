"""What the compiler is told for operators that users wrote, and what is said when it refuses their text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pysofie.model import Model


def flags_of(models: Iterable[Model]) -> list[str]:
    """The flags of all operators in models, each once."""
    every = (flag for model in models for each in model.custom for flag in each.definition.flags)
    return list(dict.fromkeys(every))


def blamed_text(models: Sequence[Model], target: str, log: str) -> str:
    """The texts of operators that a compiler's words are about, with the lines that they blame marked.

    Parameters
    ----------
    models : sequence of Model
        What was compiled.
    target : str
        For which it was.
    log : str
        What the compiler said.

    Returns
    -------
    str
        Empty if it is about no text of a user.
    """
    bodies = {
        str(each.definition): (each.definition.bodies or {}).get(target, "")
        for model in models
        for each in model.custom
    }
    return "".join(_marked(f"{name} for {target}", body, log) for name, body in bodies.items() if body)


def _marked(label: str, body: str, log: str) -> str:
    blamed = {int(line) for line in re.findall(rf"{re.escape(label)}:(\d+)", log)}
    if not blamed:
        return ""
    lines = [
        f"  {'>' if number in blamed else ' '} {number:3d} | {line}"
        for number, line in enumerate(body.splitlines(), 1)
    ]
    return "\n".join([f"\nThe text of the operator {label}:", *lines])
