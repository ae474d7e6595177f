"""What the tests with ROOT share."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest


@pytest.fixture(scope="session")
def root() -> ModuleType:
    """ROOT, with implicit multi-threading on."""
    module: Any = pytest.importorskip("ROOT", reason="needs ROOT: pip install 'pysofie[root]'")
    module.gROOT.SetBatch(True)
    module.EnableImplicitMT(4)
    return module


@pytest.fixture
def run_python(root: ModuleType, tmp_path: Path) -> Callable[[str], str]:
    """Run Python code in a process of its own, away from the sources; its standard output."""

    def run(code: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run
