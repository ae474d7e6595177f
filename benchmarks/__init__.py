"""Side-by-side timings of pysofie and onnxruntime; see `python -m benchmarks --help`."""
