"""JAX: functions, modules of Flax and Equinox, by jax2onnx."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import jax
import jax2onnx
import numpy as np

from pysofie.errors import UnsupportedError
from pysofie.importers import agreement
from pysofie.importers.frameworks import Exported, Wishes
from pysofie.importers.signature import (
    BATCH,
    label,
    named_dims,
    random_feeds,
    rename,
    separate_outputs,
    with_shapes,
)
from pysofie.model import Tensor

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from onnx import ModelProto

_OPSET = 23
_SIZES = ((1, 32), (3, 64))


def export(source: Any, wishes: Wishes) -> Exported:
    """Write a function of JAX, or a module that is called with arrays, as ONNX.

    Parameters
    ----------
    source : callable
        A function of arrays, jitted or not, or a module of Flax or Equinox with its weights.
    wishes : Wishes
        The example inputs are needed: arrays, whose leading dims may change.

    Returns
    -------
    Exported
        Its inputs are called as the parameters; its outputs ``output``, or ``output_0`` and so on.

    Raises
    ------
    UnsupportedError
        There are no example inputs, or jax2onnx does not write what the function computes.
    ShapeError
        The shapes given do not fit the example inputs.
    """
    if not callable(source) or not wishes.example_inputs:
        raise UnsupportedError(
            f"a {type(source).__name__} does not say what it is called with: give a function of arrays, or a "
            "module with its weights (of Linen: model.bind(variables)), and example_inputs="
        )
    examples = [np.asarray(x) for x in wishes.example_inputs]
    inputs = with_shapes(_inputs(source, examples), wishes.shapes)

    def function(*arrays: Any) -> tuple[Any, ...]:
        return tuple(jax.tree_util.tree_leaves(source(*arrays)))

    count = len(function(*examples))
    names = [f"output_{i}" if count > 1 else "output" for i in range(count)]

    def reference(feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        outputs = function(*(feeds[each.name] for each in inputs))
        return {name: np.asarray(x) for name, x in zip(names, outputs, strict=True)}

    exported = Exported(write(function, inputs, names), reference)
    label(exported.proto, inputs, wishes.columns)
    given = {each.name: array.astype(each.dtype) for each, array in zip(inputs, examples, strict=True)}
    others = [random_feeds(inputs, {BATCH: batch}, size) for batch, size in _SIZES]
    agreement.require(exported, [given, *others], "jax2onnx")
    return exported


def write(
    function: Callable[..., Sequence[Any]], inputs: Sequence[Tensor], outputs: Sequence[str]
) -> ModelProto:
    """Write a function of arrays as ONNX.

    Parameters
    ----------
    function : callable
        Takes an array for each input and returns one for each output.
    inputs : sequence of Tensor
        Names, dtypes and shapes of the inputs.
    outputs : sequence of str
        Names of the outputs.

    Raises
    ------
    UnsupportedError
        jax2onnx cannot write it.
    """
    specifications = [jax.ShapeDtypeStruct(each.shape, np.dtype(each.dtype)) for each in inputs]
    is_double = any(each.dtype == "float64" for each in inputs)
    try:
        proto = jax2onnx.to_onnx(function, specifications, opset=_OPSET, enable_double_precision=is_double)
    except Exception as error:  # jax2onnx raises what it likes
        raise UnsupportedError(f"jax2onnx cannot write this model: {error}") from error
    separate_outputs(proto.graph)
    before = [value.name for value in (*proto.graph.input, *proto.graph.output)]
    rename(proto, dict(zip(before, [*(each.name for each in inputs), *outputs], strict=True)))
    return proto


def _inputs(source: Any, examples: Sequence[NDArray[Any]]) -> list[Tensor]:
    parameters = [
        name
        for name, parameter in inspect.signature(source).parameters.items()
        if parameter.kind in (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    ]
    names = [parameters[i] if i < len(parameters) else f"input_{i}" for i in range(len(examples))]
    return [
        Tensor(name, str(x.dtype), named_dims(name, [None, *x.shape[1:]] if x.ndim else []))
        for name, x in zip(names, examples, strict=True)
    ]
