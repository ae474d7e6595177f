"""What a user would copy, run as a user would run it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from rdf import clusters

import pysofie
from pysofie.demo import MODEL, area_under_curve, run

TUTORIALS = Path(__file__).parents[2] / "tutorials"
pytestmark = pytest.mark.xdist_group("root")


def run_tutorial(name: str, folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, TUTORIALS / name, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_numpy_tour(tmp_path):
    words = run_tutorial("numpy_tour.py", tmp_path)
    assert "scores:  (1000, 1) float32" in words
    assert "refused: " in words


@pytest.mark.torch
def test_gradients(tmp_path):
    pytest.importorskip("torch", reason="needs PyTorch: pip install 'pysofie[torch]'")
    pytest.importorskip("onnxscript", reason="needs onnxscript: pip install 'pysofie[torch]'")
    words = run_tutorial("gradients.py", tmp_path)
    assert float(re.search(r"from PyTorch's gradients: (\S+)", words).group(1)) < 1e-3
    found = re.findall(r"jets of two prongs (\w+ \w+).*: (\S+) are found", words)
    shares = {how: float(share) for how, share in found}
    assert shares["with all"] > 0.9
    assert shares["without 5"] > 0.85
    assert shares["without the"] < 0.75
    for picture in ("saliency.png", "jet_saliency.png"):
        assert (tmp_path / picture).stat().st_size > 5000


@pytest.mark.root
def test_roofit(root, tmp_path):
    pytest.importorskip("sklearn", reason="needs scikit-learn: pip install 'pysofie[sklearn]'")
    pytest.importorskip("skl2onnx", reason="needs skl2onnx: pip install 'pysofie[sklearn]'")
    words = run_tutorial("roofit.py", tmp_path)
    without, with_gradient = map(int, re.findall(r"(\d+) evaluations", words))
    assert with_gradient < without
    assert int(re.search(r"(\d+) gradients", words).group(1)) > 2
    pattern = r"(\w+): (\S+) \+- (\S+) %; truth (\S+); without gradient (\S+)"
    found = {name: list(map(float, numbers)) for name, *numbers in re.findall(pattern, words)}
    assert set(found) == {"shift", "resolution", "radiation"}
    for value, error, true, other in found.values():
        assert abs(value - true) < 3 * error
        assert abs(value - other) < 0.05 * error
    value, down, up = map(float, re.search(r"scan of the shift: (\S+) (\S+) (\S+) %", words).groups())
    assert value == found["shift"][0]
    assert -down == pytest.approx(found["shift"][1], rel=0.15)
    assert up == pytest.approx(found["shift"][1], rel=0.15)
    assert (tmp_path / "roofit.png").stat().st_size > 5000


@pytest.mark.root
def test_rdataframe(root, tmp_path):
    words = run_tutorial("rdataframe.py", tmp_path)
    counts = dict(re.findall(r"(signal|background): (\d+) of 10000 events", words))
    assert int(counts["signal"]) > 3 * int(counts["background"])
    assert (tmp_path / "higgs_score.png").stat().st_size > 5000


@pytest.mark.root
@pytest.mark.parametrize("backend", ["dask", "spark"])
def test_distributed(root, tmp_path, backend):
    clusters.require(backend)
    words = run_tutorial("distributed_rdataframe.py", tmp_path, "--backend", backend)
    counts = dict(re.findall(r"((?:sig|bkg), (?:all|selected)): (\d+) events", words))
    assert counts["sig, all"] == counts["bkg, all"] == "10000"
    assert int(counts["sig, selected"]) > 2 * int(counts["bkg, selected"]) > 0
    assert (tmp_path / "higgs_mass.png").stat().st_size > 5000


@pytest.mark.root
def test_jets(root, tmp_path):
    words = run_tutorial("jets_particlenet.py", tmp_path)
    counts = dict(re.findall(r"(one prong|two prongs): (\d+) of 10000 jets", words))
    assert int(counts["two prongs"]) > 8000
    assert int(counts["one prong"]) < 1500
    assert int(re.search(r"jets have 0 to (\d+) constituents", words).group(1)) > 32, "none is truncated"
    assert float(re.search(r"ROC curve: ([0-9.]+)", words).group(1)) > 0.94
    assert (tmp_path / "jets_score.png").stat().st_size > 5000


@pytest.mark.root
def test_boosted_decision_trees(root, tmp_path):
    pytest.importorskip("xgboost", reason="needs XGBoost: pip install 'pysofie[xgboost]'")
    words = run_tutorial("bdt_xgboost.py", tmp_path)
    assert float(re.search(r"from XGBoost in 5000 events: (\S+)", words).group(1)) < 1e-5
    assert float(re.search(r"ROC curve: ([0-9.]+)", words).group(1)) > 0.77
    assert (tmp_path / "bdt_score.png").stat().st_size > 5000


@pytest.mark.root
def test_folds_and_systematics(root, tmp_path):
    pytest.importorskip("sklearn", reason="needs scikit-learn: pip install 'pysofie[sklearn]'")
    pytest.importorskip("skl2onnx", reason="needs skl2onnx: pip install 'pysofie[sklearn]'")
    words = run_tutorial("folds_and_systematics.py", tmp_path)
    assert float(re.search(r"from scikit-learn: (\S+)", words).group(1)) < 1e-5
    assert float(re.search(r"cross evaluated: ([0-9.]+)", words).group(1)) > 0.68
    for kind in ("sig", "bkg"):
        pattern = rf"{kind}: (\d+) events have a score above 0.7; (\d+) and (\d+) with"
        nominal, down, up = map(int, re.search(pattern, words).groups())
        assert 0 < down < nominal < up
    assert (tmp_path / "jet_energy_scale.png").stat().st_size > 5000


@pytest.mark.root
def test_custom_operator(root, tmp_path):
    words = run_tutorial("custom_operator.py", tmp_path)
    pattern = r"(Z bosons|background): mean mass ([0-9.]+) GeV, text and composition differ by (\S+)"
    found = {kind: (float(mean), float(difference)) for kind, mean, difference in re.findall(pattern, words)}
    assert 88 < found["Z bosons"][0] < 94
    assert all(difference < 1e-3 for _, difference in found.values())
    assert float(re.search(r"the masses change by (\S+)", words).group(1)) < 1e-3
    assert (tmp_path / "dilepton_mass.png").stat().st_size > 5000


@pytest.mark.root
@pytest.mark.parametrize("how", ["", "+O"], ids=["interpreted", "compiled"])
def test_macro(root, tmp_path, how):
    pysofie.emit(MODEL, tmp_path, dims={"batch": 1})
    shutil.copy(TUTORIALS / "rdataframe.C", tmp_path)
    program = Path(sys.prefix) / "bin" / "root"
    config = [sys.executable, "-m", "pysofie", "config", "--include"]
    headers = subprocess.run(config, capture_output=True, text=True, check=True).stdout.strip()
    include = os.pathsep.join([str(tmp_path), headers])
    done = subprocess.run(
        [program, "-l", "-b", "-q", f"rdataframe.C{how}"],
        cwd=tmp_path,
        env={**os.environ, "ROOT_INCLUDE_PATH": include},
        capture_output=True,
        text=True,
        check=False,
    )
    words = done.stdout + done.stderr
    means = dict(re.findall(r"(signal|background): mean score ([0-9.]+)", words))
    assert set(means) == {"signal", "background"}, words
    assert float(means["signal"]) > float(means["background"]) + 0.2
    assert (tmp_path / "higgs_score.png").stat().st_size > 5000
    score = pysofie.compile(MODEL)([[1.0] * 28])[0, 0]
    assert f"score of a made-up event: {score:.4f}" in words


@pytest.mark.root
@pytest.mark.torch
def test_training(root, tmp_path):
    pytest.importorskip("torch", reason="needs PyTorch: pip install 'pysofie[torch]'")
    pytest.importorskip("onnxscript", reason="needs onnxscript: pip install 'pysofie[torch]'")
    words = run_tutorial("train_higgs.py", tmp_path, "--epochs", "2", "--output", "quick.onnx")
    assert float(re.search(r"held-out events: ([0-9.]+)", words).group(1)) > 0.65
    assert pysofie.load(tmp_path / "quick.onnx").feature_names == pysofie.load(MODEL).feature_names


@pytest.mark.root
def test_demo(root, tmp_path):
    steps: list[str] = []
    report = run(tmp_path / "new" / "higgs.png", threads=2, step=steps.append)
    assert len(steps) == 4
    assert report.compared == 20_000
    assert report.held_out == 5_000
    assert report.difference < 1e-5
    assert 0.77 < report.area < 0.80
    assert report.rate > 10_000
    assert report.picture.read_bytes().startswith(b"\x89PNG")


def test_area_under_curve():
    assert area_under_curve([2, 3], [0, 1]) == 1
    assert area_under_curve([0, 1], [2, 3]) == 0
    assert area_under_curve([1, 1], [1]) == 0.5
