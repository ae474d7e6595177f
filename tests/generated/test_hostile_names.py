"""Names from a model file are text of strangers: they are kept in Python, and harmless in C++ and on disk."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

import native
import nets
import numpy as np
import onnx
import pytest
from generated import workshop
from onnx import helper

import pysofie
from pysofie import _core

TARGETS = ("cpu", "sycl", "alpaka")
HOSTILE = [
    'x"; system("id"); //',
    "*/ int main(){} /*",
    "../../etc/passwd",
    "??/",
    "??/\n#error trigraph",
    "line\nbreak",
    "return\rcarriage",
    "nul\0byte",
    "backslash at the end\\",
    "%s%n%d",
    "🦉 Eule",
    "\u202e",
    'R"(raw)"',
    "${HOME}`id`",
    "n" * 10_000,
    " ",
    "0",
    "_",
    "__reserved",
    "_Reserved",
    "{}",
    "@sizes@",
    "@inferBody@",
    "@description@@symbolCount@",
]
KEYWORDS = [
    *("class", "int", "operator", "co_await", "template", "this", "new", "delete", "true", "nullptr", "or"),
    *("NULL", "EOF", "INT_MAX", "INFINITY", "M_PI", "B0", "assert", "errno", "linux", "unix", "I", "stdin"),
    *("dims", "dims_", "Dims", "Engine", "engine", "engine_", "Session", "infer", "prepare", "prepared"),
    *(
        "inputs",
        "outputs",
        "result",
        "result0",
        "result1",
        "weights",
        "symbols",
        "session",
        "same",
        "std",
        "rt",
    ),
    *("table", "check_dim", "check_dims", "floordiv", "max", "min", "main", "float", "size_t", "int64_t"),
    *(
        "kernel0",
        "w0",
        "b0",
        "offsets",
        "arena",
        "fault",
        "blocks",
        "order",
        "bytes",
        "error",
        "pysofie_model",
    ),
    *("sofie_runtime", "TMVA_SOFIE_mlp", "Functions", "model", "description", "create", "run", "prepared_"),
]
ALIKE = ["a b", "a_b", "a-b", "a/b", "a__b", "_a_b_", "a.b", "a_b_2", "a_b_3"]


def named(name: str, others: Sequence[str] = ("other", "sum", "product", "n")) -> onnx.ModelProto:
    """A model in which everything bears one name, or one of four: (a, b) -> (a + b, (a + b) * c)."""
    second, sum_, product, symbol = others
    nodes = [
        helper.make_node("Add", [name, second], [sum_], name=name, doc_string=name),
        helper.make_node("Mul", [sum_, f"{name} constant"], [product], name=name),
    ]
    inputs = [nets.value(tensor, "float32", symbol, 3) for tensor in (name, second)]
    outputs = [nets.value(tensor, "float32", symbol, 3) for tensor in (sum_, product)]
    model = nets.net(name, nodes, inputs, outputs, {f"{name} constant": nets.constant(3)})
    model.producer_name = model.doc_string = name
    helper.set_model_props(model, {name: name})
    return model


def check(session: pysofie.Session, model: onnx.ModelProto) -> None:
    a, b = nets.constant(4, 3), nets.constant(4, 3, seed=1)
    first, second = (tensor.name for tensor in model.graph.input)
    outputs = session.run({first: a, second: b})
    assert list(outputs) == [tensor.name for tensor in model.graph.output]
    sums, products = outputs.values()
    np.testing.assert_array_equal(sums, a + b)
    np.testing.assert_array_equal(products, (a + b) * nets.constant(3))


def models(names: Sequence[str]) -> list[onnx.ModelProto]:
    """Each name for all things in turn: input, symbol and output, each beside harmless ones."""
    result = []
    for name in names:
        result.append(named(name, ("other", "sum", "product", name)))
        result.append(named("harmless", (name, "sum", "product", "n")))
        result.append(named("harmless", ("other", name, f"{name}0", f"{name}1")))
    return result


def test_results_by_the_original_names(tmp_path):
    protos = [*models(HOSTILE), named(ALIKE[0], ALIKE[1:5]), named(ALIKE[5], (*ALIKE[6:9], ALIKE[4]))]
    protos.append(named(ALIKE[2], (ALIKE[7], ALIKE[8], ALIKE[0], ALIKE[1])))
    for session, proto in zip(workshop.sessions(protos, tmp_path, "-O0"), protos, strict=True):
        check(session, proto)


def test_words_of_cpp(tmp_path):
    protos = models(KEYWORDS)
    flags = ("-O0", *native.WARNINGS)
    for session, proto in zip(workshop.sessions(protos, tmp_path, *flags), protos, strict=True):
        check(session, proto)


@pytest.mark.parametrize("weights", ["file", "inline"])
@pytest.mark.parametrize("target", TARGETS)
def test_files_stay_in_their_folder(target, weights, tmp_path):
    outside, folder = tmp_path / "outside", tmp_path / "outside" / "a" / "b" / "folder"
    for name in (*HOSTILE, *ALIKE):
        for wish in (None, name):
            files = pysofie.emit(named(name), folder, target=target, weights=weights, name=wish)
            assert all(re.fullmatch(r"[A-Za-z]\w{0,70}\.(hxx|dat)", file.name) for file in files)
    found = {path for path in outside.rglob("*") if not path.is_dir()}
    assert found == set(folder.iterdir())


def skeleton(header: str) -> str:
    """The code of a model without its identifiers, literals and comments, and without their checksum."""
    own = header[header.index("namespace TMVA_SOFIE_") : header.rindex("#elif")]
    assert "??" not in own
    assert not re.search(r"\\$", own, re.MULTILINE)
    own = re.sub(r"(weights_identity\{\d+u), \d+u", r"\1", own)
    code = re.sub(r'//.*|"(\\.|[^"\\\n])*"', lambda found: found[0][0], own)
    return re.sub(r"\b[A-Za-z_]\w*", "x", code)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("profile", [False, True])
def test_text_is_harmless(target, profile, tmp_path):
    """Names change nothing but identifiers, literals and comments, each on its line."""
    options = {"target": target, "profile": profile}
    expected = skeleton(pysofie.emit(named("x"), tmp_path, **options)[-1].read_text())
    for i, name in enumerate(HOSTILE):
        header = pysofie.emit(named(name), tmp_path, **options, name=f"m{i}")[-1]
        text = header.read_bytes()
        assert all(byte == 10 or 32 <= byte < 127 for byte in text)
        assert skeleton(text.decode()) == expected


def test_everything_bears_the_name_of_the_model(tmp_path):
    """A model that is called like its tensors, its nodes and its symbol, in a program of its own."""
    for name in ("class", "Session", "std", "main", "x_y"):
        header = pysofie.emit(named(name, ("o", "s", "p", name)), tmp_path, name=name)[-1]
        identifier = header.stem
        source = tmp_path / f"use_{identifier}.cpp"
        source.write_text(
            f'#include "{identifier}.hxx"\nint main() {{\n  TMVA_SOFIE_{identifier}::Session s;\n'
            "  float x[3] = {};\n  return s.infer(1, x, x).size() == 2 ? 0 : 1;\n}\n"
        )
        workshop.run(workshop.compile_program(source, tmp_path, *native.WARNINGS))


def test_the_same_words_in_an_old_dialect(tmp_path):
    """With GNU's extensions `linux` and `unix` are macros, and -trigraphs reads ??/ as a backslash."""
    lines = []
    for i, name in enumerate(("linux", "unix", "i386", "??/", "??/\n")):
        pysofie.emit(named(name, ("o", "s", "p", name)), tmp_path, name=f"m{i}")
        lines.append(f'#include "m{i}.hxx"\n')
    unit = tmp_path / "all.cpp"
    unit.write_text("".join(lines))
    flags = ["-std=gnu++17", "-trigraphs", "-fsyntax-only", *native.WARNINGS]
    subprocess.run(["g++", *flags, str(unit)], check=True)


def test_sanitize_makes_identifiers():
    for name in (*HOSTILE, *KEYWORDS, *ALIKE, ""):
        assert re.fullmatch(r"[A-Za-z]\w*", _core.sanitize(name))
        assert "__" not in _core.sanitize(name)


def test_nothing_is_executed(tmp_path: Path):
    """The path of the file counts too: it names the model."""
    path = tmp_path / 'x"; touch pwned; ".onnx'
    onnx.save(nets.mlp(), path)
    session = pysofie.compile(path)
    assert session(np.zeros((1, 7), "float32")).shape == (1, 1)
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]
