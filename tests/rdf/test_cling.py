"""Machines with ROOT and no compiler: Cling compiles the model."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import support
from rdf import small

import pysofie
from pysofie.demo import MODEL
from rdf_helpers import cling

pytestmark = [pytest.mark.root, pytest.mark.xdist_group("root")]


@pytest.fixture(scope="module")
def session(root):
    return pysofie.compile(MODEL, compiler="cling")


@pytest.fixture(scope="module")
def events():
    return np.random.default_rng(3).uniform(0.2, 2, (500, 28)).astype("float32")


def test_the_session_is_the_same(session, events):
    reference = pysofie.compile(MODEL)
    np.testing.assert_allclose(session(events), reference(events), rtol=1e-5, atol=1e-6)


def test_in_a_data_frame(root):
    score = pysofie.functor(small.weighted_sum(), columns=["a", "b", "c"], compiler="cling")
    frame = root.RDF.FromNumpy({name: np.arange(50, dtype="float32") for name in "abc"})
    scores = frame.Define("score", score).AsNumpy(["score"])["score"]
    np.testing.assert_array_equal(np.sort(scores), 6 * np.arange(50))


def test_models_of_one_name_side_by_side(root):
    first, second = (
        pysofie.compile(small.weighted_sum(weights=weights), compiler="cling") for weights in [(1, 1), (2, 3)]
    )
    x = np.ones((1, 2), "float32")
    assert first(x) == 2
    assert second(x) == 5
    assert pysofie.compile(small.weighted_sum(weights=(1, 1)), compiler="cling")(x) == 2


def test_it_stands_in_for_a_missing_compiler(root, monkeypatch):
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.delenv("CXX", raising=False)
    session = pysofie.compile(support.mlp())
    x = np.ones((2, 3), "float32")
    np.testing.assert_allclose(session(x), support.mlp_reference(x), rtol=1e-5)


def test_a_compiler_that_was_asked_for_has_no_stand_in(monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(pysofie.CompileError, match="no-such-compiler"):
        pysofie.compile(support.mlp())


def test_other_targets_are_refused(root):
    with pytest.raises(pysofie.UnsupportedError, match="'cpu'"):
        pysofie.compile(support.mlp(), target="sycl", compiler="cling")


def test_the_words_of_cling_and_the_source(root):
    with pytest.raises(pysofie.CompileError, match=r"kept in (\S+\.hxx)(.|\n)*nonsense") as caught:
        cling.declare("int pysofie_test = nonsense;")
    assert "nonsense" in caught.value.log
    assert caught.value.source.read_text() == "int pysofie_test = nonsense;"
    caught.value.source.unlink()


MACROS = """
import ROOT, pysofie
from pysofie.demo import MODEL
ROOT.gInterpreter.Declare("#define SOFIE_VECTOR_BYTES 3")
pysofie.compile(MODEL, compiler="cling")
gone = ["PYSOFIE_SHARED_LIBRARY", "PYSOFIE_GET_MODEL", "__AVX2__", "__FMA__", "__AVX512F__"]
assert ROOT.gInterpreter.Declare(
    "#if SOFIE_VECTOR_BYTES != 3\\n#error changed\\n#endif\\n"
    + "".join(f"#ifdef {macro}\\n#error {macro}\\n#endif\\n" for macro in gone)
)
"""


def test_macros_are_as_they_were(run_python):
    """A user's macro keeps its value, and nothing else is left behind."""
    run_python(MACROS)


def test_registers_are_allocated_with_care_where_there_is_no_compiler(run_python, monkeypatch):
    monkeypatch.delenv("CXX", raising=False)
    show = "import pysofie, os; print(os.environ.get('EXTRA_CLING_ARGS'))"
    monkeypatch.setenv("EXTRA_CLING_ARGS", "-DSOMETHING")
    assert run_python(show).strip() == "-DSOMETHING"
    monkeypatch.setenv("PATH", "/nonexistent")
    assert run_python(show).strip() == "-DSOMETHING -mllvm -optimize-regalloc"


def test_threads_declare_once(root):
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(cling.declare, ["struct pysofie_test_declared_once {};"] * 8))


@pytest.mark.parametrize(
    ("flags", "width"),
    [
        ({"avx2", "fma", "avx512f", "avx512dq", "avx512vl", "avx512bw"}, 64),
        ({"avx2", "fma", "avx512f", "avx512dq", "avx512vl", "avx512bw", "avx512_vnni", "avx512_bf16"}, 64),
        ({"avx2", "fma", "avx512f"}, 32),
        ({"avx2", "fma", "avx_vnni"}, 32),
        ({"avx"}, 16),
        (set(), 16),
    ],
)
def test_vector_features(flags, width):
    features, found = cling.vector_features(flags)
    assert found == width
    assert set(features) <= {flag.replace("_", "") for flag in flags}


def test_programs_of_root_are_not_told_what_cling_is(session):
    """rootcling, which compiles macros, refuses the arguments."""
    assert "-optimize-regalloc" not in os.environ.get("EXTRA_CLING_ARGS", "")
