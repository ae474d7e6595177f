"""Compilers: found, missing, and refusing."""

from __future__ import annotations

import re
import subprocess

import numpy as np
import pytest
import support

import pysofie
from pysofie.toolchains import host

X = np.ones((2, 3), "float32")


def test_the_environment_chooses(monkeypatch, tmp_path):
    log = tmp_path / "log"
    wrapper = tmp_path / "my c++"
    wrapper.write_text(f'#!/bin/sh\necho "$@" >> "{log}"\nexec {host.find().command[0]} "$@"\n')
    wrapper.chmod(0o755)
    monkeypatch.setenv("CXX", f"'{wrapper}' -DEXTRA=1")
    pysofie.compile(support.mlp(), cache=False)
    assert "-DEXTRA=1 -std=c++17" in log.read_text()


@pytest.mark.parametrize("origin", ["compiler=", "$CXX"])
def test_missing(origin, monkeypatch):
    keywords = {}
    if origin == "$CXX":
        monkeypatch.setenv("CXX", "no-such-compiler")
    else:
        keywords["compiler"] = "no-such-compiler"
    with pytest.raises(
        pysofie.CompileError, match=re.escape(f"'no-such-compiler' (from {origin}) does not exist")
    ):
        pysofie.compile(support.mlp(), **keywords)


def test_none_at_all(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setattr("pysofie.toolchains.cling.stands_in", lambda *arguments: False)
    with pytest.raises(pysofie.CompileError, match=r"no C\+\+ compiler found.*apt install"):
        pysofie.compile(support.mlp())


def test_refusal_keeps_the_code(tmp_path):
    compiler = tmp_path / "c++"
    compiler.write_text("#!/bin/sh\necho 'model.cpp:1: error: I do not like it'\nexit 3\n")
    compiler.chmod(0o755)
    with pytest.raises(pysofie.CompileError, match="I do not like it") as error:
        pysofie.compile(support.mlp(), compiler=str(compiler))
    assert error.value.log == "model.cpp:1: error: I do not like it\n"
    assert (error.value.source / "model.cpp").exists()
    assert str(error.value.source) in str(error.value)


def test_refused_options():
    with pytest.raises(pysofie.UnsupportedError, match="target 'fpga' does not exist"):
        pysofie.compile(support.mlp(), target="fpga")
    with pytest.raises(pysofie.UnsupportedError, match="precision 'float16'"):
        pysofie.compile(support.mlp(), precision="float16")
    with pytest.raises(pysofie.CompileError, match="chosen by"):
        pysofie.compile(support.mlp(), target="sycl", compiler="icpx")
    with pytest.raises(TypeError, match="already loaded"):
        pysofie.compile(pysofie.load(support.mlp()), dims={"batch": 1})


def test_emit(tmp_path):
    files = pysofie.emit(support.mlp(), tmp_path / "new" / "folder")
    assert [file.name for file in files] == ["mlp.dat", "mlp.hxx"]
    before = files[1].read_bytes()
    pysofie.emit(support.mlp(), tmp_path / "new" / "folder")
    assert files[1].read_bytes() == before
    inline = pysofie.emit(support.mlp(), tmp_path / "inline", weights="inline")
    assert [file.name for file in inline] == ["mlp.hxx"]
    with pytest.raises(ValueError, match="weights"):
        pysofie.emit(support.mlp(), tmp_path, weights="cloud")


def test_emit_writes_all_or_nothing(tmp_path):
    (tmp_path / "mlp.hxx").mkdir()
    with pytest.raises(OSError, match="directory"):
        pysofie.emit(support.mlp(), tmp_path, weights="inline")
    assert [path.name for path in tmp_path.iterdir()] == ["mlp.hxx"]


@pytest.mark.parametrize("weights", ["file", "inline"])
def test_a_macro_for_sofie_compiles(tmp_path, weights):
    """The interface that users of TMVA SOFIE know."""
    pysofie.emit(support.mlp(batch=1), tmp_path, weights=weights)
    main = tmp_path / "main.cpp"
    main.write_text(
        '#include "mlp.hxx"\n'
        "#include <cstdio>\n"
        "int main() {\n"
        '  TMVA_SOFIE_mlp::Session s("mlp.dat");\n'
        "  float x[] = {1, 2, 3};\n"
        "  std::vector<float> y = s.infer(x);\n"
        "  float out[2];\n"
        "  static_assert(noexcept(s.infer(x, out)));\n"
        "  s.infer(x, out);\n"
        '  for (int i = 0; i < 2; ++i) std::printf("%.9g %.9g\\n", y[i], out[i]);\n'
        "}\n"
    )
    flags = ["-std=c++17", "-O2", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]
    subprocess.run([*host.find().command, *flags, main.name, "-o", "main"], cwd=tmp_path, check=True)
    printed = np.array(subprocess.check_output(["./main"], cwd=tmp_path, text=True).split(), "float32")
    expected = support.mlp_reference(np.array([[1, 2, 3]], "float32"))[0]
    np.testing.assert_allclose(printed.reshape(2, 2), np.stack([expected, expected], axis=1), rtol=1e-5)


def test_a_wrong_weights_file_is_refused(tmp_path):
    pysofie.emit(support.mlp(batch=1), tmp_path)
    main = tmp_path / "main.cpp"
    main.write_text(
        '#include "mlp.hxx"\n#include <cstdio>\n#include <exception>\n'
        "int main(int, char** v) {\n"
        "  try { TMVA_SOFIE_mlp::Session s(v[1]); }\n"
        "  catch (const std::exception& e) { std::puts(e.what()); return 7; }\n"
        "}\n"
    )
    subprocess.run([*host.find().command, "-std=c++17", main.name, "-o", "main"], cwd=tmp_path, check=True)
    content = (tmp_path / "mlp.dat").read_bytes()
    changed = bytearray(content)
    changed[-1] ^= 1
    wrong = {"empty": b"", "cut": content[:-1], "changed": bytes(changed), "other": b"x" * len(content)}
    for name, data in wrong.items():
        (tmp_path / name).write_bytes(data)
        result = subprocess.run(["./main", name], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert result.returncode == 7, name
        assert name in result.stdout
    assert subprocess.run(["./main", "mlp.dat"], cwd=tmp_path, check=False).returncode == 0
    assert subprocess.run(["./main", "nowhere"], cwd=tmp_path, check=False).returncode == 7


def test_many_in_one_library():
    from pysofie.compile import compile_many

    models = [support.mlp(), support.mlp(batch=2), support.mlp(dtype="float64")]
    for session in compile_many(models):
        x = X.astype(session.inputs[0].dtype)
        np.testing.assert_allclose(session(x), support.mlp_reference(x), rtol=1e-5)


def test_debug_shows_the_stages(monkeypatch, capfd):
    monkeypatch.setenv("PYSOFIE_DEBUG", "graph,kernels,plan,code")
    pysofie.compile(support.mlp(), cache=False)
    shown = capfd.readouterr().err
    assert all(f"--- mlp: {stage} ---" in shown for stage in ("graph", "kernels", "plan", "mlp.hxx"))
    monkeypatch.setenv("PYSOFIE_DEBUG", "everything")
    with pytest.raises(pysofie.Error, match="PYSOFIE_DEBUG"):
        pysofie.compile(support.mlp(), cache=False)
