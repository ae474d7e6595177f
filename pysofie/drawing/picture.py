"""The picture of a model, by matplotlib."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pysofie.drawing.cards import Card, Chart, chart, corner_of, lines_of
from pysofie.drawing.layout import Box, Point, lay_out
from pysofie.errors import Error
from pysofie.explain import FATES, KINDS, Explanation
from pysofie.explain_tables import summary
from pysofie.plotting import figure_of
from pysofie.text import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Background of the title by the kind of card, and the colour of its text.
_COLOURS = {
    "contraction": ("#2563a8", "white"),
    "reduction": ("#7a4ea3", "white"),
    "map": ("#3c8d57", "white"),
    "routine": ("#b7791f", "white"),
    "loop": ("#0f7f86", "white"),
    "condition": ("#9d4b73", "white"),
    "measure": ("#5d6d7e", "white"),
    "view": ("#e4e8ec", "#3a434c"),
    "supported": ("#dcefe2", "#1e4d2e"),
    "unknown": ("#f3ead2", "#5c4a14"),
    "unsupported": ("#c62828", "white"),
    "input": ("#2b2f33", "white"),
    "output": ("#2b2f33", "white"),
}
_NAMES = {**KINDS, "view": "view, no code", **{f: FATES[f] for f in ("supported", "unknown", "unsupported")}}

_TITLE, _TEXT = 8.0, 7.0  # points
_LINE = 0.145  # inches
_PAD = 0.08
_MARGIN = 0.25
_ADVICE = 44  # characters of a line of advice
_MOST_PIXELS = 8_000
_MOST_CARDS = 1_500


def draw(explanation: Explanation, path: Path) -> None:
    """Draw what became of a model.

    Parameters
    ----------
    explanation : Explanation
        From `pysofie.explain`.
    path : pathlib.Path
        The picture; the suffix says the format.

    Raises
    ------
    Error
        matplotlib or grandalf is missing, or there are more kernels than a picture can hold.
    """
    shown = chart(explanation)
    if len(shown.cards) > _MOST_CARDS:
        raise Error(
            f"a picture of {len(shown.cards)} kernels and inputs cannot be read; explain a part of the model "
            "with outputs=[...], or take the tables"
        )
    layout = lay_out(shown, lambda card: _size(card, shown.is_detailed))
    head, foot = _head(explanation), _notes(explanation, shown)
    width = max(layout.width, 6.5) + 2 * _MARGIN
    above, below = 0.3 + 0.18 * len(head), 0.45 + 0.16 * len(foot)
    height = layout.height + above + below + 2 * _MARGIN
    figure = figure_of(width, height, layout=None)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(height, 0))
    axes.set_axis_off()
    offset = ((width - layout.width) / 2, above + _MARGIN)
    for way in layout.ways:
        _edge(axes, [(x + offset[0], y + offset[1]) for x, y in way])
    for card, box in layout.boxes:
        placed = Box(box.x + offset[0], box.y + offset[1], box.width, box.height)
        _card(axes, card, placed, shown.is_detailed)
    for number, (line, size, weight) in enumerate(head):
        _text(axes, _MARGIN, _MARGIN + 0.1 + 0.2 * number, line, size=size, weight=weight)
    _legend(axes, shown, foot, _MARGIN, height - below)
    figure.savefig(path, dpi=min(150, _MOST_PIXELS / max(width, height)))


def _head(explanation: Explanation) -> list[tuple[str, float, str]]:
    sizes = ", ".join(f"{symbol} = {value}" for symbol, value in explanation.sizes.items())
    title = f"{explanation.name}   for {sizes}" if sizes and explanation.kernels else explanation.name
    return [(title, 12, "bold"), *((line, 8, "normal") for line in summary(explanation))]


def _notes(explanation: Explanation, shown: Chart) -> list[str]:
    """What the picture leaves out."""
    fates = ["folded", "constant", "sizes", "unneeded", *([] if shown.is_detailed else ["view"])]
    counts = [(len(explanation.with_fate(fate)), FATES[fate]) for fate in fates]
    hidden = [f"{count}: {words}" for count, words in counts if count]
    notes = [f"nodes that are not drawn: {'; '.join(hidden)}"] if hidden else []
    if any(kernel.block is not None for kernel in explanation.kernels):
        notes.append("▤: kernels with the same number run together, on one block of rows after the other")
    return notes


def _size(card: Card, is_detailed: bool) -> tuple[float, float]:
    lines = lines_of(card, is_detailed)
    corner = corner_of(card)
    widths = [_width(card.title, _TITLE) * 1.1 + (_width(corner, _TEXT) + 0.25 if corner else 0)]
    widths += [_width(f"{op}  {name}", _TEXT) for op, name in lines]
    widths += [_width(line, _TEXT) for line in _foot(card)]
    rows = 1.25 + len(lines) + len(_foot(card))
    return max(widths) + 2 * _PAD + 0.05, rows * _LINE + (1.2 * _PAD if rows > 1.25 else 0)


def _foot(card: Card) -> list[str]:
    import textwrap

    return [line for part in card.foot.split("\n") if part for line in textwrap.wrap(part, _ADVICE)]


def _width(text: str, points: float) -> float:
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    width, _, _ = text_to_path.get_text_width_height_descent(text, FontProperties(size=points), ismath=False)
    return float(width) / 72


def _card(axes: Axes, card: Card, box: Box, is_detailed: bool) -> None:
    from matplotlib.patches import FancyBboxPatch, Rectangle

    fill, ink = _COLOURS[card.kind]
    left, top = box.x - box.width / 2, box.y - box.height / 2
    is_faint = card.kind in ("view", "unknown")
    outline = FancyBboxPatch(
        (left, top), box.width, box.height, boxstyle="round,pad=0,rounding_size=0.06", zorder=2,
        facecolor="white", edgecolor="#9aa5b1" if is_faint else fill, linestyle="--" if is_faint else "-",
        linewidth=0.8,
    )  # fmt: skip
    axes.add_patch(outline)
    head = Rectangle((left, top), box.width, 1.25 * _LINE, facecolor=fill, edgecolor="none", zorder=3)
    axes.add_patch(head)
    head.set_clip_path(outline)
    middle = top + 0.625 * _LINE
    _text(axes, left + _PAD, middle, card.title, size=_TITLE, color=ink, weight="bold", zorder=4)
    _text(axes, left + box.width - _PAD, middle, corner_of(card), size=_TEXT, color=ink, ha="right", zorder=4)
    y = top + 1.25 * _LINE + 0.6 * _PAD + _LINE / 2
    for op, name in lines_of(card, is_detailed):
        _text(axes, left + _PAD, y, op, zorder=4)
        _text(axes, left + _PAD + (_width(f"{op}  ", _TEXT) if op else 0), y, name, color="#6b7785", zorder=4)
        y += _LINE
    for line in _foot(card):
        ink = "#a31515" if card.kind == "unsupported" else "#44505c"
        _text(axes, left + _PAD, y, line, color=ink, style="italic", zorder=4)
        y += _LINE


def _edge(axes: Axes, way: list[Point]) -> None:
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path as Curve

    points, codes = [way[0]], [Curve.MOVETO]
    for (x0, y0), (x1, y1) in itertools.pairwise(way):
        middle = (y0 + y1) / 2
        points += [(x0, middle), (x1, middle), (x1, y1)]
        codes += [Curve.CURVE4] * 3
    axes.add_patch(
        PathPatch(Curve(points, codes), facecolor="none", edgecolor="#8793a0", linewidth=0.9, zorder=1)
    )


def _legend(axes: Axes, shown: Chart, notes: list[str], left: float, top: float) -> None:
    from matplotlib.patches import Rectangle

    x = left
    for kind in (kind for kind in _NAMES if any(card.kind == kind for card in shown.cards)):
        axes.add_patch(
            Rectangle((x, top), 0.16, 0.12, facecolor=_COLOURS[kind][0], edgecolor="#9aa5b1", linewidth=0.5)
        )
        _text(axes, x + 0.22, top + 0.06, _NAMES[kind])
        x += 0.42 + _width(_NAMES[kind], _TEXT)
    for number, note in enumerate(notes, 1):
        _text(axes, left, top + 0.06 + 0.16 * number + 0.04, note)


def _text(axes: Axes, x: float, y: float, text: str, *, size: float = _TEXT, **style: Any) -> None:
    """Text as it is: matplotlib would take what stands between dollars for mathematics."""
    axes.text(x, y, printable(text), fontsize=size, va="center_baseline", parse_math=False, **style)
