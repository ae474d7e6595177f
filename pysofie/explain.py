"""What becomes of a model: of every node, and of the kernels that the nodes become."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from pysofie.errors import Error, InvalidModelError
from pysofie.model import Tensor

if TYPE_CHECKING:
    from pathlib import Path

    from pysofie.importers import Dims, ModelLike, Source
    from pysofie.importers.onnx import Draft

#: What can become of a node.
FATES = {
    "kernel": "computed by kernels",
    "view": "another view of memory, no code",
    "folded": "computed when code is generated, and folded into weights",
    "constant": "known when code is generated",
    "sizes": "computes sizes, known when code is generated",
    "unneeded": "no output needs it",
    "supported": "supported",
    "unsupported": "not supported",
    "unknown": "depends on what is not supported",
}

#: What kernels are, for people.
KINDS = {
    "contraction": "matrix product",
    "reduction": "reduction",
    "map": "element-wise",
    "routine": "routine",
    "loop": "loop",
    "condition": "branch",
    "measure": "size of data",
}


@dataclass(frozen=True)
class Problem:
    """What stands against compiling a model.

    Attributes
    ----------
    node : int or None
        Which node; None for an input, a constant or the model as a whole.
    value : str
        The input or constant, else empty.
    what, remedy : str
        What is not supported, and what can be done; the remedy may be empty.
    """

    node: int | None
    value: str
    what: str
    remedy: str


@dataclass(frozen=True)
class ExplainedNode:
    """A node of a model.

    Attributes
    ----------
    op, name : str
        Its operator, with the domain unless that is ONNX's own, and what the file calls it.
    inputs : tuple of str
        The values that it reads, its subgraphs included.
    outputs : tuple of Tensor
        What it computes; without dtype and shape where these are not known. Of a sequence the tensors.
    values : tuple of str
        The names of what it computes.
    fate : str
        What became of it, one of `FATES`.
    kernels : tuple of int
        The kernels that do its work.
    """

    op: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[Tensor, ...]
    values: tuple[str, ...]
    fate: str
    kernels: tuple[int, ...]


@dataclass(frozen=True)
class ExplainedKernel:
    """A kernel of the generated code.

    Attributes
    ----------
    kind : str
        One of `KINDS`.
    nodes : tuple of int
        The nodes whose work it does; more than one were fused.
    label : str
        These nodes, those of subgraphs one by one.
    axes, reduction : tuple of int or str
        The loops over what it stores, and those over what it sums up for each of it; "block" stands for the
        rows of a block.
    routine : str
        Of the runtime; else empty.
    block : int or None
        Kernels of one number run together, on one block of rows after the other.
    calls, operations, bytes : int
        Of one run: how often it is called, what it computes (a multiply-add counts two; of routines it is not
        known, and 0), and the distinct elements that its calls read and write.
    weight_bytes : int
        The constants that it reads.
    """

    kind: str
    nodes: tuple[int, ...]
    label: str
    axes: tuple[int | str, ...]
    reduction: tuple[int | str, ...]
    routine: str
    block: int | None
    calls: int
    operations: int
    bytes: int
    weight_bytes: int


@dataclass(frozen=True)
class Explanation:
    """What becomes of a model; made by `pysofie.explain`.

    Attributes
    ----------
    name : str
        The model.
    sizes : dict of str to int
        The values of the symbols that costs are for.
    inputs, outputs : tuple of Tensor
        Of the model; without dtype where it is not known.
    nodes : tuple of ExplainedNode
        In the order of execution, local functions written out.
    kernels : tuple of ExplainedKernel
        In the order of execution; none if the model cannot be compiled.
    weight_bytes, arena_bytes : int
        What constants and intermediate tensors take in memory.
    problems : tuple of Problem
        All that stands against compiling it.
    """

    name: str
    sizes: dict[str, int]
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    nodes: tuple[ExplainedNode, ...]
    kernels: tuple[ExplainedKernel, ...]
    weight_bytes: int
    arena_bytes: int
    problems: tuple[Problem, ...]

    @property
    def ok(self) -> bool:
        """Whether the model can be compiled."""
        return not self.problems

    @property
    def operations(self) -> int:
        """Of one run."""
        return sum(kernel.operations for kernel in self.kernels)

    @property
    def bytes(self) -> int:
        """That the kernels of one run read and write."""
        return sum(kernel.bytes for kernel in self.kernels)

    def with_fate(self, fate: str) -> list[ExplainedNode]:
        """The nodes of which that became."""
        return [node for node in self.nodes if node.fate == fate]

    def to_dict(self) -> dict[str, Any]:
        """All of it as what JSON has."""
        return {**asdict(self), "ok": self.ok, "operations": self.operations, "bytes": self.bytes}

    def plot(self, path: str | Path) -> None:
        """Draw the graph; the suffix says the format.

        Raises
        ------
        Error
            A package that draws is missing.
        """
        from pathlib import Path

        from pysofie.drawing import picture

        picture.draw(self, Path(path))

    def __str__(self) -> str:
        from pysofie.explain_tables import text

        return text(self)


def explain(
    source: ModelLike,
    *,
    dims: Dims | None = None,
    sizes: Mapping[str, int] | None = None,
    target: str = "cpu",
    outputs: Sequence[str] | None = None,
    example_inputs: Any = (),
    shapes: Mapping[str, Sequence[int | str]] | None = None,
    trust: bool = False,
) -> Explanation:
    """Say what becomes of a model: which kernels, what is fused, what it costs, what is not supported.

    Parameters
    ----------
    source : path, bytes, onnx.ModelProto, Model or a model of a framework
        As for `pysofie.load`; it need not be one that can be compiled.
    dims : dict, optional
        See `pysofie.load`.
    sizes : dict of str to int, optional
        The values of the symbols that costs are for; those that are left out are 1, or the least that `dims`
        allows.
    target : {"cpu", "sycl", "alpaka"}
        What code is generated for.
    outputs, example_inputs, shapes, trust : optional
        See `pysofie.load`.

    Returns
    -------
    Explanation

    Raises
    ------
    InvalidModelError
        The source is not a well-formed ONNX model.
    UnsupportedError
        The source is none that is taken, or its framework cannot export it.
    Error
        `dims` or `sizes` name a symbol that the model lacks.

    Examples
    --------
    >>> print(pysofie.explain("model.onnx"))  # doctest: +SKIP
    >>> pysofie.explain("model.onnx", sizes={"batch": 16}).plot("model.svg")  # doctest: +SKIP
    """
    from pysofie.importers import as_source, onnx
    from pysofie.importers.frameworks import Wishes
    from pysofie.importers.inferred import inferred

    model = as_source(source, Wishes.given(example_inputs, shapes, None, trust), dims=dims, outputs=outputs)
    draft = onnx.draft_of(model)
    problems = _analyse(draft)
    chosen = _sizes(draft, model, sizes or {})
    known = inferred(draft.proto) if problems else {}
    code = _Code([], set(), 0, 0)
    if not problems:
        try:
            code = _compiled(draft, chosen, target)
        except Error as error:
            problems.append(Problem(None, "", str(error), ""))
    blocks = _blocks(code.kernels)
    return Explanation(
        name=draft.name,
        sizes=chosen,
        inputs=(
            *_tensors(draft.graph.inputs, known),
            *(
                known.get(problem.value, Tensor(problem.value, "", ()))
                for problem in problems
                if problem.value
            ),
        ),
        outputs=_tensors(draft.graph.outputs, known),
        nodes=_nodes(draft.graph.nodes(), code, problems, known),
        kernels=tuple(_kernel(entry, blocks) for entry in code.kernels),
        weight_bytes=code.weight_bytes,
        arena_bytes=code.arena_bytes,
        problems=tuple(problems),
    )


def _analyse(draft: Draft) -> list[Problem]:
    try:
        draft.analyse()
    except Error as error:
        problems = [_problem(entry) for entry in draft.graph.problems()]
        if not problems and not isinstance(error, InvalidModelError):
            raise  # nothing is wrong with the model, but with what was said about it
        return problems or [Problem(None, "", str(error), "")]
    return []


def _problem(entry: Mapping[str, Any]) -> Problem:
    what, remedy = entry["what"], entry["remedy"]
    if not remedy:
        what, _, remedy = what.partition("; ")
    node = entry["node"] if entry["node"] >= 0 else None
    return Problem(node, entry["value"], what, remedy)


def _sizes(draft: Draft, source: Source, sizes: Mapping[str, int]) -> dict[str, int]:
    """The values of the inputs' symbols."""
    symbols = [dim for _, _, shape in draft.graph.inputs for dim in shape if isinstance(dim, str)]
    unknown = sorted(set(sizes) - set(symbols))
    if unknown:
        known = ", ".join(map(repr, dict.fromkeys(symbols))) or "none"
        raise Error(f"sizes names {', '.join(map(repr, unknown))}; the symbols of this model are {known}")
    chosen = {}
    for symbol in symbols:
        bounds = source.dims.get(symbol)
        low = bounds[0] if isinstance(bounds, tuple) else 1
        chosen[symbol] = int(sizes.get(symbol, max(low, 1)))
    return chosen


@dataclass(frozen=True)
class _Code:
    """What the core says of compiled code: kernels, and the nodes that made any before the passes."""

    kernels: list[dict[str, Any]]
    lowered: set[int]
    weight_bytes: int
    arena_bytes: int


def _compiled(draft: Draft, sizes: Mapping[str, int], target: str) -> _Code:
    from pysofie import _core

    chosen = dict(sizes)
    program = _core.Program(draft.graph)
    lowered = _core.kernels(_core.Program(draft.graph, _core.passes()), chosen, target)
    return _Code(
        _core.kernels(program, chosen, target),
        {node for entry in lowered for node, _ in entry["origins"]},
        program.statistics()["weight_bytes"],
        program.memory(chosen, target)["arena_bytes"],
    )


def _blocks(kernels: list[dict[str, Any]]) -> dict[int, int]:
    """Numbers for the blocks that kernels run in, by where these stand in the program."""
    places = dict.fromkeys(entry["place"] for entry in kernels if entry["in_blocks"])
    return {place: number for number, place in enumerate(places)}


def _kernel(entry: Mapping[str, Any], blocks: Mapping[int, int]) -> ExplainedKernel:
    return ExplainedKernel(
        kind=entry["kind"],
        nodes=tuple(dict.fromkeys(node for node, _ in entry["origins"] if node >= 0)),
        label=", ".join(dict.fromkeys(label for _, label in entry["origins"])),
        axes=tuple(entry["axes"]),
        reduction=tuple(entry["reduction"]),
        routine=entry["routine"],
        block=blocks[entry["place"]] if entry["in_blocks"] else None,
        calls=entry["calls"],
        operations=entry["operations"],
        bytes=entry["bytes"],
        weight_bytes=entry["weight_bytes"],
    )


def _nodes(
    entries: list[dict[str, Any]],
    code: _Code,
    problems: list[Problem],
    known: Mapping[str, Tensor],
) -> tuple[ExplainedNode, ...]:
    refused = {problem.node for problem in problems}
    computed: dict[int, list[int]] = {}
    for number, kernel in enumerate(code.kernels):
        for place in dict.fromkeys(place for place, _ in kernel["origins"]):
            computed.setdefault(place, []).append(number)
    result = []
    for place, entry in enumerate(entries):
        if place in refused:
            fate = "unsupported"
        elif any(not dtype for _, dtype, _ in entry["outputs"]):
            fate = "unknown"
        else:
            fate = _fate(entry, place in computed, place in code.lowered, bool(code.kernels))
        result.append(
            ExplainedNode(
                op=f"{entry['domain']}.{entry['op']}" if entry["domain"] else entry["op"],
                name=entry["name"],
                inputs=tuple(dict.fromkeys([*entry["reads"], *entry["captures"]])),
                outputs=_tensors(entry["outputs"], known),
                values=tuple(entry["writes"]),
                fate=fate,
                kernels=tuple(computed.get(place, ())),
            )
        )
    return tuple(result)


def _fate(entry: Mapping[str, Any], computed: bool, lowered: bool, is_compiled: bool) -> str:
    if computed:
        return "kernel"
    if entry["known"]:
        return str(entry["known"])
    if not is_compiled:
        return "supported"
    if not entry["needed"]:
        return "unneeded"
    return "folded" if lowered else "view"


def _tensors(
    listed: list[tuple[str, str, list[int | str]]], known: Mapping[str, Tensor]
) -> tuple[Tensor, ...]:
    return tuple(
        Tensor(name, dtype, tuple(shape)) if dtype else known.get(name, Tensor(name, "", ()))
        for name, dtype, shape in listed
    )
