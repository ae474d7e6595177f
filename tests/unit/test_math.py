"""Accuracy of the elementary functions of the CPU runtime."""

from __future__ import annotations

from pathlib import Path

import pytest
from native import WIDTHS, output

SOURCE = Path(__file__).with_name("math_accuracy.cpp")
LIMITS = {"floor": 0, "ceil": 0, "round": 0, "trunc": 0, "tanh": 6, "erf": 6}


@pytest.mark.parametrize("width", WIDTHS)
def test_within_a_few_ulp(width, tmp_path):
    table = output(SOURCE, tmp_path, "-O3", *WIDTHS[width])
    print(table)
    rows = [line.split() for line in table.splitlines()]
    assert len(rows) == 46
    for kind, function, error, argument in rows:
        assert float(error) <= LIMITS.get(function, 4), f"{kind} {function}({argument}) is {error} ulp off"
