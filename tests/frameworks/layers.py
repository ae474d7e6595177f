"""The layers of a framework, from its model to generated code: compiled together, compared one by one."""

from __future__ import annotations

import functools
import re
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from generated import workshop

import pysofie
from pysofie.verify import compare, random_feeds

PAGE = Path(__file__).parents[2] / "docs" / "frameworks.md"
# Batches that every layer must take.
SIZES = (1, 3)
# What must pass of the layers that are not excluded.
LEAST = 0.9


@dataclass(frozen=True)
class Case:
    """A layer with some choice of its options.

    Attributes
    ----------
    layer : str
        What the framework calls it.
    options : str
        What is special about it; empty for the defaults.
    load : callable
        Makes the model and loads it under a name.
    """

    layer: str
    options: str
    load: Callable[[str], pysofie.Model]

    def __str__(self) -> str:
        return f"{self.layer}({self.options})"


class Layers:
    """The layers of a framework.

    Parameters
    ----------
    framework : str
        Names its section in the docs.
    cases : list of Case
        What is tested.
    excluded : dict of str to str
        Layers without a case, and why.
    """

    def __init__(self, framework: str, cases: list[Case], excluded: Mapping[str, str]) -> None:
        self.framework = framework
        self.cases = cases
        self.excluded = excluded

    @functools.cached_property
    def outcomes(self) -> dict[Case, str]:
        """What is wrong with each case; empty if nothing is."""
        models: dict[Case, pysofie.Model] = {}
        result = dict.fromkeys(self.cases, "")
        for place, case in enumerate(self.cases):
            try:
                models[case] = case.load(f"layer_{place}")
            except pysofie.Error as error:
                result[case] = f"refused: {error}"
        for case, session in compile_all(models).items():
            result[case] = session if isinstance(session, str) else difference(models[case], session)
        return result

    def passed(self) -> dict[str, bool]:
        """Whether all cases of a layer are right, by layer."""
        result: dict[str, bool] = {}
        for case, wrong in self.outcomes.items():
            result[case.layer] = result.get(case.layer, True) and not wrong
        return dict(sorted(result.items()))

    def section(self) -> str:
        """The section of the docs."""
        passed = self.passed()
        right = sum(passed.values())
        lines = [
            f"{right} of {len(passed)} layers give the framework's numbers, each at the batches "
            f"{' and '.join(map(str, SIZES))}.",
            "",
            "| layer | tested with | result |",
            "|---|---|---|",
        ]
        for layer, ok in passed.items():
            options = [case.options or "defaults" for case in self.cases if case.layer == layer]
            failing = [
                c.options or "defaults" for c, wrong in self.outcomes.items() if wrong and c.layer == layer
            ]
            lines.append(
                f"| {layer} | {'; '.join(options)} | {'equal' if ok else 'not: ' + '; '.join(failing)} |"
            )
        lines += ["", "Not tested:", ""]
        reasons = sorted(set(self.excluded.values()))
        for reason in reasons:
            names = sorted(name for name, why in self.excluded.items() if why == reason)
            lines.append(f"- {', '.join(names)}: {reason}.")
        return "\n".join(lines) + "\n"

    def update_page(self) -> bool:
        """Write the section into the docs; False if it was there already."""
        before = PAGE.read_text()
        mark = re.escape(self.framework)
        pattern = re.compile(f"(<!-- {mark}: [^\n]*-->\n).*?(<!-- end of {mark} -->)", re.DOTALL)
        assert pattern.search(before), f"{PAGE} has no section for {self.framework}"
        after = pattern.sub(lambda found: f"{found[1]}\n{self.section()}\n{found[2]}", before)
        if before != after:  # another section may be looked at now
            PAGE.write_text(after)
        return before != after


def compile_all(models: Mapping[Any, pysofie.Model]) -> dict[Any, Any]:
    """Sessions, or what stands against them; halving finds the model that is at fault."""
    if not models:
        return {}
    folder = Path(tempfile.mkdtemp(prefix="layers-", dir=Path.cwd()))
    try:
        # Hundreds of models that run twice: the compiler's time is what counts.
        sessions = workshop.sessions(models.values(), folder, "-O0")
    except Exception as error:  # whichever it is
        if len(models) == 1:
            return dict.fromkeys(models, f"not compiled: {error}")
        items = list(models.items())
        half = len(items) // 2
        return compile_all(dict(items[:half])) | compile_all(dict(items[half:]))
    return dict(zip(models, sessions, strict=True))


def difference(model: pysofie.Model, session: pysofie.Session) -> str:
    """How a session differs from the framework; empty if it does not."""
    for size, feeds in random_feeds(session, SIZES):
        expected = model.source.reference(feeds)
        for name, array in session.run(feeds).items():
            row = compare(name, size, array, np.asarray(expected[name]))
            if not row.ok:
                return f"{name} at {size}: off by {row.max_abs:.2g}, {row.max_rel:.2g} of the largest value"
    return ""
