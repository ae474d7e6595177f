"""What runs an exported model to compare it, without compiling it."""

from __future__ import annotations

import numpy as np
import onnx.parser

from pysofie.importers.agreement import runners

SUMS = """
<ir_version: 9, opset_import: ["" : 18]>
sums (float[n] x, int64 count) => (float[m] y) {
  start = SequenceEmpty<dtype = 1>()
  go = Constant<value = bool {1}>()
  all = Loop(count, go, start) <body = step (int64 i, bool more, seq(float[n]) before)
      => (bool again, seq(float[n]) after) {
    again = Identity(more)
    after = SequenceInsert(before, x)
  }>
  y = ConcatFromSequence<axis = 0>(all)
}
"""


def test_loops_over_sequences_are_left_to_the_evaluator_of_onnx():
    """Onnxruntime 1.32 may end the process when it opens such a model."""
    (run,) = runners(onnx.parser.parse_model(SUMS))
    x = np.array([1, 2], "float32")
    np.testing.assert_array_equal(run({"x": x, "count": np.array(2)})["y"], [1, 2, 1, 2])


def test_onnxruntime_comes_first():
    proto = onnx.parser.parse_model(
        """<ir_version: 9, opset_import: ["" : 18]> twice (float[n] x) => (float[n] y) { y = Add(x, x) }"""
    )
    results = [run({"x": np.ones(2, "float32")})["y"] for run in runners(proto)]
    assert len(results) == 2
    assert all((result == 2).all() for result in results)
