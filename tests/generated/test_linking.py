"""Models meet in one program without a clash, and a clash of names is told."""

from __future__ import annotations

import subprocess

import native
import nets
import pytest
from generated import workshop

import pysofie


@pytest.mark.parametrize("flags", [("-fno-lto",), ("-flto", "-Wodr")], ids=["objects", "whole"])
def test_two_translation_units(flags, headers):
    program = workshop.compile_program(
        workshop.HERE / "linking.cpp",
        headers,
        *native.WARNINGS,
        *flags,
        units=[workshop.HERE / "linked.cpp"],
    )
    workshop.run(program)


def test_two_models_of_one_name(tmp_path):
    pysofie.emit(nets.mlp(), tmp_path / "a")
    pysofie.emit(nets.mlp(dtype="float64"), tmp_path / "b")
    command = ["g++", "-std=c++17", "-fsyntax-only", f"-I{tmp_path}", str(workshop.HERE / "clash.cpp")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "another model is named mlp" in done.stderr
