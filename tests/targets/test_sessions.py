"""Models of one name in one process: no library or kernel answers for another."""

from __future__ import annotations

import gc
import subprocess
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import support
from onnx import TensorProto, helper
from targets.available import TARGETS, require

import pysofie


def scaled(factor: float):
    """Scale and shift, always under the same name."""
    nodes = [helper.make_node("Mul", ["x", "f"], ["p"]), helper.make_node("Add", ["p", "f"], ["y"])]
    inputs, outputs = [support.floats("x", "n")], [support.floats("y", "n")]
    return support.model(nodes, inputs, outputs, {"f": np.array([factor], "float32")})


def shifted():
    """Another computation and other inputs, under that name."""
    inputs = [support.floats("x", "n"), support.floats("z", "n")]
    return support.model([helper.make_node("Sub", ["x", "z"], ["y"])], inputs, [support.floats("y", "n")])


@pytest.mark.parametrize("target", TARGETS)
def test_empty_batch_and_threads(target):
    require(target)
    session = pysofie.compile(support.mlp(), target=target)
    assert session(np.zeros((0, 3), "float32")).shape == (0, 2)
    x = np.random.default_rng(4).standard_normal((100, 3)).astype("float32")
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda n: session(x[:n]), range(1, 101)))
    for n, result in enumerate(results, 1):
        np.testing.assert_allclose(result, support.mlp_reference(x[:n]), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("target", TARGETS)
def test_index_out_of_range(target):
    """A kernel cannot throw: it raises the session's fault flag, which is lowered again by the next run."""
    require(target)
    inputs = [helper.make_tensor_value_info("i", TensorProto.INT64, ("n",))]
    node = helper.make_node("Gather", ["table", "i"], ["y"])
    table = {"table": np.arange(10, dtype="float32")}
    session = pysofie.compile(support.model([node], inputs, [support.floats("y", "n")], table), target=target)
    np.testing.assert_array_equal(session(np.array([3, -1])), [3, 9])
    with pytest.raises(IndexError, match="outside"):
        session(np.array([3, 10]))
    np.testing.assert_array_equal(session(np.array([0, 1])), [0, 1])


@pytest.mark.parametrize("target", TARGETS)
def test_models_of_one_name(target):
    require(target)
    x = np.arange(5, dtype="float32")
    first, second, third = (pysofie.compile(m, target=target) for m in (scaled(2), scaled(3), shifted()))
    np.testing.assert_allclose(first(x), 2 * x + 2)
    np.testing.assert_allclose(second(x), 3 * x + 3)
    np.testing.assert_allclose(third(x, x), 0 * x)
    np.testing.assert_allclose(first(x), 2 * x + 2)
    first.set_weights({"f": np.float32([7])})
    np.testing.assert_allclose(first(x), 7 * x + 7)
    np.testing.assert_allclose(second(x), 3 * x + 3)
    library = first.weights.parent / "model.so"
    lines = subprocess.check_output(["nm", "-D", "--defined-only", str(library)], text=True).splitlines()
    assert [line.split()[-1] for line in lines] == ["pysofie_get_model_0"]


@pytest.mark.parametrize("target", TARGETS)
def test_a_namesake_that_is_deleted(target):
    require(target)
    x = np.arange(5, dtype="float32")
    first, second = (pysofie.compile(scaled(factor), target=target) for factor in (2, 3))
    np.testing.assert_allclose(first(x), 2 * x + 2)
    del first
    gc.collect()
    np.testing.assert_allclose(second(x), 3 * x + 3)
