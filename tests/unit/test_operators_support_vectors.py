"""Support vector machines of scikit-learn, against onnxruntime."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
import pytest
from onnx import helper
from support import floats, model

import pysofie

FEATURES = 4
KERNELS = ("linear", "poly", "rbf", "sigmoid")


def training_set(classes: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(classes)
    x = rng.normal(size=(90, FEATURES)).astype(np.float32)
    return x, (x[:, 0] + x[:, 1] ** 2 > np.linspace(0, 1, classes)[:-1, None]).sum(axis=0)


def check_export(trained: Any, x: np.ndarray, **options: Any) -> None:
    convert = pytest.importorskip("skl2onnx", reason="pip install skl2onnx").to_onnx
    proto = convert(trained, x[:1], options=options or None)
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    ours = pysofie.compile(proto).run({"X": x})
    for array, expected in zip(ours.values(), session.run(None, {"X": x}), strict=True):
        np.testing.assert_allclose(array, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("probability", [False, True])
def test_classifiers(kernel, classes, probability):
    svm = pytest.importorskip("sklearn.svm", reason="pip install scikit-learn")
    x, y = training_set(classes)
    check_export(svm.SVC(kernel=kernel, probability=probability, random_state=1).fit(x, y), x, zipmap=False)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("name", ["SVR", "NuSVR", "OneClassSVM"])
def test_regressors(kernel, name):
    svm = pytest.importorskip("sklearn.svm", reason="pip install scikit-learn")
    x, y = training_set(4)
    check_export(getattr(svm, name)(kernel=kernel).fit(x, y + x[:, 2]), x)


@pytest.mark.parametrize("name", ["LinearSVC", "LinearSVR"])
def test_linear(name):
    svm = pytest.importorskip("sklearn.svm", reason="pip install scikit-learn")
    x, y = training_set(3)
    check_export(getattr(svm, name)().fit(x, y), x)


CLASSIFIER = {
    "classlabels_ints": [0, 1],
    "vectors_per_class": [1, 1],
    "support_vectors": [0.0, 1.0, 1.0, 0.0],
    "coefficients": [1.0, -1.0],
    "rho": [0.5],
    "kernel_type": "RBF",
    "kernel_params": [0.5, 0.0, 3.0],
}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"vectors_per_class": [1]}, "vectors_per_class"),
        ({"vectors_per_class": [3, -1]}, "vectors_per_class"),
        ({"rho": [0.5, 0.5]}, "rho"),
        ({"coefficients": [1.0]}, "coefficients"),
        ({"support_vectors": [1.0, 2.0, 3.0]}, "support vectors"),
        ({"kernel_type": "SPLINE"}, "kernel_type"),
        ({"kernel_params": [1.0]}, "kernel_params"),
        ({"prob_a": [1.0, 2.0], "prob_b": [1.0, 2.0]}, "prob_a"),
    ],
)
def test_hostile_machines(changes, message):
    node = helper.make_node(
        "SVMClassifier", ["x"], ["label", "scores"], domain="ai.onnx.ml", **(CLASSIFIER | changes)
    )
    outputs = [helper.make_tensor_value_info("label", 7, ["n"]), floats("scores", "n", 2)]
    proto = model([node], [floats("x", "n", 2)], outputs, domains={"ai.onnx.ml": 1})
    with pytest.raises(pysofie.InvalidModelError, match=message):
        pysofie.load(proto)
