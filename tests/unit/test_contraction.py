"""Contractions of the CPU runtime against a naive sum."""

from __future__ import annotations

from pathlib import Path

import pytest
from native import SANITIZERS, WIDTHS, output

SOURCE = Path(__file__).with_name("contraction.cpp")
FLAGS = {"native": ("-O1", *SANITIZERS), "sse": ("-O1",)}


@pytest.mark.parametrize("width", WIDTHS)
def test_products_and_convolutions(width, tmp_path):
    assert output(SOURCE, tmp_path, *FLAGS[width], *WIDTHS[width]) == ""
