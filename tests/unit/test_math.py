"""Accuracy of the elementary functions of the CPU runtime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import support
from generated import workshop
from native import WIDTHS, output
from onnx import helper

import pysofie

SOURCE = Path(__file__).with_name("math_accuracy.cpp")
LIMITS = {
    "floor": 0,
    "ceil": 0,
    "round": 0,
    "trunc": 0,
    "tanh": 6,
    "erf": 7,
    "sigmoid": 4,
    "tan": 4,
    "pow": 2,
}
FAMILIES = ("TRIGONOMETRIC", "HYPERBOLIC", "ERROR_FUNCTION", "POWER")


@pytest.mark.parametrize("width", WIDTHS)
def test_within_a_few_ulp(width, tmp_path):
    table = output(SOURCE, tmp_path, "-O3", *WIDTHS[width])
    print(table)
    rows = [line.split() for line in table.splitlines()]
    assert len(rows) == 48
    for kind, function, error, argument in rows:
        assert float(error) <= LIMITS.get(function, 3), f"{kind} {function}({argument}) is {error} ulp off"


@pytest.mark.parametrize("flags", [("-O1",), ("-O1", "-ffp-contract=off"), ("-O3",)])
def test_what_goes_to_one_reaches_it_however_it_is_rounded(flags, tmp_path):
    inputs, outputs = [support.floats("x", "n")], [support.floats("y", "n")]
    nodes = [helper.make_node(operator, ["x"], ["y"]) for operator in ("Tanh", "Erf")]
    models = [support.model([node], inputs, outputs) for node in nodes]
    x = np.float32([10, 11.5, 20, 88, 1e38, np.inf])
    for session in workshop.sessions(models, tmp_path, *flags):
        np.testing.assert_array_equal(session(np.concatenate([x, -x])), [1] * 6 + [-1] * 6)


@pytest.mark.parametrize(
    ("operator", "family"),
    [
        ("Atan", "TRIGONOMETRIC"),
        ("Tanh", "HYPERBOLIC"),
        ("Erf", "ERROR_FUNCTION"),
        ("Pow", "POWER"),
        ("Exp", None),
    ],
)
def test_a_model_includes_the_families_it_needs(operator, family, tmp_path):
    inputs = ["x", "y"] if operator == "Pow" else ["x"]
    node = helper.make_node(operator, inputs, ["z"])
    proto = support.model([node], [support.floats(name, 5) for name in inputs], [support.floats("z", 5)])
    header = pysofie.emit(proto, tmp_path, weights="inline")[0].read_text()
    found = {name for name in FAMILIES if f"#define SOFIE_RUNTIME_{name}_HXX" in header}
    assert found == ({family} if family else set())
