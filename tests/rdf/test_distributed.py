"""Distributed data frames give what local ones give, and each worker compiles for itself."""

from __future__ import annotations

import pickle

import numpy as np
import onnx
import pytest
from rdf import clusters, small

import pysofie

pytestmark = [pytest.mark.root, pytest.mark.xdist_group("root")]


@pytest.fixture(scope="module", params=["dask", "spark"])
def cluster(request, root, tmp_path_factory):
    running = clusters.Cluster(request.param, tmp_path_factory.mktemp(request.param))
    yield running
    running.stop()


@pytest.fixture(scope="module")
def sample(root, tmp_path_factory):
    """A file of 1000 events: pt is a float, eta a double, phi an int."""
    path = str(tmp_path_factory.mktemp("sample") / "events.root")
    events = (
        root.RDataFrame(1000)
        .Define("entry", "rdfentry_")
        .Define("pt", "0.25f * rdfentry_")
        .Define("eta", "double(rdfentry_) - 50.")
        .Define("phi", "int(rdfentry_ % 7)")
    )
    events.Snapshot("events", path)
    return path


@pytest.fixture
def frames(root, cluster, sample):
    """The same events on the cluster, in three tasks, and on this machine."""
    far = root.RDataFrame("events", sample, executor=cluster.executor, npartitions=3)
    return far, root.RDataFrame("events", sample)


@pytest.fixture
def score(root):
    return pysofie.functor(small.weighted_sum(), columns=small.PT_ETA_PHI)


def column(frame, name):
    arrays = frame.AsNumpy(["entry", name])
    return [np.asarray(arrays[name][i]) for i in np.argsort(arrays["entry"])]


def contents(histogram):
    return [histogram.GetBinContent(i) for i in range(histogram.GetNbinsX() + 2)]


def test_scores_are_those_of_a_local_frame(frames, score):
    far, near = (column(frame.Define("score", score), "score") for frame in frames)
    np.testing.assert_array_equal(far, near)
    assert len(far) == 1000
    assert far[10].dtype == np.float32


def test_vectors(frames):
    sums = pysofie.functor(small.two_inputs(), columns={"jets": ["pt", "eta"], "met": "phi"}, output="sums")
    far, near = (column(frame.Define("sums", sums), "sums") for frame in frames)
    np.testing.assert_array_equal(far, near)
    assert far[10].shape == (2,)


def test_the_score_is_a_column_like_any_other(frames, score):
    results = []
    for frame in frames:
        scored = frame.Define("score", score).Filter("score > 500 && pt < 200").Define("half", "score / 2")
        histogram = scored.Histo1D(("", "", 40, 0, 1000), "half")
        results.append((scored.Count().GetValue(), scored.Max("score").GetValue(), contents(histogram)))
    assert results[0] == results[1]
    assert 0 < results[0][0] < 1000


def test_redefine_and_columns_given_late(frames):
    score = pysofie.functor(small.weighted_sum())
    far, near = (
        column(frame.Alias("x", "pt").Redefine("pt", score, ["x", "eta", "phi"]), "pt") for frame in frames
    )
    np.testing.assert_array_equal(far, near)


def test_variations(root, frames, score):
    variations = root.RDF.Distributed.VariationsFor, root.RDF.Experimental.VariationsFor
    means = []
    for frame, variations_for in zip(frames, variations, strict=True):
        varied = frame.Vary("pt", "ROOT::RVecF{0.5f * pt, 2 * pt}", ["down", "up"]).Define("score", score)
        results = variations_for(varied.Histo1D(("", "", 10, 0, 5000), "score"))
        means.append([results[name].GetMean() for name in ("nominal", "pt:down", "pt:up")])
    assert means[0] == pytest.approx(means[1])
    assert len(set(means[0])) == 3


def test_snapshot(root, frames, score, tmp_path):
    far, near = (
        frame.Define("score", score).Snapshot("scored", str(tmp_path / name), ["entry", "score"])
        for frame, name in zip(frames, ["far.root", "near.root"], strict=True)
    )
    np.testing.assert_array_equal(column(far, "score"), column(near, "score"))


def test_wrong_columns_are_refused_before_anything_is_sent(frames, score):
    far, _ = frames
    with pytest.raises(pysofie.Error, match="needs column 'mass', which the data frame does not have"):
        far.Define("score", score, ["pt", "eta", "mass"])
    with pytest.raises(pysofie.ShapeError, match="takes 3 values per event, got 2 columns"):
        far.Define("score", score, ["pt", "eta"])
    assert far.Define("score", score).Count().GetValue() == 1000


def test_racing_workers_compile_once(cluster, frames):
    before = cluster.compilations()
    score = pysofie.functor(small.weighted_sum(weights=(5, 7, 11)), columns=small.PT_ETA_PHI)
    assert cluster.compilations() == before
    far, near = (column(frame.Define("score", score), "score") for frame in frames)
    np.testing.assert_array_equal(far, near)
    assert cluster.compilations() == before + 1


@pytest.mark.parametrize("cluster", ["dask"], indirect=True)  # where running workers can be told to change
def test_a_worker_without_a_compiler_uses_cling(cluster, frames):
    before = cluster.compilations()
    score = pysofie.functor(small.weighted_sum(weights=(13, 17, 19)), columns=small.PT_ETA_PHI)
    with cluster.environment({"PATH": "/nonexistent", "CXX": ""}):
        far = column(frames[0].Define("score", score), "score")
    np.testing.assert_array_equal(far, column(frames[1].Define("score", score), "score"))
    assert cluster.compilations() == before


def test_a_model_with_external_data_travels_whole(frames, tmp_path):
    proto = onnx.ModelProto.FromString(small.weighted_sum(weights=(23, 29, 31)))
    path = tmp_path / "model.onnx"
    onnx.save_model(proto, path, save_as_external_data=True, location="weights", size_threshold=0)
    score = pysofie.functor(path, columns=small.PT_ETA_PHI)
    far, near = (frame.Define("score", score).Sum("score").GetValue() for frame in frames)
    assert far == pytest.approx(near, rel=1e-6)


def test_a_functor_is_as_large_as_its_model(score):
    assert len(pickle.dumps(score)) < len(small.weighted_sum()) + 1000


def test_a_process_has_one_functor_however_often_it_comes(score):
    words = pickle.dumps(score)
    assert pickle.loads(words) is pickle.loads(words)


@pytest.mark.parametrize("cluster", ["dask"], indirect=True)  # where running workers can be told to change
def test_what_is_wrong_on_a_worker_is_said_where_the_frame_runs(cluster, frames):
    score = pysofie.functor(small.weighted_sum(weights=(37, 41, 43)), columns=small.PT_ETA_PHI)
    scored = frames[0].Define("score", score)
    with (
        cluster.environment({"CXX": "no-such-compiler"}),
        pytest.raises(pysofie.CompileError, match="no-such-compiler"),
    ):
        scored.Sum("score").GetValue()
    assert scored.Sum("score").GetValue() > 0
