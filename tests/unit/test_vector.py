"""Vectors of the CPU runtime against the scalar functions they mirror."""

from __future__ import annotations

from pathlib import Path

import pytest
from native import SANITIZERS, WIDTHS, output

SOURCE = Path(__file__).with_name("vector.cpp")


@pytest.mark.parametrize("width", WIDTHS)
def test_lanes_agree_with_scalars(width, tmp_path):
    assert output(SOURCE, tmp_path, "-O1", *SANITIZERS, *WIDTHS[width]) == ""
