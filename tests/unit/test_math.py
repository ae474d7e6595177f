"""Accuracy of the elementary functions of the CPU runtime."""

from __future__ import annotations

from pathlib import Path

import pytest
from native import WIDTHS, output

SOURCE = Path(__file__).with_name("math_accuracy.cpp")
EXACT = {"floor", "ceil", "round", "trunc"}


@pytest.mark.parametrize("width", WIDTHS)
def test_within_four_ulp(width, tmp_path):
    table = output(SOURCE, tmp_path, "-O3", *WIDTHS[width])
    print(table)
    rows = [line.split() for line in table.splitlines()]
    assert len(rows) == 46
    for kind, function, error, argument in rows:
        limit = 0 if function in EXACT else 4
        assert float(error) <= limit, f"{kind} {function}({argument}) is {error} ulp off"
