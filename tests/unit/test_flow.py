"""Parts of models, chains and ensembles: numbers of the whole, and clear refusals of what does not fit."""

from __future__ import annotations

import pickle

import nets
import numpy as np
import onnx
import pytest
import support
from onnx import TensorProto, helper, numpy_helper, parser

import pysofie
from pysofie import _core
from pysofie.compile import compile_many

node = helper.make_node
RNG = np.random.default_rng(3)


def dense(
    name: str,
    x: str,
    y: str,
    rows: int,
    columns: int,
    *,
    opset: int = 17,
    batch: int | str = "batch",
    seed: int = 0,
) -> onnx.ModelProto:
    """A layer with Tanh; the inner names are those of any other such model."""
    rng = np.random.default_rng(seed)
    constants = {
        "weight": rng.standard_normal((rows, columns)).astype("float32"),
        "bias": rng.standard_normal(columns).astype("float32"),
    }
    nodes = [node("Gemm", [x, "weight", "bias"], ["hidden"]), node("Tanh", ["hidden"], [y])]
    inputs, outputs = [support.floats(x, batch, rows)], [support.floats(y, batch, columns)]
    return support.model(nodes, inputs, outputs, constants, name=name, opset=opset)


def applied(proto: onnx.ModelProto, x: np.ndarray) -> np.ndarray:
    """What `dense` computes."""
    w = {tensor.name: numpy_helper.to_array(tensor) for tensor in proto.graph.initializer}
    return np.tanh(x @ w["weight"] + w["bias"])


def kernels(model: pysofie.Model) -> int:
    return int(_core.Program(model.graph, []).statistics()["kernels"])


def signature(model: pysofie.Model) -> str:
    return f"{', '.join(map(str, model.inputs))} -> {', '.join(map(str, model.outputs))}"


ENCODER, DECODER = dense("encoder", "x", "z", 4, 2), dense("decoder", "z", "x", 2, 4, seed=1)
FIRST, SECOND = dense("first", "x", "y", 4, 3), dense("second", "x", "y", 3, 2, batch="n", seed=1)
SEEDS = [dense(f"seed{i}", "x", "y", 4, 3, seed=i) for i in range(3)]

FUNCTIONS = parser.parse_model("""
<ir_version: 9, opset_import: ["": 17, "local": 1]>
functions (float[n, 3] x) => (float[n, 3] y) {
  once = local.shifted(x)
  [a] twice = local.doubled(once)
  [b] y = local.doubled(twice)
}
<domain: "local", opset_import: ["": 17]>
shifted (p) => (q) { relu = Relu(p)
  q = Neg(relu) }
<domain: "local", opset_import: ["": 17]>
doubled (p) => (q) { sum = Add(p, p)
  q = Exp(sum) }
""")


# --- any tensor is an output ------------------------------------------------------------------------------


def test_inner_tensors_are_outputs():
    model = pysofie.load(support.mlp(), outputs=["y", "h", "w1"], name="inner")
    assert (
        signature(model)
        == "x: float32[batch, 3] -> y: float32[batch, 2], h: float32[batch, 4], w1: float32[4, 2]"
    )
    whole = pysofie.load(FUNCTIONS, outputs=["relu", "y", "x"], name="functions")
    session, functions = compile_many([model, whole])
    x = RNG.standard_normal((5, 3)).astype("float32")
    w = {tensor.name: numpy_helper.to_array(tensor) for tensor in support.mlp().graph.initializer}
    out = session.run({"x": x})
    np.testing.assert_allclose(out["y"], support.mlp_reference(x), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(out["h"], x @ w["w0"] + w["b0"], rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(out["w1"], w["w1"])
    out = functions.run({"x": x})
    np.testing.assert_array_equal(out["relu"], np.maximum(x, 0))
    np.testing.assert_array_equal(out["x"], x)
    np.testing.assert_allclose(out["y"], np.exp(2 * np.exp(-2 * np.maximum(x, 0))), rtol=1e-6)


def test_verify_inner_tensors():
    pytest.importorskip("onnxruntime", reason="pip install onnxruntime")
    results = pysofie.verify(pysofie.load(support.mlp(), outputs=["h", "y"]), sizes=[3])
    assert [(row.output, row.ok) for row in results] == [("h", True), ("y", True)]


def test_tensors_that_are_not_there():
    with pytest.raises(pysofie.Error, match=r"outputs names 'hh'; did you mean 'h'; the outputs .* 'y'"):
        pysofie.load(support.mlp(), outputs=["hh"])
    with pytest.raises(pysofie.Error, match=r"outputs names 'h' twice"):
        pysofie.load(support.mlp(), outputs=["h", "h"])
    with pytest.raises(pysofie.Error, match=r"outputs names 'sum', which is computed 2 times: .*'sum__\d'"):
        pysofie.load(FUNCTIONS, outputs=["sum"])
    with pytest.raises(TypeError, match=r"pysofie\.cut"):
        pysofie.compile(pysofie.load(support.mlp()), outputs=["h"])


def test_tensors_of_subgraphs():
    body = helper.make_graph([node("Neg", ["x"], ["inner"])], "body", [], [support.floats("inner", 3)])
    other = helper.make_graph([node("Abs", ["x"], ["outer"])], "other", [], [support.floats("outer", 3)])
    choose = node("If", ["condition"], ["y"], "chooser", then_branch=body, else_branch=other)
    condition = helper.make_tensor_value_info("condition", TensorProto.BOOL, [])
    proto = support.model([choose], [condition, support.floats("x", 3)], [support.floats("y", 3)])
    with pytest.raises(pysofie.Error, match=r"'inner', which lies in the body of the node 'chooser' \(If\)"):
        pysofie.load(proto, outputs=["inner"])


def test_forged_names_of_functions_are_not_believed():
    proto = onnx.ModelProto()
    proto.CopyFrom(FUNCTIONS)
    for each in (proto.graph.node[0], proto.functions[0].node[0]):
        each.metadata_props.add(key="pysofie.outputs", value="no JSON")
    assert signature(pysofie.load(proto, outputs=["relu"])) == "x: float32[n, 3] -> relu: float32[n, 3]"


# --- parts ------------------------------------------------------------------------------------------------


def test_halves_make_the_whole():
    head, tail = pysofie.cut(support.mlp(), outputs=["h"]), pysofie.cut(support.mlp(), ["h"], ["y"])
    assert signature(head) == "x: float32[batch, 3] -> h: float32[batch, 4]"
    assert signature(tail) == "h: float32[batch, 4] -> y: float32[batch, 2]"
    first, second = compile_many([head, pysofie.cut(tail, name="tail")])
    x = RNG.standard_normal((5, 3)).astype("float32")
    np.testing.assert_allclose(second(first(x)), support.mlp_reference(x), rtol=1e-5, atol=1e-6)


def test_bounds_stay_with_the_symbols_that_stay():
    model = pysofie.load(support.mlp(), dims={"batch": (1, 64)})
    assert pysofie.cut(model, inputs=["r"]).source.dims == {"batch": (1, 64)}
    assert pysofie.cut(pysofie.load(support.mlp(), dims={"batch": 7}), inputs=["r"]).inputs[0].shape == (7, 4)


def test_what_is_cut_away_need_not_be_supported():
    strings = helper.make_tensor_value_info("text", TensorProto.STRING, ["n", 3])
    nodes = [node("NoSuchOperator", ["text"], ["encoded"]), node("Neg", ["encoded"], ["y"])]
    proto = support.model(nodes, [strings], [support.floats("y", "n", 3)])
    with pytest.raises(pysofie.UnsupportedError, match="the shape of 'encoded' is not known"):
        pysofie.cut(proto, inputs=["encoded"])
    proto.graph.value_info.append(support.floats("encoded", "n", 3))
    assert signature(pysofie.cut(proto, inputs=["encoded"])) == "encoded: float32[n, 3] -> y: float32[n, 3]"


def test_a_node_keeps_its_other_results():
    split = node("Split", ["x"], ["a", "b"], axis=1, num_outputs=2)
    proto = support.model(
        [split, node("Sub", ["a", "b"], ["y"])],
        [support.floats("x", "n", 4)],
        [support.floats("y", "n", 2)],
        opset=18,
    )
    part = pysofie.cut(proto, inputs=["a", "x"])
    assert signature(part) == "a: float32[n, 2], x: float32[n, 4] -> y: float32[n, 2]"
    a, x = np.ones((3, 2), "float32"), RNG.standard_normal((3, 4)).astype("float32")
    np.testing.assert_array_equal(pysofie.compile(part)(a, x), a - x[:, 2:])


def test_inputs_that_do_not_fit_the_outputs():
    with pytest.raises(pysofie.Error, match=r"'y' cannot be computed from 'w1' alone; name 'x', too"):
        pysofie.cut(support.mlp(), inputs=["w1"])
    with pytest.raises(pysofie.Error, match=r"inputs names 'x', which 'y' does not depend on"):
        pysofie.cut(support.mlp(), inputs=["h", "x"])
    with pytest.raises(pysofie.Error, match=r"inputs names 'hidden'"):
        pysofie.cut(support.mlp(), inputs=["hidden"])


def test_features_are_those_of_the_first_inputs():
    proto = support.mlp()
    helper.set_model_props(proto, {"feature_names": '["a", "b", "c"]'})
    assert pysofie.cut(proto, outputs=["h"]).feature_names == ["a", "b", "c"]
    assert pysofie.cut(proto, inputs=["h"]).feature_names is None


# --- chains -----------------------------------------------------------------------------------------------


def test_chains():
    autoencoder = pysofie.chain(ENCODER, DECODER)
    assert signature(autoencoder) == "x: float32[batch, 4] -> decoder/x: float32[batch, 4]"
    network = pysofie.chain(FIRST, SECOND)
    assert (network.name, signature(network)) == (
        "first_second",
        "x: float32[batch, 4] -> y: float32[batch, 2]",
    )
    # Both are fused as one model: a product with its Tanh each.
    assert kernels(network) == kernels(pysofie.load(FIRST)) + kernels(pysofie.load(SECOND))
    travelled = pickle.loads(pickle.dumps(network))
    assert travelled.digest == network.digest
    longer = pysofie.chain(
        FIRST, SECOND, dense("third", "v", "w", 2, 2), name="longer", connect=[None, {"y": "v"}]
    )
    sessions = compile_many([autoencoder, travelled, longer])
    x = RNG.standard_normal((5, 4)).astype("float32")
    y = applied(SECOND, applied(FIRST, x))
    expected = [applied(DECODER, applied(ENCODER, x)), y, applied(dense("third", "v", "w", 2, 2), y)]
    for session, values in zip(sessions, expected, strict=True):
        np.testing.assert_allclose(session(x), values, rtol=1e-5, atol=1e-6)


def test_inner_tensors_of_chains():
    network = pysofie.chain(FIRST, SECOND)
    part = pysofie.cut(network, outputs=["hidden", "second/hidden"])
    assert [tensor.shape for tensor in part.outputs] == [("batch", 3), ("batch", 2)]


def two_to_two(name: str, inputs: str, outputs: str) -> onnx.ModelProto:
    nodes = [node("Neg", [inputs[0]], [outputs[0]]), node("Abs", [inputs[1]], [outputs[1]])]
    return support.model(
        nodes,
        [support.floats(each, "n", 2) for each in inputs],
        [support.floats(each, "n", 2) for each in outputs],
        name=name,
    )


@pytest.mark.parametrize(
    ("inputs", "connect", "left"),
    [("bc", None, "ab"), ("pc", None, "ac"), ("bc", {"q": "b"}, "bc"), ("bc", {"q": "b", "p": "c"}, "ab")],
    ids=["by order", "by name", "one of two", "crossed"],
)
def test_what_goes_where(inputs, connect, left):
    first, second = two_to_two("first", "ab", "pq"), two_to_two("second", inputs, "uv")
    model = pysofie.chain(first, second, connect=connect)
    assert signature(model) == (
        f"{left[0]}: float32[n, 2], {left[1]}: float32[n, 2] -> u: float32[n, 2], v: float32[n, 2]"
    )


def test_inputs_of_the_same_name_are_one():
    # The mask has a dim of its own in each file; they meet, so that it is one.
    first = support.model(
        [node("Mul", ["x", "mask"], ["y"])],
        [support.floats("x", "n", 2), support.floats("mask", "n", 1)],
        [support.floats("y", "n", 2)],
    )
    second = support.model(
        [node("Mul", ["v", "mask"], ["a"]), node("Add", ["a", "shift"], ["w"])],
        [support.floats("v", "m", 2), support.floats("mask", "m", 1), support.floats("shift", "m", 2)],
        [support.floats("w", "m", 2)],
    )
    model = pysofie.chain(first, second, connect={"y": "v"})
    assert signature(model) == (
        "x: float32[n, 2], mask: float32[n, 1], shift: float32[n, 2] -> w: float32[n, 2]"
    )


def branching(name: str, weight: list[float]) -> onnx.ModelProto:
    """A product or a sum; both branches read a weight from around them."""
    bodies = [
        helper.make_graph([node(op, ["x", "weight"], ["inner"])], op, [], [support.floats("inner", "n", 2)])
        for op in ("Mul", "Add")
    ]
    choose = node("If", ["condition"], ["y"], then_branch=bodies[0], else_branch=bodies[1])
    condition = helper.make_tensor_value_info("condition", TensorProto.BOOL, [])
    inputs, outputs = [condition, support.floats("x", "n", 2)], [support.floats("y", "n", 2)]
    return support.model([choose], inputs, outputs, {"weight": np.float32(weight)}, name=name)


def test_subgraphs_and_sizes_that_data_decide():
    branches = pysofie.chain(branching("a", [2, 3]), branching("b", [5, 7]), connect={"y": "x"})
    assert [tensor.name for tensor in branches.inputs] == ["condition", "x"]
    mask = helper.make_tensor_value_info("mask", TensorProto.BOOL, ["n"])
    choose = support.model(
        [node("Compress", ["events", "mask"], ["chosen"], axis=0)],
        [support.floats("events", "n", 3), mask],
        [support.floats("chosen", "k", 3)],
        name="choose",
    )
    measured = pysofie.chain(choose, support.mlp())
    first, second = compile_many([branches, measured])
    ones = np.ones((3, 2), "float32")
    np.testing.assert_array_equal(first(np.array(True), ones)[0], [10, 21])
    np.testing.assert_array_equal(first(np.array(False), ones)[0], [8, 11])
    x, chosen = RNG.standard_normal((5, 3)).astype("float32"), np.array([1, 0, 1, 0, 0], bool)
    np.testing.assert_allclose(second(x, chosen), support.mlp_reference(x[chosen]), rtol=1e-5, atol=1e-6)
    assert second(x, np.zeros(5, bool)).shape == (0, 2)


def test_constants_that_are_inputs_too():
    old = support.mlp()  # of IR version 3
    old.ir_version = 3
    shapes = {"w0": (3, 4), "b0": (4,), "w1": (4, 2)}
    old.graph.input.extend(support.floats(name, *shape) for name, shape in shapes.items())
    expected = "x: float32[batch, 3] -> y: float32[batch, 2]"
    for model in (pysofie.average([old, old]), pysofie.load(old, pre="x * 2", post="y + 1")):
        assert signature(model) == expected
    assert [t.name for t in pysofie.cut(old, inputs=["w1", "h"]).inputs] == ["w1", "h"]


def test_symbols_that_do_not_meet_are_kept_apart():
    second = support.model(
        [node("Neg", ["v"], ["a"]), node("Abs", ["other"], ["b"])],
        [support.floats("v", "m", 2), support.floats("other", "n", 2)],
        [support.floats("a", "m", 2), support.floats("b", "n", 2)],
    )
    first = support.model(
        [node("Neg", ["x"], ["y"])], [support.floats("x", "n", 2)], [support.floats("y", "n", 2)]
    )
    model = pysofie.chain(first, second, connect={"y": "v"})
    assert [tensor.shape[0] for tensor in model.inputs] == ["n", "n_2"]


def test_numbers_and_bounds_of_symbols_meet():
    fixed = pysofie.chain(FIRST, dense("fixed", "x", "z", 3, 2, batch=8))
    assert fixed.inputs[0].shape == (8, 4)
    low = pysofie.load(FIRST, dims={"batch": (1, 64)})
    high = pysofie.load(SECOND, dims={"n": (16, 128)})
    assert pysofie.chain(low, high).source.dims == {"batch": (16, 64)}
    with pytest.raises(pysofie.ShapeError, match=r"second: dims\['n'\] = \(65, 128\) contradicts \(1, 64\)"):
        pysofie.chain(low, pysofie.load(SECOND, dims={"n": (65, 128)}))


def test_chains_that_do_not_fit():
    with pytest.raises(
        pysofie.ShapeError, match=r"output 'y' of first and input 'x' of first.* 3 is 3, 4 is 4"
    ):
        pysofie.chain(FIRST, FIRST)
    double = support.mlp(dtype="float64")
    with pytest.raises(pysofie.ShapeError, match="differ in dtype"):
        pysofie.chain(FIRST, double)
    flat = support.model([node("Neg", ["x"], ["y"])], [support.floats("x", 3)], [support.floats("y", 3)])
    with pytest.raises(pysofie.ShapeError, match="differ in the number of dims"):
        pysofie.chain(FIRST, flat)
    with pytest.raises(
        pysofie.Error, match=r"say what goes where by connect=.*first gives p: .*second takes x: "
    ):
        pysofie.chain(two_to_two("first", "ab", "pq"), SECOND)
    for connect in ({"nothing": "x"}, {"y": "nothing"}, {}):
        with pytest.raises(pysofie.Error, match=r"connect names .*first gives y: .*second takes x: "):
            pysofie.chain(FIRST, SECOND, connect=connect)
    with pytest.raises(pysofie.Error, match="chain takes two models or more, not 1"):
        pysofie.chain(FIRST)
    with pytest.raises(pysofie.Error, match="3 models have 2 links"):
        pysofie.chain(FIRST, SECOND, SECOND, connect={"y": "x"})


def test_metadata_of_chains():
    first, second = onnx.ModelProto(), onnx.ModelProto()
    first.CopyFrom(FIRST)
    second.CopyFrom(SECOND)
    helper.set_model_props(
        first, {"feature_names": '["a", "b", "c", "d"]', "classes": '["raw"]', "note": "1"}
    )
    helper.set_model_props(second, {"columns": '["h"]', "classes": '["b", "c"]', "note": "2"})
    chained = pysofie.chain(first, second)
    assert chained.feature_names == ["a", "b", "c", "d"]
    assert (chained.metadata["classes"], chained.metadata["note"]) == ('["b", "c"]', "2")
    assert pysofie.chain(first, SECOND).metadata["classes"] == '["raw"]'


def test_operator_sets_are_converted():
    # Softmax took all dims from its axis on, before version 13.
    old = support.model(
        [node("Softmax", ["x"], ["p"], axis=1)],
        [support.floats("x", "n", 2, 3)],
        [support.floats("p", "n", 2, 3)],
        opset=11,
    )
    new = support.model(
        [node("Neg", ["p"], ["y"])],
        [support.floats("p", "n", 2, 3)],
        [support.floats("y", "n", 2, 3)],
        opset=18,
    )
    x = RNG.standard_normal((2, 2, 3)).astype("float32")
    expected = np.exp(x) / np.exp(x).sum((1, 2), keepdims=True)
    np.testing.assert_allclose(pysofie.compile(pysofie.chain(old, new))(x), -expected, rtol=1e-5)


def test_operator_sets_that_cannot_be_one():
    body = helper.make_graph([node("Softmax", ["x"], ["p"], axis=0)], "body", [], [support.floats("p", 3)])
    choose = node("If", ["condition"], ["y"], then_branch=body, else_branch=body)
    condition = helper.make_tensor_value_info("condition", TensorProto.BOOL, [])
    old = support.model([choose], [condition, support.floats("x", 3)], [support.floats("y", 3)], opset=11)
    new = support.model(
        [node("Neg", ["y"], ["z"])], [support.floats("y", 3)], [support.floats("z", 3)], opset=18
    )
    with pytest.raises(
        pysofie.UnsupportedError, match=r"version 18 of ai\.onnx.*Softmax.*same operator sets"
    ):
        pysofie.chain(old, new)


# --- ensembles --------------------------------------------------------------------------------------------


def test_averages():
    weights = [1, 2, 5]
    models = [
        pysofie.average(SEEDS, name="plain"),
        pysofie.average(SEEDS, weights, name="weighted"),
        pysofie.average(SEEDS[:1], name="one"),
    ]
    assert {signature(model) for model in models} == {"x: float32[batch, 4] -> y: float32[batch, 3]"}
    x = RNG.standard_normal((5, 4)).astype("float32")
    members = [applied(proto, x) for proto in SEEDS]
    expected = [np.mean(members, 0), np.average(members, 0, weights), members[0]]
    for session, values in zip(compile_many(models), expected, strict=True):
        np.testing.assert_allclose(session(x), values, rtol=1e-5, atol=1e-6)


def test_averages_that_make_no_sense():
    with pytest.raises(pysofie.Error, match="at least one model"):
        pysofie.average([])
    for weights in ([1, 2], [1, -1, 0], [1, 1, float("nan")]):
        with pytest.raises(pysofie.Error, match="give 3 numbers whose sum is not 0"):
            pysofie.average(SEEDS, weights)
    with pytest.raises(pysofie.Error, match=r"differ in their outputs: first has 'y', encoder has 'z'"):
        pysofie.average([FIRST, ENCODER])
    with pytest.raises(pysofie.ShapeError, match=r"the inputs of first and second.* 4 is 4, 3 is 3"):
        pysofie.average([FIRST, SECOND])
    labels = support.model(
        [node("ArgMax", ["x"], ["label"], axis=1, keepdims=0)],
        [support.floats("x", "n", 3)],
        [helper.make_tensor_value_info("label", TensorProto.INT64, ["n"])],
    )
    with pytest.raises(pysofie.Error, match=r"output label: int64\[n\] .* no floating-point number; .*cut"):
        pysofie.average([labels, labels])


def test_sequences_are_not_averaged():
    model = pysofie.load(nets.sequences([2]), dims={"s": 2}, outputs=["y"])
    with pytest.raises(pysofie.Error, match="sequences among its inputs"):
        pysofie.average([model, model])
