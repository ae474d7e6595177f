"""A part of a model: what some of its tensors need of it, from inputs of the user's choice on."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import onnx
import onnx.shape_inference
from onnx import GraphProto, ModelProto, TensorProto, TypeProto, ValueInfoProto

from pysofie.errors import Error
from pysofie.importers.names import constant_names, fresh, like, rename, value_names
from pysofie.importers.order import reads, subgraphs


def take(
    proto: ModelProto,
    outputs: Sequence[str],
    inputs: Sequence[ValueInfoProto] = (),
    inner_names: Mapping[str, Sequence[str]] | None = None,
) -> ModelProto:
    """Return what some tensors need of a model; the rest may do what is not supported.

    Parameters
    ----------
    proto : onnx.ModelProto
        A model without local functions.
    outputs : sequence of str
        Any tensors of the graph.
    inputs : sequence of onnx.ValueInfoProto
        Tensors that become inputs, and are not computed any more. Inputs of the model that are needed all
        the same stay.
    inner_names : dict of str to sequence of str, optional
        What values of local functions are called in the graph, by the name that they had there.

    Returns
    -------
    onnx.ModelProto

    Raises
    ------
    Error
        There is no such tensor, or no output is named, or one twice.
    """
    graph = proto.graph
    found = [resolve(graph, name, inner_names or {}) for name in outputs]
    if len(set(found)) != len(found) or not found:
        twice = [name for name, now in zip(outputs, found, strict=True) if found.count(now) > 1]
        raise Error(f"outputs names {f'{twice[-1]!r} twice' if twice else 'nothing'}; {_known(graph)}")
    entries = {value.name: value for value in inputs}
    needed = set(found)
    nodes = []
    for node in reversed(graph.node):
        made = [name for name in node.output if name and name not in entries]
        if needed.isdisjoint(made):
            continue
        nodes.append(node)
        needed |= reads(node)
    part = ModelProto()
    part.CopyFrom(proto)
    for field in ("node", "input", "output", "initializer", "sparse_initializer"):
        part.graph.ClearField(field)
    part.graph.node.extend(reversed(nodes))
    _cede(part.graph, entries)
    part.graph.output.extend(_with_shape(value) for value in stated(proto, found))
    part.graph.input.extend(entries.values())
    part.graph.input.extend(v for v in graph.input if v.name in needed and v.name not in entries)
    constants = (tensor for tensor in graph.initializer if tensor.name in needed - set(entries))
    part.graph.initializer.extend(constants)
    part.graph.sparse_initializer.extend(
        t for t in graph.sparse_initializer if t.values.name in needed - set(entries)
    )
    inner = [value for value in part.graph.value_info if value.name not in entries]
    del part.graph.value_info[:]
    part.graph.value_info.extend(inner)
    rename(part.graph, {now: name for name, now in zip(outputs, found, strict=True) if now != name})
    return part


def resolve(
    graph: GraphProto, name: str, inner_names: Mapping[str, Sequence[str]], role: str = "outputs"
) -> str:
    """What a tensor is called in the graph.

    Parameters
    ----------
    graph : onnx.GraphProto
        The graph of a model.
    name : str
        As the user says.
    inner_names : dict of str to sequence of str
        See `take`.
    role : {"outputs", "inputs"}
        What it shall be.

    Raises
    ------
    Error
        There is none of this name, or several; the message names those that may be meant.
    """
    known = top_values(graph)
    if name in known:
        return name
    inner, every = inner_names.get(name, ()), value_names(graph)
    if len(inner) == 1 and name not in every:
        return inner[0]
    if inner:
        raise Error(
            f"{role} names {name!r}, which is computed {len(inner)} times: choose among "
            f"{', '.join(map(repr, inner))}"
        )
    if name in every:
        owner = next(node for node in graph.node if any(name in value_names(g) for g in subgraphs([node])))
        raise Error(
            f"{role} names {name!r}, which lies in the body of the node {owner.name!r} ({owner.op_type}) and "
            f"may be computed often or never; {_known(graph)}"
        )
    meant = like([name], known | set(inner_names))
    hint = f"; did you mean {' or '.join(map(repr, meant))}" if meant else ""
    raise Error(f"{role} names {name!r}{hint}; {_known(graph)}")


def top_values(graph: GraphProto) -> set[str]:
    """The tensors that exist once whenever the model runs: not those of subgraphs."""
    made = {name for node in graph.node for name in node.output if name}
    return made | {value.name for value in graph.input} | constant_names(graph)


def _known(graph: GraphProto) -> str:
    return f"the outputs of this model are {', '.join(repr(value.name) for value in graph.output)}"


def _cede(graph: GraphProto, entries: Collection[str]) -> None:
    """Give a result that is now an input another name where its node is needed for other results."""
    taken = value_names(graph) | set(entries)
    for node in graph.node:
        for i, name in enumerate(node.output):
            if name in entries:
                node.output[i] = fresh(name, taken)
                taken.add(node.output[i])


def stated(proto: ModelProto, names: Sequence[str]) -> list[ValueInfoProto]:
    """Tensors with the types that the file states or ONNX infers; some lack a shape, or have element type 0.

    The compiler takes inputs as they are stated; of all else it finds types and shapes itself.
    """
    graph = proto.graph
    known = {value.name: value for value in (*graph.value_info, *graph.input, *graph.output)}
    known |= {
        tensor.name: onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
        for tensor in graph.initializer
    }
    if not known.keys() >= set(names):
        try:
            inferred = onnx.shape_inference.infer_shapes(proto).graph.value_info
        except (onnx.shape_inference.InferenceError, ValueError):  # of operators that ONNX does not know
            inferred = []
        known = {value.name: value for value in inferred} | known
    return [known.get(name) or _untyped(name) for name in names]


def _untyped(name: str) -> ValueInfoProto:
    kind = TypeProto()
    kind.tensor_type.elem_type = TensorProto.UNDEFINED
    return onnx.helper.make_value_info(name, kind)


def _with_shape(value: ValueInfoProto) -> ValueInfoProto:
    """ONNX's checker asks for the shape of an output, be it wrong; the compiler finds it itself."""
    if value.type.WhichOneof("value") != "tensor_type" or value.type.tensor_type.HasField("shape"):
        return value
    shaped = ValueInfoProto()
    shaped.CopyFrom(value)
    shaped.type.tensor_type.shape.SetInParent()
    return shaped
