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
    for metric in ("euclidean", "sqeuclidean"):
        add("CDist", ["m", turned], metric=metric)
    add("FusedMatMul", ["x", nodes.weights(6, 3, 2)], transBatchB=1)
    add("FusedMatMul", ["x", nodes.weights(2, 3, 6)], transBatchB=1, transB=1)
    bias = nodes.weights(9)
    parameters = {
        "LeakyRelu": {"activation_alpha": 0.2},
        "Elu": {"activation_alpha": 0.7},
        "Selu": {"activation_alpha": 1.5, "activation_gamma": 1.1},
        "ThresholdedRelu": {"activation_alpha": 0.3},
        "HardSigmoid": {"activation_alpha": 0.3, "activation_beta": 0.4},
    }
    for name in ("Relu", "Tanh", "Sigmoid", "Softplus", "Softsign", *parameters):
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


@functools.cache
def attention() -> Comparison:
    shapes = {"x": ("b", "n", HIDDEN), "y": ("b", "m", HIDDEN), "bias": ("b", 2, "n", "m")}
    shapes |= {"past": ("b", 2, "p", 4), "pasts": (2, "b", 2, "p", 4)}
    inputs = {name: ("float32", shape) for name, shape in shapes.items()}
    mask = {"seen": ("int32", ("b", "n")), "among": ("int32", ("b", "m")), "lengths": ("int32", ("b",))}
    nodes = empty_nodes(**inputs, **mask)
    several = functools.partial(nodes.add, "MultiHeadAttention", domain="com.microsoft", num_heads=2)
    whole = functools.partial(nodes.add, "Attention", domain="com.microsoft", num_heads=2)
    biases = nodes.weights(3 * HIDDEN)
    several(["x", "y", "y"])
    several(["x", "y", "y", biases], scale=0.3)
    several(["x", "y", "y", "", "among"])
    several(["x", "y", "y", biases, "lengths", "bias"])
    several(["x", "x", "x", biases], unidirectional=1)
    several(["x", "x", "x", "", "", "", "past", "past"], 3)
    weights = nodes.weights(HIDDEN, 3 * HIDDEN)
    whole(["x", weights, biases])
    whole(["x", weights, biases, "seen"], mask_filter_value=-50.0)
    whole(["x", weights, biases, "lengths"], unidirectional=1)
    whole(["x", weights, biases, "", "pasts"], 2)
    return nodes.compile()


@settings(max_examples=20, deadline=None)
@given(m=st.integers(1, 9), p=st.integers(1, 5), **sizes)
def test_attention(b, n, m, p, seed):
    rng = np.random.default_rng(seed)
    shapes = {"x": (b, n, HIDDEN), "y": (b, m, HIDDEN), "bias": (b, 2, n, m)}
    shapes |= {"past": (b, 2, p, 4), "pasts": (2, b, 2, p, 4)}
    feeds = {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    masks = {"seen": rng.integers(0, 2, (b, n)), "among": rng.integers(0, 2, (b, m))}
    masks["lengths"] = rng.integers(1, min(m, n) + 1, b)
    attention().check(feeds | {name: mask.astype(np.int32) for name, mask in masks.items()})
