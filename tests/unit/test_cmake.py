"""The wheel is also a C++ package: a project of its own finds it, compiles networks and runs them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest

from pysofie import _core

PROJECT = Path(__file__).parents[1] / "cpp"


# The tools of this environment first, though it may not be activated.
PATH = os.pathsep.join([sysconfig.get_path("scripts"), os.environ.get("PATH", os.defpath)])


@pytest.mark.slow
@pytest.mark.skipif(
    not all(shutil.which(tool, path=PATH) for tool in ("cmake", "ninja")),
    reason="needs CMake and Ninja: pip install cmake ninja",
)
def test_a_project_finds_the_wheel(tmp_path):
    options = [f"-Dpysofie_DIR={Path(_core.__file__).parent / 'lib' / 'cmake' / 'pysofie'}"]
    if "PYSOFIE_ALPAKA_INCLUDE" in os.environ:
        options.append("-DPYSOFIE_COMPONENTS=alpaka")
    run("cmake", "-G", "Ninja", "-S", PROJECT, "-B", tmp_path, *options)
    run("cmake", "--build", tmp_path)
    assert "run_cpu" in run("ctest", "--test-dir", tmp_path, "--output-on-failure")


def run(tool: str, *arguments: str | Path) -> str:
    """Run a tool; what it printed."""
    command = [shutil.which(tool, path=PATH), *arguments]
    environment = {**os.environ, "PATH": PATH}
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout
