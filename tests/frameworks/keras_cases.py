"""The layers of `keras.layers`: with what options each is tested, and which are not."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
from frameworks.layers import Case
from keras import layers

import pysofie

TRAINING = "changes images or features at random while a model is trained; the identity afterwards"
IMAGES = "prepares images for training"
TEXT = "works with text or look-up tables of TensorFlow"
FOREIGN = "wraps code of one framework, which that framework exports"
ABSTRACT = "a base for layers of one's own"

EXCLUDED = {
    "Layer": ABSTRACT,
    "Wrapper": ABSTRACT,
    "InputLayer": "the input of every functional model here",
    "AugMix": TRAINING,
    "AutoContrast": IMAGES,
    "ContrastLimitedAdaptiveHistogramEqualization": IMAGES,
    "CutMix": TRAINING,
    "Equalization": IMAGES,
    "FlaxLayer": FOREIGN,
    "HashedCrossing": TEXT,
    "Hashing": TEXT,
    "IntegerLookup": TEXT,
    "JaxLayer": FOREIGN,
    "MaxNumBoundingBoxes": IMAGES,
    "MixUp": TRAINING,
    "Pipeline": IMAGES,
    "RandAugment": TRAINING,
    "Solarization": IMAGES,
    "StringLookup": TEXT,
    "TFSMLayer": FOREIGN,
    "TextVectorization": TEXT,
    "TorchModuleWrapper": FOREIGN,
}

# Their inputs are arguments, where others take a list.
SEPARATE = (layers.MultiHeadAttention, layers.GroupQueryAttention)

Shapes = tuple[tuple[int, ...], ...]


def public() -> dict[str, type]:
    """The layers of Keras by name, each once: some have two."""
    found = {}
    for _, value in sorted(vars(layers).items()):
        if inspect.isclass(value) and issubclass(value, layers.Layer):
            found[value.__name__] = value
    return found


def excluded() -> dict[str, str]:
    """Layers without a case, and why; those that Keras adds to its random ones, too."""
    random = {name: TRAINING for name in public() if name.startswith("Random")}
    return {name: why for name, why in (EXCLUDED | random).items() if name in public()}


def cases() -> list[Case]:
    return [
        Case(layer, options, _loader(make, shapes, dtype)) for layer, options, make, shapes, dtype in _rows()
    ]


def _loader(make: Callable[[], Any], shapes: Shapes, dtype: str) -> Callable[[str], pysofie.Model]:
    def load(name: str) -> pysofie.Model:
        keras.utils.set_random_seed(1)
        inputs = [keras.Input(shape, dtype=dtype, name=f"x{i}") for i, shape in enumerate(shapes)]
        layer = make()
        takes_list = len(inputs) > 1 and not isinstance(layer, SEPARATE)
        model = keras.Model(inputs, layer(inputs) if takes_list else layer(*inputs))
        _randomise(model)
        return pysofie.load(model, name=name)

    return load


def _randomise(model: Any) -> None:
    """Weights without the zeros and ones that layers begin with, which hide faults."""
    rng = np.random.default_rng(2)
    for variable in model.weights:
        if "float" in str(variable.dtype):
            values = keras.ops.convert_to_numpy(variable)
            variable.assign(values + 0.1 + 0.2 * rng.random(variable.shape))


def _rows() -> Iterator[tuple[str, str, Callable[[], Any], Shapes, str]]:
    """Layer, options, how it is made, shapes and dtype of the inputs."""
    for name, arguments, *shapes in CASES:
        cls = getattr(layers, name)
        keywords = dict(arguments)
        dtype = keywords.pop("_dtype", "float32")
        yield cls.__name__, _text(arguments), _maker(cls, keywords), tuple(shapes), dtype


def _text(arguments: dict[str, Any]) -> str:
    """Options as the docs show them: of layers inside of a layer the names."""
    values = {key: value for key, value in arguments.items() if not key.startswith("_")}
    return ", ".join(
        f"{key}={value().__class__.__name__ if callable(value) else repr(value)}"
        for key, value in values.items()
        if key != "function"
    )


def _maker(cls: type, keywords: dict[str, Any]) -> Callable[[], Any]:
    """Make a layer, and the layers that it wraps."""

    def make() -> Any:
        layer = cls(**{key: value() if callable(value) else value for key, value in keywords.items()})
        return layers.RNN(layer) if cls.__name__.endswith(("Cell", "Cells")) else layer

    return make


INT = "int32"

# The layer, its options, and the shapes of its inputs without the batch. What an option cannot share between
# models is a function that makes it; a cell is tested in a layer RNN.
CASES: list[tuple[Any, ...]] = [
    ("Activation", {"activation": "celu"}, (5,)),
    ("Activation", {"activation": "elu"}, (5,)),
    ("Activation", {"activation": "exponential"}, (5,)),
    ("Activation", {"activation": "gelu"}, (5,)),
    ("Activation", {"activation": "glu"}, (6,)),
    ("Activation", {"activation": "hard_shrink"}, (5,)),
    ("Activation", {"activation": "hard_sigmoid"}, (5,)),
    ("Activation", {"activation": "hard_silu"}, (5,)),
    ("Activation", {"activation": "hard_tanh"}, (5,)),
    ("Activation", {"activation": "leaky_relu"}, (5,)),
    ("Activation", {"activation": "linear"}, (5,)),
    ("Activation", {"activation": "log_sigmoid"}, (5,)),
    ("Activation", {"activation": "log_softmax"}, (5,)),
    ("Activation", {"activation": "mish"}, (5,)),
    ("Activation", {"activation": "relu"}, (5,)),
    ("Activation", {"activation": "relu6"}, (5,)),
    ("Activation", {"activation": "selu"}, (5,)),
    ("Activation", {"activation": "sigmoid"}, (5,)),
    ("Activation", {"activation": "silu"}, (5,)),
    ("Activation", {"activation": "soft_shrink"}, (5,)),
    ("Activation", {"activation": "softmax"}, (5,)),
    ("Activation", {"activation": "softplus"}, (5,)),
    ("Activation", {"activation": "softsign"}, (5,)),
    ("Activation", {"activation": "sparse_plus"}, (5,)),
    ("Activation", {"activation": "sparse_sigmoid"}, (5,)),
    ("Activation", {"activation": "sparsemax"}, (5,)),
    ("Activation", {"activation": "squareplus"}, (5,)),
    ("Activation", {"activation": "tanh"}, (5,)),
    ("Activation", {"activation": "tanh_shrink"}, (5,)),
    ("ActivityRegularization", {"l2": 0.1}, (5,)),
    ("AdaptiveAveragePooling1D", {"output_size": 3}, (7, 2)),
    ("AdaptiveAveragePooling2D", {"output_size": 2}, (6, 4, 2)),
    ("AdaptiveAveragePooling3D", {"output_size": 2}, (4, 4, 4, 2)),
    ("AdaptiveMaxPooling1D", {"output_size": 3}, (6, 2)),
    ("AdaptiveMaxPooling2D", {"output_size": 2}, (6, 4, 2)),
    ("AdaptiveMaxPooling3D", {"output_size": 2}, (4, 4, 4, 2)),
    ("Add", {}, (4,), (4,), (4,)),
    ("AdditiveAttention", {}, (4, 3), (5, 3)),
    ("AlphaDropout", {"rate": 0.5}, (5,)),
    ("Attention", {}, (4, 3), (5, 3)),
    ("Attention", {"use_scale": True}, (4, 3), (5, 3), (5, 3)),
    ("Average", {}, (4,), (4,)),
    ("AveragePooling1D", {"pool_size": 2}, (7, 3)),
    ("AveragePooling1D", {"pool_size": 3, "strides": 2, "padding": "same"}, (7, 3)),
    ("AveragePooling2D", {"pool_size": 2}, (7, 6, 3)),
    ("AveragePooling2D", {"pool_size": 3, "strides": 2, "padding": "same"}, (7, 6, 3)),
    ("AveragePooling3D", {"pool_size": 2}, (4, 5, 6, 2)),
    ("AveragePooling3D", {"pool_size": 2, "strides": 1, "padding": "same"}, (4, 5, 6, 2)),
    ("BatchNormalization", {}, (5,)),
    ("BatchNormalization", {"axis": 1}, (4, 5, 2)),
    ("BatchNormalization", {"center": False, "scale": False}, (4, 5, 2)),
    ("Bidirectional", {"layer": lambda: layers.LSTM(3, return_sequences=True)}, (4, 2)),
    ("Bidirectional", {"layer": lambda: layers.GRU(3), "merge_mode": "sum"}, (4, 2)),
    ("CategoryEncoding", {"num_tokens": 4, "output_mode": "one_hot", "_dtype": INT}, (1,)),
    ("CategoryEncoding", {"num_tokens": 4, "output_mode": "multi_hot", "_dtype": INT}, (3,)),
    ("CenterCrop", {"height": 4, "width": 3}, (7, 6, 2)),
    ("Concatenate", {}, (4, 2), (4, 3)),
    ("Concatenate", {"axis": 1}, (4, 2), (3, 2)),
    ("Conv1D", {"filters": 4, "kernel_size": 3}, (9, 2)),
    ("Conv1D", {"filters": 4, "kernel_size": 3, "padding": "causal", "dilation_rate": 2}, (9, 2)),
    ("Conv1D", {"filters": 4, "kernel_size": 4, "padding": "same", "strides": 2}, (9, 2)),
    ("Conv1DTranspose", {"filters": 4, "kernel_size": 3}, (5, 2)),
    ("Conv1DTranspose", {"filters": 4, "kernel_size": 3, "padding": "same", "strides": 2}, (5, 2)),
    ("Conv2D", {"filters": 4, "kernel_size": 3}, (8, 7, 2)),
    ("Conv2D", {"filters": 4, "kernel_size": 3, "padding": "same", "strides": 2}, (8, 7, 2)),
    ("Conv2D", {"filters": 4, "kernel_size": (3, 2), "groups": 2, "dilation_rate": 2}, (8, 7, 2)),
    ("Conv2D", {"filters": 4, "kernel_size": 3, "data_format": "channels_first"}, (2, 8, 7)),
    ("Conv2DTranspose", {"filters": 4, "kernel_size": 3}, (5, 4, 2)),
    ("Conv2DTranspose", {"filters": 4, "kernel_size": 3, "padding": "same", "strides": 2}, (5, 4, 2)),
    ("Conv3D", {"filters": 3, "kernel_size": 2}, (4, 5, 4, 2)),
    ("Conv3D", {"filters": 3, "kernel_size": 3, "padding": "same", "strides": 2}, (4, 5, 4, 2)),
    ("Conv3DTranspose", {"filters": 3, "kernel_size": 2, "strides": 2}, (3, 4, 2, 2)),
    ("ConvLSTM1D", {"filters": 3, "kernel_size": 2}, (3, 5, 2)),
    ("ConvLSTM2D", {"filters": 2, "kernel_size": 2, "padding": "same"}, (3, 4, 5, 2)),
    ("ConvLSTM3D", {"filters": 2, "kernel_size": 2}, (2, 3, 4, 3, 1)),
    ("Cropping1D", {"cropping": (1, 2)}, (6, 2)),
    ("Cropping2D", {"cropping": ((1, 2), (0, 1))}, (6, 5, 2)),
    ("Cropping3D", {"cropping": 1}, (4, 5, 4, 2)),
    ("Dense", {"units": 4}, (5,)),
    ("Dense", {"units": 4, "activation": "relu", "use_bias": False}, (3, 5)),
    ("DepthwiseConv1D", {"kernel_size": 3}, (8, 3)),
    ("DepthwiseConv2D", {"kernel_size": 3}, (8, 7, 3)),
    (
        "DepthwiseConv2D",
        {"kernel_size": 3, "padding": "same", "strides": 2, "depth_multiplier": 2},
        (8, 7, 3),
    ),
    ("Discretization", {"bin_boundaries": [-0.5, 0.0, 0.5]}, (5,)),
    ("Discretization", {"bin_boundaries": [-0.5, 0.5], "output_mode": "one_hot"}, (1,)),
    ("Dot", {"axes": 1}, (4,), (4,)),
    ("Dot", {"axes": (2, 1), "normalize": True}, (3, 4), (4, 2)),
    ("Dropout", {"rate": 0.5}, (5,)),
    ("ELU", {"alpha": 0.7}, (5,)),
    ("EinsumDense", {"equation": "abc,cd->abd", "output_shape": (None, 4), "bias_axes": "d"}, (3, 5)),
    ("Embedding", {"input_dim": 6, "output_dim": 3, "_dtype": INT}, (4,)),
    ("Embedding", {"input_dim": 6, "output_dim": 3, "mask_zero": True, "_dtype": INT}, (4,)),
    ("Flatten", {}, (3, 4, 2)),
    ("GRU", {"units": 3}, (4, 2)),
    ("GRU", {"units": 3, "return_sequences": True, "go_backwards": True}, (4, 2)),
    ("GRU", {"units": 3, "reset_after": False}, (4, 2)),
    ("GRUCell", {"units": 3}, (4, 2)),
    ("GaussianDropout", {"rate": 0.5}, (5,)),
    ("GaussianNoise", {"stddev": 0.5}, (5,)),
    ("GlobalAveragePooling1D", {}, (5, 3)),
    ("GlobalAveragePooling2D", {}, (5, 4, 3)),
    ("GlobalAveragePooling2D", {"keepdims": True}, (5, 4, 3)),
    ("GlobalAveragePooling3D", {}, (3, 4, 3, 2)),
    ("GlobalMaxPooling1D", {}, (5, 3)),
    ("GlobalMaxPooling2D", {}, (5, 4, 3)),
    ("GlobalMaxPooling3D", {}, (3, 4, 3, 2)),
    ("GroupNormalization", {"groups": 2}, (5, 4)),
    ("GroupNormalization", {"groups": -1}, (3, 5, 4)),
    ("GroupQueryAttention", {"head_dim": 4, "num_query_heads": 4, "num_key_value_heads": 2}, (5, 6), (4, 6)),
    ("Identity", {}, (5,)),
    ("LSTM", {"units": 3}, (4, 2)),
    ("LSTM", {"units": 3, "return_sequences": True, "unit_forget_bias": False}, (4, 2)),
    ("LSTM", {"units": 3, "return_state": True}, (4, 2)),
    ("LSTMCell", {"units": 3}, (4, 2)),
    ("Lambda", {"function": lambda: lambda x: keras.ops.square(x) + 1}, (5,)),
    ("LayerNormalization", {}, (5,)),
    ("LayerNormalization", {"axis": (1, 2)}, (4, 5)),
    ("LeakyReLU", {"negative_slope": 0.2}, (5,)),
    ("Masking", {}, (4, 3)),
    ("MaxPooling1D", {}, (7, 3)),
    ("MaxPooling1D", {"pool_size": 3, "strides": 2, "padding": "same"}, (7, 3)),
    ("MaxPooling2D", {}, (7, 6, 3)),
    ("MaxPooling2D", {"pool_size": 3, "strides": 2, "padding": "same"}, (7, 6, 3)),
    ("MaxPooling3D", {}, (4, 5, 6, 2)),
    ("Maximum", {}, (4,), (4,)),
    ("MelSpectrogram", {"num_mel_bins": 8, "fft_length": 32, "sequence_stride": 16}, (64,)),
    ("Minimum", {}, (4,), (4,)),
    ("MultiHeadAttention", {"num_heads": 2, "key_dim": 3}, (5, 4), (6, 4)),
    ("MultiHeadAttention", {"num_heads": 2, "key_dim": 3, "value_dim": 5, "output_shape": 7}, (5, 4), (6, 4)),
    ("Multiply", {}, (4,), (4,)),
    ("Normalization", {"mean": [1.0, 2.0], "variance": [3.0, 4.0]}, (2,)),
    ("PReLU", {}, (5,)),
    ("PReLU", {"shared_axes": [1]}, (4, 3)),
    ("Permute", {"dims": (2, 1)}, (4, 3)),
    ("RMSNormalization", {}, (5,)),
    ("RNN", {"cell": lambda: layers.SimpleRNNCell(3)}, (4, 2)),
    ("RNN", {"cell": lambda: layers.StackedRNNCells([layers.GRUCell(3), layers.LSTMCell(2)])}, (4, 2)),
    ("ReLU", {"max_value": 1.0, "negative_slope": 0.1, "threshold": 0.2}, (5,)),
    ("RepeatVector", {"n": 3}, (5,)),
    ("Rescaling", {"scale": 0.5, "offset": 0.1}, (5,)),
    ("Reshape", {"target_shape": (3, 4)}, (12,)),
    ("Reshape", {"target_shape": (-1, 2)}, (3, 4)),
    ("Resizing", {"height": 6, "width": 8}, (4, 5, 2)),
    ("Resizing", {"height": 6, "width": 8, "interpolation": "nearest"}, (4, 5, 2)),
    ("ReversibleEmbedding", {"input_dim": 6, "output_dim": 3, "_dtype": INT}, (4,)),
    (
        "STFTSpectrogram",
        {"mode": "magnitude", "frame_length": 16, "frame_step": 8, "fft_length": 16},
        (64, 1),
    ),
    ("SeparableConv1D", {"filters": 4, "kernel_size": 3}, (8, 3)),
    (
        "SeparableConv2D",
        {"filters": 4, "kernel_size": 3, "padding": "same", "depth_multiplier": 2},
        (8, 7, 3),
    ),
    ("SimpleRNN", {"units": 3}, (4, 2)),
    ("SimpleRNN", {"units": 3, "return_sequences": True, "unroll": True}, (4, 2)),
    ("SimpleRNNCell", {"units": 3}, (4, 2)),
    ("Softmax", {}, (5,)),
    ("Softmax", {"axis": 1}, (3, 4)),
    ("SpatialDropout1D", {"rate": 0.5}, (4, 3)),
    ("SpatialDropout2D", {"rate": 0.5}, (4, 3, 2)),
    ("SpatialDropout3D", {"rate": 0.5}, (4, 3, 2, 2)),
    ("SpectralNormalization", {"layer": lambda: layers.Dense(3)}, (5,)),
    ("StackedRNNCells", {"cells": lambda: [layers.GRUCell(3), layers.LSTMCell(2)]}, (4, 2)),
    ("Subtract", {}, (4,), (4,)),
    ("TimeDistributed", {"layer": lambda: layers.Dense(3)}, (4, 5)),
    ("TimeDistributed", {"layer": lambda: layers.Conv2D(2, 3)}, (3, 6, 5, 2)),
    ("UnitNormalization", {}, (5,)),
    ("UpSampling1D", {"size": 2}, (4, 3)),
    ("UpSampling2D", {"size": (2, 3)}, (4, 3, 2)),
    ("UpSampling2D", {"size": 2, "interpolation": "bilinear"}, (4, 3, 2)),
    ("UpSampling3D", {"size": 2}, (2, 3, 2, 2)),
    ("ZeroPadding1D", {"padding": (1, 2)}, (4, 3)),
    ("ZeroPadding2D", {"padding": ((1, 2), (0, 3))}, (4, 3, 2)),
    ("ZeroPadding3D", {"padding": 1}, (3, 4, 3, 2)),
]
