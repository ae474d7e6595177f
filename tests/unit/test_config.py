"""``pysofie config`` tells C++ projects what they need."""

from __future__ import annotations

import subprocess
from pathlib import Path

import nets
import pytest
from click.testing import CliRunner

import pysofie
from pysofie.cli import main

PROGRAM = """
#include "mlp.hxx"
#include "pysofie/sofie.hxx"

int main() {
  auto functor = pysofie::rdf::SofieFunctor<7, TMVA_SOFIE_mlp::Session>();
  return functor(0, 1, 2, 3, 4, 5, 6, 7) > 0 ? 0 : 1;
}
"""


def config(*options: str, code: int = 0) -> str:
    result = CliRunner().invoke(main, ["config", *options])
    assert result.exit_code == code, result.output
    return result.output.rstrip("\n")


def test_cflags_compile_generated_code(tmp_path):
    pysofie.emit(nets.mlp(), tmp_path)
    (tmp_path / "program.cpp").write_text(PROGRAM)
    command = ["g++", *config("--cflags").split(), "program.cpp", "-o", "program"]
    subprocess.run(command, cwd=tmp_path, check=True)
    subprocess.run([tmp_path / "program"], cwd=tmp_path, check=True)


def test_folders():
    assert (Path(config("--include")) / "pysofie" / "sofie.hxx").exists()
    assert config("--cmake").endswith("lib/cmake/pysofie")


@pytest.mark.skipif(
    not (Path(pysofie.__file__).parent / "lib" / "libsofie.a").exists(),
    reason="needs an installed pysofie, not a source tree: pip install .",
)
def test_ldflags_link_the_compiler_core(tmp_path):
    (tmp_path / "program.cpp").write_text(
        '#include "sofie/dim.hxx"\nint main() { return sofie::Dim::symbol("n").isConstant() ? 1 : 0; }\n'
    )
    flags = config("--cflags").split(), config("--ldflags").split()
    subprocess.run(["g++", *flags[0], "program.cpp", *flags[1], "-o", "program"], cwd=tmp_path, check=True)
    subprocess.run([tmp_path / "program"], check=True)


def test_what_is_asked_for_stands_in_one_line():
    both = config("--ldflags", "--cflags")
    assert both == f"{config('--cflags')} {config('--ldflags')}"
    assert both.startswith("-std=c++17 -I")
    assert "give --cflags" in config(code=2)
