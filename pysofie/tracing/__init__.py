"""Python functions over symbolic tensors, traced into nodes of ONNX.

>>> def boost(pt, eta):
...     return np.stack([pt * np.cosh(eta), pt * np.sinh(eta)], axis=-1)
>>> trace(boost, {"pt": ("float32", ("n",)), "eta": ("float32", ("n",))}).outputs[0].dims
('n', 2)

The nodes are those of ordinary operators: what they compute is folded, fused and rendered for every target
like any other part of a model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from onnx import GraphProto, helper

from pysofie.errors import Error
from pysofie.tracing import functions  # noqa: F401 (it registers what NumPy's functions mean)
from pysofie.tracing.elementwise import as_tensor
from pysofie.tracing.recorder import OPSET, Dims, Recorder, element_type
from pysofie.tracing.tensor import Tensor


@dataclass(frozen=True)
class Trace:
    """What a function does.

    Attributes
    ----------
    recorder : Recorder
        Its nodes and constants.
    inputs, outputs : tuple of Tensor
        What it was called with, and what it returned; no output is an input or a constant.
    keys : tuple of str or None
        The keys of the outputs, if it returned a dict.
    """

    recorder: Recorder
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    keys: tuple[str, ...] | None = None

    def graph(self, name: str = "traced") -> GraphProto:
        """The trace as a graph of ONNX, its constants as initializers.

        Raises
        ------
        Error
            ONNX does not tell how many axes an output has, and a graph must say so.
        """
        inputs, outputs = ([_value_info(t) for t in tensors] for tensors in (self.inputs, self.outputs))
        return helper.make_graph(self.recorder.nodes, name, inputs, outputs, self.recorder.constants)


def _value_info(tensor: Tensor) -> Any:
    tensor.ndim  # noqa: B018 (it refuses what has no rank)
    kind = element_type(tensor.dtype, tensor.name)
    return helper.make_tensor_value_info(tensor.name, kind, tensor.dims)


def trace(
    function: Callable[..., Any],
    inputs: Mapping[str, tuple[Any, Dims]],
    *,
    attributes: Mapping[str, Any] | None = None,
    opset: int = OPSET,
    prefix: str = "traced_",
) -> Trace:
    """Call a function with symbolic tensors.

    Parameters
    ----------
    function : callable
        Takes tensors, and returns one, a tuple of them or a dict.
    inputs : dict of str to (dtype, dims)
        Names, types and shapes of its positional arguments, in order. A dim is a number, the name of a
        symbol, or None; dims that are None as a whole leave even the rank open.
    attributes : dict, optional
        Keyword arguments.
    opset : int
        Of the nodes.
    prefix : str
        Begins the names of all values that are made.

    Returns
    -------
    Trace

    Raises
    ------
    Error
        The function does what cannot be traced, or returns something else than tensors; and whatever the
        function raises.
    """
    recorder = Recorder(opset, prefix)
    tensors = tuple(recorder.input(name, dtype, dims) for name, (dtype, dims) in inputs.items())
    return finish(recorder, tensors, function(*tensors, **(attributes or {})), describe(function))


def describe(function: Callable[..., Any]) -> str:
    """What a function is called in messages."""
    return str(getattr(function, "__qualname__", function))


def finish(recorder: Recorder, inputs: tuple[Tensor, ...], returned: Any, what: str) -> Trace:
    """Make what a function returned the outputs of a trace.

    Parameters
    ----------
    recorder : Recorder
        Which the inputs are of.
    inputs : tuple of Tensor
        What the function was called with.
    returned : Tensor, array, number, or a tuple, list or dict of them
        What came back.
    what : str
        Names the function in messages.

    Raises
    ------
    Error
        It returned something else.
    """
    keys = tuple(map(str, returned)) if isinstance(returned, dict) else None
    values = list(returned.values()) if isinstance(returned, dict) else returned
    values = values if isinstance(values, (list, tuple)) else [values]
    outputs: list[Tensor] = []
    for i, value in enumerate(values):
        if not isinstance(value, (Tensor, np.ndarray, np.generic, bool, int, float)):
            raise Error(
                f"{what} returned {type(value).__name__} as output {i}; it must return a tensor, or a tuple "
                "or dict of tensors"
            )
        outputs.append(_own(recorder, as_tensor(recorder, value), outputs))
    if not outputs:
        raise Error(f"{what} returned no tensors")
    return Trace(recorder, inputs, tuple(outputs), keys)


def _own(recorder: Recorder, tensor: Tensor, others: list[Tensor]) -> Tensor:
    """The tensor, or a copy of it if it is not the output of a node, or another output already."""
    if tensor.recorder is not recorder:
        raise Error(f"{tensor} is of another trace: a function may only return what it computed")
    made = any(tensor.name in node.output for node in recorder.nodes)
    is_other = any(tensor.name == other.name for other in others)
    return tensor if made and not is_other else recorder.apply("Identity", [tensor])[0]


__all__ = ["OPSET", "Dims", "Recorder", "Tensor", "Trace", "describe", "finish", "trace"]
