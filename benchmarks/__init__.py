"""Side-by-side timings of pysofie and other engines; see `python -m benchmarks --help`."""

import sys
from pathlib import Path

# Where the source of pysofie beside this folder lacks its compiled core, import what is installed.
_ROOT = Path(__file__).parents[1]
if not list((_ROOT / "pysofie").glob("_core.*.so")):
    sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != _ROOT.resolve()]
