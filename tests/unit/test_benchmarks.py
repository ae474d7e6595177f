"""The benchmarks run from the command line to tables, JSON, pictures and README."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from support import mlp

ROOT = Path(__file__).parents[2]
ROW = re.compile(r"\| (\*\*all\*\*|\w+) \| \d+ \| [\d.]+x \| [\d.]+x \| [\d.]+x \|")

pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec(package) is None, reason=f"needs {package} ({install})")
    for package, install in (
        ("onnxruntime", "pip install 'pysofie[bench]'"),
        ("matplotlib", "pip install 'pysofie[bench]'"),
    )
]


def run(folder, *options):
    command = [sys.executable, "-m", "benchmarks", "--zoo", str(folder), "--output", str(folder / "out")]
    command += ["--rounds", "2", "--seconds", "0.01", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """A zoo of two models, one of which no engine but pysofie's peers refuses, after a run."""
    folder = tmp_path_factory.mktemp("zoo")
    for name, batch in (("small", "batch"), ("fixed", 2)):
        onnx.save(mlp(batch), folder / f"{name}.onnx")
        x = np.ones((1 if batch == "batch" else 2, 3), "float32")
        np.savez(folder / f"{name}.npz", **{"c0.in.x": x, "c1.in.x": np.zeros((4, 3), "float32")})
    entries = [{"name": n, "kind": "MLP", "flops": 40, "flops_partial": False} for n in ("small", "fixed")]
    (folder / "index.json").write_text(json.dumps(entries))
    output = run(folder, "--batch", "1", "5", "--engines", "pysofie", "onnxruntime", "aotinductor")
    return folder, output


def results(folder):
    content = json.loads((folder / "out" / "results.json").read_text())
    return {entry["label"]: entry for entry in content["results"]}


def test_every_size_of_every_model(measured):
    folder, output = measured
    entries = results(folder)
    assert list(entries) == ["fixed", "small x 1", "small x 5"]
    assert "geometric mean" in output
    for label, entry in entries.items():
        assert label in output
        assert entry["faster"] > 0
        ours = entry["result"]["engines"]["pysofie"]
        assert ours["error"] < 1e-5
        assert 0 < entry["result"]["plain"] <= 1.5 * ours["latency"]["loop"]["median"]
        assert ours["latency"]["python"]["median"] <= ours["latency"]["python"]["p99"]
        assert ours["arena"] <= 1.05 * ours["arena_bound"]
        assert set(entry["result"]["scaling"]) == {"scaling_cpp", "scaling_python"}
    for picture in ("speed-ups.png", "latencies.png"):
        assert (folder / "out" / picture).stat().st_size > 0


def test_what_does_not_run_is_shown(measured):
    folder, output = measured
    if importlib.util.find_spec("torch") is None:
        assert "aotinductor is not installed and left out: pip install torch" in output
    else:
        assert "make_zoo.py" in results(folder)["fixed"]["result"]["failed"]["aotinductor"]
        assert "AOTI" in output


def test_a_run_goes_on(measured):
    folder, _ = measured
    before = results(folder)
    run(folder, "--batch", "1", "5", "7", "--engines", "pysofie", "onnxruntime", "aotinductor")
    after = results(folder)
    assert {label: after[label] for label in before} == before
    assert set(after) - set(before) == {"small x 7"}


def test_readme_is_written(measured, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(ROOT)
    from benchmarks import readme
    from benchmarks.results import Result

    folder, _ = measured
    (tmp_path / "docs").mkdir()
    (tmp_path / "README.md").write_text(f"before\n{readme.BEGIN}\nold\n{readme.END}\nafter\n")
    content = json.loads((folder / "out" / "results.json").read_text())
    readme.write([Result.of(entry["result"]) for entry in content["results"]], content["heading"], tmp_path)
    text = (tmp_path / "README.md").read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "old" not in text
    assert [bool(ROW.fullmatch(row)) for row in rows(text)] == [True, True]
    assert "| small x 5 |" in (tmp_path / "docs" / "benchmarks.md").read_text()
    assert (tmp_path / "docs" / "benchmark.png").stat().st_size > 0


def test_readme_of_the_project(monkeypatch):
    monkeypatch.syspath_prepend(ROOT)
    from benchmarks import readme

    text = (ROOT / "README.md").read_text()
    section = text.partition(readme.BEGIN)[2].partition(readme.END)[0]
    assert readme.END in text
    assert all(ROW.fullmatch(row) for row in rows(section))


def rows(text):
    """The rows of the benchmark's table, without its head."""
    head = text.partition("|---|---:|---:|---:|---:|\n")[2]
    return [line for line in head.splitlines() if line.startswith("|")]
