"""The first node where a compiled model and its reference part, and who is to blame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pysofie.compile import compile
from pysofie.errors import Error
from pysofie.generate import Options, generate
from pysofie.sequences import tensors
from pysofie.text import printable
from pysofie.verify import Comparison, compare, framework_reference, onnxruntime_reference, reference_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pysofie.importers import Source


@dataclass(frozen=True)
class Case:
    """Inputs for which a compiled model and its reference differ.

    Attributes
    ----------
    model, reference : Source
        What is compiled, and what it is compared with.
    feeds, size : dict
        The inputs, and the values of the symbols.
    target, precision : str
        See `pysofie.compile`.
    tolerance : float or None
        See `pysofie.verify`.
    """

    model: Source
    reference: Source
    feeds: Mapping[str, Any]
    size: dict[str, int]
    target: str
    precision: str
    tolerance: float | None

    def run(self, model: Source, disabled_passes: Sequence[str] = ()) -> dict[str, NDArray[Any]]:
        """The outputs of a compiled model."""
        session = compile(
            model, target=self.target, precision=self.precision, disabled_passes=disabled_passes
        )
        return tensors(session.run(dict(self.feeds)))

    def compare(
        self, given: Mapping[str, NDArray[Any]], expected: Mapping[str, NDArray[Any]]
    ) -> dict[str, Comparison]:
        """How tensors differ, by name."""
        return {
            name: compare(name, self.size, array, np.asarray(expected[name]), self.tolerance)
            for name, array in given.items()
            if name in expected
        }


@dataclass(frozen=True)
class PartingNode:
    """A node whose outputs differ.

    Attributes
    ----------
    op, name : str
        Its operator, with the domain unless that is ONNX's own, and what the file calls it.
    inputs, outputs : tuple of Comparison
        How what it reads and writes differs; constants and the inputs of the model do not.
    """

    op: str
    name: str
    inputs: tuple[Comparison, ...]
    outputs: tuple[Comparison, ...]

    def to_dict(self) -> dict[str, Any]:
        """All of it as what JSON has."""
        return {
            "op": self.op,
            "name": self.name,
            "inputs": [comparison.to_dict() for comparison in self.inputs],
            "outputs": [comparison.to_dict() for comparison in self.outputs],
        }

    @property
    def reads_equal(self) -> bool:
        """Whether all that it reads was still equal."""
        return all(comparison.ok for comparison in self.inputs)


@dataclass(frozen=True)
class Divergence:
    """Where a compiled model and its reference part.

    Attributes
    ----------
    exporter : tuple of Comparison
        The outputs in which onnxruntime differs from the framework, too: then the exporter is at fault.
    node : PartingNode or None
        The first node, in the order of execution, whose outputs differ while its inputs are equal, when
        every intermediate tensor is an output of both; None if all of them agree then.
    passes : tuple of str
        The optimisations of which each, switched off alone, removes the difference.
    obstacle : str
        Why this could not be found out, else empty.
    """

    exporter: tuple[Comparison, ...] = ()
    node: PartingNode | None = None
    passes: tuple[str, ...] = ()
    obstacle: str = ""

    def to_dict(self) -> dict[str, Any]:
        """All of it as what JSON has."""
        return {
            "exporter": [comparison.to_dict() for comparison in self.exporter],
            "node": self.node.to_dict() if self.node else None,
            "passes": list(self.passes),
            "obstacle": self.obstacle,
        }

    def __str__(self) -> str:
        return "\n".join([*self._exporter_lines(), *self._node_lines(), *self._pass_lines()])

    def _exporter_lines(self) -> list[str]:
        if self.obstacle:
            return [f"The first node where the two part is not known: {self.obstacle}"]
        if not self.exporter:
            return []
        return [
            "The exporter is at fault, or the model changed: onnxruntime differs from the framework, too:",
            *(f"  {line(each)}" for each in self.exporter),
        ]

    def _node_lines(self) -> list[str]:
        if self.node is None:
            return []
        equal = "equal within the tolerance" if self.node.reads_equal else "different already"
        return [
            f"The first node where the two part: {printable(self.node.op)} {printable(self.node.name)!r}",
            *(f"  reads   {line(each)}" for each in self.node.inputs),
            *(f"  writes  {line(each)}" for each in self.node.outputs),
            f"What it reads was {equal}.",
        ]

    def _pass_lines(self) -> list[str]:
        if self.obstacle or self.exporter:
            return []
        if self.passes:
            start = (
                "" if self.node else "All nodes agree when each is an output, so that a fusion is at fault. "
            )
            return [
                f"{start}With one of these passes switched off, compile(..., disabled_passes=[...]), "
                f"the outputs agree: {', '.join(self.passes)}"
            ]
        return (
            [] if self.node else ["All nodes agree when each is an output, and no single pass is to blame."]
        )


def line(comparison: Comparison) -> str:
    """How one tensor differs, in words."""
    shape = ", ".join(map(str, comparison.shape))
    verdict = "equal" if comparison.ok else "differs"
    return (
        f"{printable(comparison.output)}: {comparison.dtype}[{shape}] {verdict}: "
        f"at most {comparison.max_abs:.2e}, {comparison.max_rel:.2e} of the largest value, "
        f"{comparison.max_ulp:.1f} ulp"
    )


def locate(case: Case) -> Divergence:
    """Find the first node where a compiled model and its reference part.

    Parameters
    ----------
    case : Case
        Inputs for which outputs differ.

    Returns
    -------
    Divergence
    """
    try:
        exporter = _faults_of_exporter(case)
        if exporter:
            return Divergence(exporter=exporter)
        return Divergence(node=_first_node(case), passes=_guilty_passes(case))
    except Error as error:
        return Divergence(obstacle=str(error))


def _faults_of_exporter(case: Case) -> tuple[Comparison, ...]:
    """The outputs in which onnxruntime differs from the framework."""
    reference = framework_reference(case.reference)
    if reference is None:
        return ()
    framework = tensors(dict(reference(case.feeds)))
    exported = tensors(dict(onnxruntime_reference(case.reference)(case.feeds)))
    return tuple(each for each in case.compare(exported, framework).values() if not each.ok)


def _first_node(case: Case) -> PartingNode | None:
    """Compare with every intermediate tensor as an output, and nothing optimised in the reference."""
    shared = _intermediate(case.model) & _intermediate(case.reference)
    nodes = case.model.proto().proto.graph.node
    names = [name for node in nodes for name in node.output if name in shared]
    ours = case.run(case.model.wanting(names))
    theirs = onnxruntime_reference(case.reference.wanting(names), optimised=False)(case.feeds)
    found = case.compare(ours, theirs)
    parted = [
        PartingNode(
            op=f"{node.domain}.{node.op_type}" if node.domain else node.op_type,
            name=node.name,
            inputs=tuple(found[name] for name in dict.fromkeys(node.input) if name in found),
            outputs=tuple(found[name] for name in node.output if name in found),
        )
        for node in nodes
        if any(name in found and not found[name].ok for name in node.output)
    ]
    return next((node for node in parted if node.reads_equal), parted[0] if parted else None)


def _intermediate(source: Source) -> set[str]:
    """The tensors that nodes compute; sequences and optionals are none."""
    typed = {name for node in source.load().graph.nodes() for name, _, _ in node["outputs"]}
    return typed & {name for node in source.proto().proto.graph.node for name in node.output}


def _guilty_passes(case: Case) -> tuple[str, ...]:
    """The passes of which each, switched off alone, removes the difference."""
    from pysofie import _core

    expected = tensors(dict(reference_of(case.reference)(case.feeds)))

    def agrees(disabled: Sequence[str]) -> bool:
        found = case.compare(case.run(case.model, disabled), expected)
        return all(comparison.ok for comparison in found.values())

    passes = _core.passes()
    if not agrees(passes):
        return ()
    model = case.model.load()
    whole = generate(model, Options(case.target, precision=case.precision))
    changing = (
        name
        for name in passes
        if generate(model, Options(case.target, disabled_passes=(name,), precision=case.precision)) != whole
    )
    return tuple(name for name in changing if agrees([name]))
