"""C++ programs with device pointers and queues of their own: the tutorials; and what the compilers say."""

from __future__ import annotations

import importlib.util
import subprocess
from importlib import import_module
from pathlib import Path

import numpy as np
import onnx
import pytest
import support
from onnx import helper, numpy_helper
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
    expected = support.mlp_reference(np.array(x, "float32")).ravel()
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


def test_two_accelerators_in_one_program(tmp_path):
    """One header, instantiated with the tags of two accelerators."""
    require_alpaka()
    pysofie.emit(support.mlp(), tmp_path, target="alpaka")
    source = tmp_path / "main.cpp"
    source.write_text(
        '#include "mlp.hxx"\n#include <cmath>\n'
        "int main() {\n"
        '  TMVA_SOFIE_mlp::BasicSession<alpaka::TagCpuSerial> serial("mlp.dat");\n'
        '  TMVA_SOFIE_mlp::BasicSession<alpaka::TagCpuThreads> threads("mlp.dat");\n'
        "  const float x[] = {1, 2, 3};\n"
        "  return std::fabs(serial.infer(1, x)[0] - threads.infer(1, x)[0]) > 1e-6f;\n}\n"
    )
    options = [*WARNINGS, "-pthread", "-DALPAKA_ACC_CPU_B_SEQ_T_THREADS_ENABLED"]
    alpaka.build(source, tmp_path / "main", options)
    subprocess.run([tmp_path / "main"], cwd=tmp_path, check=True)


def transformer() -> onnx.ModelProto:
    """Products large enough for a library, of all layouts: a dense layer, and attention over 4 heads."""
    rng = np.random.default_rng(2)
    constants = {
        "w": rng.standard_normal((64, 96)).astype("float32") / 8,
        "b": rng.standard_normal(96).astype("float32"),
        "shape": np.array([0, 128, 4, 24]),
        "stack": rng.standard_normal((4, 24, 32)).astype("float32"),
    }
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["h"]),
        helper.make_node("Add", ["h", "b"], ["s"]),
        helper.make_node("Relu", ["s"], ["r"]),
        helper.make_node("Reshape", ["r", "shape"], ["heads"]),
        helper.make_node("Transpose", ["heads"], ["q"], perm=[0, 2, 1, 3]),
        helper.make_node("Transpose", ["heads"], ["k"], perm=[0, 2, 3, 1]),
        helper.make_node("MatMul", ["q", "k"], ["scores"]),
        helper.make_node("Softmax", ["scores"], ["weights"], axis=-1),
        helper.make_node("MatMul", ["weights", "q"], ["o"]),
        helper.make_node("MatMul", ["o", "stack"], ["y"]),
    ]
    inputs = [support.floats("x", "batch", 128, 64)]
    return support.model(
        nodes, inputs, [support.floats("y", "batch", 4, 128, 32)], constants, name="attention"
    )


def transformer_reference(x: np.ndarray) -> np.ndarray:
    w = {tensor.name: numpy_helper.to_array(tensor) for tensor in transformer().graph.initializer}
    heads = np.maximum(x @ w["w"] + w["b"], 0).reshape(-1, 128, 4, 24).transpose(0, 2, 1, 3)
    scores = heads @ heads.swapaxes(-1, -2)
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    return weights / weights.sum(-1, keepdims=True) @ heads @ w["stack"]


@pytest.mark.parametrize("target", TARGETS)
def test_large_products(target):
    """With oneMKL under SYCL, where its wheels are installed; with the generated kernel elsewhere."""
    require(target)
    x = np.random.default_rng(3).standard_normal((2, 128, 64)).astype("float32") / 4
    y = pysofie.compile(transformer(), target=target)(x)
    np.testing.assert_allclose(y, transformer_reference(x), rtol=1e-4, atol=1e-4)


def compile_only(tmp_path: Path, options: list[str]) -> str:
    """Compile code with every kind of kernel for a GPU; nothing runs. Return the functions that it calls."""
    models = {"attention": transformer()}
    if support.ZOO.exists():
        models |= {name: support.ZOO / f"{name}.onnx" for name in ("jet_image_cnn", "graphnets_tf_epd")}
    for name, model in models.items():
        pysofie.emit(model, tmp_path, target="alpaka", name=name)
    lines = ["#define PYSOFIE_SHARED_LIBRARY"]
    for name in models:
        lines += ["#undef PYSOFIE_GET_MODEL", f"#define PYSOFIE_GET_MODEL {name}", f'#include "{name}.hxx"']
    (tmp_path / "model.cpp").write_text("\n".join(lines) + "\n")
    alpaka.build(tmp_path / "model.cpp", tmp_path / "model.o", ["-c", *options])
    return subprocess.run(["nm", tmp_path / "model.o"], capture_output=True, text=True, check=True).stdout


def cublas_headers() -> list[str]:
    """Where a wheel of cuBLAS keeps its headers; empty without one."""
    places = importlib.util.find_spec("nvidia")
    folders = [Path(place) for place in places.submodule_search_locations or []] if places else []
    headers = [path for folder in folders for path in folder.glob("*/include/cublas_v2.h")]
    return ["-isystem", str(headers[0].parent)] if headers else []


def test_cuda_compiles(tmp_path, monkeypatch):
    require_alpaka("nvcc")
    monkeypatch.setenv("PYSOFIE_ALPAKA_BACKEND", "GpuCuda")
    blas = cublas_headers()
    monkeypatch.setenv("PYSOFIE_ALPAKA_BLAS", "1" if blas else "0")
    calls = compile_only(tmp_path, ["-arch=sm_90", "-Xcompiler=-Wall,-Wextra,-Werror,-Wno-restrict", *blas])
    assert not blas or "cublasSgemmStridedBatched" in calls


def test_hip_compiles(tmp_path, monkeypatch):
    require_alpaka("hipcc")
    monkeypatch.setenv("PYSOFIE_ALPAKA_BACKEND", "GpuHip")
    monkeypatch.setenv("HIP_PLATFORM", "amd")
    rocblas = f"-I{Path(__file__).parent / 'declarations'}"
    calls = compile_only(tmp_path, ["--offload-arch=gfx90a", rocblas, *WARNINGS])
    assert "rocblas_sgemm_strided_batched" in calls


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
