"""Functions of JAX and modules of Flax, where JAX is installed."""

from __future__ import annotations

import numpy as np
import pytest
from frameworks.layers import compile_all, difference

import pysofie

HOW = "pip install 'pysofie[jax]'"
jax = pytest.importorskip("jax", reason=f"needs JAX: {HOW}")
pytest.importorskip("jax2onnx", reason=f"needs jax2onnx: {HOW}")


def ones(*shape):
    return np.ones(shape, "float32")


@pytest.fixture(scope="module")
def models():
    nnx = pytest.importorskip("flax.nnx", reason=f"needs Flax: {HOW}")
    linen = pytest.importorskip("flax.linen", reason=f"needs Flax: {HOW}")
    rngs = nnx.Rngs(0)
    perceptron = nnx.Sequential(
        nnx.Linear(4, 8, rngs=rngs), nnx.LayerNorm(8, rngs=rngs), nnx.gelu, nnx.Linear(8, 3, rngs=rngs)
    )

    class Images(linen.Module):
        @linen.compact
        def __call__(self, image):
            h = linen.max_pool(linen.relu(linen.Conv(4, (3, 3))(image)), window_shape=(2, 2), strides=(2, 2))
            return linen.Dense(3)(h.reshape(image.shape[0], -1))

    images = Images()
    bound = images.bind(images.init(jax.random.PRNGKey(0), ones(1, 6, 6, 2)))
    function = jax.jit(lambda x, y: {"sum": x + jax.numpy.sin(y), "same": x})
    loaded = {
        "nnx": pysofie.load(perceptron, example_inputs=ones(2, 4), columns=list("abcd"), name="m0"),
        "linen": pysofie.load(bound, example_inputs=ones(2, 6, 6, 2), name="m1"),
        "function": pysofie.load(function, example_inputs=(ones(2, 4), ones(2, 4)), name="m2"),
    }
    sessions = compile_all(loaded)
    return {name: (model, sessions[name]) for name, model in loaded.items()}


@pytest.mark.parametrize("kind", ["nnx", "linen", "function"])
def test_gives_the_numbers_of_jax(models, kind):
    assert difference(*models[kind]) == ""


def test_names_and_shapes(models):
    assert [str(tensor) for tensor in models["function"][0].inputs] == [
        "x: float32[batch, 4]",
        "y: float32[batch, 4]",
    ]
    assert str(models["linen"][0].inputs[0]) == "image: float32[batch, 6, 6, 2]"
    assert models["nnx"][0].feature_names == list("abcd")


def test_example_inputs_are_needed():
    with pytest.raises(pysofie.UnsupportedError, match="example_inputs"):
        pysofie.load(jax.jit(lambda x: x))
