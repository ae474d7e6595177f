"""The wheel is also a C++ package: a project of its own finds it, compiles networks and runs them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sysconfig
from pathlib import Path

import nets
import numpy as np
import onnx
import pytest

import pysofie
from pysofie import _core

TESTS = Path(__file__).parents[1]
CONFIG = f"-Dpysofie_DIR={Path(_core.__file__).parent / 'lib' / 'cmake' / 'pysofie'}"

# The tools of this environment first, though it may not be activated.
PATH = os.pathsep.join([sysconfig.get_path("scripts"), os.environ.get("PATH", os.defpath)])

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not all(shutil.which(tool, path=PATH) for tool in ("cmake", "ninja")),
        reason="needs CMake and Ninja: pip install cmake ninja",
    ),
]


def test_a_project_finds_the_wheel(tmp_path):
    options = [CONFIG]
    if "PYSOFIE_ALPAKA_INCLUDE" in os.environ:
        options.append("-DPYSOFIE_COMPONENTS=alpaka")
    run("cmake", "-G", "Ninja", "-S", TESTS / "cpp", "-B", tmp_path, *options)
    run("cmake", "--build", tmp_path)
    words = run("ctest", "--test-dir", tmp_path, "--output-on-failure")
    assert "run_mlp_cpu" in words
    assert "run_custom_cpu" in words


@pytest.fixture
def project(tmp_path) -> Path:
    """A project that emits its models when it is built."""
    folder = tmp_path / "project"
    shutil.copytree(TESTS / "cmake", folder)
    onnx.save(nets.dynamic_mlp(), folder / "net.onnx")
    return folder


@pytest.mark.parametrize(
    "target",
    [
        "cpu",
        pytest.param(
            "alpaka",
            marks=pytest.mark.skipif(
                "PYSOFIE_ALPAKA_INCLUDE" not in os.environ,
                reason="needs alpaka: set PYSOFIE_ALPAKA_INCLUDE to the folder of alpaka/alpaka.hpp",
            ),
        ),
    ],
)
def test_models_are_emitted_when_they_change(project, target):
    build = project / "build"
    run("cmake", "-G", "Ninja", "-S", project, "-B", build, CONFIG, f"-DMODEL_TARGET={target}")
    assert "Emitting the code of net.onnx" in run("cmake", "--build", build)
    first = scores(build)
    expected = score(project / "net.onnx")
    assert first == pytest.approx([expected, expected], rel=0.02)
    assert first[0] == pytest.approx(expected, rel=1e-5)
    assert "no work to do" in run("cmake", "--build", build)

    other = nets.dynamic_mlp()
    other.graph.initializer[0].CopyFrom(onnx.numpy_helper.from_array(nets.constant(7, 16, seed=5), "w0"))
    onnx.save(other, project / "net.onnx")
    assert "Emitting the code of net.onnx" in run("cmake", "--build", build)
    assert scores(build)[0] == pytest.approx(score(project / "net.onnx"), rel=1e-5)
    assert abs(scores(build)[0] - expected) > 1e-3


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("pysofie_add_model(net net.onnx NAME 2jets)", "NAME a word of letters"),
        ("pysofie_add_model(net net.onnx TARGET sycl)", "COMPONENTS sycl"),
        ("pysofie_add_model(net net.onnx INLIEN)", "unknown arguments INLIEN"),
        ("set(PYSOFIE_EXECUTABLE nowhere)\npysofie_add_model(net net.onnx)", "pip install pysofie"),
    ],
)
def test_mistakes_are_clear_errors(project, line, words):
    (project / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.24)\nproject(mistaken LANGUAGES CXX)\n"
        f"find_package(pysofie REQUIRED)\n{line}\n"
    )
    result = start("cmake", "-G", "Ninja", "-S", project, "-B", project / "build", CONFIG)
    assert result.returncode != 0
    assert words in " ".join(result.stderr.split())


def score(model: Path) -> float:
    event = np.arange(1, 8, dtype="float32")[None]
    return float(pysofie.compile(model)(event)[0, 0])


def scores(build: Path) -> list[float]:
    printed = subprocess.run([build / "program" / "program"], capture_output=True, text=True, check=True)
    return [float(number) for number in printed.stdout.split()]


def run(tool: str, *arguments: str | Path) -> str:
    """Run a tool; what it printed."""
    result = start(tool, *arguments)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def start(tool: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [shutil.which(tool, path=PATH), *arguments]
    environment = {**os.environ, "PATH": PATH}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
