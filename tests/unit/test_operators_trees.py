"""Ensembles of decision trees, drawn at random and as libraries export them, against onnxruntime."""

from __future__ import annotations

import functools
import itertools
from typing import Any

import numpy as np
import onnxruntime
import pytest
from comparison import Comparison, Nodes
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper
from support import floats, model

import pysofie

FEATURES = 5
MODES = ("BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ")
Trees = dict[str, list[Any]]


def threshold(rng: np.random.Generator) -> float:
    """Quarters, which samples hit."""
    return float(rng.integers(-8, 9) / 4)


def grow(rng: np.random.Generator, trees: Trees, tree: int, modes: tuple[str, ...], depth: int) -> None:
    """Add a tree whose nodes come in a random order, but for the root."""
    nodes: list[dict[str, Any]] = []

    def add(level: int) -> int:
        number = len(nodes)
        node: dict[str, Any] = {"treeids": tree, "nodeids": number, "modes": "LEAF", "truenodeids": 0}
        node |= {"falsenodeids": 0, "featureids": 0, "values": 0.0, "missing_value_tracks_true": 0}
        nodes.append(node)
        if level < depth and rng.random() < 0.8:
            node["modes"] = str(rng.choice(modes))
            node["featureids"], node["values"] = int(rng.integers(FEATURES)), threshold(rng)
            node["missing_value_tracks_true"] = int(rng.integers(2))
            node["truenodeids"], node["falsenodeids"] = add(level + 1), add(level + 1)
        return number

    add(0)
    for i in [0, *rng.permutation(np.arange(1, len(nodes)))]:
        for key, value in nodes[i].items():
            trees.setdefault(f"nodes_{key}", []).append(value)


def forest(rng: np.random.Generator, modes: tuple[str, ...] = MODES, depth: int = 5, count: int = 7) -> Trees:
    trees: Trees = {}
    for tree in range(count):
        grow(rng, trees, tree, modes, depth)
    return trees


def leaves(trees: Trees) -> list[tuple[int, int]]:
    nodes = zip(trees["nodes_treeids"], trees["nodes_nodeids"], trees["nodes_modes"], strict=True)
    return [(tree, node) for tree, node, mode in nodes if mode == "LEAF"]


def votes(rng: np.random.Generator, trees: Trees, prefix: str, targets: list[int], low: float = -1) -> Trees:
    """Weights of every leaf for every target, as attributes."""
    pairs = [(*leaf, target) for leaf, target in itertools.product(leaves(trees), targets)]
    weights = rng.uniform(low, 1, len(pairs)).round(3).tolist()
    columns = (list(column) for column in zip(*pairs, strict=True))
    return dict(zip((f"{prefix}_{name}" for name in ("treeids", "nodeids", "ids")), columns, strict=True)) | {
        f"{prefix}_weights": weights
    }


def empty_nodes(dtype: str, opset: int = 3) -> Nodes:
    return Nodes({"x": (dtype, ("n", FEATURES))}, opset=17, domains={"ai.onnx.ml": opset})


@functools.cache
def regressors(dtype: str) -> Comparison:
    nodes = empty_nodes(dtype)
    add = functools.partial(nodes.add, "TreeEnsembleRegressor", ["x"], domain="ai.onnx.ml")
    for modes in (*((mode,) for mode in MODES), MODES):
        trees = forest(nodes.rng, modes)
        add(**trees, **votes(nodes.rng, trees, "target", [0]), n_targets=1)
    for aggregate in ("SUM", "AVERAGE", "MIN", "MAX"):
        trees = forest(nodes.rng)
        weights = votes(nodes.rng, trees, "target", [0, 1, 2])
        base = {"base_values": [0.5, -0.25, 1.0]} if nodes.integer(0, 1) else {}
        add(**trees, **weights, n_targets=3, aggregate_function=aggregate, **base)
    for transform in ("SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO"):
        add(**trees, **weights, n_targets=3, post_transform=transform)
    stump = forest(nodes.rng, depth=0, count=2)
    add(**stump, **votes(nodes.rng, stump, "target", [0]), n_targets=1, base_values=[0.125])
    return nodes.compile()


@functools.cache
def classifiers(dtype: str) -> Comparison:
    nodes = empty_nodes(dtype)
    add = functools.partial(nodes.add, "TreeEnsembleClassifier", ["x"], 2, domain="ai.onnx.ml")
    for transform in ("NONE", "SOFTMAX", "LOGISTIC"):
        trees = forest(nodes.rng)
        weights = votes(nodes.rng, trees, "class", [0, 1, 2])
        add(**trees, **weights, classlabels_int64s=[4, -2, 9], post_transform=transform)
        base = {"base_values": [0.5, -0.25, 1.0]}
        add(**trees, **weights, classlabels_int64s=[4, -2, 9], post_transform=transform, **base)
    # Two classes that share a score, as gradient boosting has them, and forests of probabilities.
    for transform, low in (("LOGISTIC", -1), ("NONE", 0)):
        weights = votes(nodes.rng, trees, "class", [0], low)
        for base in ({}, {"base_values": [0.125]}):
            add(**trees, **weights, classlabels_int64s=[3, 5], post_transform=transform, **base)
    return nodes.compile()


def samples(n: int, seed: int, dtype: str) -> np.ndarray:
    """Numbers that often are thresholds, and what is missing."""
    rng = np.random.default_rng(seed)
    x = rng.integers(-10, 11, (n, FEATURES)) / 4
    if dtype.startswith("float"):
        x[rng.random(x.shape) < 0.1] = np.nan
        x[rng.random(x.shape) < 0.05] = np.inf
    return x.astype(dtype)


@pytest.mark.parametrize("kind", [regressors, classifiers])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@settings(max_examples=30, deadline=None)
@given(n=st.integers(1, 30), seed=st.integers(0, 1000))
def test_named_nodes(kind, dtype, n, seed):
    kind(dtype).check({"x": samples(n, seed, dtype)})


@settings(max_examples=10, deadline=None)
@given(n=st.integers(1, 30), seed=st.integers(0, 1000))
def test_integers(n, seed):
    classifiers("int64").check({"x": samples(n, seed, "int64")})


def positional(rng: np.random.Generator, trees: Trees, dtype: str, targets: int) -> dict[str, Any]:
    """The same trees as TreeEnsemble has them, with a weight at each leaf."""
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    names = list(zip(trees["nodes_treeids"], trees["nodes_nodeids"], strict=True))
    is_leaf = [mode == "LEAF" for mode in trees["nodes_modes"]]
    branches = {
        name: i for i, name in enumerate(n for n, leaf in zip(names, is_leaf, strict=True) if not leaf)
    }
    ends = {name: i for i, name in enumerate(leaves(trees))}
    columns: Trees = {
        f"nodes_{key}": [v for v, leaf in zip(trees[f"nodes_{key}"], is_leaf, strict=True) if not leaf]
        for key in ("featureids", "missing_value_tracks_true", "modes", "values")
    }
    for way in ("true", "false"):
        children = zip(trees["nodes_treeids"], trees[f"nodes_{way}nodeids"], is_leaf, strict=True)
        to = [(tree, child) for tree, child, leaf in children if not leaf]
        columns[f"nodes_{way}nodeids"] = [branches.get(name, ends.get(name)) for name in to]
        columns[f"nodes_{way}leafs"] = [int(name in ends) for name in to]
    modes = [MODES.index(mode) for mode in columns.pop("nodes_modes")]
    splits, weights = columns.pop("nodes_values"), rng.uniform(-1, 1, len(ends))
    return columns | {
        "nodes_modes": helper.make_tensor("modes", TensorProto.UINT8, [len(modes)], modes),
        "nodes_splits": helper.make_tensor("splits", kind, [len(modes)], splits),
        "leaf_targetids": rng.integers(0, targets, len(ends)).tolist(),
        "leaf_weights": helper.make_tensor("weights", kind, [len(ends)], weights),
        "tree_roots": [branches[tree, 0] for tree in sorted(set(trees["nodes_treeids"]))],
        "n_targets": targets,
    }


@functools.cache
def positional_ensembles(dtype: str) -> Comparison:
    nodes = empty_nodes(dtype, opset=5)
    add = functools.partial(nodes.add, "TreeEnsemble", ["x"], domain="ai.onnx.ml")
    for aggregate, targets in itertools.product(range(4), (1, 3)):
        trees = forest(nodes.rng)
        while any(node == 0 for _, node in leaves(trees)):  # a root must be a branch
            trees = forest(nodes.rng)
        add(**positional(nodes.rng, trees, dtype, targets), aggregate_function=aggregate)
    return nodes.compile()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@settings(max_examples=30, deadline=None)
@given(n=st.integers(1, 30), seed=st.integers(0, 1000))
def test_nodes_by_position(dtype, n, seed):
    positional_ensembles(dtype).check({"x": samples(n, seed, dtype)})


def two_sets(**changes: Any) -> pysofie.Session:
    """Two nodes that test for members, the second for those of an empty set; some attributes replaced."""
    attributes = {
        "nodes_featureids": [0, 1],
        "nodes_modes": helper.make_tensor("modes", TensorProto.UINT8, [2], [6, 6]),
        "nodes_splits": helper.make_tensor("splits", TensorProto.FLOAT, [2], [0, 0]),
        "nodes_truenodeids": [0, 1],
        "nodes_trueleafs": [1, 1],
        "nodes_falsenodeids": [1, 2],
        "nodes_falseleafs": [0, 1],
        "nodes_missing_value_tracks_true": [1, 0],
        "membership_values": helper.make_tensor("m", TensorProto.FLOAT, [4], [0, 2.5, np.nan, np.nan]),
        "leaf_targetids": [0, 0, 0],
        "leaf_weights": helper.make_tensor("weights", TensorProto.FLOAT, [3], [1, 2, 3]),
        "tree_roots": [0],
        "n_targets": 1,
    }
    node = helper.make_node("TreeEnsemble", ["x"], ["y"], domain="ai.onnx.ml", **(attributes | changes))
    proto = model([node], [floats("x", "n", 2)], [floats("y", "n", 1)], domains={"ai.onnx.ml": 5})
    return pysofie.compile(proto)


def test_membership():
    """What is missing goes the way that each node says."""
    x = np.float32([[0, 0], [2.5, 0], [np.nan, 0], [1, 0], [1, np.nan]])
    np.testing.assert_array_equal(two_sets()(x)[:, 0], [1, 1, 1, 3, 3])


# --- models that are wrong --------------------------------------------------------------------------------


def regressor(**changes: list[Any]) -> pysofie.Session:
    """One comparison and two leaves, some attributes replaced."""
    attributes: dict[str, Any] = {
        "nodes_treeids": [0, 0, 0],
        "nodes_nodeids": [0, 1, 2],
        "nodes_modes": ["BRANCH_LEQ", "LEAF", "LEAF"],
        "nodes_featureids": [1, 0, 0],
        "nodes_values": [0.5, 0.0, 0.0],
        "nodes_truenodeids": [1, 0, 0],
        "nodes_falsenodeids": [2, 0, 0],
        "target_treeids": [0, 0],
        "target_nodeids": [1, 2],
        "target_ids": [0, 0],
        "target_weights": [1.0, 2.0],
    }
    node = helper.make_node(
        "TreeEnsembleRegressor", ["x"], ["y"], name="boosted", domain="ai.onnx.ml", **(attributes | changes)
    )
    proto = model([node], [floats("x", "n", 2)], [floats("y", "n", 1)], domains={"ai.onnx.ml": 3})
    return pysofie.compile(proto)


def test_a_stump():
    np.testing.assert_array_equal(regressor()(np.float32([[9, 0.5], [0, 0.75]])), [[1], [2]])
    assert regressor()(np.zeros((0, 2), np.float32)).shape == (0, 1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"nodes_truenodeids": [0, 0, 0]}, "leads back"),
        ({"nodes_truenodeids": [7, 0, 0]}, "node 7 of tree 0, which does not exist"),
        ({"nodes_nodeids": [0, 1, 1]}, "node 1 of tree 0 is there twice"),
        ({"nodes_featureids": [2, 0, 0]}, "feature 2 of 2"),
        ({"nodes_featureids": [-1, 0, 0]}, "feature"),
        ({"nodes_featureids": [2**40, 0, 0]}, "feature"),
        ({"nodes_modes": ["BRANCH", "LEAF", "LEAF"]}, "unknown mode"),
        ({"nodes_values": [0.5]}, "nodes_values"),
        ({"nodes_missing_value_tracks_true": [1]}, "nodes_missing_value_tracks_true"),
        ({"target_ids": [0, 1]}, "target of leaf 1"),
        ({"target_ids": [0]}, "target_treeids"),
        ({"target_nodeids": [1, 5]}, "node 5 of tree 0"),
        ({"base_values": [1.0, 2.0]}, "base_values"),
    ],
)
def test_hostile_trees(changes, message):
    with pytest.raises(pysofie.InvalidModelError, match=message) as error:
        regressor(**changes)
    assert "boosted" in str(error.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"nodes_falsenodeids": [0, 2]}, "leads back"),
        ({"nodes_falsenodeids": [2, 2]}, "the false child of node 0"),
        ({"nodes_truenodeids": [0, 3]}, "the true child of node 1"),
        ({"nodes_trueleafs": [1]}, "nodes_trueleafs"),
        ({"tree_roots": [2]}, "a root"),
        ({"tree_roots": [-1]}, "a root"),
        ({"leaf_targetids": [0, 1, 0]}, "target of leaf 1"),
        ({"n_targets": 0}, "n_targets"),
        ({"membership_values": helper.make_tensor("m", TensorProto.FLOAT, [1], [0])}, "membership_values"),
        ({"nodes_modes": helper.make_tensor("modes", TensorProto.UINT8, [2], [6, 7])}, "the mode of node 1"),
        ({"nodes_featureids": [0, 2]}, "feature 2 of 2"),
        ({"aggregate_function": 4}, "aggregate_function"),
        ({"post_transform": -1}, "post_transform"),
    ],
)
def test_hostile_positions(changes, message):
    with pytest.raises(pysofie.InvalidModelError, match=message):
        two_sets(**changes)


# --- what libraries export --------------------------------------------------------------------------------


def check_export(proto: Any, x: np.ndarray) -> None:
    run = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"]).run
    ours = pysofie.compile(proto).run({proto.graph.input[0].name: x})
    for array, expected in zip(ours.values(), run(None, {proto.graph.input[0].name: x}), strict=True):
        np.testing.assert_allclose(array, expected, rtol=1e-5, atol=1e-5)


def training_set(classes: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(classes)
    x = rng.normal(size=(300, FEATURES)).astype(np.float32)
    return x, (x[:, 0] + x[:, 1] ** 2 > np.linspace(0, 1, classes)[:-1, None]).sum(axis=0)


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize(
    "name",
    [
        "DecisionTreeClassifier",
        "DecisionTreeRegressor",
        "ExtraTreesClassifier",
        "GradientBoostingClassifier",
        "GradientBoostingRegressor",
        "RandomForestClassifier",
        "RandomForestRegressor",
    ],
)
def test_scikit_learn(name, classes):
    ensemble = pytest.importorskip("sklearn.ensemble", reason="pip install scikit-learn")
    tree = pytest.importorskip("sklearn.tree", reason="pip install scikit-learn")
    convert = pytest.importorskip("skl2onnx", reason="pip install skl2onnx").to_onnx
    estimator = getattr(ensemble, name, None) or getattr(tree, name)
    x, y = training_set(classes)
    trained = estimator(max_depth=4, random_state=1).fit(x, y)
    check_export(
        convert(trained, x[:1], options={"zipmap": False} if hasattr(trained, "classes_") else None), x
    )


@pytest.mark.parametrize("library", ["xgboost", "lightgbm"])
@pytest.mark.parametrize("classes", [2, 3])
def test_boosting_libraries(library, classes):
    module = pytest.importorskip(library, reason=f"pip install {library}")
    tools = pytest.importorskip("onnxmltools", reason="pip install onnxmltools")
    types = pytest.importorskip("onnxmltools.convert.common.data_types", reason="pip install onnxmltools")
    x, y = training_set(classes)
    short = {"xgboost": "XGB", "lightgbm": "LGBM"}[library]
    initial = [("x", types.FloatTensorType([None, FEATURES]))]
    convert = getattr(tools, f"convert_{library}")
    options = {} if library == "xgboost" else {"zipmap": False}
    for kind in ("Classifier", "Regressor"):
        trained = getattr(module, short + kind)(n_estimators=9, max_depth=4).fit(x, y)
        check_export(convert(trained, initial_types=initial, **(options if kind == "Classifier" else {})), x)
