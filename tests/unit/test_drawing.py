"""Pictures of graphs: what stands on the cards, and that cards and edges lie where they should."""

from __future__ import annotations

import itertools

import nets
import pytest
import support
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper

import pysofie
from pysofie.drawing.cards import Card, Chart, chart, corner_of, lines_of
from pysofie.drawing.layout import lay_out

pytest.importorskip("grandalf", reason="needs grandalf: pip install 'pysofie[plot]'")

node = helper.make_node


def test_a_card_holds_what_was_fused():
    shown = chart(pysofie.explain(nets.mlp("batch")))
    assert [card.kind for card in shown.cards] == [
        "input",
        "contraction",
        "contraction",
        "contraction",
        "output",
    ]
    assert [[op for op, _ in card.lines] for card in shown.cards[1:4]] == [["Gemm", "Relu"]] * 2 + [
        ["Gemm", "Sigmoid"]
    ]
    assert [(a.kind, b.kind) for a, b in shown.edges] == list(itertools.pairwise(c.kind for c in shown.cards))
    assert corner_of(shown.cards[1]) == "256 FLOP"


def test_kernels_that_assist_stand_on_the_card_of_their_node():
    convolution = node("Conv", ["x", "w"], ["y"], pads=[1, 1, 1, 1])
    image = support.floats("x", 1, 1, 6, 6)
    weights = {"w": nets.constant(2, 1, 3, 3)}
    explanation = pysofie.explain(
        support.model([convolution], [image], [support.floats("y", 1, 2, 6, 6)], weights)
    )
    cards = [card for card in chart(explanation).cards if card.kernel]
    assert [card.kind for card in cards] == ["contraction"]
    assert len(cards[0].assistants) == len(explanation.kernels) - 1 > 0
    assert any("element-wise" in name for _, name in lines_of(cards[0], True))


def test_large_models_are_shortened():
    names = [f"v{i}" for i in range(61)]
    nodes = [
        each
        for a, b in itertools.pairwise(names)
        for each in (node("Softmax", [a], [f"{b}_"]), node("Transpose", [f"{b}_"], [b]))
    ]
    explanation = pysofie.explain(
        support.model(nodes, [support.floats("v0", 4, 4)], [support.floats("v60", 4, 4)])
    )
    shown = chart(explanation)
    assert not shown.is_detailed
    assert all(card.kind != "view" for card in shown.cards)
    reached = {id(b) for _, b in shown.edges}
    assert all(id(card) in reached for card in shown.cards if card.kind != "input")


def test_what_no_picture_can_hold_is_refused(tmp_path):
    inputs = [support.floats(f"x{i}", 2) for i in range(800)]
    outputs = [support.floats(f"y{i}", 2) for i in range(800)]
    nodes = [node("Relu", [f"x{i}"], [f"y{i}"]) for i in range(800)]
    with pytest.raises(pysofie.Error, match="a picture of 2400 kernels"):
        pysofie.explain(support.model(nodes, inputs, outputs)).plot(tmp_path / "graph.svg")


@st.composite
def charts(draw) -> Chart:
    count = draw(st.integers(1, 40))
    cards = [Card("map", str(i)) for i in range(count)]
    pairs = st.tuples(st.integers(0, count - 1), st.integers(0, count - 1))
    edges = {(a, b) for a, b in draw(st.lists(pairs, max_size=60)) if a < b}
    return Chart(cards, [(cards[a], cards[b]) for a, b in sorted(edges)], True)


@settings(deadline=None, max_examples=50)
@given(charts(), st.data())
def test_cards_do_not_overlap_and_edges_join_them(shown, data):
    sizes = {
        id(card): (data.draw(st.floats(0.3, 3.0)), data.draw(st.floats(0.2, 1.5))) for card in shown.cards
    }
    layout = lay_out(shown, lambda card: sizes[id(card)])
    assert {id(card) for card, _ in layout.boxes} == set(sizes)
    for (_, a), (_, b) in itertools.combinations(layout.boxes, 2):
        apart_x = abs(a.x - b.x) - (a.width + b.width) / 2
        apart_y = abs(a.y - b.y) - (a.height + b.height) / 2
        assert max(apart_x, apart_y) > 0.1
    for _, box in layout.boxes:
        assert -1e-6 <= box.x - box.width / 2 <= box.x + box.width / 2 <= layout.width + 1e-6
        assert -1e-6 <= box.y - box.height / 2 <= box.y + box.height / 2 <= layout.height + 1e-6
    bottoms = {(round(box.x, 4), round(box.y + box.height / 2, 4)) for _, box in layout.boxes}
    tops = {(round(box.x, 4), round(box.y - box.height / 2, 4)) for _, box in layout.boxes}
    assert len(layout.ways) == len(shown.edges)
    for way in layout.ways:
        assert (round(way[0][0], 4), round(way[0][1], 4)) in bottoms
        assert (round(way[-1][0], 4), round(way[-1][1], 4)) in tops
