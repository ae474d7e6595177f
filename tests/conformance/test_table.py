"""docs/operators.md says what the compiler knows."""

from __future__ import annotations

from conformance import table


def test_the_operator_table_is_up_to_date():
    before = table.PAGE.read_text()
    page = table.page()
    table.PAGE.write_text(page)
    assert before == page, f"{table.PAGE} was out of date; it has been written anew and can be committed"
