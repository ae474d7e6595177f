"""The models of a cross-validation as one column."""

from __future__ import annotations

import pickle

import awkward as ak
import numpy as np
import pytest
from rdf import small

import pysofie

pytestmark = [pytest.mark.root, pytest.mark.xdist_group("root")]


def models(count=2):
    return [small.weighted_sum(weights=(fold + 1, 0)) for fold in range(count)]


@pytest.fixture
def frame(root):
    return (
        root.RDataFrame(100)
        .Define("event", "1000 + int(rdfentry_)")
        .Define("x", "0.5f * rdfentry_")
        .Define("jets", "ROOT::RVec<float>(rdfentry_ % 3, x)")
        .Define("fold", "event % 3")
    )


def test_each_event_has_its_model(frame):
    score = pysofie.fold(models(), by="event % 2", columns=["x", "x"])
    taken = frame.Define("y", score).AsNumpy(["event", "x", "y"])
    np.testing.assert_array_equal(taken["y"], taken["x"] * (1 + taken["event"] % 2))
    np.testing.assert_array_equal(score(taken), taken["y"])
    assert score.columns == ["x", "event"]


def test_by_a_column_and_with_lists(frame):
    score = pysofie.fold(
        models(3), by="fold", columns=["jets", "x"], preprocess=pysofie.Preprocessing(scale=2)
    )
    taken = frame.Define("y", score).AsNumpy(["event", "fold", "x", "jets", "y"])
    columns = {name: ak.Array([list(row) for row in taken[name]]) for name in ("jets", "y")}
    expected = 2 * columns["jets"] * (taken["fold"] + 1)
    assert ak.to_list(columns["y"]) == ak.to_list(expected)
    on_arrays = score({"jets": columns["jets"], "x": taken["x"], "fold": taken["fold"]})
    assert ak.to_list(on_arrays) == ak.to_list(expected)


def test_variations_reach_models_and_folds(root, frame):
    score = pysofie.fold(models(), by="event % 2", columns=["x", "x"])
    varied = frame.Vary("event", "ROOT::RVec<int>{event + 1}", ["next"]).Define("y", score)
    sums = root.RDF.Experimental.VariationsFor(varied.Sum("y"))
    x = 0.5 * np.arange(100)
    assert sums["nominal"] == np.sum(x * (1 + np.arange(100) % 2))
    assert sums["event:next"] == np.sum(x * (2 - np.arange(100) % 2))


def test_a_copy_of_another_process(frame):
    score = pickle.loads(pickle.dumps(pysofie.fold(models(), by="event % 2", columns=["x", "x"])))
    taken = frame.Define("y", score).AsNumpy(["event", "x", "y"])
    np.testing.assert_array_equal(taken["y"], taken["x"] * (1 + taken["event"] % 2))


def test_an_event_that_chooses_no_model(frame):
    score = pysofie.fold(models(), by="event % 4", columns=["x", "x"])
    with pytest.raises(Exception, match=r"an event chooses model [23] of 2"):
        frame.Define("y", score).Sum("y").GetValue()
    with pytest.raises(pysofie.ShapeError, match="event 2 chooses model 2 of 2"):
        score({"x": np.ones(4), "event": np.arange(4)})


def test_models_that_differ():
    with pytest.raises(pysofie.Error, match=r"fold: the models differ in their inputs: .*2\] and .*3\]"):
        pysofie.fold([*models(1), small.weighted_sum()], by="event % 2")
    with pytest.raises(pysofie.Error, match="at least one model"):
        pysofie.fold([], by="event")


def test_expressions_that_are_wrong(frame):
    with pytest.raises(pysofie.Error, match=r"by='event %% 2' is refused by ROOT: .*expected expression"):
        frame.Define("y", pysofie.fold(models(), by="event %% 2", columns=["x", "x"]))
    with pytest.raises(pysofie.Error, match="'nothing', which the data frame does not have"):
        frame.Define("y", pysofie.fold(models(), by="nothing", columns=["x", "x"]))
    with pytest.raises(pysofie.Error, match="'jets' holds a list"):
        frame.Define("y", pysofie.fold(models(), by="jets", columns=["x", "x"]))
    score = pysofie.fold(models(), by="std::abs(event) % 2", columns=["x", "x"])
    assert frame.Define("y", score).Count().GetValue() == 100
    with pytest.raises(pysofie.Error, match=r"on arrays, .* is not understood"):
        score({"x": np.ones(1), "event": np.ones(1, int)})
