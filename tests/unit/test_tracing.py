"""Traced functions compute what NumPy computes: the same function on arrays and in a compiled model."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import helper

import pysofie
from pysofie import ops, tracing
from pysofie.compile import compile_many

RNG = np.random.default_rng(7)
FLOATS = {
    "x": RNG.standard_normal((4, 3)).astype("float32"),
    "y": RNG.uniform(0.1, 2, (4, 3)).astype("float32"),
    "v": RNG.standard_normal(3).astype("float32"),
    "d": RNG.standard_normal((4, 3)),
}
INTEGERS = {
    "i": RNG.integers(-7, 8, (4, 3)),
    "j": RNG.choice([-3, -2, -1, 1, 2, 3], (4, 3)),
    "s": RNG.integers(-7, 8, (4, 3)).astype("int32"),
    "u": RNG.integers(0, 9, 3).astype("uint8"),
    "b": RNG.integers(0, 2, (4, 3)).astype(bool),
    "c": RNG.integers(0, 2, (4, 3)).astype(bool),
}
EDGES = np.array([0.0, -0.0, 1.0, -1.0, 0.5, -2.5, 1e-8, -1e-8, 3e38, -3e38, np.inf, -np.inf, np.nan])
PAIRS = {
    "a": np.repeat(EDGES, EDGES.size).astype("float32"),
    "b": np.tile(EDGES, EDGES.size).astype("float32"),
}


def arithmetic(x, y, v, d):
    yield x + y - v * 2 / (y + 1)
    yield 1 - x, 2 / y, 3**y, -x, +x, abs(x)
    yield x**2, y**0.5, y**-1, y**x, x**3
    yield x // y, x % y, x // -0.3, x % -0.3, np.fmod(x, y), 1.0 // y
    yield x + d, x * np.float64(2), x + np.arange(3), v @ x.T, x @ v, x @ y.T, v @ v, x @ [1, 2, 3]
    yield x > 0, x >= y, x < v, x <= 0.5, x == y, x != y, (x > 0) & (y < 1) | ~(x < y) ^ (d > 0)


def elementary(x, y, v, d):
    yield from (
        f(x) for f in (np.exp, np.expm1, np.sin, np.cos, np.tan, np.arctan, np.sinh, np.cosh, np.tanh)
    )
    yield from (f(y) for f in (np.log, np.log2, np.log10, np.log1p, np.sqrt, np.cbrt, np.exp2, np.reciprocal))
    yield from (f(x) for f in (np.floor, np.ceil, np.trunc, np.rint, np.sign, np.square, np.arcsinh, np.fabs))
    yield from (f(x) for f in (np.deg2rad, np.degrees, np.isnan, np.isinf, np.isfinite, np.signbit))
    yield np.arcsin(y / 3), np.arccos(y / 3), np.arctanh(y / 3), np.arccosh(y + 1)
    yield np.maximum(x, y), np.minimum(x, 0), np.fmax(x, y), np.fmin(x, y), np.copysign(y, x)
    yield np.hypot(x, y), np.arctan2(x, y), np.arctan2(y, -x), np.logaddexp(x, y), np.heaviside(x, 0.5)
    yield np.where(x > 0, x, 0), np.where(y > 1, d, y), np.clip(x, -0.5, 0.5), x.clip(0, None)
    yield np.nan_to_num(x), np.round(x, 2), x.round(), np.round(x * 100, -1), np.exp(d), np.log1p(d * d)


def reductions(x, y, v, d):
    yield x.sum(), x.sum(0), x.sum(axis=-1, keepdims=True), np.sum(x, axis=(0, 1)), np.prod(y, 1)
    yield x.mean(), x.mean(1), x.var(0), x.std(1, ddof=1), np.var(d), np.std(x, keepdims=True)
    yield x.max(), x.min(0), np.max(x, axis=1, keepdims=True), (x > 0).any(), (x > -9).all(1), np.any(x, 0)
    yield x.argmax(), x.argmax(1), np.argmin(x, 0), x.cumsum(1), np.cumsum(x), np.argmax(x, 1, keepdims=True)
    yield np.linalg.norm(x), np.linalg.norm(x, axis=1), np.linalg.norm(x, 1, axis=0)
    yield (
        np.linalg.norm(v, np.inf),
        np.linalg.norm(x, 3, axis=-1),
        np.add.reduce(x),
        np.maximum.reduce(x, axis=1),
    )


def movement(x, y, v, d):
    yield x.T, x.reshape(3, 4), x.reshape((2, -1)), x.ravel(), np.transpose(x, (1, 0)), x.mT, x.flatten()
    yield (
        x[0],
        x[-1],
        x[:, 1],
        x[1:3],
        x[::-1],
        x[::2, ::-1],
        x[..., 0],
        x[None],
        x[:, None, :],
        x[1, 2],
        x[-3:-1, 1:],
    )
    yield (
        x[[2, 0, 1]],
        x[:, np.array([[0, 2], [1, 1]])],
        x[np.array([True, False, True, True])],
        x[x > 0],
        x[1:, ::-2][0],
    )
    yield (
        np.concatenate([x, y]),
        np.concatenate([x, d], axis=1),
        np.stack([x, y], -1),
        np.concatenate([x, v], axis=None),
    )
    yield np.hstack([x, y]), np.vstack([x, v]), np.column_stack([v, v]), np.hstack([v, v])
    yield (
        np.expand_dims(x, (0, 2)),
        np.squeeze(x[:, :1]),
        np.squeeze(x[:1], 0),
        np.swapaxes(x, 0, 1),
        np.moveaxis(x[None], 0, -1),
    )
    yield (
        np.broadcast_to(v, (2, 3)),
        np.tile(v, 2),
        np.tile(v, (2, 1)),
        np.flip(x),
        np.flip(x, 1),
        np.diff(x),
        np.diff(x, axis=0),
    )
    yield np.zeros_like(x), np.ones_like(x, dtype="int64"), np.full_like(x, 2.5), np.tril(x), np.triu(x, 1)
    yield (
        np.take(x, [0, 5]),
        np.take(x, [1], axis=1),
        np.take_along_axis(x, np.argsort(x, 1), 1),
        np.sort(x),
        np.argsort(x, 0),
    )
    yield np.dot(x, v), np.outer(v, v), np.einsum("ij,j->i", x, v), np.linalg.det(x[:3]), np.dot(x, 2)
    yield (
        x.astype("float64"),
        x.astype(int),
        (x > 0).astype("float32"),
        x.shape[0] * 1.5,
        np.ndim(x),
        np.size(x),
        len(x),
    )
    yield tuple(row * 2 for row in x)


def integers(i, j, s, u, b, c):
    yield i + j, i - 2, i * j, i / j, i // j, i % j, -i, abs(i), i // -2, i % -2, s // 3, u // 2, u % 3
    yield i & j, i | j, i ^ j, ~i, i == j, i > 0, i**2, u + 1, u * u, s + u, s * i, s / s.astype("float32")
    yield (
        b & c,
        b | c,
        b ^ c,
        ~b,
        b + c,
        b * c,
        b == c,
        b > c,
        np.logical_and(i, b),
        np.logical_not(i),
        abs(b),
    )
    yield (
        i.sum(),
        s.sum(0),
        u.sum(),
        b.sum(1),
        i.mean(0),
        u.prod(),
        b.mean(),
        i.max(),
        u.min(),
        b.any(),
        b.all(0),
        b.max(),
    )
    yield (
        np.exp(i),
        np.sqrt(abs(s)),
        np.where(b, i, s),
        i @ j.T,
        np.maximum(i, s),
        np.sign(i),
        np.clip(i, -2, 2),
    )
    yield (
        np.isnan(i),
        np.isfinite(s),
        np.signbit(i),
        np.trunc(i),
        i.cumsum(),
        np.round(i),
        np.linalg.norm(i),
        s.argmax(1),
    )


def edges(a, b):
    yield (
        a // b,
        a % b,
        np.fmod(a, b),
        np.hypot(a, b),
        np.arctan2(a, b),
        np.copysign(a, b),
        np.fmax(a, b),
        np.fmin(a, b),
    )
    yield (
        np.logaddexp(a, b),
        np.log1p(a),
        np.expm1(a),
        np.isinf(a),
        np.isfinite(a),
        np.signbit(a),
        np.heaviside(a, b),
    )
    yield (
        np.nan_to_num(a),
        np.maximum(a, b),
        np.minimum(a, b),
        a.max(),
        np.trunc(a),
        np.where(a > b, a, b),
        a == b,
        a != b,
    )


def flattened(results):
    return [leaf for r in results for leaf in (flattened(r) if isinstance(r, tuple) else [r])]


def model_of(function, arrays, batch=None):
    """A model whose outputs are all that the function yields."""
    inputs = {
        name: (a.dtype, tuple(batch if batch and n == 4 else n for n in a.shape))
        for name, a in arrays.items()
    }
    traced = tracing.trace(lambda *t: tuple(flattened(function(*t))), inputs)
    return helper.make_model(
        traced.graph(function.__name__), opset_imports=[helper.make_opsetid("", traced.recorder.opset)]
    )


def check(results, expected, what):
    assert len(results) == len(expected)
    for place, (result, wanted) in enumerate(zip(results, expected, strict=True)):
        wanted = np.asarray(wanted)
        assert result.dtype == wanted.dtype, (what, place)
        assert result.shape == wanted.shape, (what, place)
        np.testing.assert_allclose(result, wanted, rtol=2e-6, atol=2e-6, err_msg=f"{what}, {place}")


def test_as_numpy():
    cases = [
        (arithmetic, FLOATS),
        (elementary, FLOATS),
        (reductions, FLOATS),
        (movement, FLOATS),
        (integers, INTEGERS),
        (edges, PAIRS),
    ]
    models = [model_of(function, arrays) for function, arrays in cases]
    for (function, arrays), proto, session in zip(cases, models, compile_many(models), strict=True):
        onnx.checker.check_model(proto, full_check=True)
        with np.errstate(all="ignore"):
            expected = flattened(function(*arrays.values()))
        check(list(session.run(arrays).values()), expected, function.__name__)


def summary(x):
    centred = x - x.mean(0)
    rows = x.shape[0]
    yield (
        x.reshape(rows, -1) / rows,
        centred.reshape((x.size,)),
        x[-1],
        x[rows // 2 :],
        x.T @ x,
        np.size(x, 0),
    )
    yield (
        np.broadcast_to(x.max(0), (rows + 1, 3)),
        np.sort(x, 0),
        np.tile(x, (2, 1)),
        x.var(0, ddof=1),
        np.ones_like(x),
    )
    yield (
        x[x[:, 0] > 0],
        np.concatenate([x, centred]),
        np.stack([x[:, 0], x[:, 1]], 1),
        np.reshape(x, (1, rows, 3)),
    )


def test_dynamic_shapes():
    session = pysofie.compile(model_of(summary, {"x": FLOATS["x"]}, batch="n"))
    for rows in (2, 5):
        x = RNG.standard_normal((rows, 3)).astype("float32")
        check(list(session.run({"x": x}).values()), flattened(summary(x)), f"{rows} rows")


def test_zero_rows():
    session = pysofie.compile(
        model_of(lambda x: [(x.sum(), x.any(), x.all(), x.reshape(-1, 3) * 2)], {"x": FLOATS["x"]}, "n")
    )
    total, some, every, doubled = session.run({"x": np.zeros((0, 3), "float32")}).values()
    assert (total, some, every, doubled.shape) == (0, False, True, (0, 3))


def test_operators_of_onnx():
    def layer(x):
        values, places = ops.TopK(x, [2], axis=-1)
        parts = ops.Split(x, [1, 2], axis=1, outputs=2)
        scaled = ops.domain("ai.onnx.ml").Scaler(x, offset=[1.0], scale=[2.0]).reshape(4, 3)
        return {
            "soft": ops.Softmax(x, axis=1),
            "v": values,
            "p": places,
            "last": parts[1],
            "c": ops.Clip(x, None, 0.5),
            "s": scaled,
        }

    x = FLOATS["x"]
    traced = tracing.trace(layer, {"x": ("float32", x.shape)})
    assert traced.keys == ("soft", "v", "p", "last", "c", "s")
    imports = [helper.make_opsetid(*entry) for entry in traced.recorder.imports.items()]
    session = pysofie.compile(helper.make_model(traced.graph(), opset_imports=imports))
    soft, values, places, last, clipped, scaled = session.run({"x": x}).values()
    order = np.argsort(-x, 1)[:, :2]
    np.testing.assert_array_equal(places, order)
    np.testing.assert_array_equal(values, np.take_along_axis(x, order, 1))
    np.testing.assert_allclose(soft, np.exp(x) / np.exp(x).sum(1, keepdims=True), rtol=1e-6)
    np.testing.assert_array_equal(last, x[:, 1:])
    np.testing.assert_array_equal(clipped, np.minimum(x, 0.5))
    np.testing.assert_allclose(scaled, (x - 1) * 2, rtol=1e-6)


def test_outputs_are_values_of_their_own():
    traced = tracing.trace(lambda x: (x, x, 2.0, x * 2), {"x": ("float32", ("n",))})
    assert len({t.name for t in traced.outputs} | {"x"}) == 5
    proto = helper.make_model(traced.graph(), opset_imports=[helper.make_opsetid("", traced.recorder.opset)])
    first, second, two, doubled = pysofie.compile(proto)(np.float32([1, 2]))
    assert (first.tolist(), second.tolist(), two, doubled.tolist()) == ([1, 2], [1, 2], 2, [2, 4])


@pytest.mark.parametrize("opset", [13, 17, 18])
def test_opsets(opset):
    traced = tracing.trace(
        lambda x: (x.sum(0), x.max(1), x.mean((0, 1)), x[1:, None]), {"x": ("float32", (4, 3))}, opset=opset
    )
    proto = helper.make_model(traced.graph(), opset_imports=[helper.make_opsetid("", opset)])
    onnx.checker.check_model(proto, full_check=True)


def branch(x):
    return x if x > 0 else -x


def mixed(x):
    other = tracing.Recorder().input("other", "float32", (3,))
    return x + other


@pytest.mark.parametrize(
    ("function", "error", "words"),
    [
        (branch, pysofie.Error, r"bool.*Python cannot branch on it; use numpy.where"),
        (lambda x: float(x), TypeError, "cannot be a float"),
        (lambda x: np.fft.fft(x), pysofie.Error, r"fft does not take symbolic tensors.*pysofie.ops"),
        (lambda x: np.spacing(x), pysofie.Error, "numpy.spacing does not take"),
        (lambda x: np.add(x, 1, where=[True]), pysofie.Error, "takes no where="),
        (
            lambda x: x + np.ones(4, "float32"),
            pysofie.ShapeError,
            r"Add of x: float32\[n, 3\], .*float32\[4\]",
        ),
        (lambda x: x.reshape(2, 2, 2, "n"), pysofie.Error, r"numpy.reshape of x: .*'str' object"),
        (
            lambda x: x.astype("complex64"),
            pysofie.ShapeError,
            "cannot become complex64; in opset 21 it can be",
        ),
        (lambda x: x.astype("float33"), pysofie.ShapeError, "'float33' is no type of elements; .*'float32'"),
        (lambda x: x.sum(dtype="float33"), pysofie.ShapeError, "'float33' is no type"),
        (lambda x: x + 1j, pysofie.ShapeError, "x: float32.n, 3. cannot become complex64"),
        (lambda x: x + None, pysofie.Error, r"numpy.add of x: float32\[n, 3\], None: unsupported operand"),
        (lambda x: x + "a", pysofie.Error, r"numpy.add of x: .*, 'a': ufunc 'add'"),
        (lambda x: np.add(x, [[1], [2, 3]]), pysofie.Error, r"numpy.add of x: .*inhomogeneous"),
        (lambda x: x + np.array([None, 1]), pysofie.Error, "holds other things than numbers"),
        (lambda x: x & x, pysofie.Error, "numpy.bitwise_and of x: .*not supported for the input types"),
        (lambda x: x.astype("uint8") + 300, pysofie.Error, "Python integer 300 out of bounds for uint8"),
        (lambda x: x.sum(1.0), pysofie.ShapeError, "axis=1.0: an axis is an integer"),
        (lambda x: x.argmax((0, 1)), pysofie.ShapeError, "a single axis is wanted"),
        (
            lambda x: np.sum(x, where=True),
            pysofie.Error,
            "numpy.sum of symb.* takes a, axis, dtype, keepdims",
        ),
        (lambda x: np.moveaxis(x, (0, 1), 0), pysofie.ShapeError, "different numbers of axes"),
        (lambda x: np.size(x, 9), pysofie.ShapeError, "axis=9"),
        (lambda x: np.diff(x, -1), pysofie.ShapeError, "n=-1"),
        (lambda x: np.tril(x, 0.5), pysofie.Error, "numpy.tril of x: .*'float' object"),
        (lambda x: x[1.5], IndexError, "1.5 is no index of x"),
        (lambda x: x[[1.5]], IndexError, "is no tensor of integers"),
        (lambda x: x[x], pysofie.Error, "x: float32.n, 3. is no tensor of integers"),
        (lambda x: np.take(x, x), pysofie.Error, "is no tensor of integers"),
        (lambda x: x[1.5:], IndexError, "a slice of x: .* has the bound 1.5, which is no integer"),
        (lambda x: x[: x[0, 0]], IndexError, "has the bound .*, which is no integer"),
        (lambda x: x[:: x.shape[0]], pysofie.Error, "the step of a slice of x"),
        (
            lambda x: x[:, np.array([True, False])],
            IndexError,
            "a mask of 2 elements does not fit axis 1 of x",
        ),
        (lambda x: x[0].reshape(2, 2), pysofie.ShapeError, "has 3 elements, and the shape .2, 2. has 4"),
        (lambda x: np.broadcast_to(x, (3,)), pysofie.ShapeError, "cannot be broadcast to the shape .3,."),
        (lambda x: np.broadcast_to(x, (5, 1)), pysofie.ShapeError, "cannot be broadcast to the shape .5, 1."),
        (lambda x: x.__setitem__(0, 1), pysofie.Error, "nothing can be assigned"),
        (lambda x: np.add(x, 1, out=x), pysofie.Error, "takes no out=; an operation in place is written as"),
        (
            lambda x: ops.Softmax(x, axis="last"),
            pysofie.Error,
            "its attribute axis is INT of ONNX, and 'last'",
        ),
        (lambda x: ops.Transpose(x, perm=3), pysofie.Error, "its attribute perm is a list of INT of ONNX"),
        (lambda x: ops.Add(x, object()), pysofie.ShapeError, "object .* cannot be a tensor: float"),
        (lambda x: x[:, 3], IndexError, r"index 3 is outside of axis 1 of x: float32\[n, 3\]"),
        (lambda x: x[0, 0, 0], IndexError, "3 indices for x"),
        (lambda x: x["pt"], IndexError, "'pt' is no index of x"),
        (
            lambda x: x.sum(2),
            pysofie.ShapeError,
            "axis=2 does not name different axes of a tensor that has 2",
        ),
        (lambda x: len(x), TypeError, "use .shape"),
        (lambda x: None, pysofie.Error, "returned NoneType as output 0; it must return a tensor"),
        (lambda x: (), pysofie.Error, "returned no tensors"),
        (mixed, pysofie.Error, "other: float32.3. is of another trace"),
        (lambda x: ops.NoSuchThing(x), AttributeError, "ONNX has no operator 'NoSuchThing'"),
        (
            lambda x: ops.Softmax(x, axes=1),
            pysofie.Error,
            "Softmax has no attribute axes; its attributes are: axis",
        ),
        (lambda x: ops.Cast(x), pysofie.Error, "Cast needs the attribute to"),
        (lambda x: ops.MatMul(x), pysofie.Error, "MatMul takes 2 to 2 inputs, not 1"),
        (lambda x: ops.Split(x), pysofie.Error, "say how many by outputs="),
        (lambda x: ops.TopK(x, [1], outputs=3), pysofie.Error, "TopK has 2 to 2 outputs, not 3"),
        (lambda x: ops.Add(x, x.astype("float64")), pysofie.ShapeError, "must be of one type.*astype"),
        (lambda x: ops.And(x, x), pysofie.ShapeError, "its input A is x: float32.*it takes bool"),
        (lambda x: ops.Relu(1.0), pysofie.Error, "Relu needs a symbolic tensor"),
        (lambda x: ops.SequenceConstruct(x), pysofie.Error, "only tensors can be traced"),
    ],
)
def test_refusals(function, error, words):
    with pytest.raises(error, match=words) as raised:
        tracing.trace(function, {"x": ("float32", ("n", 3))})
    assert error is AttributeError or isinstance(raised.value, pysofie.Error)


def test_refused_opsets_and_types():
    with pytest.raises(pysofie.UnsupportedError, match=r"opset 13 to .*, not 12"):
        tracing.Recorder(12)
    with pytest.raises(
        pysofie.UnsupportedError, match="ONNX has BitwiseAnd since opset 18, but the model is of opset 17"
    ):
        tracing.trace(lambda i: i & 3, {"i": ("int64", (2,))}, opset=17)
    with pytest.raises(pysofie.ShapeError, match="cannot be a tensor"):
        tracing.trace(lambda x: x.astype("longdouble"), {"x": ("float32", ())})
