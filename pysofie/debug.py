"""The stages of a compilation, shown on request: ``PYSOFIE_DEBUG=graph,kernels,plan,code``."""

from __future__ import annotations

import os
import sys

from pysofie.errors import Error

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


def show(model: str, stage: str, text: str) -> None:
    """Print one stage of the compilation of a model to stderr."""
    print(f"--- {model}: {stage} ---\n{text}", file=sys.stderr)
