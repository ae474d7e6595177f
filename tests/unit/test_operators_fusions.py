"""What onnxruntime's optimiser writes in the place of several operators, against onnxruntime."""

from __future__ import annotations

import functools

import numpy as np
from comparison import Comparison, Nodes
from hypothesis import given, settings
from hypothesis import strategies as st

HIDDEN = 8


def empty_nodes(**inputs: tuple[str, tuple[int | str, ...]]) -> Nodes:
    return Nodes(inputs, opset=17, domains={"com.microsoft": 1})


@functools.cache
def sequences() -> Comparison:
    shape = ("float32", ("b", "n", HIDDEN))
    nodes = empty_nodes(x=shape, skip=shape)
    add = functools.partial(nodes.add, domain="com.microsoft")
    vectors = [nodes.weights(HIDDEN) for _ in range(3)]
    add("Gelu", ["x"])
    add("BiasGelu", ["x", vectors[0]])
    add("FastGelu", ["x"])
    add("FastGelu", ["x", vectors[0]])
    add("QuickGelu", ["x"])
    add("QuickGelu", ["x"], alpha=0.5)
    for inputs in (vectors[:1], vectors[:2], vectors, [vectors[0], "", vectors[2]]):
        add("SkipLayerNormalization", ["x", "skip", *inputs], epsilon=1e-5)
    for inputs in (vectors[:1], vectors[:2]):
        add("SkipSimplifiedLayerNormalization", ["x", "skip", *inputs], epsilon=1e-5)
    nodes.add("SimplifiedLayerNormalization", ["x", vectors[0]], epsilon=1e-5)
    nodes.add("SimplifiedLayerNormalization", ["x", vectors[0]], axis=-1)
    return nodes.compile()


@functools.cache
def products() -> Comparison:
    nodes = empty_nodes(m=("float32", ("n", 6)), x=("float32", (3, "n", 6)), c=("float32", ("b", 4, 7, 5)))
    add = functools.partial(nodes.add, domain="com.microsoft")
    weights, turned = nodes.weights(6, 9), nodes.weights(9, 6)
    for name in "mx":
        add("FusedMatMul", [name, weights], alpha=0.5)
        add("FusedMatMul", [name, turned], transB=1)
    add("FusedMatMul", ["x", "x"], transA=1)
    add("FusedMatMul", ["x", nodes.weights(6, 3, 2)], transBatchB=1)
    add("FusedMatMul", ["x", nodes.weights(2, 3, 6)], transBatchB=1, transB=1)
    bias = nodes.weights(9)
    parameters = {"LeakyRelu": {"activation_alpha": 0.2}}
    for name in ("Relu", "Tanh", "Sigmoid", "LeakyRelu"):
        more = {"activation": name} | parameters.get(name, {})
        add("FusedGemm", ["m", turned, bias], transB=1, alpha=0.5, beta=2.0, **more)
    kernel, vector = nodes.weights(4, 4, 3, 3), nodes.weights(4)
    parameters = {
        "LeakyRelu": {"activation_params": [0.2]},
        "Clip": {"activation_params": [-0.5, 0.5]},
        "HardSigmoid": {"activation_params": [0.3, 0.4]},
    }
    for name in ("Relu", "Tanh", "Sigmoid", *parameters):
        more = {"activation": name} | parameters.get(name, {})
        add("FusedConv", ["c", kernel, vector], pads=[1, 1, 1, 1], **more)
    add("FusedConv", ["c", kernel, vector, "c"], pads=[1, 1, 1, 1], activation="Relu")
    return nodes.compile()


@functools.cache
def embeddings() -> Comparison:
    words = ("int32", ("b", "n"))
    nodes = empty_nodes(words=words, segments=words, mask=words)
    add = functools.partial(nodes.add, "EmbedLayerNormalization", domain="com.microsoft")
    tables = [nodes.weights(size, HIDDEN) for size in (11, 20, 3)]
    last = [nodes.weights(HIDDEN), nodes.weights(HIDDEN)]
    add(["words", "segments", *tables, *last, "mask"], 2, epsilon=1e-5)
    add(["words", "", *tables[:2], "", *last], 2, epsilon=1e-5)
    add(["words", "segments", *tables, *last, "mask", "segments"], 3, epsilon=1e-5)
    return nodes.compile()


sizes = {"b": st.integers(1, 4), "n": st.integers(1, 12), "seed": st.integers(0, 1000)}


@settings(max_examples=20, deadline=None)
@given(**sizes)
def test_sequences(b, n, seed):
    rng = np.random.default_rng(seed)
    sequences().check({name: rng.normal(size=(b, n, HIDDEN)).astype(np.float32) for name in ("x", "skip")})


@settings(max_examples=20, deadline=None)
@given(**sizes)
def test_products(b, n, seed):
    rng = np.random.default_rng(seed)
    shapes = {"m": (n, 6), "x": (3, n, 6), "c": (b, 4, 7, 5)}
    products().check({name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()})


@settings(max_examples=20, deadline=None)
@given(**sizes)
def test_embeddings(b, n, seed):
    rng = np.random.default_rng(seed)
    mask = np.arange(n) < rng.integers(1, n + 1, (b, 1))
    feeds = {"words": rng.integers(0, 11, (b, n)), "segments": rng.integers(0, 3, (b, n)), "mask": mask}
    embeddings().check({name: array.astype(np.int32) for name, array in feeds.items()})
