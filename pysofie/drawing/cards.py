"""What a picture of a model shows: a card for every kernel, with the nodes that were fused into it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from pysofie.explain import KINDS, ExplainedKernel, ExplainedNode, Explanation, Problem
from pysofie.explain_tables import remedy
from pysofie.model import Tensor
from pysofie.text import counted, printable, quantity, short, type_text

# With more cards than this, what is on them is shortened, and views are left out.
_DETAILED = 40
_LINES = 7  # nodes that are listed on a card
_WIDTH = 34  # characters of a line

# Nodes of these fates stand in the picture; the others leave nothing behind that is computed.
_DRAWN = ("kernel", "view", "supported", "unsupported", "unknown")


@dataclass(eq=False)
class Card:
    """A box of the picture.

    Attributes
    ----------
    kind : str
        One of `pysofie.explain.KINDS`, a fate without kernel, "input" or "output": its colour.
    title : str
        The first line.
    lines : list of tuple of str
        Operator and name of the nodes in it.
    kernel : ExplainedKernel or None
        What it is a card of.
    assistants : list of ExplainedKernel
        Further kernels that prepare something for this one, such as the border of an image.
    foot : str
        The last line: the shape of the result, or a remedy.
    """

    kind: str
    title: str
    lines: list[tuple[str, str]] = field(default_factory=list)
    kernel: ExplainedKernel | None = None
    assistants: list[ExplainedKernel] = field(default_factory=list)
    foot: str = ""


@dataclass
class Chart:
    """Cards, and pairs of those between which data flow."""

    cards: list[Card]
    edges: list[tuple[Card, Card]]
    is_detailed: bool


def chart(explanation: Explanation) -> Chart:
    """Arrange what became of a model on cards."""
    drawn = [node for node in explanation.nodes if node.fate in _DRAWN]
    count = sum(node.fate != "kernel" for node in drawn) + len(explanation.kernels)
    return _Charting(explanation, count <= _DETAILED).run()


class _Charting:
    """Cards of nodes and kernels, and where each value comes from."""

    def __init__(self, explanation: Explanation, is_detailed: bool) -> None:
        self.explanation = explanation
        self.is_detailed = is_detailed
        self.owner = _owners(explanation.nodes)
        self.cards: list[Card] = []
        self.edges: dict[tuple[int, int], tuple[Card, Card]] = {}
        self.of_kernel: dict[int, Card] = {}
        self.sources: dict[str, list[Card]] = {}

    def run(self) -> Chart:
        for tensor in self.explanation.inputs:
            card = self._add(Card("input", short(tensor.name), foot=_type(tensor)))
            problems = [problem for problem in self.explanation.problems if problem.value == tensor.name]
            if problems:
                card.kind, card.foot = "unsupported", _advice(problems)
            self.sources.setdefault(_value(tensor.name), []).append(card)
            self.sources[tensor.name] = [card]
        for place, node in enumerate(self.explanation.nodes):
            self._node(place, node)
        for number, kernel in enumerate(self.explanation.kernels):
            if number not in self.of_kernel:
                self._assistant(kernel)
        for tensor in self.explanation.outputs:
            card = self._add(Card("output", short(tensor.name), foot=_type(tensor)))
            self._join(self.sources.get(tensor.name) or self.sources.get(_value(tensor.name), []), card)
        return Chart(self.cards, list(self.edges.values()), self.is_detailed)

    def _add(self, card: Card) -> Card:
        self.cards.append(card)
        return card

    def _join(self, sources: Iterable[Card], card: Card) -> None:
        for source in sources:
            if source is not card:
                self.edges[id(source), id(card)] = (source, card)

    def _node(self, place: int, node: ExplainedNode) -> None:
        sources = [card for name in node.inputs for card in self.sources.get(name, [])]
        if node.fate not in _DRAWN:
            return
        card = self._card(place, node)
        if card is None:  # a view that is left out: what reads it reads what it shows
            for value in node.values:
                self.sources[value] = list(dict.fromkeys(sources))
            return
        self._join(sources, card)
        for value in node.values:
            self.sources[value] = [card]

    def _card(self, place: int, node: ExplainedNode) -> Card | None:
        number = self.owner[place]
        if number is not None:
            if number not in self.of_kernel:
                self.of_kernel[number] = self._add(self._kernel(self.explanation.kernels[number]))
            card = self.of_kernel[number]
            self._list(card, node)
            if node.outputs and self.is_detailed:
                card.foot = _type(node.outputs[0])
            return card
        if node.fate == "view" and not self.is_detailed:
            return None
        foot = _type(node.outputs[0]) if node.outputs else ""
        card = Card(
            node.fate, _operator(node.op), lines=[("", short(node.name))] if node.name else [], foot=foot
        )
        if node.fate == "unsupported":
            card.foot = _advice([problem for problem in self.explanation.problems if problem.node == place])
        return self._add(card)

    def _kernel(self, kernel: ExplainedKernel) -> Card:
        title = f"{kernel.routine}()" if kernel.routine else KINDS[kernel.kind]
        if kernel.block is not None:
            title += f" ▤{kernel.block}"
        return Card(kernel.kind, title, kernel=kernel)

    def _list(self, card: Card, node: ExplainedNode) -> None:
        card.lines.append((_operator(node.op), short(node.name)))

    def _assistant(self, kernel: ExplainedKernel) -> None:
        """A kernel in which no node is drawn helps one of its nodes, or copies something to an output."""
        owners = [self.owner[place] for place in kernel.nodes]
        helped = [self.of_kernel[number] for number in owners if number is not None]
        if helped:
            helped[-1].assistants.append(kernel)
            return
        card = self._add(self._kernel(kernel))
        card.lines.append((short(kernel.label), ""))
        for tensor in self.explanation.outputs:
            if kernel.label == f"output {tensor.name}":
                self._join(self.sources.get(tensor.name, []), card)
                self.sources[tensor.name] = [card]


def _advice(problems: list[Problem]) -> str:
    return "\n".join(f"{printable(each.what, 120)}: {printable(remedy(each), 120)}" for each in problems)


def _owners(nodes: tuple[ExplainedNode, ...]) -> list[int | None]:
    """The kernel in which a node is drawn, if there is one.

    Of several kernels that do a node's work it is the last one before anything reads the result. A view lies
    in the kernel that makes what it shows if that also reads it.
    """
    read: dict[str, int] = {}  # the first kernel that reads a value
    owners: list[int | None] = [None] * len(nodes)
    for place in range(len(nodes) - 1, -1, -1):
        node = nodes[place]
        first = min((read[value] for value in node.values if value in read), default=None)
        possible = [number for number in node.kernels if first is None or number <= first]
        owner = owners[place] = max(possible) if possible else min(node.kernels, default=None)
        reader = first if owner is None else owner
        if reader is not None:
            for name in node.inputs:
                read[name] = min(read.get(name, reader), reader)
    made: dict[str, int] = {}  # the kernel that makes a value
    for place, node in enumerate(nodes):
        sources = [made[name] for name in node.inputs if name in made]
        first = min((read[value] for value in node.values if value in read), default=None)
        if node.fate == "view" and sources and first is not None and max(sources) >= first:
            owners[place] = max(sources)
        owner = owners[place]
        if owner is None and sources:
            owner = max(sources)
        if owner is not None:
            made.update(dict.fromkeys(node.values, owner))
    return owners


def lines_of(card: Card, is_detailed: bool) -> list[tuple[str, str]]:
    """The lines of a card: its nodes one by one, or operators alone; and the kernels that assist."""
    return [*_node_lines(card, is_detailed), *(("", f"+ {text}") for text in _assistance(card))]


def _node_lines(card: Card, is_detailed: bool) -> list[tuple[str, str]]:
    if is_detailed and len(card.lines) <= _LINES:
        return card.lines
    operators = [op for op, _ in card.lines if op]
    if not operators:
        return card.lines
    text = counted(operators) if is_detailed else printable(counted(operators), 2 * _WIDTH)
    return [(line, "") for line in _wrapped(text)]


def _assistance(card: Card) -> list[str]:
    kinds = [kernel.kind for kernel in card.assistants]
    return [f"{kinds.count(kind)} x {KINDS[kind]}" for kind in dict.fromkeys(kinds)]


def corner_of(card: Card) -> str:
    """What stands opposite the title: the cost of the kernels, or that there are none."""
    if card.kernel is None:
        return "not supported" if card.kind == "unsupported" else ""
    kernels = [card.kernel, *card.assistants]
    operations = sum(kernel.operations for kernel in kernels)
    return quantity(operations, "FLOP") if operations else quantity(sum(k.bytes for k in kernels), "B")


def _wrapped(text: str) -> list[str]:
    import textwrap

    return textwrap.wrap(text, _WIDTH, max_lines=_LINES, placeholder=" …")


def _operator(op: str) -> str:
    return printable(op, _WIDTH)


def _type(tensor: Tensor) -> str:
    return printable(type_text(tensor), _WIDTH)


def _value(name: str) -> str:
    """The sequence that an element lies in."""
    return name.rpartition("[")[0] if name.endswith("]") else name
