"""Calls: what is taken, what is refused, and what a user sees of it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import nets
import numpy as np
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
    assert all(calls == 2 and nanoseconds >= 0 for _, nanoseconds, calls in rows)


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
