"""The benchmarks run from the command line to table, JSON and picture."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from support import mlp

ROOT = Path(__file__).parents[2]


def test_one_model(tmp_path):
    pytest.importorskip("onnxruntime", reason="needs onnxruntime (pip install 'pysofie[bench]')")
    pytest.importorskip("matplotlib", reason="needs matplotlib (pip install 'pysofie[bench]')")
    onnx.save(mlp(), tmp_path / "small.onnx")
    np.savez(tmp_path / "small.npz", **{"c0.in.x": np.ones((1, 3), "float32")})
    (tmp_path / "index.json").write_text('[{"name": "small", "flops": 40, "flops_partial": false}]')
    options = ["small", "--zoo", str(tmp_path), "--batch", "1", "5", "--rounds", "2", "--seconds", "0.01"]
    command = [sys.executable, "-m", "benchmarks", *options, "--output", str(tmp_path / "out")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "small x 5" in done.stdout
    report = json.loads((tmp_path / "out" / "results.json").read_text())
    assert [result["model"] for result in report["results"]] == ["small x 1", "small x 5"]
    for result in report["results"]:
        assert result["error"] < 1e-5
        assert 0 < result["loop"] < result["latency"]["onnxruntime"]["median"]
    assert (tmp_path / "out" / "results.png").stat().st_size > 0
