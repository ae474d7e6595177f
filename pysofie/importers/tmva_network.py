"""Multilayer perceptrons of TMVA."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pysofie.errors import InvalidModelError, UnsupportedError
from pysofie.importers.tmva_file import Element, WeightFile, integer, reals
from pysofie.importers.writer import Writer

# From this release on TMVA approximates the hyperbolic tangent by a fraction; files of older ones are exact.
_FAST_TANH = (4, 2, 1)
# Beyond this the fraction is not used.
_LARGE = 4.97


def write_network(writer: Writer, x: str, file: WeightFile) -> str:
    """Write the answers of the output neurons.

    Raises
    ------
    InvalidModelError
        The network is damaged.
    UnsupportedError
        It has neurons of a kind that is not taken.
    """
    layers = _layers(file)
    sizes = [len(layer) for layer in layers]
    outputs = {"Regression": len(file.targets), "Multiclass": len(file.classes)}.get(file.analysis, 1)
    if sizes[0] != len(file.variables) + 1 or sizes[-1] != outputs:
        raise InvalidModelError(
            f"the network has layers of {sizes} neurons for {len(file.variables)} variables and {outputs} "
            f"outputs"
        )
    for i, layer in enumerate(layers[:-1]):
        is_last = i == len(layers) - 2
        # Layers but the last end with a neuron that always gives one.
        weights = np.stack([reals(neuron, sizes[i + 1] - (not is_last)) for neuron in layer])
        x = _summed(writer, x, weights.astype(np.float32), file.option("NeuronInputType", "sum"))
        if not is_last:
            x = _activated(writer, x, file.option("NeuronType", "sigmoid"), file.release)
    if file.option("EstimatorType", "mse") == "ce":
        x = writer.add("Sigmoid", x)
    return writer.add("Softmax", x, axis=1) if file.analysis == "Multiclass" else x


def _layers(file: WeightFile) -> list[list[Element]]:
    """The neurons of each layer."""
    layout = file.weights.find("Layout")
    layout = file.weights if layout is None else layout
    layers = sorted(layout.findall("Layer"), key=lambda layer: integer(layer, "Index"))
    neurons = [layer.findall("Neuron") for layer in layers]
    if len(layers) != integer(layout, "NLayers") or len(layers) < 2 or not all(neurons):
        raise InvalidModelError(
            f"<Layout> holds {len(layers)} layers, or empty ones, but NLayers says otherwise"
        )
    return neurons


def _summed(writer: Writer, x: str, weights: NDArray[np.float32], kind: str) -> str:
    """What neurons make of the answers before them; the last row of the weights is for the constant one."""
    if kind == "sqsum":
        x, weights = writer.add("Mul", x, x), weights * weights
    elif kind == "abssum":
        x, weights = writer.add("Abs", x), np.abs(weights)
    elif kind != "sum":
        raise UnsupportedError(
            f"NeuronInputType={kind[:40]} is not taken; those that are: sum, sqsum, abssum"
        )
    return writer.add("Gemm", x, weights[:-1], weights[-1])


def _activated(writer: Writer, x: str, kind: str, release: tuple[int, ...]) -> str:
    match kind:
        case "sigmoid":
            return writer.add("Sigmoid", x)
        case "tanh":
            return _fast_tanh(writer, x) if release >= _FAST_TANH else writer.add("Tanh", x)
        case "relu":
            return writer.add("Relu", x)
        case "linear":
            return x
        case "radial":
            return writer.add("Exp", writer.add("Mul", writer.add("Mul", x, x), np.float32(-0.5)))
    raise UnsupportedError(
        f"NeuronType={kind[:40]} is not taken; those that are: sigmoid, tanh, ReLU, linear, radial"
    )


def _fast_tanh(writer: Writer, x: str) -> str:
    """TMVA's fraction of two polynomials for the hyperbolic tangent; networks were trained with it."""
    square = writer.add("Mul", x, x)

    def polynomial(*coefficients: float) -> str:
        value: str | NDArray[np.float32] = np.float32(coefficients[0])
        for coefficient in coefficients[1:]:
            value = writer.add("Add", writer.add("Mul", value, square), np.float32(coefficient))
        return str(value)

    above = writer.add("Mul", x, polynomial(1, 378, 17325, 135135))
    fraction = writer.add("Div", above, polynomial(28, 3150, 62370, 135135))
    is_large = writer.add("Greater", writer.add("Abs", x), np.float32(_LARGE))
    return writer.add("Where", is_large, writer.add("Sign", x), fraction)
