"""Random small graphs, drawn by hypothesis, with inputs to run them on."""

from __future__ import annotations

import contextlib
from random import Random

from fuzz.draft import STEPS, Graph, Step, UnfitError, Value
from fuzz.steps import elementwise, indexing, movement, products, reductions, regions, windows
from hypothesis import strategies as st

FAMILIES = (elementwise, indexing, movement, products, reductions, regions, windows)
FIRST = [(step, operator) for step in STEPS for operator in step.operators]


def start(graph: Graph, step: Step) -> Value:
    """A value that the step takes: one of the last ones, or a new input."""
    fitting = [value for value in list(graph.values.values())[-4:] if step.takes(value)]
    if fitting and graph.flip(0.8):
        return graph.pick(*fitting)
    shape = tuple(graph.pick(*step.sizes) for _ in range(graph.pick(*step.ranks)))
    return graph.input(graph.array(graph.pick(*step.types), shape))


def grow(graph: Graph, step: Step, operator: str) -> None:
    with contextlib.suppress(UnfitError):
        step.apply(graph, start(graph, step), operator)


def graph_of(seed: int, number: int) -> Graph:
    """One to seven nodes, or steps of several nodes; graphs of successive numbers begin with all operators.

    Hypothesis chooses the seed and no more: left to itself it prefers what is small, and most graphs would
    be one node.
    """
    dice = Random(seed)
    first, operator = FIRST[number % len(FIRST)]
    graph = Graph(dice, wild=not first.tame and dice.random() < 0.3, dynamic=dice.random() < 0.5)
    for _ in range(5):
        if not graph.nodes:
            grow(graph, first, operator)
    steps = [step for step in STEPS if not (graph.wild and step.tame)]
    for _ in range(dice.randint(0, 6)):
        following = [step for step in steps if any(map(step.takes, graph.values.values()))]
        step = dice.choice(following or steps)
        grow(graph, step, dice.choice(step.operators))
    if not graph.nodes:
        graph.add("Identity", [graph.input(graph.array("float32", (2, 3)))])
    return graph


seeds = st.integers(0, 2**48)
