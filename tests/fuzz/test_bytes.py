"""Damaged model files are refused with an error of pysofie, or taken if they still are models."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.mark.parametrize("seed", [1, 2])
def test_damaged_files(seed, tmp_path):
    done = subprocess.run(
        [sys.executable, str(HERE / "mutate.py"), str(seed)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(HERE.parent)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, f"{tmp_path / 'last.onnx'}: {done.stderr}"
    refused, taken = map(int, done.stdout.split())
    assert refused > taken > 0
