"""Preparation of features, linear models and labels of ai.onnx.ml with dynamic sizes, against onnxruntime."""

from __future__ import annotations

import functools
import itertools
import json

import numpy as np
import pytest
from comparison import Comparison, Nodes
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper
from support import floats, model

import pysofie

DTYPES = ("float32", "float64", "int32", "int64")
NORMS = ("MAX", "L1", "L2")
TRANSFORMS = ("NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO", "PROBIT")


def reals(nodes: Nodes, count: int) -> list[float]:
    return nodes.rng.uniform(-1, 1, count).round(3).tolist()


@functools.cache
def prepared(dtype: str) -> Comparison:
    """Operators of numbers, and those of numbers some of which are missing."""
    nodes = Nodes({name: (dtype, ("n", 4)) for name in ("x", "gaps")}, opset=17, domains={"ai.onnx.ml": 4})
    add = functools.partial(nodes.add, domain="ai.onnx.ml")
    for norm in NORMS:
        add("Normalizer", ["x"], norm=norm)
    for count in (1, 4):
        add("Scaler", ["x"], offset=reals(nodes, count), scale=reals(nodes, count))
    add("ArrayFeatureExtractor", ["x", nodes.constant([[3, 0, 0]])])
    add("FeatureVectorizer", ["x", "x"], inputdimensions=[3, 6])
    if dtype == "float32":
        add("LabelEncoder", ["gaps"], keys_floats=[1.0, -2.0, float("nan")], values_int64s=[5, 6, 7])
        add("Imputer", ["gaps"], replaced_value_float=float("nan"), imputed_value_floats=reals(nodes, 4))
        add("Imputer", ["gaps"], replaced_value_float=1.0, imputed_value_floats=reals(nodes, 1))
    if dtype == "int64":
        add("LabelEncoder", ["x"], keys_int64s=[1, -2, 0], values_floats=reals(nodes, 3), default_float=9.5)
        add("LabelEncoder", ["x"], keys_int64s=[1, -2, 0], values_int64s=[7, 8, 9])
        add("Imputer", ["x"], replaced_value_int64=1, imputed_value_int64s=[1, 2, 3, 4])
    if dtype != "int32":
        add("OneHotEncoder", ["x"], cats_int64s=[0, 2, -1])
    return nodes.compile()


@functools.cache
def linear_models() -> Comparison:
    nodes = Nodes({"x": ("float32", ("n", 4))}, opset=17, domains={"ai.onnx.ml": 1})
    add = functools.partial(nodes.add, domain="ai.onnx.ml")
    for targets in (1, 3):
        coefficients, intercepts = reals(nodes, 4 * targets), reals(nodes, targets)
        add("LinearRegressor", ["x"], coefficients=coefficients, intercepts=intercepts, targets=targets)
        add("LinearRegressor", ["x"], coefficients=coefficients, targets=targets)
    for classes in (2, 3):
        for transform in TRANSFORMS[:4]:  # the quantile of a number outside of (0, 1) is not defined
            attributes = {"coefficients": reals(nodes, 4 * classes), "intercepts": reals(nodes, classes)}
            labels = [7, -3, 5][:classes]
            add("LinearClassifier", ["x"], 2, classlabels_ints=labels, post_transform=transform, **attributes)
    return nodes.compile()


@pytest.mark.parametrize("dtype", DTYPES)
@settings(max_examples=30, deadline=None)
@given(n=st.integers(1, 20), seed=st.integers(0, 1000))
def test_preparation(dtype, n, seed):
    rng = np.random.default_rng(seed)
    x = rng.integers(-2, 3, (n, 4)).astype(dtype)
    gaps = np.where(rng.random(x.shape) < 0.2, np.nan if dtype.startswith("float") else 1, x)
    prepared(dtype).check({"x": x, "gaps": gaps.astype(dtype)})


@settings(max_examples=30, deadline=None)
@given(n=st.integers(1, 20), seed=st.integers(0, 1000))
def test_linear_models(n, seed):
    rng = np.random.default_rng(seed)
    linear_models().check({"x": rng.uniform(-2, 2, (n, 4)).astype(np.float32)})


def ml_model(
    op: str, x: np.ndarray, outputs: int = 1, opset: int = 4, **attributes: object
) -> pysofie.Session:
    kind = helper.np_dtype_to_tensor_dtype(x.dtype)
    names = [f"y{i}" for i in range(outputs)]
    return pysofie.compile(
        model(
            [helper.make_node(op, ["x"], names, domain="ai.onnx.ml", **attributes)],
            [helper.make_tensor_value_info("x", kind, x.shape)],
            [floats(name, *[None] * x.ndim) for name in names],
            domains={"ai.onnx.ml": 4},
        )
    )


def test_label_tensors():
    x = np.array([1.5, 2.5, 7], np.float64)
    keys = helper.make_tensor("keys", TensorProto.DOUBLE, [2], [2.5, 1.5])
    values = helper.make_tensor("values", TensorProto.INT16, [2], [4, 5])
    default = helper.make_tensor("default", TensorProto.INT16, [1], [42])
    labels = ml_model("LabelEncoder", x, keys_tensor=keys, values_tensor=values, default_tensor=default)(x)
    np.testing.assert_array_equal(labels, np.array([5, 4, 42], np.int16))


def test_unknown_category():
    x = np.array([[1], [3]])
    session = ml_model("OneHotEncoder", x, cats_int64s=[3, 1], zeros=0)
    np.testing.assert_array_equal(session(x), [[[0, 1]], [[1, 0]]])
    with pytest.raises(IndexError):
        session(np.array([[1], [2]]))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("threshold", [0.5, -1.0])
def test_binarizer(dtype, threshold):
    x = np.array([-1, 0, 1, 2], dtype)
    np.testing.assert_array_equal(ml_model("Binarizer", x, threshold=threshold)(x), x > threshold)


def test_labels_that_are_strings():
    x = np.zeros((3, 2), np.float32)
    attributes = {"coefficients": [1.0, 2.0, 3.0, 4.0], "classlabels_strings": ["signal", "background"]}
    with pytest.raises(pysofie.UnsupportedError, match="class labels are strings"):
        ml_model("LinearClassifier", x, 2, **attributes)


def test_scores_of_classes_with_names():
    linear_model = pytest.importorskip("sklearn.linear_model", reason="pip install scikit-learn")
    convert = pytest.importorskip("skl2onnx", reason="pip install skl2onnx").to_onnx
    rng = np.random.default_rng(1)
    x = rng.normal(size=(60, 3)).astype(np.float32)
    names = np.array(["background", "signal"])[(x[:, 0] > 0).astype(int)]
    trained = linear_model.LogisticRegression().fit(x, names)
    proto = convert(trained, x[:1])
    with pytest.raises(pysofie.UnsupportedError):
        pysofie.load(proto)
    loaded = pysofie.load(proto, outputs=["output_probability"])
    assert json.loads(loaded.metadata["classes"]) == ["background", "signal"]
    scores = pysofie.compile(loaded)(x)
    np.testing.assert_allclose(scores, trained.predict_proba(x), rtol=1e-5, atol=1e-5)


@functools.cache
def ngrams() -> Comparison:
    nodes = Nodes({"x": ("int64", ("n", 9)), "row": ("int64", ("c",))}, opset=17)
    pool = {"pool_int64s": [0, 1, 2, 0, 0, 1, 2, 2, 0, 1, 0], "ngram_counts": [0, 2, 8]}
    weights = nodes.rng.uniform(0, 1, 6).round(3).tolist()
    for mode, name in itertools.product(("TF", "IDF", "TFIDF"), ("x", "row")):
        lengths = {"min_gram_length": nodes.integer(1, 2), "max_gram_length": nodes.integer(2, 3)}
        more = {"weights": weights} if nodes.integer(0, 1) else {}
        indexes = {"ngram_indexes": [5, 1, 0, 4, 2, 3]}
        nodes.add(
            "TfIdfVectorizer", [name], mode=mode, max_skip_count=2, **pool, **indexes, **lengths, **more
        )
    return nodes.compile()


@settings(max_examples=30, deadline=None)
@given(n=st.integers(1, 9), c=st.integers(1, 9), seed=st.integers(0, 1000))
def test_ngrams(n, c, seed):
    rng = np.random.default_rng(seed)
    ngrams().check({"x": rng.integers(0, 3, (n, 9)), "row": rng.integers(0, 3, c)})
