"""The arena: blocks that are alive together do not overlap, and little is wasted."""

from __future__ import annotations

import itertools
import subprocess
from pathlib import Path

import nets
import numpy as np
import pytest
import support
from hypothesis import given, settings
from hypothesis import strategies as st
from native import SANITIZERS, program

import pysofie
from pysofie.memory import memory_plan

SOURCE = Path(__file__).with_name("arena.cpp")
BLOCKS = st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 12), st.integers(0, 6)), max_size=25)


def overlap(a, b):
    """Whether two (first, last, offset, bytes) are at one place at one time."""
    together = a[0] <= b[1] and b[0] <= a[1]
    return together and a[2] < b[2] + b[3] and b[2] < a[2] + a[3]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A function that places blocks: arena, bound and offsets."""
    command = [str(program(SOURCE, tmp_path_factory.mktemp("arena"), *SANITIZERS))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:

        def run(blocks):
            print(len(blocks), *itertools.chain(*blocks), file=process.stdin, flush=True)
            arena, most, *offsets = map(int, process.stdout.readline().split())
            return arena, most, offsets

        yield run


@settings(deadline=None, max_examples=300)
@given(BLOCKS)
def test_placement(place, drawn):
    blocks = sorted(((size, first, first + length) for size, first, length in drawn), key=lambda b: b[1])
    arena, most, offsets = place(blocks)
    aligned = [-(-size // 64) * 64 for size, _, _ in blocks]
    places = [(b[1], b[2], o, size) for b, o, size in zip(blocks, offsets, aligned, strict=True)]
    assert not any(overlap(a, b) for a, b in itertools.combinations(places, 2))
    assert all(offset % 64 == 0 for offset in offsets)
    assert arena == max((offset + size for _, _, offset, size in places), default=0)
    alive = [sum(s for f, last, _, s in places if f <= kernel <= last) for kernel in range(20)]
    assert most == max(alive)
    assert arena >= most


@pytest.mark.parametrize("n", [1, 5, 64])
def test_the_plan_is_that_of_the_session(n):
    model = pysofie.load(nets.recurrent())
    session = pysofie.compile(model)
    session.run({"x": np.ones((n, 3), "float32"), "weight": np.ones(n, "float32")})
    plan = memory_plan(model, {"n": n})
    assert plan.sizes == {"n": n}
    assert session.arena_bytes == plan.arena_bytes


def test_bounds_make_one_plan():
    plan = memory_plan(pysofie.load(support.mlp(), dims={"batch": (0, 64)}))
    assert plan.sizes == {}
    assert plan.arena_bytes == plan.lower_bound == 64 * 4 * 4
