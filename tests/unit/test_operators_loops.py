"""Loop and Scan against onnxruntime: repeated kernels, bodies written once per iteration, nested ones."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest

import pysofie

HEAD = '<ir_version: 9, opset_import: ["" : {opset}]>\n'


def model(text: str, opset: int = 17) -> onnx.ModelProto:
    proto = onnx.parser.parse_model(HEAD.format(opset=opset) + text)
    onnx.checker.check_model(proto)
    return proto


def check(proto: onnx.ModelProto, *data_sets: dict) -> None:
    """Compare with onnxruntime for several inputs, one after the other, in one session."""
    session = pysofie.compile(proto)
    reference = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    for inputs in data_sets:
        expected = reference.run(None, inputs)
        for (name, actual), wanted in zip(session.run(inputs).items(), expected, strict=True):
            assert actual.dtype == wanted.dtype, name
            if wanted.size == 0:  # of what no iteration gave onnxruntime does not know the shape
                assert actual.size == 0
                continue
            np.testing.assert_allclose(actual, wanted, rtol=1e-5, atol=1e-6, err_msg=name)


COUNTED = """
powers (int64 trips, float[n] x, float[n, n] w) => (float[n] last, float[m, n] all, int64[m] squares) {
  yes = Constant <value = bool {1}> ()
  size = Shape (w)
  last, all, squares = Loop (trips, yes, x) <body = body (int64 i, bool go, float[n] v) =>
      (bool go_on, float[n] next, float[n] row, int64 square) {
    go_on = Identity (go)
    product = MatMul (w, v)
    minus = Constant <value_ints = [-1]> ()
    flat = Reshape (product, minus)
    next = Add (flat, x)
    row = Neg (v)
    square = Mul (i, i)
  }>
}
"""


def data(n: int, trips: int, seed: int = 0) -> dict:
    random = np.random.default_rng(seed)
    return {
        "trips": np.array(trips),
        "x": random.normal(size=n).astype("f"),
        "w": (random.normal(size=(n, n)) / max(n, 1)).astype("f"),
    }


def test_the_number_of_iterations_comes_from_data() -> None:
    check(model(COUNTED), *(data(n, trips) for n, trips in [(3, 4), (5, 0), (1, 1), (4, 9), (0, 2)]))


WHILE = """
collatz (int64 start) => (int64 last, int64[m] path) {
  most = Constant <value = int64 {9223372036854775807}> ()
  one = Constant <value = int64 {1}> ()
  begin = Greater (start, one)
  last, path = Loop (most, begin, start) <body = body (int64 i, bool go, int64 v) =>
      (bool go_on, int64 next, int64 row) {
    two = Constant <value = int64 {2}> ()
    three = Constant <value = int64 {3}> ()
    odd = Mod (v, two)
    isOdd = Cast <to = 9> (odd)
    half = Div (v, two)
    triple = Mul (v, three)
    more = Add (triple, one)
    next = Where (isOdd, more, half)
    go_on = Greater (next, one)
    row = Identity (v)
  }>
}
"""


def test_a_loop_ends_when_its_condition_fails() -> None:
    check(model(WHILE), *({"start": np.array(start)} for start in (6, 1, 27, 2, 97, 7)))


def test_a_loop_ends_at_whichever_comes_first() -> None:
    text = WHILE.replace("(int64 start)", "(int64 start, int64 most)").replace(
        "most = Constant <value = int64 {9223372036854775807}> ()\n", ""
    )
    check(model(text), *({"start": np.array(27), "most": np.array(most)} for most in (5, 0, 111, 500, 3)))


def test_values_may_change_places() -> None:
    text = """
    fibonacci (int64 n, float[k] a, float[k] b) => (float[k] x, float[k] y, float[k] z) {
      yes = Constant <value = bool {1}> ()
      x, y, z = Loop (n, yes, a, b, a) <body = body (int64 i, bool go, float[k] p, float[k] q, float[k] r) =>
          (bool go_on, float[k] first, float[k] second, float[k] third) {
        go_on = Identity (go)
        first = Identity (q)
        second = Add (p, q)
        third = Identity (p)
      }>
    }"""
    values = {"a": np.arange(3, dtype="f"), "b": np.ones(3, "f")}
    check(model(text), *({"n": np.array(n), **values} for n in (7, 0, 1)))


def test_sizes_that_change_are_written_out() -> None:
    text = """
    growing (float[k] a) => (float[m] last, float[3, 2] firsts) {
      three = Constant <value = int64 {3}> ()
      yes = Constant <value = bool {1}> ()
      last, firsts = Loop (three, yes, a) <body = body (int64 i, bool go, float[p] v) =>
          (bool go_on, float[q] next, float[2] first) {
        go_on = Identity (go)
        next = Concat <axis = 0> (v, a)
        zero = Constant <value_ints = [0]> ()
        two = Constant <value_ints = [2]> ()
        first = Slice (next, zero, two)
      }>
    }"""
    check(model(text), {"a": np.arange(3, dtype="f")}, {"a": np.arange(5, dtype="f")})


def test_sizes_that_change_with_data_are_refused() -> None:
    text = """
    growing (int64 n, float[2] a) => (float[m] last) {
      yes = Constant <value = bool {1}> ()
      last = Loop (n, yes, a) <body = body (int64 i, bool go, float[p] v) => (bool go_on, float[q] next) {
        go_on = Identity (go)
        next = Concat <axis = 0> (v, a)
      }>
    }"""
    with pytest.raises(pysofie.UnsupportedError, match=r"'next' is float32\[4\] after it was float32\[2\]"):
        pysofie.compile(model(text))


def test_loops_in_loops_with_branches() -> None:
    text = """
    nested (int64 n, float[k] a) => (float[k] last, float[m, k] rows) {
      yes = Constant <value = bool {1}> ()
      last, rows = Loop (n, yes, a) <body = outer (int64 i, bool go, float[k] v) =>
          (bool go_on, float[k] next, float[k] row) {
        go_on = Identity (go)
        next = Loop (i, yes, v) <body = inner (int64 j, bool run, float[k] u) => (bool run_on, float[k] out) {
          run_on = Identity (run)
          odd = Equal (i, j)
          grown = If (odd) <
            then_branch = yes_graph () => (float[k] t) { t = Mul (u, a) },
            else_branch = no_graph () => (float[k] e) { e = Sub (u, v) }>
          step = Cast <to = 1> (j)
          out = Add (grown, step)
        }>
        row = Add (next, v)
      }>
    }"""
    check(model(text), *({"n": np.array(n), "a": np.array([0.5, -1, 2], "f")} for n in (4, 1, 0)))


def test_each_iteration_reads_a_place_of_its_own() -> None:
    text = """
    rows (float[n, k] x) => (float[m, k] y) {
      size = Shape <start = 0, end = 1> (x)
      empty = Constant <value_ints = [0]> ()
      shape = Constant <value_ints = [-1]> ()
      yes = Constant <value = bool {1}> ()
      scalars = Squeeze (size)
      y = Loop (scalars, yes) <body = body (int64 i, bool go) => (bool go_on, float[k] row) {
        go_on = Identity (go)
        last = Sub (scalars, i)
        one = Constant <value = int64 {1}> ()
        place = Sub (last, one)
        row = Gather <axis = 0> (x, place)
      }>
    }"""
    check(model(text), *({"x": np.arange(n * 2, dtype="f").reshape(n, 2)} for n in (3, 1, 5)))


SCAN = """
scan (float[2] start, float[a, n, b] x, float[n, 2] z) => (float[2] last, float[2, n] sums, float[n] tops) {
  last, sums, tops = Scan <num_scan_inputs = 2, scan_input_axes = [1, -2], scan_input_directions = [0, 1],
      scan_output_axes = [1, 0], scan_output_directions = [1, 0], body = body (float[2] v, float[a, b] s,
      float[2] t) => (float[2] next, float[2] row, float top) {
    total = ReduceMax <keepdims = 0> (s)
    scaled = Mul (v, t)
    next = Add (scaled, total)
    row = Sub (next, v)
    top = Identity (total)
  }> (start, x, z)
}
"""


@pytest.mark.parametrize("n", [1, 4])
def test_scan_reads_and_writes_along_any_axis_from_either_end(n: int) -> None:
    random = np.random.default_rng(n)
    shapes = {"start": (2,), "x": (3, n, 2), "z": (n, 2)}
    check(model(SCAN), {name: random.normal(size=shape).astype("f") for name, shape in shapes.items()})


def test_scan_over_nothing_leaves_the_state() -> None:
    session = pysofie.compile(model(SCAN))
    inputs = {"start": np.array([1, 2], "f"), "x": np.zeros((3, 0, 2), "f"), "z": np.zeros((0, 2), "f")}
    outputs = session.run(inputs)
    assert outputs["last"].tolist() == [1, 2]
    assert outputs["sums"].shape == (2, 0)
    assert outputs["tops"].shape == (0,)


def test_scan_of_a_batch_of_sequences() -> None:
    text = """
    scan (int64[b] steps, float[b, 2] start, float[b, n, 2] x) => (float[b, 2] last, float[b, n, 2] all) {
      last, all = Scan <num_scan_inputs = 1, body = body (float[2] v, float[2] s) =>
          (float[2] next, float[2] row) {
        next = Add (v, s)
        row = Mul (v, s)
      }> (steps, start, x)
    }"""
    proto = model(text, opset=8)
    random = np.random.default_rng(1)
    start, x = random.normal(size=(3, 2)).astype("f"), random.normal(size=(3, 4, 2)).astype("f")
    steps = np.array([4, 0, 2])
    outputs = pysofie.compile(proto).run({"steps": steps, "start": start, "x": x})
    for b, count in enumerate(steps):
        state = start[b]
        for t in range(count):
            np.testing.assert_allclose(outputs["all"][b, t], state * x[b, t], rtol=1e-6)
            state = state + x[b, t]
        np.testing.assert_allclose(outputs["last"][b], state, rtol=1e-6)


def test_loops_that_would_be_written_out_without_end_are_refused() -> None:
    text = """
    growing (float[2] a) => (float[m] last) {
      many = Constant <value = int64 {1000000}> ()
      yes = Constant <value = bool {1}> ()
      last = Loop (many, yes, a) <body = body (int64 i, bool go, float[p] v) => (bool go_on, float[q] next) {
        go_on = Identity (go)
        next = Concat <axis = 0> (v, a)
      }>
    }"""
    with pytest.raises(pysofie.UnsupportedError, match="1024 iterations at most"):
        pysofie.load(model(text))


def nested(depth: int) -> str:
    """Branches in branches."""
    inside = "Neg (x)" if depth == 0 else nested(depth - 1)
    return (
        f"If (c) <then_branch = t{depth} () => (float[2] t{depth}_y) {{ t{depth}_y = {inside} }},"
        f" else_branch = e{depth} () => (float[2] e{depth}_y) {{ e{depth}_y = Abs (x) }}>"
    )


def test_subgraphs_may_be_nested_but_not_without_end() -> None:
    text = "nested (bool c, float[2] x) => (float[2] y) {{ y = {} }}"
    check(model(text.format(nested(6))), {"c": np.array(True), "x": np.array([1, -2], "f")})
    with pytest.raises(pysofie.UnsupportedError, match="nested more than 8 deep"):
        pysofie.load(model(text.format(nested(12))))


def test_every_iteration_draws_numbers_of_its_own() -> None:
    text = """
    noise (int64 n) => (float[m, 4] rows) {
      yes = Constant <value = bool {1}> ()
      rows = Loop (n, yes) <body = body (int64 i, bool go) => (bool go_on, float[4] row) {
        go_on = Identity (go)
        row = RandomUniform <shape = [4], seed = 3.0> ()
      }>
    }"""
    rows = pysofie.compile(model(text)).run({"n": np.array(5)})["rows"]
    assert len(np.unique(rows)) == 20


def test_a_body_with_other_inputs_is_invalid() -> None:
    proto = model(COUNTED)
    body = next(node for node in proto.graph.node if node.op_type == "Loop").attribute[0].g
    del body.input[2]
    body.initializer.append(onnx.numpy_helper.from_array(np.zeros(3, "f"), "v"))
    with pytest.raises(pysofie.InvalidModelError, match="has 2 inputs, but is given 3"):
        pysofie.load(proto)
