"""The tests of operators, dynamic sizes and all types among them, run for the device targets."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from targets.available import TARGETS, require

FAMILIES = ("products", "elementwise", "reductions", "shape", "storage", "windows")
ALL = bool(os.environ.get("PYSOFIE_ALL_CASES"))


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("family", FAMILIES if ALL else FAMILIES[:1])
def test_family(family, target, tmp_path):
    """One family, as the others take minutes each; all of them with ``PYSOFIE_ALL_CASES=1``."""
    require(target)
    suite = Path(__file__).parents[1] / "unit" / f"test_operators_{family}.py"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"]
    command += ["-c", str(Path(__file__).parents[2] / "pyproject.toml"), str(suite)]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")}
    environment |= {"PYSOFIE_TEST_TARGET": target, "PYTEST_ADDOPTS": "-o addopts=--import-mode=importlib"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr
