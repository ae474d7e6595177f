"""Contractions of the CPU runtime against a naive sum."""

from __future__ import annotations

from pathlib import Path

import pytest
from native import SANITIZERS, WIDTHS, output

NAMES = ("contraction", "byte_contraction", "half_contraction")
SOURCES = {name: Path(__file__).with_name(f"{name}.cpp") for name in NAMES}
FLAGS = {"native": ("-O1", *SANITIZERS), "sse": ("-O1",)}


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("width", WIDTHS)
def test_products_and_convolutions(width, source, tmp_path):
    assert output(SOURCES[source], tmp_path, *FLAGS[width], *WIDTHS[width]) == ""
