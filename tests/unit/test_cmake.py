"""The wheel is also a C++ package: a project of its own finds it, compiles networks and runs them."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from pysofie import _core

PROJECT = Path(__file__).parents[1] / "cpp"


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("cmake") is None, reason="needs CMake: pip install cmake")
def test_a_project_finds_the_wheel(tmp_path):
    options = [f"-Dpysofie_DIR={Path(_core.__file__).parent / 'lib' / 'cmake' / 'pysofie'}"]
    if "PYSOFIE_ALPAKA_INCLUDE" in os.environ:
        options.append("-DPYSOFIE_COMPONENTS=alpaka")
    subprocess.run(["cmake", "-S", PROJECT, "-B", tmp_path, *options], check=True)
    subprocess.run(["cmake", "--build", tmp_path], check=True)
    result = subprocess.run(
        ["ctest", "--output-on-failure"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout
    assert "run_cpu" in result.stdout
