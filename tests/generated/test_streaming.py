"""The tutorial of a trigger: no event is lost in silence, and no two threads meet."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import native
import pytest
from generated import workshop

import pysofie
from pysofie.demo import MODEL

TUTORIALS = Path(__file__).parents[2] / "tutorials"


def counts(words: str) -> dict[str, int]:
    """The first line that it prints."""
    found = re.findall(r"(\d+) (events|decided|dropped|accepted)", words.splitlines()[0])
    return {name: int(number) for number, name in found}


@pytest.fixture(scope="module")
def program(tmp_path_factory) -> Path:
    """The tutorial under the thread sanitizer."""
    folder = tmp_path_factory.mktemp("streaming")
    pysofie.emit(MODEL, folder, dims={"batch": 1})
    return workshop.compile_program(
        TUTORIALS / "streaming.cpp", folder, "-pthread", "-fsanitize=thread", *native.WARNINGS
    )


@pytest.mark.parametrize("rate", ["100", "0"], ids=["steady", "as fast as can be"])
def test_threads(program, rate):
    words = workshop.run(program, "20000", rate, TSAN_OPTIONS="halt_on_error=1")
    found = counts(words)
    assert found["events"] == 20_000
    assert found["decided"] + found["dropped"] == 20_000
    assert found["decided"] >= 1024  # what the buffer holds
    assert 0 < found["accepted"] < found["decided"]


def test_no_events(program):
    assert counts(workshop.run(program, "0")) == {"events": 0, "decided": 0, "dropped": 0, "accepted": 0}


def test_tutorial(tmp_path):
    pytest.importorskip("matplotlib", reason="needs matplotlib: pip install 'pysofie[plot]'")
    command = [sys.executable, TUTORIALS / "streaming.py", "--events", "20000"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    for name in ("inference", "latency"):
        line = rf"{name}: median (\d+) ns, p99 (\d+) ns, p99.9 (\d+) ns, maximum (\d+) ns"
        times = [int(number) for number in re.search(line, done.stdout).groups()]
        assert times[0] > 0
        assert times == sorted(times)
    found = counts(done.stdout)
    assert found["decided"] + found["dropped"] == found["events"] == 20_000
    histogram = [line.split() for line in (tmp_path / "streaming.txt").read_text().splitlines()[1:]]
    assert [sum(int(row[i]) for row in histogram) for i in (2, 3)] == [found["decided"]] * 2
    assert (tmp_path / "streaming.png").read_bytes().startswith(b"\x89PNG")
