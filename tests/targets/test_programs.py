"""C++ programs with device pointers and queues of their own: the tutorials; and what the compilers say."""

from __future__ import annotations

import subprocess
from importlib import import_module
from pathlib import Path

import pytest
import support
from targets.available import TARGETS, require, require_alpaka

import pysofie
from pysofie.errors import CompileError
from pysofie.toolchains import alpaka, host, sycl

ROOT = Path(__file__).parents[2]
WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"]


@pytest.mark.parametrize("target", TARGETS)
def test_tutorial(target, tmp_path):
    require(target)
    pysofie.emit(ROOT / "pysofie" / "data" / "higgs.onnx", tmp_path, target=target)
    source = ROOT / "tutorials" / f"{target}_session.cpp"
    program = tmp_path / "program"
    import_module(f"pysofie.toolchains.{target}").build(source, program, [f"-I{tmp_path}", *WARNINGS])
    done = subprocess.run([program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "score: 0." in done.stdout


@pytest.mark.parametrize("target", TARGETS)
def test_inline_weights_and_profile(target, tmp_path):
    """A dynamic batch, weights in the header, timed kernels: compiled without a warning, right in C++."""
    require(target)
    pysofie.emit(support.mlp(), tmp_path, target=target, weights="inline", profile=True)
    x = [[1.0, 2.0, 3.0], [-1.0, 0.5, 0.25]]
    expected = support.mlp_reference(support.np.array(x, "float32")).ravel()
    values = ", ".join(f"{value:.9e}f" for row in x for value in row)
    checks = "\n".join(f"  bad += std::fabs(y[{i}] - {v:.9e}f) > 1e-5f;" for i, v in enumerate(expected))
    source = tmp_path / "main.cpp"
    source.write_text(
        '#include "mlp.hxx"\n#include <cmath>\nint main() {\n  TMVA_SOFIE_mlp::Session session;\n'
        f"  const float x[] = {{{values}}};\n  const auto y = session.infer(2, x);\n"
        "  int bad = y.size() != 4;\n"
        f"{checks}\n  bad += session.engine().calls[0] != 1;\n  return bad;\n}}\n"
    )
    import_module(f"pysofie.toolchains.{target}").build(source, tmp_path / "main", WARNINGS)
    subprocess.run([tmp_path / "main"], check=True)


def cuda_or_hip(backend: str, tmp_path: Path, options: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Compile a model with every kind of kernel for a GPU; nothing runs."""
    monkeypatch.setenv("PYSOFIE_ALPAKA_BACKEND", backend)
    pysofie.emit(support.ZOO / "jet_image_cnn.onnx", tmp_path, target="alpaka", name="model")
    (tmp_path / "model.cpp").write_text('#define PYSOFIE_SHARED_LIBRARY\n#include "model.hxx"\n')
    alpaka.build(tmp_path / "model.cpp", tmp_path / "model.o", ["-c", *options])
    assert (tmp_path / "model.o").stat().st_size > 0


@pytest.mark.skipif(not support.ZOO.exists(), reason="the model zoo is absent; set PYSOFIE_ZOO to its folder")
def test_cuda_compiles(tmp_path, monkeypatch):
    require_alpaka("nvcc")
    cuda_or_hip("GpuCuda", tmp_path, ["-arch=sm_90", "-Xcompiler=-Wall,-Wextra"], monkeypatch)


@pytest.mark.skipif(not support.ZOO.exists(), reason="the model zoo is absent; set PYSOFIE_ZOO to its folder")
def test_hip_compiles(tmp_path, monkeypatch):
    require_alpaka("hipcc")
    monkeypatch.setenv("HIP_PLATFORM", "amd")
    cuda_or_hip("GpuHip", tmp_path, ["--offload-arch=gfx90a", *WARNINGS], monkeypatch)


def test_missing_sycl_compiler(monkeypatch, tmp_path):
    monkeypatch.setattr(sycl, "compiler", lambda: None)
    monkeypatch.delenv("PYSOFIE_SYCL_ROOT", raising=False)
    with pytest.raises(CompileError, match=r"no SYCL compiler.*pysofie\[sycl\]"):
        pysofie.compile(support.mlp(), target="sycl", cache=False)


def test_wheels_of_another_release(monkeypatch, tmp_path):
    monkeypatch.setattr(sycl, "compiler", lambda: None)
    monkeypatch.setenv("PYSOFIE_SYCL_ROOT", str(tmp_path))
    with pytest.raises(CompileError, match="does not hold intel-sycl-rt"):
        pysofie.compile(support.mlp(), target="sycl", cache=False)


def test_missing_alpaka(monkeypatch, tmp_path):
    monkeypatch.delenv("PYSOFIE_ALPAKA_INCLUDE", raising=False)
    with pytest.raises(CompileError, match="set PYSOFIE_ALPAKA_INCLUDE"):
        pysofie.compile(support.mlp(), target="alpaka", cache=False)
    monkeypatch.setenv("PYSOFIE_ALPAKA_INCLUDE", str(tmp_path))
    with pytest.raises(CompileError, match=r"does not hold alpaka/alpaka\.hpp"):
        pysofie.compile(support.mlp(), target="alpaka", cache=False)


def test_unknown_accelerator(monkeypatch):
    monkeypatch.setenv("PYSOFIE_ALPAKA_BACKEND", "Abacus")
    with pytest.raises(CompileError, match="Abacus is none of CpuSerial"):
        alpaka.backend()


def test_runtime_headers(tmp_path):
    """The scalar vocabulary: wrapping, division by zero, NaN, conversions at the limits."""
    program = tmp_path / "scalar"
    options = [
        "-std=c++17",
        f"-I{ROOT / 'cpp' / 'runtime'}",
        *WARNINGS,
        "-fsanitize=undefined",
        "-fno-sanitize-recover",
    ]
    source = Path(__file__).with_name("scalar.cpp")
    subprocess.run([*host.find().command, *options, str(source), "-o", str(program)], check=True)
    done = subprocess.run([program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
