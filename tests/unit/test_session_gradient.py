"""What `Session.gradient` takes, gives and refuses."""

from __future__ import annotations

import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor

import ml_dtypes
import nets
import numpy as np
import pytest
import support
from derivatives import Derivatives
from onnx import TensorProto, helper, numpy_helper

import pysofie

X = np.random.default_rng(2).standard_normal((50, 3))


def mlp_gradient(x: np.ndarray, seed: np.ndarray) -> np.ndarray:
    """That of `support.mlp`."""
    w = {t.name: numpy_helper.to_array(t) for t in support.mlp(dtype=str(x.dtype)).graph.initializer}
    active = x @ w["w0"] + w["b0"] > 0
    return ((seed @ w["w1"].T) * active) @ w["w0"].T


@pytest.fixture(scope="module")
def mlp() -> pysofie.Session:
    return pysofie.compile(support.mlp(dtype="float64"), gradient=True)


def test_seeds(mlp):
    seed = np.arange(100.0).reshape(50, 2)
    for feeds in (X, [X], {"x": X}):
        np.testing.assert_allclose(mlp.gradient(feeds, seed=seed)["x"], mlp_gradient(X, seed))
    for given in (None, 1, {"y": 1}):
        np.testing.assert_allclose(mlp.gradient(X, seed=given)["x"], mlp_gradient(X, np.ones((50, 2))))
    values, gradients = mlp.value_and_gradient(X, seed=[1, 0], output="y", wrt="x")
    np.testing.assert_allclose(values["y"], support.mlp_reference(X))
    np.testing.assert_allclose(gradients["x"], mlp_gradient(X, np.array([[1, 0]] * 50)))


def test_seeds_that_do_not_fit(mlp):
    with pytest.raises(pysofie.ShapeError, match=r"seed of output 'y' has shape \(3,\); expected \(50, 2\)"):
        mlp.gradient(X, seed=np.ones(3))
    with pytest.raises(pysofie.ShapeError, match="seed of output 'y' has dtype complex"):
        mlp.gradient(X, seed=1j)
    with pytest.raises(TypeError, match="leave output away"):
        mlp.gradient(X, output="y", seed={"y": 1})
    with pytest.raises(pysofie.ShapeError, match="input 'x'"):
        mlp.gradient(X[:, :2])


def test_names_that_do_not_exist(mlp):
    with pytest.raises(pysofie.Error, match=r"no floating-point output 'z'; there are 'y' \(float64\)"):
        mlp.gradient(X, output="z")
    with pytest.raises(pysofie.Error, match="no floating-point input 'z'"):
        mlp.gradient(X, wrt=["x", "z"])


def test_threads_and_clones(mlp):
    clone = mlp.clone()
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda n: clone.gradient(X[:n])["x"], range(51)))
    for n, result in enumerate(results):
        np.testing.assert_allclose(result, mlp_gradient(X[:n], np.ones((n, 2))))


def test_other_weights(mlp):
    """The gradient is that of the new weights, as if compiled with them; older clones keep the old ones."""
    session, unasked = mlp.clone(), pysofie.compile(support.mlp(dtype="float64"))
    old = session.gradient(X)["x"]
    clones = [session.clone(), unasked.clone()]
    retrained = support.mlp(dtype="float64")
    rng = np.random.default_rng(4)
    for tensor in retrained.graph.initializer:
        values = rng.standard_normal(tensor.dims)
        tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    values, gradients = pysofie.compile(retrained).value_and_gradient(X)
    assert not np.allclose(gradients["x"], old)
    for changed in (session, unasked):
        changed.set_weights(retrained)
        for one in (changed, changed.clone()):
            np.testing.assert_array_equal(one.value_and_gradient(X)[0]["y"], values["y"])
            np.testing.assert_array_equal(one.gradient(X)["x"], gradients["x"])
    for one in (mlp, *clones):
        np.testing.assert_array_equal(one.gradient(X)["x"], old)


def test_weights_replaced_under_way(mlp):
    """Values and gradients are of the same weights, the new ones as soon as they are set; in clones, too."""
    session, x = mlp.clone(), np.ones((3, 3))
    tensors = support.mlp(dtype="float64").graph.initializer
    sets = [{t.name: np.full(t.dims, factor) for t in tensors} for factor in (1.0, 2.0)]
    expected = [(16.0, 8.0), (64.0, 32.0)]  # a weight of the other set in any layer would give others
    session.set_weights(sets[0])
    stop, seen, in_clones = threading.Event(), set(), set()

    def ask(of: pysofie.Session) -> set[tuple[float, float]]:
        values, gradients = of.value_and_gradient(x)
        return set(zip(values["y"][:, 0].tolist(), gradients["x"][:, 0].tolist(), strict=True))

    def work() -> None:
        while not stop.is_set():
            seen.update(ask(session))

    def clone() -> None:
        while not stop.is_set():
            one = session.clone()
            in_clones.update(zip(one(x)[:, 0].tolist(), one.gradient(x)["x"][:, 0].tolist(), strict=True))

    with ThreadPoolExecutor(4) as pool:
        workers = [pool.submit(task) for task in (work, work, work, clone)]
        try:
            for i in range(1, 31):
                session.set_weights(sets[i % 2])
                assert ask(session) == {expected[i % 2]}
        finally:
            stop.set()
        for worker in workers:
            worker.result()
    assert seen == set(expected)
    assert in_clones <= set(expected)


def test_several_inputs_and_outputs():
    session = pysofie.compile(nets.two_outputs())
    a, b = np.arange(6, dtype="float32"), np.ones(6, "float32")
    with pytest.raises(pysofie.Error, match=r"choose an output; there are 'sum' .*'dot'"):
        session.gradient([a, b])
    both = session.gradient([a, b], seed={"dot": 2, "sum": np.arange(6)})
    np.testing.assert_array_equal(both["a"], 2 * b + np.arange(6))
    np.testing.assert_array_equal(both["b"], 2 * a + np.arange(6))
    assert list(session.gradient([a, b], output="dot", wrt="b")) == ["b"]


def test_an_input_that_does_not_matter():
    nodes = [helper.make_node("Floor", ["a"], ["f"]), helper.make_node("Mul", ["f", "b"], ["y"])]
    inputs = [support.floats(name, "n") for name in ("a", "b", "c")]
    session = pysofie.compile(support.model(nodes, inputs, [support.floats("y", "n")]))
    ones = np.ones(3, "float32")
    gradients = session.gradient([2.5 * ones, ones, ones])
    for name, expected in {"a": 0, "b": 2, "c": 0}.items():
        np.testing.assert_array_equal(gradients[name], expected * ones)


def test_shapes_that_data_decide():
    """The rows that a condition chooses, in any number, and a seed for each of their elements."""
    session = pysofie.compile(nets.recurrent())
    rng = np.random.default_rng(3)
    x, weight = rng.standard_normal((7, 3)).astype("float32"), np.array([1, -1, 1, 1, -1, 1, -1], "float32")
    values, gradients = session.value_and_gradient([x, weight], output="chosen")
    np.testing.assert_array_equal(values["chosen"], x[weight > 0])
    np.testing.assert_array_equal(gradients["x"], np.ones((7, 3)) * (weight > 0)[:, None])
    np.testing.assert_array_equal(gradients["weight"], np.zeros(7))
    gradient = session.gradient([x, weight], output="last")["x"]
    assert np.array_equal(np.any(gradient != 0, axis=1), weight > 0)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_storage_types(dtype):
    """Computed in float32, and given in the type of the input."""
    kind = np.dtype(getattr(ml_dtypes, dtype, dtype))
    nodes = [helper.make_node("Sigmoid", ["x"], ["s"]), helper.make_node("Mul", ["s", "x"], ["y"])]
    x = helper.make_tensor_value_info("x", helper.np_dtype_to_tensor_dtype(kind), ("n",))
    y = helper.make_tensor_value_info("y", helper.np_dtype_to_tensor_dtype(kind), ("n",))
    session = pysofie.compile(support.model(nodes, [x], [y], opset=20))
    points = np.linspace(-2, 2, 9)
    gradient = session.gradient(points.astype(kind))["x"]
    s = 1 / (1 + np.exp(-points))
    assert gradient.dtype == kind
    np.testing.assert_allclose(gradient.astype(float), s + points * s * (1 - s), rtol=0.02, atol=0.02)


def test_kinks_nan_and_infinity():
    """At kinks PyTorch's subgradients; NaN is passed on, and a side that is not chosen is left out."""

    def gradient(op: str, *x: float, **attributes: float) -> list[float]:
        proto = support.model([helper.make_node(op, ["x"], ["y"], **attributes)], [support.floats("x", "n")],
                              [support.floats("y", "n")])  # fmt: skip
        return pysofie.compile(proto).gradient(np.array(x, "float32"))["x"].tolist()

    nan, inf = float("nan"), float("inf")
    assert gradient("Relu", -1, 0, 1, inf) == [0, 0, 1, 1]
    assert gradient("Abs", -2, 0, 2) == [-1, 0, 1]
    assert gradient("LeakyRelu", -1, 0, 1, alpha=0.25) == [0.25, 0.25, 1]
    assert gradient("Softplus", 0, inf, -inf) == [0.5, 1, 0]
    assert gradient("Sqrt", 0, 4, inf) == [inf, 0.25, 0]
    assert np.isnan(gradient("Exp", nan)[0])


def branches() -> object:
    """If, whose branches share an input."""

    def branch(op: str) -> object:
        output = helper.make_empty_tensor_value_info("r")
        return helper.make_graph([helper.make_node(op, ["x", "c"], ["r"])], op, [], [output])

    nodes = [
        helper.make_node("ReduceSum", ["c"], ["total"], keepdims=0),
        helper.make_node("Greater", ["total", "zero"], ["isPositive"]),
        helper.make_node(
            "If", ["isPositive"], ["chosen"], then_branch=branch("Mul"), else_branch=branch("Div")
        ),
        helper.make_node("Mul", ["chosen", "x"], ["y"]),
    ]
    tensors = [helper.make_tensor_value_info(n, TensorProto.DOUBLE, ("n",)) for n in ("x", "c", "y")]
    return support.model(nodes, tensors[:2], tensors[2:], {"zero": np.float64(0)})


def test_branches():
    """The branch that ran passes the gradient on."""
    derivatives = Derivatives(branches())
    x = np.array([0.5, -1.5, 2])
    for c in ([1, 2, 0.5], [-1, -2, 0.25]):
        derivatives.check({"x": x, "c": np.array(c)})


def iterations(condition: str = "") -> object:
    """Loop: a state that is multiplied by itself and an input, and rows of results."""
    shape = ("n",)
    state = helper.make_tensor_value_info("s", TensorProto.DOUBLE, shape)
    body = helper.make_graph(
        [
            helper.make_node("Mul", ["s", "x"], ["p"]),
            helper.make_node("Sin", ["p"], ["next"]),
            helper.make_node("ReduceSum", ["next"], ["row"], keepdims=0),
            helper.make_node("Less", ["row", "limit"], ["again"]),
            helper.make_node("Identity", ["again" if condition else "go"], ["goes"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, ()),
            helper.make_tensor_value_info("go", TensorProto.BOOL, ()),
            state,
        ],
        [helper.make_empty_tensor_value_info(name) for name in ("goes", "next", "row")],
    )
    node = helper.make_node("Loop", ["trips", condition, "x"], ["last", "rows"], body=body)
    x, last = (helper.make_tensor_value_info(n, TensorProto.DOUBLE, shape) for n in ("x", "last"))
    rows = helper.make_tensor_value_info("rows", TensorProto.DOUBLE, ("k",))
    constants = {"trips": np.array(4), "go": np.array(True), "limit": np.float64(3)}
    return support.model([node], [x], [last, rows], constants)


def test_loops():
    """Backwards through all iterations; not where the data decide how many there are."""
    Derivatives(iterations()).check({"x": np.array([0.5, -1.5, 0.7])})
    session = pysofie.compile(iterations("go"))
    with pytest.raises(pysofie.UnsupportedError, match="Loop: a loop, and the data decide how often it runs"):
        session.gradient(np.ones(3), output="last")


def test_refusals():
    """All of them at once, with the nodes that they come from; the model itself goes on working."""
    nodes = [
        helper.make_node("Det", ["x"], ["d"], name="volume"),
        helper.make_node("ScatterElements", ["d", "i", "d"], ["s"], name="product", reduction="mul"),
    ]
    proto = support.model(nodes, [support.floats("x", "n", 2, 2)], [support.floats("s", "n")],
                          {"i": np.array([0])}, opset=18)  # fmt: skip
    session = pysofie.compile(proto, dims={"n": 1})
    x = np.eye(2, dtype="float32")[None]
    with pytest.raises(pysofie.UnsupportedError) as caught:
        session.gradient(x)
    assert "Det volume: the routine determinant has no gradient" in str(caught.value)
    assert "ScatterElements product: elements that join by product" in str(caught.value)
    np.testing.assert_array_equal(session(x), [1])
    with pytest.raises(pysofie.UnsupportedError, match="Det volume"):
        pysofie.compile(proto, gradient=True)


def test_sequences_and_integers_are_refused():
    session = pysofie.compile(nets.whole())
    with pytest.raises(pysofie.Error, match=r"no input is of a floating type; there are 'a' \(int8\)"):
        session.gradient([np.ones(2, "int8")] * 2)


def test_generated_header(tmp_path):
    """A C++ program takes the second session."""
    files = pysofie.emit(support.mlp(), tmp_path, gradient=True)
    assert [file.name for file in files] == ["mlp.dat", "mlp.hxx", "mlp_gradient.dat", "mlp_gradient.hxx"]
    (tmp_path / "main.cpp").write_text("""
#include <cstdio>
#include "mlp.hxx"
#include "mlp_gradient.hxx"
int main() {
  const float x[3] = {0.5f, -1.f, 2.f}, seed[2] = {1, 1};
  TMVA_SOFIE_mlp_gradient::Session session("mlp_gradient.dat", 1);
  const auto results = session.infer(1, x, seed);  // y and its gradient
  for (const float slope : results[1]) std::printf("%.6f ", slope);
}""")
    subprocess.run(["c++", "-std=c++17", "-O1", "main.cpp", "-o", "main"], cwd=tmp_path, check=True)
    words = subprocess.check_output([tmp_path / "main"], cwd=tmp_path, text=True).split()
    expected = mlp_gradient(np.array([[0.5, -1, 2]], "float32"), np.ones((1, 2), "float32"))
    np.testing.assert_allclose([float(word) for word in words], expected[0], rtol=1e-5)
