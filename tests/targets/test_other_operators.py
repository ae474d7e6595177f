"""Operators that ONNX's own suite has no case of, on the device targets: as on the processor."""

from __future__ import annotations

import functools
from typing import Any

import nets
import numpy as np
import onnx
import pytest
from comparison import Nodes
from conformance import suite
from onnx import helper
from targets.available import TARGETS, require
from targets.test_suites import representatives

import pysofie
from pysofie.compile import compile_many

ML, MICROSOFT = "ai.onnx.ml", "com.microsoft"
# One maps between strings, and the other gives what it gets.
WITHOUT_CODE = {(ML, "CategoryMapper"), (ML, "ZipMap")}
INPUTS = {
    "x": ("float32", (2, 3, 8)),
    "m": ("float32", (3, 6)),
    "image": ("float32", (1, 4, 5, 5)),
    "words": ("int32", (2, 3)),
    "bytes": ("uint8", (1, 2, 4, 4)),
    "rows": ("uint8", (3, 6)),
    "whole": ("int64", (3, 4)),
}


def feeds() -> dict[str, np.ndarray]:
    return {
        name: nets.constant(*shape, dtype=dtype)
        if dtype == "float32"
        else np.arange(np.prod(shape)).reshape(shape).astype(dtype) % 7
        for name, (dtype, shape) in INPUTS.items()
    }


class Fused:
    """What onnxruntime's tools write."""

    def __init__(self, nodes: Nodes) -> None:
        self.nodes = nodes
        self.add = functools.partial(nodes.add, domain=MICROSOFT)

    def real(self) -> None:
        vector, turned, square = (self.nodes.weights(*shape) for shape in ((8,), (5, 6), (6, 5)))
        for name in ("Gelu", "FastGelu", "QuickGelu"):
            self.add(name, ["x"])
        self.add("BiasGelu", ["x", vector])
        self.add("SkipLayerNormalization", ["x", "x", vector])
        self.add("SkipSimplifiedLayerNormalization", ["x", "x", vector])
        self.nodes.add("SimplifiedLayerNormalization", ["x", vector])
        self.add("CDist", ["m", turned], metric="euclidean")
        self.add("FusedMatMul", ["m", square], alpha=0.5)
        self.add("FusedGemm", ["m", square, self.nodes.weights(5)], activation="Relu")
        kernel, bias = self.nodes.weights(4, 4, 3, 3), self.nodes.weights(4)
        self.add("FusedConv", ["image", kernel, bias], activation="Tanh")
        self.add("MultiHeadAttention", ["x", "x", "x"], num_heads=2)
        self.add("Attention", ["x", self.nodes.weights(8, 24), self.nodes.weights(24)], num_heads=2)
        tables = [self.nodes.weights(size, 8) for size in (7, 9, 7)]
        self.add("EmbedLayerNormalization", ["words", "words", *tables, vector, vector], 2)

    def quantised(self) -> None:
        matrix = self.nodes.constant(np.arange(30).reshape(6, 5) % 11, "uint8")
        scale, point = self.nodes.constant(0.3, "float32"), self.nodes.constant(3, "uint8")
        kind = [scale, point]
        mask = self.nodes.constant([[True], [False], [True], [False]], "bool")
        for name in ("QLinearAdd", "QLinearMul"):
            self.add(name, ["bytes", *kind, "bytes", *kind, *kind])
        for name in ("QLinearLeakyRelu", "QLinearSigmoid", "QLinearGlobalAveragePool"):
            self.add(name, ["bytes", *kind, *kind])
        self.add("QLinearAveragePool", ["bytes", *kind, *kind], kernel_shape=[2, 2])
        self.add("QLinearSoftmax", ["bytes", *kind, *kind], axis=-1, opset=13)
        self.add("QLinearConcat", [*kind, "bytes", *kind, "bytes", *kind], axis=1)
        kernel = self.nodes.constant(np.arange(24).reshape(3, 2, 2, 2) % 5, "uint8")
        self.add("QLinearConv", ["bytes", *kind, kernel, *kind, *kind])
        self.add("QuantizeLinear", ["m", *kind])
        self.add("DequantizeLinear", ["rows", *kind])
        self.add("QLinearWhere", [mask, "bytes", *kind, "bytes", *kind, *kind])
        self.add("QGemm", ["rows", *kind, matrix, *kind])
        self.add("MatMulIntegerToFloat", ["rows", matrix, scale, scale])
        self.add("DynamicQuantizeMatMul", ["m", matrix, scale, point])


class Classical:
    """Trees, support vectors, linear models, and what prepares their inputs."""

    def __init__(self, nodes: Nodes) -> None:
        self.add = functools.partial(nodes.add, domain=ML)

    def preparation(self) -> None:
        self.add("Normalizer", ["m"], norm="L2")
        self.add("Scaler", ["m"], offset=[0.5], scale=[2.0])
        self.add("FeatureVectorizer", ["m", "m"], inputdimensions=[6, 6])
        self.add("LabelEncoder", ["whole"], keys_int64s=[1, 2], values_floats=[0.5, 0.25])
        self.add("Imputer", ["m"], replaced_value_float=0.5, imputed_value_floats=[3.0])
        self.add("OneHotEncoder", ["whole"], cats_int64s=list(range(7)))

    def models(self) -> None:
        numbers: list[float] = nets.constant(18).tolist()
        self.add("LinearRegressor", ["m"], coefficients=numbers[:6], intercepts=[0.5])
        classes = {"classlabels_ints": [2, 5, 7], "coefficients": numbers, "intercepts": numbers[:3]}
        self.add("LinearClassifier", ["m"], 2, post_transform="SOFTMAX", **classes)
        machine: dict[str, Any] = {"support_vectors": numbers[:12], "kernel_type": "RBF", "rho": [0.5]}
        machine |= {"coefficients": [1.0, -1.0], "kernel_params": [0.5, 0.0, 3.0]}
        self.add("SVMRegressor", ["m"], n_supports=2, **machine)
        self.add("SVMClassifier", ["m"], 2, classlabels_ints=[0, 1], vectors_per_class=[1, 1], **machine)
        (classifier,) = nets.trees().graph.node
        votes = {each.name: helper.get_attribute_value(each) for each in classifier.attribute}
        self.add("TreeEnsembleClassifier", ["m"], 2, **votes)
        branches = {name: value for name, value in votes.items() if name.startswith("nodes_")}
        leaves = {
            f"target_{name}": votes[f"class_{name}"] for name in ("treeids", "nodeids", "ids", "weights")
        }
        self.add("TreeEnsembleRegressor", ["m"], n_targets=3, **branches, **leaves)


def others(nodes: Nodes) -> None:
    nodes.add("GlobalLpPool", ["image"])
    rois = nodes.constant([[0, 0, 0, 3, 3], [0, 1, 1, 4, 4]], "float32")
    nodes.add("MaxRoiPool", ["image", rois], pooled_shape=[2, 2])
    nodes.add("Multinomial", ["m"], seed=1.0, sample_size=5)
    nodes.add("RandomNormalLike", ["m"], seed=1.0)
    nodes.add("RandomNormal", [], shape=[5], seed=1.0)
    nodes.add("RandomUniform", [], shape=[5], seed=1.0)
    nodes.nodes.append(helper.make_node("Optional", ["m"], ["maybe"]))
    nodes.add("OptionalGetElement", ["maybe"])


def without_a_kernel_in_onnxruntime() -> onnx.ModelProto:
    """Nodes whose types onnxruntime does not tell."""
    nodes = [
        nets.node("BiasAdd", ["x", "bias", "x"], ["sum"], domain=MICROSOFT),
        nets.node("TransposeMatMul", ["m", "w"], ["product"], domain=MICROSOFT, transA=1),
        nets.node("SimplifiedLayerNormalization", ["x", "bias"], ["scaled"], domain=MICROSOFT),
    ]
    inputs = [nets.value(name, *INPUTS[name][:1], *INPUTS[name][1]) for name in ("x", "m")]
    outputs = [nets.value(name, "float32", 2, 3, 8) for name in ("sum", "scaled")]
    outputs.append(nets.value("product", "float32", 6, 5))
    constants = {"bias": nets.constant(8), "w": nets.constant(3, 5)}
    return nets.net("rest", nodes, inputs, outputs, constants, domains={MICROSOFT: 1})


@functools.cache
def models() -> list[onnx.ModelProto]:
    nodes = Nodes(INPUTS, opset=18, domains={ML: 3, MICROSOFT: 1})
    Fused(nodes).real()
    Fused(nodes).quantised()
    Classical(nodes).preparation()
    Classical(nodes).models()
    others(nodes)
    return [nodes.proto(), without_a_kernel_in_onnxruntime()]


def operators(proto: onnx.ModelProto) -> set[tuple[str, str]]:
    graphs = [proto.graph, *(each.g for node in proto.graph.node for each in node.attribute)]
    return {(node.domain, node.op_type) for graph in graphs for node in graph.node}


@pytest.mark.parametrize("target", TARGETS)
def test_as_on_the_processor(target):
    require(target)
    sessions = zip(compile_many(models()), compile_many(models(), target=target), strict=True)
    for processor, device in sessions:
        taken = {name: feeds()[name] for name in processor.input_names}
        expected = processor.run(taken)
        for name, output in device.run(taken).items():
            np.testing.assert_allclose(output, expected[name], rtol=1e-5, atol=1e-5, err_msg=name)


def test_every_operator_runs_on_every_target():
    cases = [onnx.ModelProto.FromString(suite.cases()[name].content) for name in representatives()]
    run = set().union(*map(operators, [*cases, *models()]))
    registered = {(domain, name) for domain, name, _ in pysofie.operators()}
    assert registered - run == WITHOUT_CODE
