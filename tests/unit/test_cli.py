"""The command line says what it did, or one clear error."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import support
from click.testing import CliRunner
from onnx import helper

from pysofie.cli import main


@pytest.fixture
def net(tmp_path):
    path = tmp_path / "net.onnx"
    onnx.save(support.mlp(), path)
    return path


def call(*arguments, code=0):
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    return result.output


@pytest.mark.parametrize(
    "command",
    ["info", "check", "explain", "emit", "run", "verify", "bench", "plot", "score", "demo", "config"],
)
def test_help(command):
    assert "Example" in call(command, "--help")
    assert command in call("--help")


def test_info(net):
    output = call("info", net, "--dim", "batch=1:64")
    for word in ("net", "batch", "float32", "Gemm", "operations", "arena", "alive together (x 1.0"):
        assert word in output


def test_info_says_for_which_sizes_the_arena_is(tmp_path):
    shape = ("n", "m")
    softmax = helper.make_node("Softmax", ["x"], ["y"])
    path = tmp_path / "softmax.onnx"
    onnx.save(support.model([softmax], [support.floats("x", *shape)], [support.floats("y", *shape)]), path)
    assert "for n = 1, m = 1;" in " ".join(call("info", path).split())


def test_check(net):
    assert "every operator is supported" in call("check", net)


def test_emit(net, tmp_path):
    output = call("emit", net, "-o", tmp_path / "out", "--dim", "batch=1", "--name", "other")
    assert str(tmp_path / "out" / "other.hxx") in output
    assert (tmp_path / "out" / "other.dat").exists()
    call("emit", net, "-o", tmp_path / "inline", "--inline")
    assert [path.name for path in (tmp_path / "inline").iterdir()] == ["net.hxx"]


def test_emit_inner_tensors(net, tmp_path):
    call("emit", net, "-o", tmp_path, "--tensor", "y", "--tensor", "h")
    assert "/// Output h: h, float32 [batch, 4]" in (tmp_path / "net.hxx").read_text()
    assert "did you mean 'h'" in call("emit", net, "-o", tmp_path, "--tensor", "hh", code=1)


def test_emit_with_functions(net, tmp_path):
    call("emit", net, "-o", tmp_path, "--pre", "x=log1p(x) * scale", "--post", "z=y == 0")
    text = (tmp_path / "net.hxx").read_text()
    assert "/// Input scale: scale, float32 [batch, 3]" in text
    assert "/// Output z: z, bool [batch, 2]" in text
    assert "are not all NAME=EXPRESSION" in call("emit", net, "--pre", "x", code=2)


def test_run(net, tmp_path):
    x = np.ones((4, 3), "float32")
    np.savez(tmp_path / "x.npz", x=x)
    np.save(tmp_path / "x.npy", x)
    for source in (tmp_path / "x.npz", f"x={tmp_path / 'x.npy'}"):
        output = call("run", net, source, "-o", tmp_path / "y.npz", "--repeat", 10, "--profile")
        assert "10 calls: median" in output
        np.testing.assert_allclose(np.load(tmp_path / "y.npz")["y"], support.mlp_reference(x), rtol=1e-5)
    assert "float32[1, 2]" in call("run", net)


def test_bench(net, tmp_path):
    output = call("bench", net, "--batch", 5, "--repeat", 10)
    assert "x: float32[5, 3]" in output
    assert "10 calls: median" in output
    np.savez(tmp_path / "x.npz", x=np.ones((7, 3), "float32"))
    output = call("bench", net, tmp_path / "x.npz", "--profile")
    assert "x: float32[7, 3]" in output
    for word in ("GFLOP/s", "of the ceiling", "arithmetic", "Gemm"):
        assert word in output


def test_pictures(net, tmp_path):
    pytest.importorskip("matplotlib", reason="needs matplotlib: pip install 'pysofie[plot]'")
    call("bench", net, "--repeat", 10, "--plot", tmp_path / "kernels.png")
    call("plot", "memory", net, "-o", tmp_path / "memory.pdf", "--dim", "batch=16")
    for picture in ("kernels.png", "memory.pdf"):
        assert (tmp_path / picture).stat().st_size > 1000


def test_verify(net):
    pytest.importorskip("onnxruntime", reason="needs onnxruntime: pip install 'pysofie[verify]'")
    output = call("verify", net, "--size", 1, "--size", 9)
    assert output.count("ok") == 2
    assert "differ" in call("verify", net, "--tolerance", -1, code=1)


def test_errors_are_one_message(tmp_path):
    bad = tmp_path / "bad.onnx"
    bad.write_bytes(b"no model")
    for command in ("info", "check", "emit", "run"):
        output = call(command, bad, code=1)
        assert output.startswith("error: ")
        assert "Traceback" not in output


def test_usage_errors(net, tmp_path):
    call("check", tmp_path / "nowhere.onnx", code=2)
    assert "SYMBOL=NUMBER" in call("check", net, "--dim", "batch", code=2)
    assert "dynamic dims" in call("check", net, "--dim", "other=1", code=1)
