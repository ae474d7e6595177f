"""Many sessions at once, watched by the thread sanitizer."""

from __future__ import annotations

import nets
from generated import workshop
from onnx import numpy_helper

import pysofie


def test_sessions_in_threads(headers, tmp_path):
    retrained = nets.dynamic_mlp()
    for tensor in retrained.graph.initializer:
        tensor.CopyFrom(numpy_helper.from_array(-numpy_helper.to_array(tensor), tensor.name))
    pysofie.emit(retrained, tmp_path)
    (tmp_path / "dynamic_mlp.dat").rename(headers / "retrained.dat")
    program = workshop.compile_program(
        workshop.HERE / "threads.cpp", headers, "-pthread", "-fsanitize=thread"
    )
    workshop.run(program, TSAN_OPTIONS="halt_on_error=1")
