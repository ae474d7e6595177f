"""Every model of the zoo."""

from __future__ import annotations

import pytest
import zoo

import pysofie

if not zoo.exists():
    pytest.skip(zoo.MISSING, allow_module_level=True)


@pytest.mark.parametrize("name", zoo.names())
def test_model(name):
    zoo.check(name, pysofie.compile(zoo.path(name)))
