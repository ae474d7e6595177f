"""The hot call allocates nothing, and the weights are in memory once."""

from __future__ import annotations

import shutil

from generated import workshop


def test_allocations(headers, tmp_path):
    folder = shutil.copytree(headers, tmp_path / "own")  # the program removes a weights file
    workshop.run(workshop.compile_program(workshop.HERE / "allocations.cpp", folder))
