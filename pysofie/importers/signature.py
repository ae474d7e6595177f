"""Inputs of models of frameworks: their dims by name, arrays that fit them, and what ONNX is told of them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pysofie.errors import ShapeError, UnsupportedError
from pysofie.importers.order import subgraphs
from pysofie.model import Tensor

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from onnx import GraphProto, ModelProto

#: The dim that grows with the number of events.
BATCH = "batch"


def named_dims(name: str, dims: Sequence[int | None]) -> tuple[int | str, ...]:
    """Name the dims that a framework leaves open: the first is the batch."""
    return tuple(
        dim if dim is not None else BATCH if axis == 0 else f"{name}_dim_{axis}"
        for axis, dim in enumerate(dims)
    )


def with_shapes(inputs: Sequence[Tensor], shapes: Mapping[str, tuple[int | str, ...]]) -> list[Tensor]:
    """The inputs with the shapes that the user gives in place of theirs.

    Raises
    ------
    ShapeError
        A shape is for no input, or of another rank, or changes a dim that the model fixes.
    """
    unknown = [name for name in shapes if name not in {tensor.name for tensor in inputs}]
    if unknown:
        known = ", ".join(map(str, inputs))
        raise ShapeError(f"shapes names {unknown[0]!r}, which is no input of the model; it has {known}")
    return [
        Tensor(tensor.name, tensor.dtype, _checked(tensor, shapes[tensor.name]))
        if tensor.name in shapes
        else tensor
        for tensor in inputs
    ]


def _checked(tensor: Tensor, shape: tuple[int | str, ...]) -> tuple[int | str, ...]:
    fits = len(shape) == len(tensor.shape) and all(
        isinstance(own, str) or given == own for given, own in zip(shape, tensor.shape, strict=True)
    )
    if not fits:
        raise ShapeError(f"shapes[{tensor.name!r}] = {shape} does not fit the model's input {tensor}")
    return shape


def random_feeds(inputs: Sequence[Tensor], sizes: Mapping[str, int], default: int) -> dict[str, NDArray[Any]]:
    """Random inputs whose last item is zero, which is where divisions and logarithms go wrong.

    Parameters
    ----------
    inputs : sequence of Tensor
        What they are for.
    sizes : dict of str to int
        Values of symbols.
    default : int
        The value of the other symbols.
    """
    import numpy as np

    from pysofie.verify import random_array

    rng = np.random.default_rng(0)
    feeds = {}
    for tensor in inputs:
        shape = [dim if isinstance(dim, int) else sizes.get(dim, default) for dim in tensor.shape]
        array = random_array(rng, tensor.dtype, shape)
        if array.ndim > 0 and len(array) > 1:
            array[-1] = 0
        feeds[tensor.name] = array
    return feeds


def label(proto: ModelProto, inputs: Sequence[Tensor], columns: Sequence[str] | None) -> None:
    """Write into an exported model what its exporter leaves out.

    Parameters
    ----------
    proto : onnx.ModelProto
        Changed in place.
    inputs : sequence of Tensor
        Whose names are those of the model's inputs: the symbols of their shapes.
    columns : sequence of str or None
        What the features are called.
    """
    shapes = {tensor.name: tensor.shape for tensor in inputs}
    for value in proto.graph.input:
        del value.type.tensor_type.shape.dim[:]
        for dim in shapes[value.name]:
            entry = value.type.tensor_type.shape.dim.add()
            if isinstance(dim, int):
                entry.dim_value = dim
            else:
                entry.dim_param = dim
    if columns is not None:
        proto.metadata_props.add(key="feature_names", value=json.dumps(list(columns)))


def rename(proto: ModelProto, names: Mapping[str, str]) -> None:
    """Rename values of an exported model, in its subgraphs too.

    Parameters
    ----------
    proto : onnx.ModelProto
        Changed in place.
    names : dict of str to str
        New names by old ones.

    Raises
    ------
    UnsupportedError
        Two values would have one name.
    """
    if len(set(names.values())) < len(names):
        raise UnsupportedError(f"two inputs or outputs have one name: {sorted(names.values())}; rename one")
    graphs = [proto.graph, *subgraphs(proto.graph.node)]
    taken = set().union(*map(_values, graphs)) - set(names)
    final = {name: name for name in taken} | dict(names)
    for old in taken.intersection(names.values()):
        final[old] = _free(f"{old}_inner", taken | set(names.values()))
    for graph in graphs:
        _rename(graph, final)


def separate_outputs(graph: GraphProto) -> None:
    """Let every output be computed by a node, and no two be the same value."""
    seen = {value.name for value in (*graph.input, *graph.initializer)}
    taken = seen | {name for node in graph.node for name in node.output}
    for value in graph.output:
        if value.name in seen:
            copy = f"{value.name}_output"
            while copy in taken:
                copy += "_"
            taken.add(copy)
            graph.node.add(op_type="Identity", name=copy, input=[value.name], output=[copy])
            value.name = copy
        seen.add(value.name)


def _values(graph: GraphProto) -> set[str]:
    named = {value.name for value in (*graph.input, *graph.output, *graph.initializer, *graph.value_info)}
    return named | {name for node in graph.node for name in (*node.input, *node.output) if name}


def _free(wanted: str, taken: set[str]) -> str:
    while wanted in taken:
        wanted += "_"
    taken.add(wanted)
    return wanted


def _rename(graph: GraphProto, names: Mapping[str, str]) -> None:
    for value in (*graph.input, *graph.output, *graph.initializer, *graph.value_info):
        value.name = names[value.name]
    for node in graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
