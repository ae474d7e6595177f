"""Exporters err in silence: what they write is compared with the model that it was made of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from pysofie.errors import Error, UnsupportedError
from pysofie.importers.frameworks import Exported
from pysofie.importers.order import subgraphs

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from onnx import ModelProto

    from pysofie.importers.frameworks import Reference

# What rounding may come to, relative to the largest value of an output. An exporter's faults are larger.
TOLERANCE = {"float16": 2e-2, "bfloat16": 1e-1, "float32": 1e-3, "float64": 1e-9}


@dataclass(frozen=True)
class Difference:
    """Where an exported model does something else than the framework.

    Attributes
    ----------
    output : str
        Which output; empty if the exported model does not run.
    what : str
        The difference in words.
    feeds : dict of str to array
        The inputs.
    """

    output: str
    what: str
    feeds: Mapping[str, NDArray[Any]]

    def __str__(self) -> str:
        where = f"output {self.output!r}: " if self.output else ""
        shapes = ", ".join(f"{name}{list(array.shape)}" for name, array in self.feeds.items())
        return f"{where}{self.what}, for inputs of shapes {shapes}"


def first_difference(
    exported: Exported, feeds: Sequence[Mapping[str, NDArray[Any]]], tolerance: float | None = None
) -> Difference | None:
    """Compare an exported model with its framework.

    Parameters
    ----------
    exported : Exported
        The ONNX model and the reference.
    feeds : sequence of dict
        Inputs, of more than one size where the model takes them.
    tolerance : float, optional
        The largest relative difference that is accepted, by default `TOLERANCE`.

    Returns
    -------
    Difference or None
        None if one of the implementations of ONNX that are there sees none: another may lack an operator, or
        be wrong about it.
    """
    if exported.reference is None:
        raise ValueError("there is no framework to compare with")
    expected = [exported.reference(given) for given in feeds]
    first = None
    for run in runners(exported.proto):
        found = next(filter(None, map(partial(_differences, run, tolerance), feeds, expected)), None)
        if found is None:
            return None
        first = first or found
    return first


def _differences(
    run: Reference,
    tolerance: float | None,
    feeds: Mapping[str, NDArray[Any]],
    expected: Mapping[str, NDArray[Any]],
) -> Difference | None:
    try:
        outputs = run(feeds)
    except Exception as error:  # whatever onnxruntime or the evaluator say of a model that they cannot run
        return Difference("", f"the exported model does not run ({str(error).strip()})", feeds)
    for name, array in expected.items():
        what = difference(np.asarray(outputs[name]), array, tolerance)
        if what:
            return Difference(name, what, feeds)
    return None


def require(
    exported: Exported,
    feeds: Sequence[Mapping[str, NDArray[Any]]],
    exporter: str,
    tolerance: float | None = None,
) -> None:
    """Refuse an exported model that does something else than the framework.

    Raises
    ------
    UnsupportedError
        It differs; the message says in which output, and for which inputs.
    """
    difference = first_difference(exported, feeds, tolerance)
    if difference:
        raise UnsupportedError(f"what {exporter} exports differs from the model: {difference}")


def difference(array: NDArray[Any], expected: NDArray[Any], tolerance: float | None = None) -> str:
    """What is different about an array, in words; empty if nothing is."""
    from pysofie.verify import compare

    if array.shape != expected.shape or array.dtype != expected.dtype:
        return f"{array.dtype} of shape {array.shape} in place of {expected.dtype} of shape {expected.shape}"
    accepted = TOLERANCE.get(str(array.dtype)) if tolerance is None else tolerance
    result = compare("", {}, array, expected, accepted)
    if result.ok:
        return ""
    return f"off by {result.max_abs:.2g}, which is {result.max_rel:.2g} of the largest value"


def runners(proto: ModelProto) -> Iterator[Reference]:
    """Implementations of ONNX, which run a model without compiling it; the first is the fastest."""
    from onnx.reference import ReferenceEvaluator

    from pysofie.importers.source import Source
    from pysofie.verify import onnxruntime_reference

    if not _has_sequences_in_loops(proto):
        with suppress(Error):  # it is not installed, or lacks an operator or type
            yield onnxruntime_reference(Source(proto.SerializeToString()))
    names = [value.name for value in proto.graph.output]

    def evaluate(feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        with np.errstate(all="ignore"):
            return dict(zip(names, ReferenceEvaluator(proto).run(None, dict(feeds)), strict=True))

    yield evaluate


def _has_sequences_in_loops(proto: ModelProto) -> bool:
    """Whether it has what makes onnxruntime 1.32 end the process when it opens a model."""
    bodies = subgraphs(proto.graph.node)
    return any("Sequence" in node.op_type for body in bodies for node in body.node)
