"""Bad models are refused with the documented error, good ones are read as they are written."""

from __future__ import annotations

import pickle

import numpy as np
import onnx
import pytest
import support
from onnx import TensorProto, helper

import pysofie

X, Y = support.floats("x", "batch", 3), support.floats("y", "batch", 3)


def relu(**keywords):
    return support.model([helper.make_node("Relu", ["x"], ["y"])], [X], [Y], **keywords)


def test_signature(tmp_path):
    path = tmp_path / "my net.onnx"
    onnx.save(support.mlp(), path)
    model = pysofie.load(path)
    assert model.name == "my_net"
    assert [str(t) for t in model.inputs] == ["x: float32[batch, 3]"]
    assert [str(t) for t in model.outputs] == ["y: float32[batch, 2]"]


def test_metadata_names_the_features():
    proto = relu()
    helper.set_model_props(proto, {"feature_names": '["pt", "eta", "phi"]'})
    assert pysofie.load(proto).feature_names == ["pt", "eta", "phi"]
    helper.set_model_props(proto, {"columns": "pt, eta,phi"})
    assert pysofie.load(proto).feature_names == ["pt", "eta", "phi"]
    assert pysofie.load(relu()).feature_names is None


def test_dims_fix_and_bound():
    assert pysofie.load(relu(), dims={"batch": 4}).outputs[0].shape == (4, 3)
    assert pysofie.load(relu(), dims={"batch": (0, 128)}).outputs[0].shape == ("batch", 3)
    with pytest.raises(pysofie.ShapeError, match=r"'n'.*dynamic dims.*'batch'"):
        pysofie.load(relu(), dims={"n": 1})
    for value in (-1, (3, 2), 2**60):
        with pytest.raises(pysofie.ShapeError, match="a dim is a number"):
            pysofie.load(relu(), dims={"batch": value})


def test_outputs_that_are_wanted():
    nodes = [
        helper.make_node("Relu", ["x"], ["a"]),
        helper.make_node("NoSuchOperator", ["strange"], ["b"]),
        helper.make_node("Neg", ["a"], ["c"]),
    ]
    strange = helper.make_tensor_value_info("strange", onnx.TensorProto.STRING, [3])
    proto = support.model(nodes, [X, strange], [support.floats(name, "batch", 3) for name in "abc"])
    with pytest.raises(pysofie.UnsupportedError):
        pysofie.load(proto)
    model = pysofie.load(proto, outputs=["c", "a"])
    assert [tensor.name for tensor in (*model.inputs, *model.outputs)] == ["x", "c", "a"]
    with pytest.raises(pysofie.Error, match=r"outputs names 'y'; .* 'a', 'b', 'c'"):
        pysofie.load(proto, outputs=["y"])
    with pytest.raises(pysofie.Error, match="outputs names nothing"):
        pysofie.load(proto, outputs=[])


def test_unnamed_dims_are_distinct():
    add = helper.make_node("Concat", ["a", "b"], ["y"], axis=0)
    proto = support.model(
        [add], [support.floats("a", None, 2), support.floats("b", None, 2)], [support.floats("y", None, 2)]
    )
    model = pysofie.load(proto)
    assert model.inputs[0].shape[0] != model.inputs[1].shape[0]


def test_initializer_that_is_an_input_is_a_constant():
    proto = support.model(
        [helper.make_node("Add", ["x", "c"], ["y"])],
        [X, support.floats("c", 3)],
        [Y],
        {"c": np.ones(3, "float32")},
    )
    assert [t.name for t in pysofie.load(proto).inputs] == ["x"]


def test_wrong_types_of_inner_values_do_not_matter():
    nodes = [helper.make_node("Relu", ["x"], ["a"]), helper.make_node("Neg", ["a"], ["y"])]
    proto = support.model(nodes, [X], [Y])
    proto.graph.value_info.append(support.floats("a", 7, "wrong"))
    assert pysofie.load(proto).outputs[0].shape == ("batch", 3)


@pytest.mark.parametrize(
    "attribute",
    [
        {"value": onnx.numpy_helper.from_array(np.float32([1, 2, 3]))},
        {"value_floats": [1.0, 2.0, 3.0]},
        {
            "sparse_value": helper.make_sparse_tensor(
                onnx.numpy_helper.from_array(np.float32([1, 2, 3])),
                onnx.numpy_helper.from_array(np.int64([0, 1, 2])),
                [3],
            )
        },
    ],
    ids=lambda attribute: next(iter(attribute)),
)
def test_constant_nodes(attribute):
    nodes = [
        helper.make_node("Constant", [], ["c"], **attribute),
        helper.make_node("Add", ["x", "c"], ["y"]),
    ]
    session = pysofie.compile(support.model(nodes, [X], [Y]))
    np.testing.assert_array_equal(session(np.zeros((2, 3), "float32")), [[1, 2, 3], [1, 2, 3]])


@pytest.mark.parametrize(
    ("attribute", "expected"), [({"value_float": 2.5}, 2.5), ({"value_int": 3}, 3)], ids=["float", "int"]
)
def test_constant_scalars(attribute, expected):
    kind = TensorProto.FLOAT if "value_float" in attribute else TensorProto.INT64
    nodes = [
        helper.make_node("Constant", [], ["c"], **attribute),
        helper.make_node("Mul", ["x", "c"], ["y"]),
    ]
    value = [helper.make_tensor_value_info(name, kind, [2]) for name in "xy"]
    session = pysofie.compile(support.model(nodes, value[:1], value[1:]))
    x = np.array([1, 2], helper.tensor_dtype_to_np_dtype(kind))
    np.testing.assert_array_equal(session(x), x * expected)


def test_local_functions_are_inlined():
    twice = helper.make_function(
        "local",
        "Twice",
        ["a"],
        ["b"],
        [helper.make_node("Add", ["a", "a"], ["b"])],
        [helper.make_opsetid("", 17)],
    )
    proto = support.model(
        [helper.make_node("Twice", ["x"], ["y"], domain="local")], [X], [Y], functions=[twice]
    )
    proto.opset_import.append(helper.make_opsetid("local", 1))
    assert [node["op"] for node in pysofie.load(proto).graph.nodes()] == ["Add"]


def functions(*bodies: tuple[str, list[str]]) -> onnx.ModelProto:
    """A model whose local functions call each other."""
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("local", 1)]
    protos = []
    for name, calls in bodies:
        values = ["a", *(f"t{i}" for i in range(len(calls) - 1)), "b"]
        nodes = [
            helper.make_node(call, [values[i]], [values[i + 1]], domain="" if call == "Relu" else "local")
            for i, call in enumerate(calls)
        ]
        protos.append(helper.make_function("local", name, ["a"], ["b"], nodes, opsets))
    proto = support.model(
        [helper.make_node(bodies[0][0], ["x"], ["y"], domain="local")], [X], [Y], functions=protos
    )
    proto.opset_import.append(helper.make_opsetid("local", 1))
    return proto


def test_function_that_calls_itself_is_refused():
    with pytest.raises(pysofie.InvalidModelError, match="calls itself"):
        pysofie.load(functions(("F", ["G"]), ("G", ["F"])))


def test_exponential_functions_are_refused():
    levels = [(f"F{i}", [f"F{i + 1}"] * 10) for i in range(12)]
    with pytest.raises(pysofie.InvalidModelError, match="nodes"):
        pysofie.load(functions(*levels, ("F12", ["Relu"])))


@pytest.mark.parametrize("content", [b"", b"not a model", b"PK\x03\x04" * 50, bytes(range(256)), b"\x08"])
def test_not_a_model(content, tmp_path):
    path = tmp_path / "file.onnx"
    path.write_bytes(content)
    with pytest.raises(pysofie.InvalidModelError, match=r"^file: "):
        pysofie.load(path)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_truncated(share):
    content = support.mlp().SerializeToString()
    with pytest.raises(pysofie.InvalidModelError):
        pysofie.load(content[: int(share * len(content))])


def test_missing_file():
    with pytest.raises(FileNotFoundError):
        pysofie.load("nowhere.onnx")


def test_every_unknown_operator_is_listed():
    nodes = [
        helper.make_node("Quux", ["x"], ["a"], name="first"),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Frob", ["b"], ["y"], name="second", domain="my.domain"),
    ]
    proto = support.model(nodes, [X], [Y])
    proto.opset_import.append(helper.make_opsetid("my.domain", 1))
    with pytest.raises(pysofie.UnsupportedError, match=r"(?s)first.*Quux|Quux.*first") as error:
        pysofie.load(proto)
    assert "Frob" in str(error.value)
    assert "second" in str(error.value)


def test_cycle():
    nodes = [helper.make_node("Add", ["x", "b"], ["a"]), helper.make_node("Relu", ["a"], ["b"])]
    with pytest.raises(pysofie.InvalidModelError):
        pysofie.load(support.model(nodes, [X], [support.floats("b", "batch", 3)]))


def test_nodes_are_sorted():
    nodes = [
        helper.make_node("Relu", ["a"], ["y"], name="last"),
        helper.make_node("Neg", ["x"], ["b"], name="first"),
        helper.make_node("Abs", ["b"], ["a"], name="second"),
    ]
    model = pysofie.load(support.model(nodes, [X], [Y]))
    assert [node["name"] for node in model.graph.nodes()] == ["first", "second", "last"]


def test_nodes_are_sorted_by_what_their_subgraphs_read():
    proto = onnx.parser.parse_model("""<ir_version: 9, opset_import: ["" : 17]>
    branches (bool c, float[3] x) => (float[3] y) {
      late = Neg (x)
      y = If (c) <then_branch = t () => (float[3] a) { d = Exp (late) a = Abs (d) },
                  else_branch = e () => (float[3] b) { b = Relu (late) }>
    }""")
    for graph in (proto.graph.node[1].attribute[0].g, proto.graph):
        nodes = list(graph.node)[::-1]
        del graph.node[:]
        graph.node.extend(nodes)
    assert [node["op"] for node in pysofie.load(proto).graph.nodes()] == ["Neg", "If"]


def test_duplicate_names():
    proto = relu()
    proto.graph.initializer.extend([onnx.numpy_helper.from_array(np.zeros(1), "c")] * 2)
    with pytest.raises(pysofie.InvalidModelError):
        pysofie.load(proto)
    nodes = [helper.make_node("Relu", ["x"], ["y"]), helper.make_node("Neg", ["x"], ["y"])]
    with pytest.raises(pysofie.InvalidModelError):
        pysofie.load(support.model(nodes, [X], [Y]))


@pytest.mark.parametrize("dim", [-1, -(2**62), 2**62])
def test_impossible_dims(dim):
    with pytest.raises(pysofie.InvalidModelError, match="impossible"):
        pysofie.load(support.model([helper.make_node("Relu", ["x"], ["y"])], [support.floats("x", dim)], [Y]))


def test_tensor_that_is_larger_than_its_data():
    proto = support.mlp()
    proto.graph.initializer[0].dims[0] = 2**30
    with pytest.raises(pysofie.InvalidModelError):
        pysofie.load(proto)


def test_strings_are_refused():
    text = helper.make_tensor_value_info("x", TensorProto.STRING, [1])
    proto = support.model([helper.make_node("Identity", ["x"], ["y"])], [text], [text])
    proto.graph.output[0].name = "y"
    with pytest.raises(pysofie.UnsupportedError, match="strings"):
        pysofie.load(proto)


def test_sequences_are_refused():
    sequence = helper.make_tensor_sequence_value_info("x", TensorProto.FLOAT, None)
    proto = support.model([helper.make_node("SequenceLength", ["x"], ["y"])], [sequence], [Y])
    with pytest.raises(pysofie.UnsupportedError, match="sequence"):
        pysofie.load(proto)


def test_hostile_names_reach_no_code(tmp_path):
    evil = 'x"; system("id"); //'
    proto = support.model(
        [helper.make_node("Relu", [evil], ["*/ y"], name="*/ #error //\n#error")],
        [support.floats(evil, 'b"]; int q(', 3)],
        [support.floats("*/ y", 'b"]; int q(', 3)],
        name='"); system("id',
    )
    session = pysofie.compile(proto)
    x = np.array([[-1, 0, 1]], "float32")
    np.testing.assert_array_equal(session.run({evil: x})["*/ y"], np.maximum(x, 0))
    pysofie.emit(proto, tmp_path, name="../../etc/x")
    assert {path.parent for path in tmp_path.rglob("*.hxx")} == {tmp_path}


def test_what_is_no_model_is_refused():
    with pytest.raises(pysofie.UnsupportedError, match="int is not taken; give the path, bytes or onnx"):
        pysofie.load(42)


def test_what_no_importer_takes_is_told_the_way(tmp_path):
    kind = type("CatBoost", (), {"__module__": "catboost.core"})
    with pytest.raises(
        pysofie.UnsupportedError, match=r"catboost\.core\.CatBoost is not taken(.|\n)*save_model"
    ):
        pysofie.load(kind())
    (tmp_path / "net.tflite").write_bytes(b"x")
    with pytest.raises(pysofie.UnsupportedError, match=r"net\.tflite is not taken(.|\n)*tf2onnx"):
        pysofie.load(tmp_path / "net.tflite")


def test_an_onnx_model_has_no_example_inputs():
    with pytest.raises(TypeError, match="this one is ONNX"):
        pysofie.load(support.mlp(), example_inputs=np.ones((1, 3), "f"))


def test_a_loaded_model_travels():
    model = pysofie.load(support.mlp(), dims={"batch": 3})
    copy = pickle.loads(pickle.dumps(model))
    assert (copy.name, copy.inputs, copy.digest) == (model.name, model.inputs, model.digest)
