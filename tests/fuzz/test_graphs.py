"""Random graphs compute what onnxruntime computes, whichever passes run over them."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path

import nets
import numpy as np
import onnx.printer
import pytest
from fuzz.graphs import Graph, graphs
from generated import workshop
from hypothesis import Phase, given, settings

import pysofie
from pysofie import _core

# Compiling is what takes the time: graphs are drawn first, and many go into one library.
DRAWN, BATCH = 120, 30
# Relative to the largest numbers that a graph may compute. A float16 is rounded at each of its nodes.
TOLERANCE = {"float16": 2**-6, "float32": 1e-5}
PASSES = (
    "drop_unit_axes",
    "fold_constants",
    "fuse_epilogues",
    "fold_scales",
    "hoist_invariants",
    "inline_producers",
    "remove_dead_code",
)


@functools.cache
def corpus() -> list[tuple[Graph, list[np.ndarray]]]:
    """Reproducible graphs, and what onnxruntime makes of them."""
    found: list[Graph] = []

    @settings(max_examples=DRAWN, derandomize=True, database=None, deadline=None, phases=[Phase.generate])
    @given(graphs)
    def collect(graph: Graph) -> None:
        found.append(graph)

    collect()
    return [(graph, right) for graph in found if (right := expected(graph)) is not None]


def expected(graph: Graph) -> list[np.ndarray] | None:
    """The outputs of onnxruntime; None where it has no kernel for a dtype."""
    try:
        return workshop.reference(graph.model(), graph.feeds)
    except Exception as error:
        if "NOT_IMPLEMENTED" in str(error) or "NotImplemented" in type(error).__name__:
            return None
        raise


def differences(graph: Graph, right: list[np.ndarray], session: pysofie.Session) -> str:
    """What is wrong with the outputs, as text."""
    model = graph.model()
    values = {value.name: value for value in graph.values}
    try:
        outputs = session.run(graph.feeds)
        for (name, output), reference in zip(outputs.items(), right, strict=True):
            assert output.dtype == reference.dtype, name
            assert output.shape == reference.shape, name
            tolerance = TOLERANCE.get(output.dtype.name, 1e-6)
            scale = tolerance * max(values[name].bound, 1)
            np.testing.assert_allclose(output, reference, rtol=tolerance, atol=scale, err_msg=name)
    except (AssertionError, pysofie.Error, IndexError) as error:
        feeds = {name: (array.shape, array.dtype) for name, array in graph.feeds.items()}
        return f"{onnx.printer.to_text(model)}\n{feeds}\n{error}"
    return ""


def check(batch: Sequence[tuple[Graph, list[np.ndarray]]], folder: Path, *disabled: str) -> None:
    models = [graph.model() for graph, _ in batch]
    sessions = workshop.sessions(models, folder, "-O1", disabled_passes=disabled)
    wrong = [differences(*pair, session) for pair, session in zip(batch, sessions, strict=True)]
    assert not any(wrong), "\n\n".join(filter(None, wrong))


@pytest.mark.parametrize("start", range(0, DRAWN, BATCH))
def test_like_onnxruntime(start, tmp_path):
    check(corpus()[start : start + BATCH], tmp_path)


@pytest.mark.parametrize("off", PASSES)
def test_without_a_pass(off, tmp_path):
    check(corpus()[PASSES.index(off) :: len(PASSES)], tmp_path, off)


def test_no_pass_is_forgotten():
    with pytest.raises(pysofie.Error) as error:
        _core.Program(pysofie.load(nets.mlp()).graph, ["no such pass"])
    assert str(error.value).partition("there are ")[2].split(", ") == list(PASSES)
