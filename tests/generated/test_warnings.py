"""Generated code compiles without warnings, as it is used in programs and as it is used in libraries."""

from __future__ import annotations

import shutil
import subprocess

import native
import nets
import pytest

from pysofie.toolchains import host

COMPILERS = [
    "g++",
    pytest.param(
        "clang++",
        marks=pytest.mark.skipif(not shutil.which("clang++"), reason="needs clang++: apt install clang"),
    ),
]
# Where optimisers find what they warn of, and where vectors are as narrow as they can be.
LEVELS = {"release": host.FLAGS, "debug": ("-std=c++17", "-O0", "-fPIC", "-shared")}


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("compiler", COMPILERS)
def test_no_warnings(compiler, level, headers, tmp_path):
    lines = ["#define PYSOFIE_SHARED_LIBRARY"]
    for name in nets.ALL:
        lines += ["#undef PYSOFIE_GET_MODEL", f"#define PYSOFIE_GET_MODEL pysofie_{name}"]
        lines += [f'#include "{name}.hxx"']
    source = tmp_path / "all.cpp"
    source.write_text("\n".join(lines) + "\n")
    command = [compiler, *LEVELS[level], *native.WARNINGS, f"-I{headers}", str(source), "-o", "/dev/null"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_no_warnings_with_weights_inside(headers, tmp_path):
    source = tmp_path / "all.cpp"
    names = [f"{name}_inline" for name in nets.ALL]
    source.write_text(
        "".join(f'#include "{name}.hxx"\n' for name in names)
        + "int main() {\n"
        + "".join(f"  TMVA_SOFIE_{name}::Session {name};\n" for name in names)
        + "}\n"
    )
    command = ["g++", "-std=c++17", "-O1", *native.WARNINGS, f"-I{headers}", str(source), "-o", "/dev/null"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
