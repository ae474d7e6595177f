"""Writes what the tests have into docs/estimators.md."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "estimators.md"


def update(section: str, names: Iterable[str]) -> bool:
    """Write a table of cases, named "model, what is special about it"; False if it was there already."""
    special: dict[str, list[str]] = {}
    for name in names:
        model, _, what = name.partition(", ")
        special.setdefault(model, []).append(what)
    rows = "".join(f"| {model} | {'; '.join(filter(None, whats))} |\n" for model, whats in special.items())
    before = PAGE.read_text()
    pattern = re.compile(f"(<!-- {section}: [^\n]*-->\n).*?(<!-- end of {section} -->)", re.DOTALL)
    assert pattern.search(before), f"{PAGE} has no section {section}"
    after = pattern.sub(
        lambda found: f"{found[1]}\n| model | also with |\n|---|---|\n{rows}\n{found[2]}", before
    )
    PAGE.write_text(after)
    return before != after
