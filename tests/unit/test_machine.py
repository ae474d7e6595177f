"""The ceilings of the machine, as far as they can be known: a loop that is far from them is broken."""

from __future__ import annotations

from pysofie.machine import ceilings


def test_ceilings():
    machine = ceilings()
    assert 1 < machine.gflops < 10_000
    assert 1 < machine.l2 < 10_000
    assert 1 < machine.l1 < 10_000
    assert ceilings() is machine
