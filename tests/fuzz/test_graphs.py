"""Random graphs compute what onnxruntime computes, whichever passes run over them."""

from __future__ import annotations

import functools
import os
from collections.abc import Sequence
from pathlib import Path

import nets
import numpy as np
import onnx.printer
import pytest
from fuzz.draft import Graph
from fuzz.graphs import FIRST, graph_of, seeds
from generated import workshop
from hypothesis import Phase, given, settings

import pysofie
from pysofie import _core

# Compiling is what takes the time: graphs are drawn first, and many go into one library. They are the same
# every time, unless a number of graphs is asked for.
COUNT = os.environ.get("PYSOFIE_FUZZ_GRAPHS")
DRAWN, BATCH = int(COUNT or 180), 30
# Operators of ONNX that no random graph has, and why.
ELSEWHERE = {
    "random numbers": {"Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike"}
    | {"RandomUniform", "RandomUniformLike"},
    "no tensors as inputs": {"Constant", "SequenceEmpty"},
    "onnxruntime has it in other versions": {"BitCast", "CumProd", "GlobalLpPool", "MaxRoiPool"}
    | {"Scatter", "Upsample"},
    "inputs of one kind, which have tests of their own": {"MelWeightMatrix", "STFT", "TfIdfVectorizer"},
}
PASSES = (
    "integer_products",
    "drop_unit_axes",
    "fold_constants",
    "fuse_epilogues",
    "fold_scales",
    "hoist_invariants",
    "inline_producers",
    "inline_scalars",
    "distribute_products",
    "remove_dead_code",
    "channels_last",
    "sort_axes",
    "merge_axes",
    "sort_constants",
    "split_batch",
    "block_rows",
)


@functools.cache
def corpus() -> list[Graph]:
    found: list[Graph] = []

    @settings(
        max_examples=DRAWN, derandomize=COUNT is None, database=None, deadline=None, phases=[Phase.generate]
    )
    @given(seeds)
    def collect(seed: int) -> None:
        found.append(graph_of(seed, len(found)))

    collect()
    return found


def differences(graph: Graph, session: pysofie.Session) -> str:
    """What is wrong with the outputs, as text."""
    try:
        for name, output in session.run(graph.feeds).items():
            value = graph.values[name]
            assert (output.dtype, output.shape) == (value.array.dtype, value.shape), name
            tolerance = value.tolerance if output.dtype.kind == "f" else 0
            scale = tolerance * max(value.scale, 1)
            np.testing.assert_allclose(output, value.array, rtol=tolerance, atol=scale, err_msg=name)
    except (AssertionError, pysofie.Error, IndexError) as error:
        feeds = "\n".join(f"{name} = {array!r}" for name, array in graph.feeds.items())
        return f"{onnx.printer.to_text(graph.model())}\n{feeds}\n{error}"
    return ""


def check(batch: Sequence[Graph], folder: Path, *disabled: str) -> None:
    sessions = workshop.sessions([graph.model() for graph in batch], folder, "-O1", disabled_passes=disabled)
    wrong = [differences(*pair) for pair in zip(batch, sessions, strict=True)]
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


def test_no_operator_is_forgotten():
    drawn = {operator for _, operator in FIRST}
    left_out = set().union(*ELSEWHERE.values())
    assert {name for domain, name, _ in pysofie.operators() if not domain} == drawn | left_out
    assert not drawn & left_out
    assert len(FIRST) <= DRAWN
