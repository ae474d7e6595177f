"""Weights replaced at run time: what a model computes that always had them, and never with some of both."""

from __future__ import annotations

import gc
import pickle
import threading

import nets
import numpy as np
import onnx
import pytest
import support
from onnx import helper, numpy_helper

import pysofie
from pysofie.compile import compile_many
from pysofie.verify import random_feeds

RNG = np.random.default_rng(11)
X = RNG.standard_normal((6, 3)).astype("float32")


def constants(proto: onnx.ModelProto) -> dict[str, np.ndarray]:
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in proto.graph.initializer}


def with_values(proto: onnx.ModelProto, values: dict[str, np.ndarray]) -> onnx.ModelProto:
    changed = onnx.ModelProto()
    changed.CopyFrom(proto)
    for tensor in changed.graph.initializer:
        if tensor.name in values:
            tensor.CopyFrom(numpy_helper.from_array(values[tensor.name], tensor.name))
    return changed


def expected(values: dict[str, np.ndarray], x: np.ndarray = X) -> np.ndarray:
    """What `support.mlp` computes with other weights."""
    w = constants(support.mlp()) | values
    return np.maximum(x @ w["w0"] + w["b0"], 0) @ w["w1"]


@pytest.fixture(scope="module")
def compiled():
    return pysofie.compile(support.mlp())


@pytest.fixture
def session(compiled):
    return compiled.clone()


NEW = {"w0": RNG.standard_normal((3, 4)).astype("float32"), "b0": np.float32([1, 2, 3, 4])}


def test_values_by_name(session):
    session.set_weights({"w0": NEW["w0"]})
    session.set_weights({"b0": NEW["b0"].tolist()})  # the other stays
    np.testing.assert_allclose(session(X), expected(NEW), rtol=1e-5, atol=1e-5)


def test_folded_packed_and_transformed_weights():
    # A batch normalisation is folded into the first convolution; of many channels there is Winograd's form.
    wide = support.model(
        [
            helper.make_node("Conv", ["x", "w"], ["c"], pads=[1, 1, 1, 1]),
            helper.make_node("Relu", ["c"], ["y"]),
        ],
        [support.floats("x", "n", 32, 12, 12)],
        [support.floats("y", "n", 32, 12, 12)],
        {"w": RNG.standard_normal((32, 32, 3, 3)).astype("float32")},
        name="wide",
    )
    sessions = [pysofie.compile(proto) for proto in (nets.conv(), wide)]
    shapes = [(2, 1, 8, 9), (2, 32, 12, 12)]
    for proto, session, shape in zip((nets.conv(), wide), sessions, shapes, strict=True):
        values = {
            name: (np.abs(value) + np.float32(0.5)) * np.float32(0.75)
            for name, value in constants(proto).items()
        }
        session.set_weights(values)
        x = RNG.standard_normal(shape).astype("float32")
        onnxruntime = pytest.importorskip("onnxruntime", reason="pip install onnxruntime")
        reference = onnxruntime.InferenceSession(with_values(proto, values).SerializeToString())
        (y,) = reference.run(None, {session.inputs[0].name: x})
        np.testing.assert_allclose(session(x), y, rtol=1e-3, atol=1e-4)


def norms() -> onnx.ModelProto:
    """Normalisations, scales and sums of weights, some of a single element."""
    constants = {
        "w0": nets.constant(1, 3, 3, 3),
        "scale": nets.constant(1, seed=1),
        "shift": nets.constant(1, seed=2),
        "mean": nets.constant(1, seed=3),
        "variance": nets.constant(1, seed=4) ** 2 + 1,
        "w1": nets.constant(4, 1, 1, 1, seed=5),
        "group_scale": nets.constant(4, seed=6),
        "group_shift": nets.constant(4, seed=7),
        "factor": nets.constant(1, seed=8),
        "flat": np.array([0, 4, -1]),
        "w2": nets.constant(4, 5, seed=9),
        "columns": nets.constant(5, seed=10),
        "term": nets.constant(1, 1, 5, seed=11),
    }
    nodes = [
        helper.make_node("Conv", ["x", "w0"], ["c0"]),
        helper.make_node("BatchNormalization", ["c0", "scale", "shift", "mean", "variance"], ["n0"]),
        helper.make_node("Conv", ["n0", "w1"], ["c1"]),
        helper.make_node("Mul", ["c1", "factor"], ["f1"]),
        helper.make_node("GroupNormalization", ["f1", "group_scale", "group_shift"], ["n1"], num_groups=2),
        helper.make_node("Reshape", ["n1", "flat"], ["r"]),
        helper.make_node("Transpose", ["r"], ["t"], perm=[0, 2, 1]),
        helper.make_node("MatMul", ["t", "w2"], ["m"]),
        helper.make_node("Mul", ["m", "columns"], ["s"]),
        helper.make_node("Add", ["s", "term"], ["y"]),
    ]
    image, y = support.floats("x", "n", 3, 5, 6), support.floats("y", "n", 12, 5)
    return support.model(nodes, [image], [y], constants, opset=21, name="norms")


def memory() -> onnx.ModelProto:
    """An LSTM in both directions."""
    constants = {name: nets.constant(2, 16, n, seed=n) for name, n in (("w", 3), ("r", 4))}
    constants["b"] = nets.constant(2, 32)
    lstm = helper.make_node("LSTM", ["x", "w", "r", "b"], ["y"], hidden_size=4, direction="bidirectional")
    sizes = ("steps", 2, "n", 4)
    x, y = support.floats("x", "steps", "n", 3), support.floats("y", *sizes)
    return support.model([lstm], [x], [y], constants, name="memory")


def edges() -> onnx.ModelProto:
    """A step of a graph network: a layer over pairs of nodes, summed up at the receivers."""
    constants = {
        "w": nets.constant(6, 4),
        "b": nets.constant(4, seed=1),
        "zeros": np.zeros((7, 4), "float32"),
    }
    nodes = [
        helper.make_node("Gather", ["x", "senders"], ["from"]),
        helper.make_node("Gather", ["x", "receivers"], ["to"]),
        helper.make_node("Concat", ["from", "to"], ["pairs"], axis=1),
        helper.make_node("Gemm", ["pairs", "w", "b"], ["layer"]),
        helper.make_node("Relu", ["layer"], ["messages"]),
        helper.make_node("Unsqueeze", ["receivers", "last"], ["rows"]),
        helper.make_node("ScatterND", ["zeros", "rows", "messages"], ["y"], reduction="add"),
    ]
    inputs = [support.floats("x", 7, 3)]
    inputs += [nets.value(name, "int64", "edges") for name in ("senders", "receivers")]
    return support.model(
        nodes,
        inputs,
        [support.floats("y", 7, 4)],
        constants | {"last": np.array([1])},
        opset=18,
        name="edges",
    )


def retrained(proto: onnx.ModelProto) -> onnx.ModelProto:
    """The same model with other floats: weights with axes, and values in the attributes of trees."""
    new = {
        name: (w * RNG.uniform(0.5, 1.5, w.shape)).astype(w.dtype)
        for name, w in constants(proto).items()
        if w.dtype.kind == "f" and w.shape
    }
    changed = with_values(proto, new)
    for attribute in (a for node in changed.graph.node for a in node.attribute):
        if attribute.name in ("nodes_values", "class_weights"):
            attribute.floats[:] = [1.5 * value for value in attribute.floats]
    return changed


def test_retrained_networks_of_all_kinds_fit_the_code():
    kinds = [nets.conv, norms, nets.attention, memory, nets.recurrent]
    kinds += [nets.gather, edges, nets.trees, nets.stored, nets.double_mlp]
    old = [make() for make in kinds]
    new = [retrained(proto) for proto in old]
    assert all(before != after for before, after in zip(old, new, strict=True))
    sessions = compile_many([*old, *new])
    for session, proto, fresh in zip(sessions, new, sessions[len(old) :], strict=False):
        session.set_weights(proto)
        for _, feeds in random_feeds(fresh):
            feeds = {name: x % 7 if x.dtype == np.int64 else x for name, x in feeds.items()}
            for name, array in fresh.run(feeds).items():
                np.testing.assert_array_equal(session.run(feeds)[name], array)


def test_a_model_of_another_training(session, tmp_path):
    path = tmp_path / "retrained.onnx"
    onnx.save(with_values(support.mlp(), NEW), path)
    session.set_weights(path)
    np.testing.assert_allclose(session(X), expected(NEW), rtol=1e-5, atol=1e-5)
    session.set_weights(pysofie.load(support.mlp()))
    np.testing.assert_allclose(session(X), expected({}), rtol=1e-5, atol=1e-5)


def test_parts_of_models(tmp_path):
    session = pysofie.compile(support.mlp(), outputs=["h"], name="part", dims={"batch": (1, 64)})
    session.set_weights({"w0": NEW["w0"]})
    np.testing.assert_allclose(
        session(X), X @ NEW["w0"] + constants(support.mlp())["b0"], rtol=1e-5, atol=1e-5
    )
    session.set_weights(with_values(support.mlp(), NEW))
    np.testing.assert_allclose(session(X), X @ NEW["w0"] + NEW["b0"], rtol=1e-5, atol=1e-5)
    with pytest.raises(pysofie.Error, match="set_weights names 'w1'"):
        session.set_weights({"w1": np.zeros((4, 2), "float32")})


def test_bound_calls_and_clones(session):
    bound, old = session.bind({"x": X}), session.clone()
    session.set_weights(NEW)
    young = session.clone()
    np.testing.assert_allclose(bound()["y"], expected(NEW), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(old(X), expected({}), rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(young(X), session(X))
    session.set_weights(support.mlp())  # what the clone has must not go with the session's file
    results = []
    thread = threading.Thread(target=lambda: results.append(young(X)))
    thread.start()
    thread.join()
    np.testing.assert_allclose(results[0], expected(NEW), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("weights", "error", "message"),
    [
        ({"w7": [1.0]}, pysofie.Error, r"set_weights names 'w7', .* there are 'w\d'"),
        (
            {"w0": np.zeros((4, 3), "float32")},
            pysofie.ShapeError,
            r"shape \(4, 3\); expected w0: float32\[3, 4\]",
        ),
        ({"w0": np.zeros((3, 4))}, pysofie.ShapeError, r"weight 'w0' has dtype float64.*astype\('float32'\)"),
        (lambda: nets.dynamic_mlp(), pysofie.Error, r"mlp: with these values the model becomes other code"),
        (lambda: b"no model", pysofie.InvalidModelError, "not an ONNX model"),
    ],
    ids=["name", "shape", "dtype", "another architecture", "no model"],
)
def test_what_does_not_fit_changes_nothing(session, weights, error, message):
    session.set_weights({"w0": NEW["w0"]})
    before = session(X)
    with pytest.raises(error, match=message):
        session.set_weights(weights() if callable(weights) else weights)
    np.testing.assert_array_equal(session(X), before)


def test_numbers_in_the_code():
    # A constant without axes is no data: with another one the code is another.
    proto = support.model(
        [helper.make_node("Mul", ["x", "t"], ["a"]), helper.make_node("Add", ["a", "b"], ["y"])],
        [support.floats("x", "n", 3)],
        [support.floats("y", "n", 3)],
        {"t": np.float32(0.3), "b": np.float32([1, 2, 3])},
    )
    session = pysofie.compile(proto)
    with pytest.raises(pysofie.Error, match=r"numbers in the code, and these change: 't' from 0.3 to 0.7"):
        session.set_weights({"t": np.float32(0.7), "b": np.zeros(3, "float32")})
    np.testing.assert_allclose(session(X), X * np.float32(0.3) + [1, 2, 3], rtol=1e-6)
    session.set_weights({"t": np.float32(0.3), "b": np.float32([4, 5, 6])})
    np.testing.assert_allclose(session(X), X * np.float32(0.3) + [4, 5, 6], rtol=1e-6)


def test_constants_that_decide_shapes():
    proto = support.model(
        [
            helper.make_node("Resize", ["x", "", "scales"], ["r"]),
            helper.make_node("Concat", ["r", "x2"], ["y"], axis=0),
        ],
        [support.floats("x", 1, 3), support.floats("x2", 1, 6)],
        [support.floats("y", 2, 6)],
        {"scales": np.float32([1, 2])},
    )
    session = pysofie.compile(proto)
    with pytest.raises(pysofie.Error, match=r"becomes other code, .* \(node '': Concat .* are 9 and 6"):
        session.set_weights({"scales": np.float32([1, 3])})
    np.testing.assert_array_equal(session(X[:1], np.zeros((1, 6), "float32"))[0], X[0].repeat(2))


def test_no_call_sees_some_of_both(session):
    # All weights are 1 or 2: what a call computes tells those of every layer.
    sets = [
        {name: np.full_like(w, factor) for name, w in constants(support.mlp()).items()} for factor in (1, 2)
    ]
    x = np.ones((3, 3), "float32")
    allowed = {float(expected(values, x)[0, 0]) for values in sets}
    session.set_weights(sets[0])
    stop, seen = threading.Event(), set()

    def work():
        bound = session.bind({"x": x})
        while not stop.is_set():
            seen.update(session(x).ravel().tolist())
            seen.update(bound()["y"].ravel().tolist())

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for i in range(30):
        session.set_weights(sets[(i + 1) % 2])
        assert float(session(x)[0, 0]) == float(expected(sets[(i + 1) % 2], x)[0, 0])
    stop.set()
    for thread in threads:
        thread.join()
    assert seen == allowed


def test_files_go_with_the_sessions(compiled):
    session = compiled.clone()
    session.set_weights(NEW)
    first = session._runners.replaced.path
    session.set_weights(support.mlp())
    assert not first.parent.exists()
    last = session._runners.replaced.path
    assert last.exists()
    del session
    gc.collect()
    assert not last.parent.exists()


def test_rounded_weights_are_replaced_too():
    session = pysofie.compile(support.mlp(), precision="float16-weights")
    session.set_weights(NEW)
    np.testing.assert_allclose(session(X), expected(NEW), rtol=1e-2, atol=1e-2)
    assert all(row.max_rel < 1e-2 for row in session.precision_error)


def test_sessions_without_a_model(compiled):
    alone = pysofie.Session(compiled.library, compiled.weights)
    with pytest.raises(pysofie.Error, match="does not know the model"):
        alone.set_weights(NEW)


def test_functors_keep_their_weights():
    functor = pysofie.functor(support.mlp(), columns=list("abc"))
    with pytest.raises(pysofie.Error, match="data frames may be using this functor"):
        functor.session.set_weights(NEW)
    functor.session.clone().set_weights(NEW)


def test_models_with_new_weights_travel(session):
    session.set_weights(NEW)
    model = pickle.loads(pickle.dumps(session.origin.source)).load()
    assert model.digest != pysofie.load(support.mlp()).digest
