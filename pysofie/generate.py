"""From a model to source code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pysofie import debug
from pysofie.errors import UnsupportedError

if TYPE_CHECKING:
    from pysofie.model import Model


#: What may be rounded, see `pysofie.compile`.
PRECISIONS = ("float32", "bfloat16", "bfloat16-weights", "float16-weights", "int8-weights")


@dataclass(frozen=True)
class Gradient:
    """Which gradients to compute.

    Attributes
    ----------
    outputs : tuple of str
        What is differentiated; empty for the only floating-point output.
    inputs : tuple of str
        By what; empty for all floating-point inputs.
    """

    outputs: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Options:
    """What shapes the generated code, beside the model."""

    target: str = "cpu"
    profile: bool = False
    disabled_passes: tuple[str, ...] = ()
    precision: str = "float32"
    gradient: Gradient | None = None


def check_precision(precision: str) -> None:
    """Refuse what is no precision, with `UnsupportedError`."""
    if precision not in PRECISIONS:
        known = ", ".join(map(repr, PRECISIONS))
        raise UnsupportedError(f"precision {precision!r} is not available; there are {known}")


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

    shown = debug.stages()
    if "graph" in shown:
        debug.show(model.name, "graph", model.graph.dump())
    wish = None if options.gradient is None else (options.gradient.outputs, options.gradient.inputs)
    program = _core.Program(model.graph, list(options.disabled_passes), options.precision, wish)
    for stage in ("kernels", "plan"):
        if stage in shown:
            debug.show(model.name, stage, program.dump(stage))
    files = program.render(options.target, weights, options.profile)
    if "code" in shown:
        for name, content in files.items():
            if not name.endswith(".dat"):
                debug.show(model.name, name, content.decode())
    return files
