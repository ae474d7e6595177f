"""What a model costs in an event loop: ``python -m benchmarks.event_loop``.

The bundled Higgs classifier scores a million events of a file on one thread, as a functor compiled by the
host, as one compiled by Cling, and in a loop that is C++ throughout and calls the generated ``infer``; in
turns, in one process. Then what a functor adds to the start of a script, and what memory it takes with 2 and
16 threads, of which ROOT starts no more than there are processors.
"""

from __future__ import annotations

import argparse
import ctypes
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

import pysofie
from pysofie.demo import MODEL, sample_file
from pysofie.toolchains import host
from rdf_helpers import cling

HERE = Path(__file__).parent
SAMPLE_EVENTS = 10_000

SCRIPT = """
import re, time
import ROOT
from pysofie.demo import MODEL
if {slots}: ROOT.EnableImplicitMT({slots})
frame = ROOT.RDataFrame("events", {file!r})
frame.Define("warm", "1.f").Sum["float"]("warm").GetValue()
before = time.perf_counter()
import pysofie
score = {score}
frame.Define("score", score).Sum["float"]("score").GetValue()
memory = re.search("VmHWM:[^0-9]*([0-9]+)", open("/proc/self/status").read()).group(1)
print(time.perf_counter() - before, int(memory) / 1024)
"""


def write_events(path: Path, events: int) -> None:
    """The columns of the model, uncompressed, so that the loop has little else to do."""
    root = cling.root()
    options = root.RDF.RSnapshotOptions()
    options.fCompressionLevel = 0
    # With its default, ROOT ignores the level.
    options.fCompressionAlgorithm = root.RCompressionSetting.EAlgorithm.kUseGlobal
    frame = root.RDataFrame("sig_tree", [sample_file()] * -(-events // SAMPLE_EVENTS))
    frame.Snapshot("events", str(path), pysofie.load(MODEL).feature_names, options)


def bare(file: Path, folder: Path) -> Callable[[], tuple[float, float]]:
    """Compile `event_loop.cpp`; a call runs it and gives nanoseconds and the sum of scores."""
    model = pysofie.load(MODEL)
    emitted = pysofie.emit(model, folder)
    header = next(path for path in emitted if path.suffix == ".hxx")
    weights = next(path for path in emitted if path.suffix == ".dat")
    root_folder = Path(cling.root().gSystem.Getenv("ROOTSYS") or sys.modules["ROOT"].__path__[0])
    library = folder / "event_loop.so"
    compiler = host.find()
    definitions = {
        "MODEL_HEADER": f'"{header}"',
        "MODEL_SESSION": f"TMVA_SOFIE_{model.name}::Session",
        "MODEL_COLUMNS": len(model.feature_names),
    }
    command = [*compiler.command, *compiler.flags, str(HERE / "event_loop.cpp"), "-o", str(library)]
    command += [f"-D{name}={value}" for name, value in definitions.items()]
    command += [f"-I{root_folder}/include", f"-L{root_folder}/lib", f"-Wl,-rpath,{root_folder}/lib"]
    command += ["-lROOTDataFrame", "-lROOTVecOps", "-lTree", "-lRIO", "-lCore"]
    host.run(command, HERE / "event_loop.cpp")
    function = ctypes.CDLL(str(library)).run_bare
    function.restype = ctypes.c_double
    names = (ctypes.c_char_p * len(model.feature_names))(*map(str.encode, model.feature_names))

    def run() -> tuple[float, float]:
        total = ctypes.c_float()
        nanoseconds = function(str(file).encode(), str(weights).encode(), names, ctypes.byref(total))
        return nanoseconds, total.value

    return run


def scored(file: Path, score: Any) -> Callable[[], tuple[float, float]]:
    """A call runs the loop with a functor, and gives nanoseconds and the sum of scores."""

    def run() -> tuple[float, float]:
        frame = cling.root().RDataFrame("events", str(file))
        total = frame.Define("score", score).Sum["float"]("score")
        start = time.perf_counter_ns()
        value = total.GetValue()
        return time.perf_counter_ns() - start, value

    return run


def event_loops(file: Path, folder: Path, events: int, rounds: int) -> Table:
    loops = {
        "infer, in compiled C++": bare(file, folder),
        "functor": scored(file, pysofie.functor(MODEL)),
        "functor, by Cling": scored(file, pysofie.functor(MODEL, compiler="cling")),
    }
    results: dict[str, list[tuple[float, float]]] = {name: [] for name in loops}
    for _ in range(rounds):
        for name, loop in loops.items():
            results[name].append(loop())
    sums = [total for runs in results.values() for _, total in runs]
    assert max(sums) - min(sums) < 1e-3 * max(sums), "the loops do not compute the same"
    best = {name: min(nanoseconds for nanoseconds, _ in runs) / events for name, runs in results.items()}
    reference = best["infer, in compiled C++"]
    table = Table("one thread", "ns per event", "more", "ratio", title=f"{events} events")
    for name, value in best.items():
        table.add_row(name, f"{value:.0f}", f"{value - reference:+.0f}", f"{value / reference:.3f}")
    return table


FUNCTOR = "pysofie.functor(MODEL)"
SUM = "'float(' + '+'.join(name for name in map(str, frame.GetColumnNames()) if '-' not in name) + ')'"


def script(file: Path, score: str, slots: int = 0) -> tuple[float, float]:
    """Seconds for a column and memory in MiB, at most, of a process of its own."""
    code = SCRIPT.format(slots=slots, score=score, file=str(file))
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=file.parent
    )
    assert done.returncode == 0, done.stderr
    seconds, memory = map(float, done.stdout.split()[-2:])
    return seconds, memory


def scripts(file: Path, few: Path, rounds: int) -> Table:
    table = Table("a script", "", title="best of processes")
    for what, score in {"functor, from the cache": FUNCTOR, "sum of the columns, by ROOT": SUM}.items():
        seconds = min(script(few, score)[0] for _ in range(rounds))
        table.add_row(f"{what}: until the loop is over", f"{seconds:.2f} s")
    for slots in (2, 16):
        plain, scored = (min(script(file, what, slots)[1] for _ in range(rounds)) for what in (SUM, FUNCTOR))
        table.add_row(f"memory of the functor, EnableImplicitMT({slots})", f"{scored - plain:+.1f} MiB")
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    console = Console()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file, few = folder / "events.root", folder / "few.root"
        write_events(file, arguments.events)
        write_events(few, SAMPLE_EVENTS)
        console.print(event_loops(file, folder, arguments.events, arguments.rounds))
        console.print(scripts(file, few, arguments.rounds))


if __name__ == "__main__":
    main()
