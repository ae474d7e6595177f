"""ONNX's backend tests: right, or refused as reviewed; never wrong."""

from __future__ import annotations

import pytest
from conformance import suite

import pysofie


def parameters(*, refused: bool) -> list:
    names = [name for name, case in suite.cases().items() if (suite.refusal(case) is not None) is refused]
    if refused:
        return names
    # A group is compiled by the one process that runs its cases.
    return [pytest.param(name, marks=pytest.mark.xdist_group(suite.groups()[name][0])) for name in names]


@pytest.mark.parametrize("name", parameters(refused=False))
def test_right(name, record_property):
    case, session = suite.cases()[name], suite.prepared(name)
    record_property("conformance", "right")
    record_property("constants", case.constants)
    suite.check(case, session)


@pytest.mark.parametrize("name", parameters(refused=True))
def test_refused(name, record_property):
    """What is listed must really be refused: a case that could be compiled leaves the list."""
    record_property("conformance", "refused")
    case = suite.cases()[name]
    with pytest.raises(pysofie.UnsupportedError):
        case.model()


def test_every_line_is_needed():
    cases = suite.cases().values()
    useless = [line for line in suite.refusals() if not any(line.matches(case) for case in cases)]
    assert useless == []
    known = {name for _, name, _ in pysofie.operators()}
    assert [line for line in suite.refusals() if line.kind == "operator" and line.pattern in known] == []
