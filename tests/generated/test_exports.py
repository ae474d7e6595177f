"""A compiled model exports one C function and nothing else."""

from __future__ import annotations

import subprocess

import nets

import pysofie


def test_only_the_table_is_exported():
    session = pysofie.compile(nets.conv())
    library = session.weights.parent / "model.so"
    lines = subprocess.check_output(["nm", "-D", "--defined-only", str(library)], text=True).splitlines()
    assert [line.split()[1:] for line in lines] == [["T", "pysofie_get_model_0"]]
