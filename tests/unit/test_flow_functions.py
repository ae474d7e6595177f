"""Functions before and after a model: what they compute, and that they are fused with it."""

from __future__ import annotations

import pickle

import numpy as np
import onnx
import pytest
import support
from onnx import TensorProto, helper, numpy_helper

import pysofie
from pysofie import _core
from pysofie.compile import compile_many

node = helper.make_node
RNG = np.random.default_rng(5)
X = np.abs(RNG.standard_normal((6, 3))).astype("float32") * 3


def net(opset: int = 17) -> onnx.ModelProto:
    """A layer with a logistic score, and a label that is of no float."""
    constants = {"w": RNG.standard_normal((3, 1)).astype("float32"), "zero": np.float32(0)}
    nodes = [
        node("MatMul", ["x", "w"], ["logits"]),
        node("Sigmoid", ["logits"], ["score"]),
        node("Greater", ["logits", "zero"], ["label"]),
    ]
    outputs = [
        support.floats("score", "batch", 1),
        helper.make_tensor_value_info("label", TensorProto.BOOL, ["batch", 1]),
    ]
    proto = support.model(
        nodes, [support.floats("x", "batch", 3)], outputs, constants, opset=opset, name="net"
    )
    helper.set_model_props(proto, {"feature_names": '["pt", "eta", "phi"]', "note": "1"})
    return proto


NET = net()
W = numpy_helper.to_array(NET.graph.initializer[0])


def score(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-(x @ W)))


def signature(model: pysofie.Model) -> str:
    return f"{', '.join(map(str, model.inputs))} -> {', '.join(map(str, model.outputs))}"


def kernels(model: pysofie.Model) -> int:
    return int(_core.Program(model.graph, []).statistics()["kernels"])


def stacked(pt: "float32[n]", eta: "float32[n]", scale=0.02):  # noqa: UP037, F821
    return {"x": np.stack([np.log1p(pt) * scale, eta, np.cos(eta)], axis=-1)}


def significance(score):
    return {"significance": score / np.sqrt(1 - score + 1e-3), "score": score}


def test_functions_around_a_model():
    models = {
        "expressions": pysofie.load(NET, pre={"x": "log1p(x / 1000)"}, post={"score": "1 - score"}, name="a"),
        "functions": pysofie.load(NET, pre=stacked, post=significance, name="b"),
        "inputs": pysofie.load(
            NET, post=lambda score, x: {"y": score * np.sum(x, axis=1, keepdims=True)}, name="c"
        ),
        "one result": pysofie.load(
            NET, outputs=["score"], pre="std::max(x, 1) * shift", post="-score", name="d"
        ),
    }
    travelled = pickle.loads(pickle.dumps(models["functions"]))
    assert travelled.digest == models["functions"].digest != models["expressions"].digest
    sessions = dict(zip(models, compile_many([*models.values()]), strict=True))

    model = models["expressions"]
    assert signature(model) == "x: float32[batch, 3] -> score: float32[batch, 1], label: bool[batch, 1]"
    assert (model.name, model.feature_names, model.metadata["note"]) == ("a", ["pt", "eta", "phi"], "1")
    y, label = sessions["expressions"](X)
    np.testing.assert_allclose(y, 1 - score(np.log1p(X / 1000)), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(label, np.log1p(X / 1000) @ W > 0)

    model = models["functions"]
    assert signature(model) == (
        "pt: float32[n], eta: float32[n] -> "
        "score: float32[n, 1], label: bool[n, 1], significance: float32[n, 1]"
    )
    assert (model.feature_names, model.metadata["note"]) == (None, "1")
    pt, eta = X[:, 0], X[:, 1]
    out = sessions["functions"].run({"pt": pt, "eta": eta})
    expected = score(np.stack([np.log1p(pt) * np.float32(0.02), eta, np.cos(eta)], axis=-1))
    np.testing.assert_allclose(out["score"], expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(out["significance"], expected / np.sqrt(1 - expected + 1e-3), rtol=1e-4)

    assert [tensor.name for tensor in models["inputs"].outputs] == ["label", "y"]
    np.testing.assert_allclose(
        sessions["inputs"].run({"x": X})["y"], score(X) * X.sum(1, keepdims=True), rtol=1e-5, atol=1e-5
    )

    assert signature(models["one result"]) == (
        "x: float32[batch, 3], shift: float32[batch, 3] -> score: float32[batch, 1]"
    )
    np.testing.assert_allclose(
        sessions["one result"](X, X), -score(np.maximum(X, 1) * X), rtol=1e-5, atol=1e-6
    )


def test_functions_are_fused():
    plain = pysofie.load(NET, outputs=["score"])
    image = support.model(
        [node("Relu", ["x"], ["r"]), node("ReduceSum", ["r"], ["y"], keepdims=0)],
        [support.floats("x", "n", 3)],
        [support.floats("y")],
    )
    assert kernels(pysofie.load(NET, outputs=["score"], post="log(score / (1 - score))")) == kernels(plain)
    assert kernels(pysofie.load(image, pre="log1p(x / 1000)", post="sqrt(y)")) == kernels(pysofie.load(image))


def test_types_of_new_inputs():
    def pre(pt, eta):
        return {"x": np.stack([pt, eta, pt * eta], -1)}

    spellings = [
        {"pt": "float64[n]", "eta": ("float32", ("n",))},
        {"pt": ("float64", ["n"]), "eta": "float32 [ n ]"},
    ]
    for inputs in spellings:
        model = pysofie.load(NET, pre=pre, inputs=inputs)
        assert [str(tensor) for tensor in model.inputs] == ["pt: float64[n]", "eta: float32[n]"]
    fixed = pysofie.load(NET, pre=pre, inputs={"pt": "float32[8]", "eta": "float32[8]"})
    assert fixed.outputs[0].shape == (8, 1)


def test_old_models_and_dims():
    model = pysofie.load(net(opset=9), pre="x * 2", post={"score": "score * 2"}, dims={"batch": (1, 64)})
    assert model.source.dims == {"batch": (1, 64)}
    assert pysofie.load(net(), pre="x * 2", dims={"batch": 4}).inputs[0].shape == (4, 3)


def test_division_is_that_of_the_types():
    whole = support.model(
        [node("Cast", ["i"], ["y"], to=TensorProto.FLOAT)],
        [helper.make_tensor_value_info("i", TensorProto.INT32, ["n"])],
        [support.floats("y", "n")],
    )
    with pytest.raises(pysofie.ShapeError, match=r"pre: 'i' is .*float32.*takes int32; .*\.astype"):
        pysofie.load(whole, pre="i", inputs={"i": "float32[n]"})
    session = pysofie.compile(pysofie.load(whole, pre="(i / 2) % 3 - 7 / 2", post="y / 2 + 1 / 2"))
    i = np.arange(-9, 10, dtype="int32")
    expected = np.fmod(np.trunc(i / 2), 3) - 3
    np.testing.assert_array_equal(session(i), (expected / 2).astype("float32"))


@pytest.mark.parametrize(
    ("keywords", "error", "message"),
    [
        ({"pre": lambda pt: {"x": pt}}, pysofie.Error, r"pre takes 'pt', .* inputs=\{'pt': 'float32\[batch"),
        ({"pre": lambda x: {"y": x}}, pysofie.Error, r"pre returns 'y'; there are 'x'"),
        ({"pre": lambda x: x[:, :2]}, pysofie.ShapeError, r"2 is 2, 3 is 3"),
        ({"pre": "x +"}, pysofie.Error, r"'x \+' is not understood.*log1p.*Python function"),
        ({"pre": "gamma(x)"}, pysofie.Error, r"'gamma\(x\)' is not understood"),
        ({"pre": "pow(x)"}, pysofie.Error, r"'pow\(x\)'"),
        ({"pre": {}}, pysofie.Error, "pre names nothing"),
        ({"pre": 3}, pysofie.Error, "give a Python function, an expression"),
        ({"pre": np.log}, pysofie.Error, "use a lambda"),
        ({"pre": lambda *x: x}, pysofie.Error, "parameters are called as the tensors"),
        ({"pre": "x", "inputs": {"z": "float32[n]"}}, pysofie.Error, r"inputs names 'z', but pre takes 'x'"),
        ({"pre": "x", "inputs": {"x": "float32"}}, pysofie.Error, "is no type; give one such as"),
        ({"pre": "x", "inputs": {"x": "flout[n]"}}, pysofie.Error, "'flout' is no dtype"),
        ({"post": lambda scores: scores}, pysofie.Error, r"post takes 'scores'; did you mean 'score'"),
        ({"post": lambda score, label: score}, pysofie.Error, "post must return a dict"),
        ({"inputs": {"x": "float32[n]"}}, TypeError, "pre="),
    ],
)  # fmt: skip
def test_functions_that_do_not_fit(keywords, error, message):
    with pytest.raises(error, match=message):
        pysofie.load(NET, **keywords)
