"""Expressions mean on arrays what they mean in a data frame."""

from __future__ import annotations

import numpy as np
import pytest

from pysofie.errors import Error
from rdf_helpers import expressions

pytestmark = [pytest.mark.root, pytest.mark.xdist_group("root")]

EVENTS = 500


@pytest.fixture(scope="module")
def table():
    random = np.random.default_rng(7)
    return {
        "event": random.integers(0, 2**40, EVENTS, dtype=np.uint64),
        "charge": random.integers(-2, 3, EVENTS, dtype=np.int32),
        "quality": random.integers(0, 256, EVENTS, dtype=np.uint8),
        "pt": random.choice(np.float32([0.1, 0.3, 1, 30, 33]), EVENTS),
        "tight": random.random(EVENTS) > 0.5,
    }


@pytest.mark.parametrize(
    "expression",
    [
        "event % 2",
        "!(event % 2)",
        "!charge % 2",
        "!charge == tight",
        "charge % 2",
        "charge / 2",
        "-charge",
        "-tight",
        "pt > 0.1",
        "pt * 0.1 > 3",
        "pt / 3 < 0.1",
        "tight + (pt > 1)",
        "(pt > 1) + (charge > 0) + !tight",
        "quality * 2 - 300",
        "1 - quality",
        "quality / 7 * 2",
        "(event & 1) == 0",
        "event >> 3 & 7",
        "event & 6 | 1 ^ 3",
        "tight && pt > 0.3 || !tight && charge >= 0",
        "1 << charge * charge",
    ],
)
def test_a_data_frame_says_the_same(root, table, expression):
    events = root.RDF.FromNumpy(table).Define("value", f"double({expression})").AsNumpy([*table, "value"])
    value = expressions.evaluate(expression, {column: events[column] for column in table})
    np.testing.assert_array_equal(np.asarray(value, float), events["value"])


@pytest.mark.parametrize(
    "expression",
    [
        "event & 1 == 0",  # C++ compares first
        "0 != event | charge",
        "0 < charge < 2",
        "~charge",
        "charge in tight",
        "charge ** 2",
        "abs(charge)",
        "charge.size()",
        "charge[0]",
        "charge +",
    ],
)
def test_others_are_refused(table, expression):
    with pytest.raises(Error, match=r"on arrays, .* is not understood"):
        expressions.evaluate(expression, table)


def test_a_function_is_no_column():
    assert expressions.columns("tag.pb > 0.5 && event % 2") == ["tag.pb", "event"]
    with pytest.raises(Error, match=r"'charge.size\(\) > 1' is not understood"):
        expressions.columns("charge.size() > 1")
