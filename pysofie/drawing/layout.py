"""Where the cards of a picture lie: in layers, from top to bottom, as Sugiyama, Tagawa and Toda place them.

The layers are those of grandalf. A high stack of them is cut into columns.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pysofie.drawing.cards import Card, Chart
from pysofie.errors import Error

_GAP = (0.22, 0.34)  # between the cards of a layer, and between layers
_GUTTER = 0.7  # between columns
_ASPECT = 1.5  # of a picture in columns
_HIGHEST = 11.0  # of a picture in one column

Point = tuple[float, float]


@dataclass(frozen=True)
class Box:
    """A card's place: its centre and size, in inches; y grows downwards."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Layout:
    """Places of cards, and the ways of edges between them.

    Attributes
    ----------
    width, height : float
        Of the whole, in inches.
    boxes : list of (Card, Box)
        Where the cards lie.
    ways : list of list of point
        For every edge where it begins, passes and ends.
    """

    width: float
    height: float
    boxes: list[tuple[Card, Box]]
    ways: list[list[Point]]


class _View:
    """What grandalf wants to know of a card, and says of it."""

    def __init__(self, width: float, height: float) -> None:
        self.w, self.h = width, height
        self.xy: Point = (0.0, 0.0)


def lay_out(chart: Chart, size: Callable[[Card], tuple[float, float]]) -> Layout:
    """Place the cards.

    Parameters
    ----------
    chart : Chart
        Cards and edges.
    size : callable
        Width and height of a card, in inches.

    Raises
    ------
    Error
        grandalf is missing.
    """
    try:
        from grandalf.graphs import Edge, Graph, Vertex
    except ImportError as error:
        raise Error("pictures of graphs need grandalf: pip install 'pysofie[plot]'") from error
    vertices = {id(card): Vertex(card) for card in chart.cards}
    for card in chart.cards:
        vertices[id(card)].view = _View(*size(card))
    edges = [Edge(vertices[id(a)], vertices[id(b)]) for a, b in chart.edges]
    graph = Graph(list(vertices.values()), edges)
    parts = [_Part(component) for component in graph.C]
    return _joined([part.layout() for part in parts])


class _Part:
    """A connected part of the graph, in layers."""

    def __init__(self, component: Any) -> None:
        from grandalf.layouts import SugiyamaLayout

        self.component = component
        layout = self.sugiyama = SugiyamaLayout(component)
        layout.xspace, layout.yspace = _GAP
        layout.dw, layout.dh = 0.1, 0.1  # of an edge that passes a layer
        layout.init_all(optimize=True)
        layout.draw(4)
        self.layers = [[(v.view, getattr(v, "data", None)) for v in layer] for layer in layout.layers]
        self.heights = [max(view.h for view, _ in layer) for layer in self.layers]
        self._settle()

    def _settle(self) -> None:
        """Push apart what the average of grandalf's four placements lets overlap, and close up its layers."""
        top = 0.0
        for layer, height in zip(self.layers, self.heights, strict=True):
            right = -math.inf
            for view, _ in layer:
                x = max(view.xy[0], right + view.w / 2)
                view.xy = (x, top + height / 2)
                right = x + view.w / 2 + _GAP[0]
            top += height + _GAP[1]

    def layout(self) -> Layout:
        """The layers, in as many columns as suit their height."""
        cuts = self._cuts()
        tops = [0.0, *itertools.accumulate(height + _GAP[1] for height in self.heights)]
        columns = [_Column(first, last) for first, last in itertools.pairwise([0, *cuts, len(self.layers)])]
        left = 0.0
        for column in columns:
            views = [view for layer in self.layers[column.first : column.last] for view, _ in layer]
            column.left = left
            column.shift = left - min(view.xy[0] - view.w / 2 for view in views)
            column.top = tops[column.first]
            column.height = tops[column.last] - column.top - _GAP[1]
            left = column.shift + max(view.xy[0] + view.w / 2 for view in views) + _GUTTER
        height = max(column.height for column in columns)
        boxes = []
        for column in columns:
            for view, card in itertools.chain(*self.layers[column.first : column.last]):
                if card is not None:
                    x, y = column.place(view.xy)
                    boxes.append((card, Box(x, y, view.w, view.h)))
        ways = [self._way(edge, columns) for edge in self.component.sE]
        return Layout(left - _GUTTER, height, boxes, ways)

    def _cuts(self) -> list[int]:
        """The layers before which a new column begins: near even heights, where few edges pass."""
        total = sum(self.heights) + _GAP[1] * (len(self.heights) - 1)
        views = [view for view, _ in itertools.chain(*self.layers)]
        left, right = min(v.xy[0] - v.w / 2 for v in views), max(v.xy[0] + v.w / 2 for v in views)
        width = right - left + _GUTTER
        count = 1 if total <= _HIGHEST else max(1, round(math.sqrt(_ASPECT * total / width)))
        ends = list(itertools.accumulate(height + _GAP[1] for height in self.heights))
        cuts: list[int] = []
        for number in range(1, count):
            wanted = total * number / count
            near = [i for i, end in enumerate(ends[:-1], 1) if abs(end - wanted) < 0.15 * total / count]
            near = [i for i in near if not cuts or i > cuts[-1]]
            if near:
                cuts.append(min(near, key=lambda i: (len(self.layers[i]), abs(ends[i - 1] - wanted))))
        return cuts

    def _way(self, edge: Any, columns: list[_Column]) -> list[Point]:
        """The points of an edge: straight through layers, below a column and up beside the next.

        It has no direction: in a picture data flow downwards.
        """
        way: list[Point] = []
        before: _Column | None = None
        for rank, vertex in sorted(self._stations(edge), key=lambda station: station[0]):
            column = next(column for column in columns if column.first <= rank < column.last)
            x, y = column.place(vertex.view.xy)
            if before is not None and before is not column:
                gutter = column.left - _GUTTER / 2
                low, high = before.height + _GAP[1] / 2, -_GAP[1] / 2
                way += [(way[-1][0], low), (gutter, low), (gutter, high), (x, high)]
            way += [(x, y - self.heights[rank] / 2), (x, y + self.heights[rank] / 2)]
            before = column
        first, last = sorted(edge.v, key=self._rank)
        way[0] = (way[0][0], way[0][1] + (self.heights[self._rank(first)] + first.view.h) / 2)
        way[-1] = (way[-1][0], way[-1][1] - (self.heights[self._rank(last)] + last.view.h) / 2)
        return way

    def _rank(self, vertex: Any) -> int:
        return int(self.sugiyama.grx[vertex].rank)

    def _stations(self, edge: Any) -> list[tuple[int, Any]]:
        """What an edge touches in each layer: cards at its ends, between them the room that it has."""
        passed = self.sugiyama.ctrls.get(edge, {})
        return [*passed.items()] if passed else [(self._rank(vertex), vertex) for vertex in edge.v]


@dataclass
class _Column:
    """Layers that lie below each other, and where they lie."""

    first: int
    last: int
    left: float = 0.0
    shift: float = 0.0
    top: float = 0.0
    height: float = 0.0

    def place(self, point: Point) -> Point:
        return point[0] + self.shift, point[1] - self.top


def _joined(parts: list[Layout]) -> Layout:
    """Parts side by side."""
    boxes: list[tuple[Card, Box]] = []
    ways: list[list[Point]] = []
    left = 0.0
    for part in parts:
        boxes += [(card, Box(box.x + left, box.y, box.width, box.height)) for card, box in part.boxes]
        ways += [[(x + left, y) for x, y in way] for way in part.ways]
        left += part.width + _GUTTER
    height = max((part.height for part in parts), default=0.0)
    return Layout(max(left - _GUTTER, 0.0), height, boxes, ways)
