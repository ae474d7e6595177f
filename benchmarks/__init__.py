"""Side-by-side timings of pysofie and onnxruntime; see `python -m benchmarks --help`."""

import sys
from pathlib import Path

# Beside this folder lies the source of pysofie, without its compiled core: import what is installed.
_ROOT = Path(__file__).parents[1]
sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != _ROOT.resolve()]
