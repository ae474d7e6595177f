"""Small networks of many kinds, for tests of generated code; their constants are exact."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
import onnx
import support
from onnx import TensorProto, helper

node = helper.make_node


def constant(*shape: int, dtype: str = "float32", seed: int = 0) -> np.ndarray:
    """Eighths between -1 and 1, which every compiler and every machine computes alike."""
    positions = np.arange(int(np.prod(shape)), dtype=np.int64)
    return (((positions * 7 + seed * 5) % 17 - 8) / 8).reshape(shape).astype(dtype)


def value(name: str, dtype: str, *shape: int | str) -> onnx.ValueInfoProto:
    """An input or output of any dtype."""
    return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), shape)


def net(
    name: str,
    nodes: Sequence[onnx.NodeProto],
    inputs: Sequence[onnx.ValueInfoProto],
    outputs: Sequence[onnx.ValueInfoProto],
    constants: dict[str, np.ndarray] | None = None,
    domains: dict[str, int] | None = None,
) -> onnx.ModelProto:
    """A model whose nodes carry names, as those of exporters do."""
    for i, each in enumerate(nodes):
        each.name = each.name or f"/{name}/{each.op_type}_{i}"
    return support.model(nodes, inputs, outputs, constants, opset=20, domains=domains, name=name)


def mlp(batch: int | str = 1, dtype: str = "float32", name: str = "mlp") -> onnx.ModelProto:
    """Three layers, 7-16-8-1."""
    sizes = (7, 16, 8, 1)
    nodes, constants, last = [], {}, "features"
    for i, (rows, columns) in enumerate(pairwise(sizes)):
        constants[f"w{i}"] = constant(rows, columns, dtype=dtype, seed=i)
        constants[f"b{i}"] = constant(columns, dtype=dtype, seed=i + 10)
        nodes.append(node("Gemm", [last, f"w{i}", f"b{i}"], [f"h{i}"]))
        nodes.append(node("Relu" if i < 2 else "Sigmoid", [f"h{i}"], [f"a{i}" if i < 2 else "score"]))
        last = f"a{i}"
    return net(
        name, nodes, [value("features", dtype, batch, 7)], [value("score", dtype, batch, 1)], constants
    )


def dynamic_mlp() -> onnx.ModelProto:
    """The same for a number of events known at run time."""
    return mlp("batch", name="dynamic_mlp")


def double_mlp() -> onnx.ModelProto:
    """The same in double precision."""
    return mlp("batch", "float64", name="double_mlp")


def conv() -> onnx.ModelProto:
    """An image classifier: convolutions, a batch normalisation, poolings, a softmax."""
    constants = {
        "w0": constant(4, 1, 3, 3),
        "b0": constant(4, seed=1),
        "scale": constant(4, seed=2),
        "shift": constant(4, seed=3),
        "mean": constant(4, seed=4),
        "variance": constant(4, seed=5) ** 2 + 1,
        "w1": constant(6, 2, 3, 3, seed=6),
        "w2": constant(6, 3, seed=7),
    }
    nodes = [
        node("Conv", ["image", "w0", "b0"], ["c0"], pads=[1, 1, 1, 1]),
        node("BatchNormalization", ["c0", "scale", "shift", "mean", "variance"], ["n0"]),
        node("Relu", ["n0"], ["r0"]),
        node("MaxPool", ["r0"], ["p0"], kernel_shape=[2, 2], strides=[2, 2]),
        node("Conv", ["p0", "w1"], ["c1"], group=2, strides=[2, 1], pads=[0, 1, 1, 1]),
        node("LeakyRelu", ["c1"], ["r1"], alpha=0.25),
        node("GlobalAveragePool", ["r1"], ["p1"]),
        node("Flatten", ["p1"], ["f"]),
        node("MatMul", ["f", "w2"], ["l"]),
        node("Softmax", ["l"], ["classes"], axis=1),
    ]
    image, classes = value("image", "float32", "n", 1, 8, 9), value("classes", "float32", "n", 3)
    return net("conv", nodes, [image], [classes], constants)


def attention() -> onnx.ModelProto:
    """A layer of attention over any number of tokens, in any number of jets."""
    constants = {key: constant(8, 8, seed=i) for i, key in enumerate(("wq", "wk", "wv"))}
    constants |= {"root": np.float32(8**0.5), "scale": constant(8, seed=4), "shift": constant(8, seed=5)}
    nodes = [
        node("MatMul", ["tokens", "wq"], ["q"]),
        node("MatMul", ["tokens", "wk"], ["k"]),
        node("MatMul", ["tokens", "wv"], ["v"]),
        node("Transpose", ["k"], ["kt"], perm=[0, 2, 1]),
        node("MatMul", ["q", "kt"], ["qk"]),
        node("Div", ["qk", "root"], ["scaled"]),
        node("Softmax", ["scaled"], ["p"], axis=-1),
        node("MatMul", ["p", "v"], ["mixed"]),
        node("Add", ["mixed", "tokens"], ["residual"]),
        node("LayerNormalization", ["residual", "scale", "shift"], ["out"], axis=-1),
    ]
    shape = ("jets", "tokens", 8)
    return net(
        "attention", nodes, [value("tokens", "float32", *shape)], [value("out", "float32", *shape)], constants
    )


def mixed_outputs() -> onnx.ModelProto:
    """Outputs of three dtypes, one of them bool."""
    nodes = [
        node("Softmax", ["x"], ["p"], axis=-1),
        node("ArgMax", ["x"], ["best"], axis=-1, keepdims=0),
        node("Greater", ["x", "cut"], ["passes"]),
    ]
    outputs = [value("p", "float32", "n", 5), value("best", "int64", "n"), value("passes", "bool", "n", 5)]
    return net("mixed_outputs", nodes, [value("x", "float32", "n", 5)], outputs, {"cut": np.float32(0.25)})


def two_outputs() -> onnx.ModelProto:
    """Two inputs and two outputs of one dtype."""
    nodes = [node("Add", ["a", "b"], ["sum"]), node("ReduceSum", ["product"], ["dot"], keepdims=0)]
    nodes.insert(1, node("Mul", ["a", "b"], ["product"]))
    inputs = [value("a", "float32", 6), value("b", "float32", 6)]
    return net("two_outputs", nodes, inputs, [value("sum", "float32", 6), value("dot", "float32")])


def gather() -> onnx.ModelProto:
    """An embedding: indices come from the caller, and may be wrong."""
    nodes = [
        node("Gather", ["table", "ids"], ["rows"], axis=0),
        node("ReduceMean", ["rows"], ["mean"], keepdims=0),
    ]
    inputs = [value("ids", "int64", "n")]
    outputs = [value("rows", "float32", "n", 3), value("mean", "float32")]
    return net("gather", nodes, inputs, outputs, {"table": constant(10, 3)})


def message_passing() -> onnx.ModelProto:
    """A step of a graph network: nodes are gathered and added up at others; the positive ones remain."""
    nodes = [
        node("Gather", ["x", "senders"], ["messages"], axis=0),
        node("Unsqueeze", ["receivers", "last"], ["column"]),
        node("Shape", ["messages"], ["shape"]),
        node("Expand", ["column", "shape"], ["places"]),
        node("ScatterElements", ["x", "places", "messages"], ["sums"], axis=0, reduction="add"),
        node("ReduceSum", ["sums", "last"], ["total"], keepdims=0),
        node("Greater", ["total", "zero"], ["mask"]),
        node("Compress", ["sums", "mask"], ["kept"], axis=0),
    ]
    inputs = [value("x", "float32", 10, 8), *(value(n, "int64", "e") for n in ("senders", "receivers"))]
    outputs = [value("sums", "float32", 10, 8), value("kept", "float32", "k", 8)]
    constants = {"last": np.array([1]), "zero": np.float32(0)}
    return net("message_passing", nodes, inputs, outputs, constants)


def logic() -> onnx.ModelProto:
    """Bools in and out."""
    nodes = [
        node("Xor", ["a", "b"], ["either"]),
        node("Not", ["either"], ["same"]),
        node("Where", ["same", "x", "y"], ["chosen"]),
    ]
    inputs = [value(n, t, "n") for n, t in zip("abxy", ("bool", "bool", "int32", "int32"), strict=True)]
    return net("logic", nodes, inputs, [value("same", "bool", "n"), value("chosen", "int32", "n")])


def whole() -> onnx.ModelProto:
    """Integer arithmetic of narrow types, with what C++ leaves undefined: overflow, and division by zero."""
    nodes = [
        node("Add", ["a", "b"], ["sum"]),
        node("Mul", ["a", "b"], ["product"]),
        node("Div", ["a", "b"], ["quotient"]),
        node("Cast", ["sum"], ["wide"], to=7),
        node("Concat", ["product", "quotient"], ["both"], axis=0),
    ]
    inputs = [value(n, "int8", "n") for n in "ab"]
    return net("whole", nodes, inputs, [value("wide", "int64", "n"), value("both", "int8", "2*n")])


def stored() -> onnx.ModelProto:
    """Elements of types that are not computed in, as inputs, weights and outputs."""
    nodes = [
        node("MatMul", ["x", "w"], ["product"]),
        node("Concat", ["product", "last"], ["y"], axis=0),
        node("Softmax", ["product"], ["p"]),
        node("Cast", ["p"], ["small"], to=onnx.TensorProto.FLOAT8E4M3FN),
    ]
    constants = {"w": constant(5, 9, dtype="float16"), "last": constant(1, 9, dtype="float16")}
    outputs = [value("y", "float16", "n + 1", 9), value("small", "float8_e4m3fn", "n", 9)]
    return net("stored", nodes, [value("x", "float16", "n", 5)], outputs, constants)


def trees() -> onnx.ModelProto:
    """Two decision trees that vote for three classes."""
    branch, leaf = ["BRANCH_LEQ", "BRANCH_GT", "BRANCH_LEQ"], ["LEAF"] * 4
    leaves = [(tree, number, target) for tree in (0, 1) for number in (3, 4, 5, 6) for target in (0, 1, 2)]
    attributes = {
        "nodes_treeids": [0] * 7 + [1] * 7,
        "nodes_nodeids": 2 * list(range(7)),
        "nodes_featureids": [0, 1, 2, *[0] * 4, 3, 0, 1, *[0] * 4],
        "nodes_values": [0.5, -0.25, 0.0, *[0.0] * 4, 0.125, 0.75, -0.5, *[0.0] * 4],
        "nodes_modes": 2 * [*branch, *leaf],
        "nodes_truenodeids": 2 * [1, 3, 5, 0, 0, 0, 0],
        "nodes_falsenodeids": 2 * [2, 4, 6, 0, 0, 0, 0],
        "nodes_missing_value_tracks_true": 2 * [1, 0, 1, 0, 0, 0, 0],
        "class_treeids": [tree for tree, _, _ in leaves],
        "class_nodeids": [number for _, number, _ in leaves],
        "class_ids": [target for _, _, target in leaves],
        "class_weights": constant(len(leaves)).tolist(),
        "classlabels_int64s": [1, 5, 9],
        "post_transform": "SOFTMAX",
    }
    nodes = [
        node("TreeEnsembleClassifier", ["x"], ["label", "scores"], domain="ai.onnx.ml", **attributes),
    ]
    outputs = [value("label", "int64", "n"), value("scores", "float32", "n", 3)]
    return net("trees", nodes, [value("x", "float32", "n", 4)], outputs, domains={"ai.onnx.ml": 1})


def recurrent() -> onnx.ModelProto:
    """A GRU over those rows that the data choose."""
    constants = {
        "zero": np.float32(0),
        "axis": np.array([1]),
        "w": constant(1, 12, 3),
        "r": constant(1, 12, 4, seed=1),
        "b": constant(1, 24, seed=2),
    }
    nodes = [
        node("Greater", ["weight", "zero"], ["isHeavy"]),
        node("Compress", ["x", "isHeavy"], ["chosen"], axis=0),
        node("Unsqueeze", ["chosen", "axis"], ["steps"]),
        node("GRU", ["steps", "w", "r", "b"], ["states", "last"], hidden_size=4),
    ]
    inputs = [value("x", "float32", "n", 3), value("weight", "float32", "n")]
    outputs = [
        value("chosen", "float32", "m", 3),
        value("states", "float32", "m", 1, 1, 4),
        value("last", "float32", 1, 1, 4),
    ]
    return net("recurrent", nodes, inputs, outputs, constants)


def sequences(dims: list[int | str] | None = None) -> onnx.ModelProto:
    """Insert `t` in front of the sequence `s`, and concatenate all."""
    element = helper.make_tensor_type_proto(TensorProto.FLOAT, dims)
    kind = helper.make_sequence_type_proto(element)
    graph = helper.make_graph(
        [
            node("Constant", [], ["zero"], value_int=0),
            node("SequenceInsert", ["s", "t", "zero"], ["longer"]),
            node("ConcatFromSequence", ["longer"], ["y"], axis=0),
        ],
        "g",
        [helper.make_value_info("s", kind), value("t", "float32", 2)],
        [helper.make_value_info("longer", kind), value("y", "float32", "m")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


ALL: dict[str, Callable[[], onnx.ModelProto]] = {
    make.__name__: make
    for make in (
        mlp,
        dynamic_mlp,
        double_mlp,
        conv,
        attention,
        mixed_outputs,
        two_outputs,
        gather,
        message_passing,
        logic,
        whole,
        stored,
        trees,
        recurrent,
    )
}
