"""The drop-in for TMVA SOFIE's SofieFunctor, in C++ programs without ROOT."""

from __future__ import annotations

import subprocess

import native
import pytest
from generated import workshop

from rdf_helpers import cling

INCLUDE = [f"-I{folder}" for folder in cling.include_directories()]


@pytest.mark.parametrize("sanitizer", ["thread", "address,undefined"])
def test_functor(headers, tmp_path, sanitizer):
    flags = [f"-fsanitize={sanitizer}", "-fno-sanitize-recover=all", "-g1", "-pthread"]
    program = workshop.compile_program(
        workshop.HERE / "sofie_functor.cpp", headers, *native.WARNINGS, *INCLUDE, *flags
    )
    workshop.run(program, TSAN_OPTIONS="halt_on_error=1")


@pytest.mark.parametrize(
    ("functor", "words"),
    {
        "several inputs": ("6, TMVA_SOFIE_two_outputs::Session", "a model with one input"),
        "several outputs": ("5, TMVA_SOFIE_mixed_outputs::Session", "a model with one output"),
        "another type": ("7, TMVA_SOFIE_double_mlp::Session", "elements are of the columns' type"),
    }.values(),
)
def test_what_no_column_can_be_made_of_does_not_compile(headers, tmp_path, functor, words):
    source = tmp_path / "functor.cpp"
    includes = ["two_outputs.hxx", "mixed_outputs.hxx", "double_mlp.hxx", "pysofie/sofie.hxx"]
    text = "".join(f'#include "{header}"\n' for header in includes)
    source.write_text(f"{text}auto functor = pysofie::rdf::SofieFunctor<{functor}>();\n")
    command = ["g++", "-std=c++17", "-fsyntax-only", f"-I{headers}", *INCLUDE, source]
    refused = subprocess.run(command, capture_output=True, text=True, check=False)
    assert refused.returncode != 0
    assert words in refused.stderr
