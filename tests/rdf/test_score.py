"""Files of scores, made by event loops of ROOT."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import support
from rdf import small

import pysofie

pytestmark = [pytest.mark.xdist_group("root"), pytest.mark.root]


def sample(root, path, events, seed=0):
    """A tree whose branches have the names that real ones have."""
    rng = np.random.default_rng(seed)
    names = ["pt", "jet1_b-tag", "phi"]
    columns = {name: rng.standard_normal(events).astype("float32") for name in names}
    root.RDF.FromNumpy(columns).Snapshot("events", str(path), names)
    return columns


def read(uproot, path):
    with uproot.open(path) as file:
        return file["events"]["score"].array(library="np")


@pytest.mark.parametrize("chunk", [700, "2 kB", "16 MB"])
def test_both_engines_give_the_same_scores(root, tmp_path, chunk):
    uproot = pytest.importorskip("uproot", reason="needs uproot: pip install 'pysofie[uproot]'")
    root.DisableImplicitMT()  # with it, the events of the sample would have no order
    parts = [sample(root, tmp_path / f"in{i}.root", events, seed=i) for i, events in enumerate((1000, 1500))]
    root.EnableImplicitMT(4)
    scores = {}
    for engine in ("uproot", "root"):
        path = tmp_path / f"{engine}.root"
        count = pysofie.score(
            small.weighted_sum(), f"{tmp_path}/in*.root:events", path, columns=list(parts[0]), engine=engine,
            chunk=chunk,
        )  # fmt: skip
        assert count == 2500
        scores[engine] = read(uproot, path)
    assert root.IsImplicitMTEnabled()
    np.testing.assert_array_equal(scores["uproot"], scores["root"])
    together = np.concatenate([np.stack(list(part.values()), axis=1) for part in parts])
    np.testing.assert_allclose(scores["root"], together @ [1, 2, 3], rtol=1e-4, atol=1e-5)
    chain = root.TChain("events")
    chain.Add(f"{tmp_path}/in*.root")
    chain.AddFriend("events", str(tmp_path / "root.root"))
    rows = root.RDataFrame(chain).AsNumpy([*parts[0], "score"])
    features = np.stack([rows[name] for name in parts[0]], axis=1)
    np.testing.assert_allclose(rows["score"], features @ [1, 2, 3], rtol=1e-4, atol=1e-5)


def test_several_values_for_each_event(root, tmp_path):
    uproot = pytest.importorskip("uproot", reason="needs uproot: pip install 'pysofie[uproot]'")
    columns = sample(root, tmp_path / "in.root", 100)
    for engine in ("uproot", "root"):
        pysofie.score(
            support.mlp().SerializeToString(), tmp_path / "in.root", tmp_path / f"{engine}.root",
            columns=list(columns), engine=engine,
        )  # fmt: skip
    scores = [read(uproot, tmp_path / f"{engine}.root") for engine in ("uproot", "root")]
    assert scores[0].shape == scores[1].shape == (100, 2)
    np.testing.assert_allclose(scores[0], scores[1], rtol=1e-5, atol=1e-6)


def test_told_to_end_in_an_event_loop(root, tmp_path):
    """ROOT would lose the exception, or the process, if it came while ROOT's own Python code ran."""
    pytest.importorskip("uproot", reason="needs uproot: pip install 'pysofie[uproot]'")
    columns = sample(root, tmp_path / "in.root", 200_000)
    (tmp_path / "net.onnx").write_bytes(small.weighted_sum())
    folder = tmp_path / "out"
    folder.mkdir()
    arguments = ["net.onnx", "in.root", "--columns", ",".join(columns), "-o", "out/scores.root"]
    process = subprocess.Popen(
        [sys.executable, "-m", "pysofie", "score", *arguments, "--engine", "root", "--chunk", "100"],
        cwd=tmp_path, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    deadline = time.monotonic() + 100
    while not any(path.stat().st_size > 2000 for path in folder.iterdir()) and time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.02)
    process.terminate()
    _, errors = process.communicate(timeout=100)
    assert process.returncode == 128 + signal.SIGTERM, errors
    assert list(folder.iterdir()) == []


def test_no_events(root, tmp_path):
    uproot = pytest.importorskip("uproot", reason="needs uproot: pip install 'pysofie[uproot]'")
    with uproot.recreate(tmp_path / "in.root") as file:
        file.mktree("events", {name: "f4" for name in small.PT_ETA_PHI})
    pysofie.score(
        small.weighted_sum(), tmp_path / "in.root", tmp_path / "out.root", columns=small.PT_ETA_PHI,
        engine="root",
    )  # fmt: skip
    assert read(uproot, tmp_path / "out.root").shape == (0,)
