"""What a fresh process shows: how long an engine takes to start, and how much memory it takes.

Run as ``python -m benchmarks.fresh ENGINE MODEL FEEDS``, where FEEDS is an .npz file of the inputs by name.
It prints a line of JSON.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from benchmarks.engines import ENGINES


def start(engine: str, model: Path, feeds: Path) -> dict[str, float]:
    """Start an engine in a process of its own.

    Parameters
    ----------
    engine : str
        A key of `benchmarks.engines.ENGINES`.
    model, feeds : pathlib.Path
        The model, and an .npz file of its inputs.

    Returns
    -------
    dict of str to float
        `seconds` from the path to a session that is ready, and `bytes` by which the process's memory grew at
        its peak, until after the first ten calls. Linux only.
    """
    command = [sys.executable, "-m", "benchmarks.fresh", engine, str(model), str(feeds)]
    done = subprocess.run(command, cwd=Path(__file__).parents[1], capture_output=True, text=True, check=True)
    result: dict[str, float] = json.loads(done.stdout)
    return result


def _memory(what: str) -> int:
    """Bytes of resident memory: "VmRSS" now, or "VmHWM" at the peak since it was reset."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(what))


def _main(engine: str, model: str, feeds: str) -> None:
    with np.load(feeds) as data:
        arrays = {name: data[name] for name in data.files}
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak of the imports
    before, start_time = _memory("VmRSS"), time.perf_counter()
    session = ENGINES[engine](Path(model))
    seconds = time.perf_counter() - start_time
    for _ in range(10):
        session.run(arrays)
    print(json.dumps({"seconds": seconds, "bytes": _memory("VmHWM") - before}))


if __name__ == "__main__":
    _main(*sys.argv[1:])
