"""The suites of the cpu target, crossed over the targets that can run here."""

from __future__ import annotations

import functools
import os

import pytest
import zoo
from conformance import suite
from targets.available import TARGETS, require

import pysofie
from pysofie.compile import compile_many

# One library for so many cases: the device pass costs seconds, whatever the number of its kernels.
GROUP = 40
ZOO = ("higgs_mlp_b1", "double_mlp", "axol1tl_encoder", "pfn_deepsets", "jet_image_cnn", "gn2_tagger")


@functools.cache
def representatives() -> list[str]:
    """For every operator the smallest case that has it, and for every case all of its operators."""
    runnable = [case for case in suite.cases().values() if suite.refusal(case) is None]
    runnable.sort(key=lambda case: (len(case.operators), len(case.content), case.name))
    chosen = {}
    for operator in sorted(set().union(*(case.operators for case in runnable))):
        case = next(case for case in runnable if operator in case.operators)
        chosen[case.name] = case
    return sorted(chosen)


def cases() -> list[str]:
    """What is run: all cases if `PYSOFIE_ALL_CASES` is set, else one for each operator."""
    if os.environ.get("PYSOFIE_ALL_CASES"):
        return [name for name, case in suite.cases().items() if suite.refusal(case) is None]
    return representatives()


def groups() -> dict[str, tuple[str, ...]]:
    names = cases()
    chunks = [tuple(names[i : i + GROUP]) for i in range(0, len(names), GROUP)]
    return {name: chunk for chunk in chunks for name in chunk}


@functools.cache
def compiled(target: str, names: tuple[str, ...]) -> dict:
    return suite.compile_group(names, target)


def crossed() -> list:
    """Every target with every case; a group is compiled by the one process that runs its cases."""
    return [
        pytest.param(target, name, marks=pytest.mark.xdist_group(f"{target} {group[0]}"))
        for target in TARGETS
        for name, group in groups().items()
    ]


@pytest.mark.parametrize(("target", "name"), crossed())
def test_operator(target, name):
    require(target)
    case = compiled(target, groups()[name])[name]
    if isinstance(case, Exception):
        raise case
    suite.check(suite.cases()[name], case)


def models() -> list[str]:
    """What is run: the whole zoo if `PYSOFIE_ALL_CASES` is set, else some of it."""
    return [name for name in zoo.names() if name in ZOO or os.environ.get("PYSOFIE_ALL_CASES")]


@functools.cache
def compiled_models(target: str) -> dict[str, pysofie.Session]:
    sessions = compile_many([zoo.path(name) for name in models()], target=target)
    return dict(zip(models(), sessions, strict=True))


@pytest.mark.skipif(not zoo.exists(), reason=zoo.MISSING)
@pytest.mark.parametrize(
    ("target", "name"),
    [
        pytest.param(target, name, marks=pytest.mark.xdist_group(f"{target} zoo"))
        for target in TARGETS
        for name in models()
    ],
)
def test_model(target, name):
    require(target)
    zoo.check(name, compiled_models(target)[name])
