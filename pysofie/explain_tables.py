"""Tables of what becomes of a model, for `rich`."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich import box

from pysofie.explain import FATES, KINDS, ExplainedKernel, ExplainedNode, Explanation, Problem
from pysofie.text import cell, counted, quantity, short, type_text

if TYPE_CHECKING:
    from rich.console import Group, RenderableType
    from rich.table import Table

    from pysofie.model import Model

# What has no kernel of its own, in the order in which it is listed.
_CODELESS = ("view", "folded", "constant", "sizes", "unneeded")
_FATE_STYLES = {"kernel": "green", "supported": "green", "unsupported": "bold red", "unknown": "yellow"}
_LISTED = 8  # names of a kind in one row
_WIDE = 100  # characters of a line that has room for names


def tables(explanation: Explanation, *, nodes: bool = False, width: int = 110) -> Group:
    """All that there is to say of a model.

    Parameters
    ----------
    explanation : Explanation
        From `pysofie.explain`.
    nodes : bool
        Whether to list every node.
    width : int
        How many characters there are in a line.
    """
    from rich.console import Group

    parts = [signature(explanation)]
    if explanation.problems:
        parts.append(problem_table(explanation))
    if explanation.kernels:
        parts.append(kernel_table(explanation, has_names=width >= _WIDE))
    if nodes or not explanation.kernels:
        parts.append(node_table(explanation))
    elif any(node.fate in _CODELESS for node in explanation.nodes):
        parts.append(_codeless_table(explanation))
    return Group(*parts, *(cell(line) for line in summary(explanation)))


def text(explanation: Explanation, *, nodes: bool = False, width: int = 110) -> str:
    """The tables as plain text; see `tables`."""
    from rich.console import Console

    console = Console(width=width, no_color=True, highlight=False)
    with console.capture() as capture:
        console.print(tables(explanation, nodes=nodes, width=width))
    return capture.get()


def signature(explanation: Explanation | Model) -> Table:
    """The inputs and outputs."""
    from rich.table import Table

    table = Table("", "name", "type", title=cell(f"model {explanation.name}"))
    for role, tensors in (("input", explanation.inputs), ("output", explanation.outputs)):
        for tensor in tensors:
            table.add_row(role, cell(tensor.name), cell(type_text(tensor), "" if tensor.dtype else "red"))
    return table


def kernel_table(explanation: Explanation, *, has_names: bool = True) -> Table:
    """The kernels in the order of execution, and the operators that each of them comes from.

    Parameters
    ----------
    explanation : Explanation
        From `pysofie.explain`.
    has_names : bool
        Whether there is room for the names of nodes.
    """
    from rich.table import Table

    sizes = ", ".join(f"{symbol} = {value}" for symbol, value in explanation.sizes.items())
    table = Table(title="kernels", expand=True, box=box.SIMPLE_HEAD)
    if sizes:
        table.caption = cell(f"Costs are for {sizes}.")
    table.add_column("", justify="right", no_wrap=True)
    table.add_column("kernel", no_wrap=True)
    table.add_column("from the operators", ratio=3)
    if has_names:
        table.add_column("first node", ratio=2, no_wrap=True, overflow="ellipsis")
    table.add_column("loops", ratio=2)
    for column in ("FLOP", "bytes"):
        table.add_column(column, justify="right", no_wrap=True)
    has_blocks = any(kernel.block is not None for kernel in explanation.kernels)
    if has_blocks:
        table.add_column("block", justify="right", no_wrap=True)
    for numbers in _alike(explanation.kernels):
        kernels = [explanation.kernels[number] for number in numbers]
        first, operations = kernels[0], sum(kernel.operations for kernel in kernels)
        row: list[RenderableType] = [
            f"{numbers[0]}-{numbers[-1]}" if len(numbers) > 1 else str(numbers[0]),
            f"{first.routine}()" if first.routine else KINDS[first.kind],
            cell(origin_text(explanation, first)),
            *([cell(_first_name(explanation, first), "dim")] if has_names else []),
            cell(loops_text(first) if len(numbers) == 1 else f"{len(numbers)} kernels"),
            quantity(operations, "") if operations else "",
            quantity(sum(kernel.bytes for kernel in kernels), ""),
        ]
        if has_blocks:
            row.append("" if first.block is None else str(first.block))
        table.add_row(*row)
    return table


def _first_name(explanation: Explanation, kernel: ExplainedKernel) -> str:
    return next((short(explanation.nodes[place].name) for place in kernel.nodes), "")


def _alike(kernels: Sequence[ExplainedKernel]) -> list[list[int]]:
    """Neighbouring kernels that do one thing for the same nodes, such as the four sides of a border."""

    def kind(number: int) -> tuple[object, ...]:
        kernel = kernels[number]
        return kernel.kind, kernel.routine, kernel.nodes, kernel.label, kernel.block

    return [list(group) for _, group in itertools.groupby(range(len(kernels)), key=kind)]


def loops_text(kernel: ExplainedKernel) -> str:
    """The loops of a kernel: ``"batch x 64, over 28"``."""
    axes = " x ".join(map(str, kernel.axes))
    return f"{axes}, over {' x '.join(map(str, kernel.reduction))}" if kernel.reduction else axes


def origin_text(explanation: Explanation, kernel: ExplainedKernel) -> str:
    """The operators that a kernel comes from."""
    return counted([explanation.nodes[place].op for place in kernel.nodes]) or kernel.label


def listed(names: list[str], most: int = _LISTED) -> str:
    """The first of some names, and how many more there are."""
    shown = ", ".join(short(name) for name in names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown


def _codeless_table(explanation: Explanation) -> Table:
    from rich.table import Table

    table = Table(title="nodes without code", expand=True, box=box.SIMPLE_HEAD)
    table.add_column("", justify="right", no_wrap=True)
    table.add_column("what became of them", ratio=1)
    table.add_column("nodes", ratio=1)
    for fate in _CODELESS:
        nodes = explanation.with_fate(fate)
        if nodes:
            table.add_row(str(len(nodes)), FATES[fate], cell(_node_names(nodes)))
    return table


def _node_names(nodes: list[ExplainedNode]) -> str:
    """The operators of nodes, the most frequent first, or what they are called if they are few."""
    if len(nodes) <= _LISTED:
        return ", ".join(f"{node.op} {short(node.name)}".strip() for node in nodes)
    counts: dict[str, int] = {}
    for node in nodes:
        counts[node.op] = counts.get(node.op, 0) + 1
    ordered = sorted(counts.items(), key=lambda entry: -entry[1])
    return ", ".join(f"{op} x{count}" if count > 1 else op for op, count in ordered)


def node_table(explanation: Explanation) -> Table:
    """Every node, and what became of it."""
    from rich.table import Table

    table = Table(
        "", "operator", "name", "outputs", "became", title="nodes", expand=True, box=box.SIMPLE_HEAD
    )
    for number, node in enumerate(explanation.nodes):
        style = _FATE_STYLES.get(node.fate, "")
        table.add_row(
            str(number),
            cell(node.op, style if node.fate == "unsupported" else ""),
            cell(node.name),
            cell(", ".join(map(type_text, node.outputs))),
            cell(fate_text(explanation, node), style),
        )
    return table


def fate_text(explanation: Explanation, node: ExplainedNode) -> str:
    """What became of a node, with the kernels that do its work."""
    if not node.kernels:
        return FATES[node.fate]
    numbers = listed([str(number) for number in node.kernels], 4)
    kinds = dict.fromkeys(KINDS[explanation.kernels[number].kind] for number in node.kernels)
    noun = "kernel" if len(node.kernels) == 1 else "kernels"
    return f"{noun} {numbers}: {', '.join(kinds)}"


def problem_table(explanation: Explanation) -> Table:
    """All that stands against compiling the model, and what can be done."""
    from rich.table import Table

    table = Table(
        "where", "what is not supported", "what can be done", title="this model cannot be compiled",
        expand=True, title_style="bold red", show_lines=True,
    )  # fmt: skip
    for problem in explanation.problems:
        table.add_row(
            cell(where(explanation, problem), "bold red"), cell(problem.what), cell(remedy(problem))
        )
    return table


def where(explanation: Explanation, problem: Problem) -> str:
    """The node, input or constant that a problem is at."""
    if problem.node is None:
        return problem.value or "model"
    node = explanation.nodes[problem.node]
    return f"node {problem.node}: {node.op} {node.name}".rstrip()


def remedy(problem: Problem) -> str:
    """What can be done about a problem."""
    if problem.remedy:
        return problem.remedy
    if problem.node is None:
        return "change the model, or the part of it that is compiled: pysofie.load(..., outputs=[...])"
    return "compile what does not need it: pysofie.load(..., outputs=[...])"


def summary(explanation: Explanation) -> list[str]:
    """The whole in a few lines."""
    count = len(explanation.nodes)
    if not explanation.kernels:
        refused = len(explanation.with_fate("unsupported"))
        unknown = len(explanation.with_fate("unknown"))
        text = f"{_many(count, 'node')}: {refused} not supported, {unknown} depending on what is not"
        return [text if explanation.problems else f"{_many(count, 'node')}, no kernels"]
    fused = sum(1 for kernel in explanation.kernels if len(kernel.nodes) > 1)
    without = sum(1 for node in explanation.nodes if not node.kernels)
    intensity = explanation.operations / max(explanation.bytes, 1)
    return [
        f"{_many(count, 'node')}, {without} without code; "
        f"{_many(len(explanation.kernels), 'kernel')}, {fused} of several nodes",
        f"one run: {quantity(explanation.operations, 'FLOP')}, {quantity(explanation.bytes, 'B')} read and "
        f"written by kernels ({intensity:.2g} FLOP/B)",
        f"memory: {quantity(explanation.weight_bytes, 'B')} of weights, "
        f"{quantity(explanation.arena_bytes, 'B')} of intermediate tensors",
    ]


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
