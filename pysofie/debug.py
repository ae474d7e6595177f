"""The stages of a compilation, shown on request: ``PYSOFIE_DEBUG=graph,kernels,plan,code``."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from pysofie.errors import Error

if TYPE_CHECKING:
    from pysofie.compile import Options
    from pysofie.model import Model

STAGES = ("graph", "kernels", "plan", "code")


def stages() -> set[str]:
    """Which stages ``PYSOFIE_DEBUG`` asks for.

    Raises
    ------
    Error
        It asks for something else.
    """
    chosen = {stage.strip() for stage in os.environ.get("PYSOFIE_DEBUG", "").split(",") if stage.strip()}
    if "all" in chosen:
        return set(STAGES)
    if not chosen <= set(STAGES):
        raise Error(
            f"PYSOFIE_DEBUG is a list of {', '.join(STAGES)}, or all; not {', '.join(chosen - set(STAGES))}"
        )
    return chosen


def generate(model: Model, options: Options, *, weights: str = "file") -> dict[str, bytes]:
    """Generate the code of a model, printing to stderr the stages that were asked for.

    Parameters
    ----------
    model : Model
        What to generate code for.
    options : Options
        How.
    weights : {"file", "inline"}
        Where the weights go.

    Returns
    -------
    dict of str to bytes
        Files by name.
    """
    from pysofie import _core

    shown = stages()
    if "graph" in shown:
        _show(model.name, "graph", model.graph.dump())
    program = _core.Program(model.graph, list(options.disabled_passes))
    for stage in ("kernels", "plan"):
        if stage in shown:
            _show(model.name, stage, program.dump(stage))
    files = program.render(options.target, weights, options.profile)
    if "code" in shown:
        for name, content in files.items():
            if not name.endswith(".dat"):
                _show(model.name, name, content.decode())
    return files


def _show(model: str, stage: str, text: str) -> None:
    print(f"--- {model}: {stage} ---\n{text}", file=sys.stderr)
