"""Calls: what is taken, what is refused, and what a user sees of it."""

from __future__ import annotations

import gc
from concurrent.futures import ThreadPoolExecutor

import nets
import numpy as np
import onnx
import pytest
import support
from onnx import helper

import pysofie


@pytest.fixture(scope="module")
def session():
    return pysofie.compile(support.mlp())


@pytest.fixture(scope="module")
def two_by_two():
    """Two inputs that share a dim, two outputs, one with a name that is no identifier."""
    nodes = [
        helper.make_node("Add", ["a", "b"], ["sum"]),
        helper.make_node("Sub", ["a", "b"], ["Identity:0"]),
    ]
    inputs = [support.floats("a", "n", 2), support.floats("b", "n", 2)]
    return pysofie.compile(
        support.model(nodes, inputs, [support.floats("sum", "n", 2), support.floats("Identity:0", "n", 2)])
    )


X = np.arange(6, dtype="float32").reshape(2, 3)


def test_call(session):
    np.testing.assert_allclose(session(X), support.mlp_reference(X), rtol=1e-5)
    np.testing.assert_array_equal(session(x=X), session(X))
    np.testing.assert_array_equal(session.run({"x": X})["y"], session(X))
    assert session(X).dtype == np.float32


@pytest.mark.parametrize("batch", [0, 1, 5, 1000, 3])
def test_dynamic_batch(session, batch):
    x = np.random.default_rng(batch).standard_normal((batch, 3)).astype("float32")
    np.testing.assert_allclose(session(x), support.mlp_reference(x), rtol=1e-5, atol=1e-6)


def test_each_event_alone(session, two_by_two):
    x = np.random.default_rng(0).standard_normal((50, 1, 3)).astype("float32")
    scores = session.run_each({"x": x})["y"]
    assert scores.shape == (50, 1, 2)
    np.testing.assert_array_equal(scores, np.stack([session(event) for event in x]))
    assert session.run_each({"x": x[:0]})["y"].shape == (0, 1, 2)
    pairs = session.run_each({"x": x.reshape(25, 2, 3)})["y"]
    np.testing.assert_array_equal(pairs, np.stack([session(event) for event in x.reshape(25, 2, 3)]))
    a, b = np.arange(12, dtype="float32").reshape(3, 2, 2), np.ones((3, 2, 2), "float32")
    both = two_by_two.run_each({"b": b, "a": a})
    np.testing.assert_array_equal(both["sum"], a + b)
    np.testing.assert_array_equal(both["Identity:0"], a - b)
    with pytest.raises(pysofie.ShapeError, match="one axis of events in front"):
        two_by_two.run_each({"a": a, "b": b[1:]})
    with pytest.raises(pysofie.ShapeError, match="one axis of events in front"):
        session.run_each({"x": np.float32(1)})
    with pytest.raises(pysofie.ShapeError, match="dim 1 should be 3"):
        session.run_each({"x": x[..., 1:]})


def test_each_event_alone_where_the_data_decide():
    """Lists of unbounded length lie between the inputs and an output of known shape, or are the output."""
    nonzero = helper.make_node("NonZero", ["x"], ["found"])
    total = helper.make_node("ReduceSum", ["found"], ["y"], keepdims=1)
    y = helper.make_tensor_value_info("y", onnx.TensorProto.INT64, (1, 1))
    session = pysofie.compile(support.model([nonzero, total], [support.floats("x", "n")], [y]))
    x = (np.random.default_rng(0).random((20, 30)) < np.linspace(0, 1, 20)[:, None]).astype("float32")
    np.testing.assert_array_equal(
        session.run_each({"x": x})["y"].ravel(), [np.flatnonzero(event).sum() for event in x]
    )
    found = helper.make_tensor_value_info("found", onnx.TensorProto.INT64, (1, "k"))
    session = pysofie.compile(support.model([nonzero], [support.floats("x", "n")], [found]))
    with pytest.raises(pysofie.ShapeError, match="known shapes"):
        session.run_each({"x": x})


def test_layouts(session):
    expected = session(X)
    strided = np.zeros((4, 6), "float32")[::2, ::2]
    strided[:] = X
    misaligned = np.frombuffer(b"\0" + X.tobytes(), dtype="uint8")[1:].view("float32").reshape(2, 3)
    read_only = X.copy()
    read_only.flags.writeable = False
    for x in (strided, np.asfortranarray(X), misaligned, read_only, X.astype(">f4"), X.astype("float16")):
        np.testing.assert_array_equal(session(x), expected)


def test_lists_and_numbers_take_the_dtype_of_the_model(session):
    np.testing.assert_array_equal(session(X.tolist()), session(X))


def test_dlpack(session):
    class Tensor:
        def __dlpack__(self, **keywords):
            return X.__dlpack__(**keywords)

        def __dlpack_device__(self):
            return X.__dlpack_device__()

    np.testing.assert_array_equal(session(Tensor()), session(X))


def test_named_tuple(two_by_two):
    a, b = np.ones((1, 2), "float32"), np.full((1, 2), 3, "float32")
    result = two_by_two(a, b)
    assert result._fields == ("sum", "Identity_0")
    np.testing.assert_array_equal(result.sum, a + b)
    np.testing.assert_array_equal(two_by_two(a, b=b).Identity_0, a - b)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda s: s(X.astype("float64")),
            r"'x' has dtype float64; expected x: float32.*x\.astype\('float32'\)",
        ),
        (lambda s: s(X.astype("int64")), r"'x' has dtype int64"),
        (lambda s: s(["a", "b", "c"]), "'x'.*expected"),
        (lambda s: s([[1, 2, 3], [4]]), "'x'.*expected"),
        (lambda s: s(object()), "'x'.*expected"),
        (lambda s: s(X[0]), r"'x' has 1 dims \(3,\); expected 2: x: float32\[batch, 3\]"),
        (lambda s: s(X[:, :2]), r"'x' has shape \(2, 2\); dim 1 should be 3"),
        (lambda s: s(), "expected the inputs x: .*got none"),
        (lambda s: s(X, X), "expected the inputs"),
        (lambda s: s(z=X), "expected the inputs.*'z'"),
        (lambda s: s(X, x=X), "expected the inputs"),
        (lambda s: s.run({}), "expected the inputs"),
    ],
)
def test_refused(session, call, message):
    with pytest.raises(pysofie.ShapeError, match=message):
        call(session)
    session(X)  # still works


def test_symbols_must_agree(two_by_two):
    a, b = np.ones((1, 2), "float32"), np.ones((3, 2), "float32")
    with pytest.raises(pysofie.ShapeError, match=r"'b' has shape .*should be n, which is 1 in input 'a'"):
        two_by_two(a, b)


def test_float64_keeps_its_precision():
    session = pysofie.compile(support.mlp(dtype="float64"))
    x = np.random.default_rng(0).standard_normal((5, 3))
    np.testing.assert_allclose(session(x), support.mlp_reference(x), rtol=1e-12)
    np.testing.assert_array_equal(
        session(x.astype("float32")), session(x.astype("float32").astype("float64"))
    )


def test_threads(session):
    inputs = [np.random.default_rng(i).standard_normal((i % 7, 3)).astype("float32") for i in range(200)]
    with ThreadPoolExecutor(8) as pool:
        for x, y in zip(inputs, pool.map(session, inputs), strict=True):
            np.testing.assert_allclose(y, support.mlp_reference(x), rtol=1e-5, atol=1e-6)


def test_clone(session):
    np.testing.assert_array_equal(session.clone()(X), session(X))


def test_results_are_not_overwritten(session):
    first = session(X)
    kept = first.copy()
    session(X + 1)
    np.testing.assert_array_equal(first, kept)


def test_bind(session):
    x = X.copy()
    bound = session.bind({"x": x})
    first = bound()
    for scale in range(8):
        x[:] = scale * X
        result = bound()
        assert result is first
        np.testing.assert_array_equal(result["y"], session(x))


def test_bind_to_given_outputs(two_by_two):
    a, b = np.ones((1, 2), "float32"), np.full((1, 2), 3, "float32")
    total = np.empty((1, 2), "float32")
    result = two_by_two.bind({"a": a, "b": b}, {"sum": total})()
    assert result["sum"] is total
    np.testing.assert_array_equal(total, a + b)
    np.testing.assert_array_equal(result["Identity:0"], a - b)


def test_bind_keeps_arrays_alive(session):
    bound = session.bind({"x": np.full((1000, 3), 2, "float32")})
    gc.collect()
    others = [np.zeros((1000, 3), "float32") for _ in range(10)]
    np.testing.assert_allclose(
        bound()["y"], support.mlp_reference(np.full((1000, 3), 2, "float32")), rtol=1e-5
    )
    assert len(others) == 10


@pytest.mark.parametrize("batch", [0, 3, 20_000])  # the last one takes long enough to release the GIL
def test_bound_objects_in_threads(session, batch):
    def repeat(seed):
        x = np.random.default_rng(seed).standard_normal((batch, 3)).astype("float32")
        bound, expected = session.bind({"x": x}), session(x)
        return all(np.array_equal(bound()["y"], expected) for _ in range(20))

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(repeat, range(16)))


@pytest.mark.parametrize("batch", [3, 20_000])
def test_one_bound_object_in_many_threads(session, batch):
    x = np.random.default_rng(0).standard_normal((batch, 3)).astype("float32")
    bound = session.bind({"x": x})
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: bound(), range(100)))
    np.testing.assert_array_equal(results[0]["y"], session(x))


def test_bind_makes_room_for_what_the_data_ask_for():
    """A size that the data decide inside of the model, and without a bound."""
    nodes = [
        helper.make_node("Range", ["zero", "n", "one"], ["r"]),
        helper.make_node("ReduceSum", ["r"], ["y"], keepdims=0),
    ]
    scalar = helper.make_tensor_value_info("n", onnx.TensorProto.INT64, ())
    y = helper.make_tensor_value_info("y", onnx.TensorProto.INT64, ())
    constants = {"zero": np.array(0), "one": np.array(1)}
    session = pysofie.compile(support.model(nodes, [scalar], [y], constants))
    n = np.array(0)
    bound = session.bind({"n": n})
    for n[...] in (3, 1000, 2, 100_000):
        assert bound()["y"] == n * (n - 1) // 2


def test_bound_calls_report_what_the_data_break():
    node = helper.make_node("Gather", ["table", "i"], ["y"])
    i = helper.make_tensor_value_info("i", onnx.TensorProto.INT64, (1,))
    table = {"table": np.arange(4, dtype="float32")}
    session = pysofie.compile(support.model([node], [i], [support.floats("y", 1)], table))
    position = np.array([9])
    bound = session.bind({"i": position})
    with pytest.raises(IndexError, match="outside"):
        bound()
    position[:] = 3
    assert bound()["y"] == 3


@pytest.mark.parametrize(
    ("feeds", "outputs", "message"),
    [
        ({"x": X.astype("float64")}, None, r"'x' has dtype float64; expected x: float32"),
        ({"x": X[:, :2]}, None, r"'x' has shape \(2, 2\); dim 1 should be 3"),
        ({}, None, "expected the inputs"),
        ({"x": X.tolist()}, None, "'x' would be copied"),
        ({"x": X.astype("float16")}, None, "'x' would be copied"),
        ({"x": np.asfortranarray(X)}, None, "'x' would be copied"),
        ({"x": X}, {"z": X}, "expected outputs among y: .*'z'"),
        ({"x": X}, {"y": np.empty((3, 2), "float32")}, r"'y' needs an array float32\[2, 2\]; got .*\[3, 2\]"),
        ({"x": X}, {"y": np.empty((2, 2))}, "'y' needs an array float32.*got float64"),
        ({"x": X}, {"y": [[0, 0], [0, 0]]}, "'y' needs an array float32.*got .*list"),
        ({"x": X}, {"y": np.empty((2, 4), "float32")[:, ::2]}, "'y' needs an array that is dense"),
        ({"x": X}, {"y": X.reshape(-1)[:4].reshape(2, 2)}, "'y' shares memory"),
    ],
)
def test_bind_refuses(session, feeds, outputs, message):
    with pytest.raises(pysofie.ShapeError, match=message):
        session.bind(feeds, outputs)


def test_bind_refuses_outputs_of_unknown_shape():
    node = helper.make_node("NonZero", ["x"], ["y"])
    y = helper.make_tensor_value_info("y", onnx.TensorProto.INT64, (1, None))
    session = pysofie.compile(support.model([node], [support.floats("x", 4)], [y]))
    with pytest.raises(pysofie.ShapeError, match=r"the data decide.*'y'"):
        session.bind({"x": np.ones(4, "float32")})


def test_benchmark(session):
    for feeds in (X, [X], {"x": X}):
        durations = session.benchmark(feeds, 50)
        assert durations.shape == (50,)
        assert durations.dtype == np.uint64
        assert 0 < np.median(durations) < 1e8
    with pytest.raises(ValueError, match="repeat"):
        session.benchmark(X, 0)


def test_profile(session):
    assert session.profile() == []
    profiled = pysofie.compile(support.mlp(), profile=True)
    profiled(X)
    profiled(X)
    rows = profiled.profile()
    assert rows
    assert all(row.calls == 2 and row.nanoseconds >= 0 for row in rows)


@pytest.mark.parametrize("batch", [1, 7])
def test_profile_counts_for_the_sizes_of_the_run(batch):
    session = pysofie.compile(support.mlp(), profile=True, disabled_passes=["fuse_epilogues"])
    assert [row.operations for row in session.profile()] == [0] * len(session.profile())
    session(np.ones((50, 3), "float32"))
    session(np.ones((batch, 3), "float32"))
    (last,) = [row for row in session.profile() if row.nodes.startswith("MatMul")]
    assert last.operations == batch * 4 * 2 * 2
    assert last.bytes == 4 * (batch * 4 + 4 * 2 + batch * 2)


def test_profile_counts_what_the_data_decide():
    nodes = [
        helper.make_node("Compress", ["x", "mask"], ["kept"], axis=0),
        helper.make_node("Exp", ["kept"], ["y"]),
    ]
    mask = helper.make_tensor_value_info("mask", onnx.TensorProto.BOOL, (100,))
    model = support.model(nodes, [support.floats("x", 100), mask], [support.floats("y", None)])
    session = pysofie.compile(model, profile=True)
    operations = []
    for kept in (3, 40):
        assert session(np.ones(100, "float32"), np.arange(100) < kept).shape == (kept,)
        operations.append(sum(row.operations for row in session.profile()))
    assert operations[1] - operations[0] == 37


def test_repr(session):
    assert "x: float32[batch, 3]" in repr(session)


def test_bounds_make_the_arena_static():
    session = pysofie.compile(nets.recurrent(), dims={"n": (0, 64)})
    sizes = set()
    for n in (1, 0, 64):
        session.run({"x": np.ones((n, 3), "float32"), "weight": np.ones(n, "float32")})
        sizes.add(session.arena_bytes)
    assert len(sizes) == 1
    with pytest.raises(pysofie.ShapeError, match="64"):
        session.run({"x": np.ones((65, 3), "float32"), "weight": np.ones(65, "float32")})


# --- events -------------------------------------------------------------------------------------------------


def sum_of_squares(shape):
    """Of the features of each object."""
    nodes = [helper.make_node("ReduceSumSquare", ["x"], ["y"], axes=[1], keepdims=0)]
    return support.model(nodes, [support.floats("x", *shape)], [support.floats("y", "n")], opset=13)


def test_events_of_awkward():
    """Records and jagged lists, by the rules of a functor, in one call."""
    ak = pytest.importorskip("awkward", reason="needs awkward: pip install 'pysofie[uproot]'")
    session = pysofie.compile(sum_of_squares(("n", 2)))
    jets = ak.Array([[{"pt": 1.0, "eta": 2}, {"pt": 3.0, "eta": 0}], [], [{"pt": 0.5, "eta": 1}]])
    expected = [[5, 9], [], [1.25]]
    assert ak.to_list(session(jets)) == expected
    assert ak.to_list(session(jets["pt"], jets["eta"])) == expected
    assert ak.to_list(session(ak.zip({"pt": jets["pt"], "eta": jets["eta"]}, depth_limit=1))) == expected
    np.testing.assert_array_equal(session(ak.Array([{"a": 3, "b": 4}])), [25])
    np.testing.assert_array_equal(session(ak.Array(np.array([[3, 4]], "float32"))), [25])
    with pytest.raises(pysofie.Error, match="takes exactly 2 entries"):
        session(jets["pt"])
