"""TensorFlow's functions, modules and SavedModels, Graph Nets among them, by tf2onnx."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf
import tf2onnx

from pysofie.errors import InvalidModelError, UnsupportedError
from pysofie.importers import agreement, segments
from pysofie.importers.frameworks import Exported, Wishes
from pysofie.importers.signature import BATCH, label, named_dims, random_feeds, rename, with_shapes
from pysofie.model import Tensor

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from onnx import ModelProto

_OPSET = 18
_SIZES = ((1, 32), (3, 64))
# What the fields of a GraphsTuple of Graph Nets have one row for.
_ROWS = {
    "nodes": "n_nodes",
    "edges": "n_edges",
    "senders": "n_edges",
    "receivers": "n_edges",
    "globals": "n_graphs",
    "n_node": "n_graphs",
    "n_edge": "n_graphs",
}
# Nodes and edges of the graphs with which an exported graph network is tried: several, one, and no edge.
_GRAPHS = ([(5, 9), (3, 0), (7, 20)], [(4, 6)], [(2, 0)])


def export(source: Any, wishes: Wishes) -> Exported:
    """Write a model of TensorFlow as ONNX.

    Parameters
    ----------
    source : tf.Module, tf.function, concrete function or pathlib.Path
        What to call, or the folder of a SavedModel.
    wishes : Wishes
        The example inputs are needed where the signature is not known: arrays, or for a graph network a
        ``GraphsTuple``, whose numbers of nodes, edges and graphs may change.

    Returns
    -------
    Exported
        Its inputs are called as the parameters, fields and keys; likewise its outputs.

    Raises
    ------
    UnsupportedError
        A SavedModel is not trusted, or tf2onnx does not write what the model computes.
    InvalidModelError
        TensorFlow cannot read the file.
    ShapeError
        The shapes given do not fit the model.
    """
    call = _saved(source, wishes) if isinstance(source, Path) else _called(source, wishes)
    call = call.with_inputs(with_shapes(call.inputs, wishes.shapes))
    feeds = call.feeds()
    names = call.output_names(feeds[0])

    def reference(feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        return {name: np.asarray(x) for name, x in zip(names, call(*call.tensors(feeds)), strict=True)}

    proto = write(call, call.inputs, names)
    label(proto, call.inputs, wishes.columns)
    exported = Exported(proto, reference)
    agreement.require(exported, feeds, "tf2onnx")
    return exported


def write(
    function: Callable[..., Sequence[Any]], inputs: Sequence[Tensor], outputs: Sequence[str]
) -> ModelProto:
    """Write a function of tensors as ONNX.

    Parameters
    ----------
    function : callable
        Takes a tensor for each input and returns one for each output.
    inputs : sequence of Tensor
        Names, dtypes and shapes of the inputs.
    outputs : sequence of str
        Names of the outputs.

    Raises
    ------
    UnsupportedError
        tf2onnx cannot write it.
    """
    # TensorFlow changes names that are none in its graphs, so they are put in afterwards.
    signature = [
        tf.TensorSpec([dim if isinstance(dim, int) else None for dim in each.shape], each.dtype, f"input_{i}")
        for i, each in enumerate(inputs)
    ]
    traced = tf.function(
        lambda *tensors: [tf.identity(x) for x in function(*tensors)], input_signature=signature
    )
    try:
        proto, _ = tf2onnx.convert.from_function(
            traced,
            input_signature=signature,
            opset=_OPSET,
            custom_op_handlers=segments.handlers(),
        )
    except Exception as error:  # tf2onnx raises what it likes
        raise UnsupportedError(f"tf2onnx cannot write this model: {error}") from error
    names = {f"input_{i}": each.name for i, each in enumerate(inputs)}
    results = [value.name for value in proto.graph.output]
    rename(proto, names | dict(zip(results, outputs, strict=True)))
    return proto


# --- calls ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Call:
    """A call with flat tensors.

    Attributes
    ----------
    function : callable
        What is called.
    inputs : list of Tensor
        The leaves of the arguments.
    arguments, keywords : tuple, dict
        Their structure.
    """

    function: Callable[..., Any]
    inputs: list[Tensor]
    arguments: tuple[Any, ...]
    keywords: dict[str, Any]

    def with_inputs(self, inputs: list[Tensor]) -> _Call:
        return _Call(self.function, inputs, self.arguments, self.keywords)

    def structured(self, tensors: Sequence[Any]) -> Any:
        """The outputs as the function gives them."""
        given = iter(tensors)
        leaves = tf.nest.flatten((self.arguments, self.keywords))
        arguments, keywords = tf.nest.pack_sequence_as(
            (self.arguments, self.keywords), [leaf if leaf is None else next(given) for leaf in leaves]
        )
        return self.function(*arguments, **keywords)

    def __call__(self, *tensors: Any) -> list[Any]:
        """The outputs, flat."""
        return [tensor for _, tensor in self.outputs(tensors)]

    def outputs(self, tensors: Sequence[Any]) -> list[tuple[tuple[Any, ...], Any]]:
        """The outputs with their paths, without what a graph hands through, unless that is all."""
        every = list(_leaves(self.structured(tensors)))
        return [(path, x) for path, x in every if not any(x is given for given in tensors)] or every

    def tensors(self, feeds: Mapping[str, NDArray[Any]]) -> list[Any]:
        return [tf.constant(feeds[each.name], each.dtype) for each in self.inputs]

    def output_names(self, feeds: Mapping[str, NDArray[Any]]) -> list[str]:
        """Names of the outputs: keys and fields, else numbers."""
        paths = [path for path, _ in self.outputs(self.tensors(feeds))]
        names = [_joined(path if path and isinstance(path[0], str) else ("output", *path)) for path in paths]
        taken = {each.name for each in self.inputs}
        return [f"{name}_output" if name in taken else name for name in names]

    def feeds(self) -> list[dict[str, NDArray[Any]]]:
        """Random inputs of several sizes; graphs whose edges join nodes of their own."""
        if {"senders", "receivers", "n_node", "n_edge"} <= {each.name for each in self.inputs}:
            return [_graphs(self.inputs, sizes) for sizes in _GRAPHS]
        return [random_feeds(self.inputs, {BATCH: batch}, others) for batch, others in _SIZES]


def _called(source: Any, wishes: Wishes) -> _Call:
    """A function, by its signature or by example inputs."""
    if wishes.example_inputs:
        arguments = tuple(_arrays(argument) for argument in wishes.example_inputs)
        return _Call(source, _inputs(source, arguments, {}, dynamic=True), arguments, {})
    function = source if hasattr(source, "structured_input_signature") else _concrete(source)
    arguments, keywords = function.structured_input_signature
    return _Call(function, _inputs(source, arguments, keywords, dynamic=False), arguments, keywords)


def _concrete(source: Any) -> Any:
    """The one function that a `tf.function`, or a module whose call is one, was made for."""
    function = source.__call__ if isinstance(source, tf.Module) else source
    if getattr(function, "input_signature", None) is None:
        raise UnsupportedError(
            f"a {type(source).__name__} does not say what it is called with: give example_inputs="
        )
    return function.get_concrete_function()


def _saved(path: Path, wishes: Wishes) -> _Call:
    """The function that a SavedModel serves."""
    if not wishes.trust:
        raise UnsupportedError(
            f"{path}: a SavedModel is a program, which may do anything; if it is your own, trust=True"
        )
    folder = path if path.is_dir() else path.parent
    try:
        loaded = tf.saved_model.load(str(folder))
    except Exception as error:  # TensorFlow raises what it likes
        raise InvalidModelError(f"{folder}: TensorFlow cannot read it: {error}") from error
    served = dict(getattr(loaded, "signatures", {}))
    function = served.get("serving_default") or next(iter(served.values()), None)
    if function is None:
        raise UnsupportedError(f"{folder} serves no signature; save it with signatures=")
    call = _called(function, wishes)
    # The function alone does not keep the variables.
    return _Call(
        lambda *a, _loaded=loaded, **k: function(*a, **k), call.inputs, call.arguments, call.keywords
    )


def _arrays(argument: Any) -> Any:
    return tf.nest.map_structure(lambda x: None if x is None else tf.convert_to_tensor(x), argument)


def _inputs(source: Any, arguments: Any, keywords: Mapping[str, Any], *, dynamic: bool) -> list[Tensor]:
    """Names, dtypes and shapes of the leaves; of examples the leading dims may change."""
    parameters = _parameters(source, len(arguments))
    roots = dict(zip(parameters, arguments, strict=True)) | dict(sorted(keywords.items()))
    is_graph = len(roots) == 1 and hasattr(next(iter(roots.values())), "_fields")
    inputs = []
    for root, structure in roots.items():
        for path, leaf in _leaves(structure):
            name = _joined(path if is_graph else (root, *path))
            dims = [None, *leaf.shape[1:]] if dynamic and len(leaf.shape) else list(leaf.shape)
            shape = named_dims(name, dims)
            if is_graph and name in _ROWS and shape:
                shape = (_ROWS[name], *shape[1:])
            inputs.append(Tensor(name, leaf.dtype.name, shape))
    return inputs


def _parameters(source: Any, count: int) -> list[str]:
    """What the positional arguments are called."""
    function = source if inspect.isroutine(source) else source.__call__
    function = getattr(source, "python_function", function)
    names = [name for name in inspect.signature(function).parameters if name != "self"]
    return [names[i] if i < len(names) and len(names) >= count else f"input_{i}" for i in range(count)]


def _leaves(structure: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Fields, keys and places on the way to every tensor, in the order of tf.nest; None is left out."""
    items: list[tuple[Any, Any]]
    if hasattr(structure, "_fields"):
        items = list(zip(structure._fields, structure, strict=True))
    elif isinstance(structure, Mapping):
        items = sorted(structure.items())
    elif isinstance(structure, (list, tuple)):
        items = list(enumerate(structure))
    else:
        if structure is not None:
            yield path, structure
        return
    for key, value in items:
        yield from _leaves(value, (*path, key))


def _joined(path: Sequence[Any]) -> str:
    return "_".join(map(str, path))


def _graphs(inputs: Sequence[Tensor], sizes: Sequence[tuple[int, int]]) -> dict[str, NDArray[Any]]:
    """Random graphs with these numbers of nodes and edges."""
    rng = np.random.default_rng(0)
    nodes, edges = (np.array(counts) for counts in zip(*sizes, strict=True))
    symbols = {"n_nodes": nodes.sum(), "n_edges": edges.sum(), "n_graphs": len(sizes)}
    feeds = random_feeds(inputs, symbols, 1)
    first = np.repeat(np.cumsum(nodes) - nodes, edges)
    for end in ("senders", "receivers"):
        feeds[end] = first + rng.integers(0, np.repeat(nodes, edges))
    feeds |= {"n_node": nodes, "n_edge": edges}
    return {each.name: np.asarray(feeds[each.name], each.dtype) for each in inputs}
