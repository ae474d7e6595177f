"""docs/operators.md says what the compiler knows."""

from __future__ import annotations

import runpy
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def test_the_page_is_up_to_date():
    page = runpy.run_path(str(DOCS / "operator_table.py"))["page"]()
    assert (DOCS / "operators.md").read_text() == page, "run `python docs/operator_table.py`"
