"""ONNX files, parsed, completed and checked by the official package."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import onnx
import onnx.checker
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError, Message
from onnx import AttributeProto, ModelProto, TensorProto, ValueInfoProto

from pysofie.errors import InvalidModelError
from pysofie.importers import external, functions, part
from pysofie.importers.nodes import domain_of
from pysofie.importers.order import sort_nodes, subgraphs
from pysofie.importers.tensors import byte_size

# What onnxruntime's optimiser writes into ONNX's domain, which does not have it.
_ONNXRUNTIME = "com.microsoft"
_MISPLACED = {"SimplifiedLayerNormalization"}


@dataclass
class CheckedModel:
    """A well-formed model without functions or external data.

    Attributes
    ----------
    proto : onnx.ModelProto
        The model.
    external_data : list of str
        Digests of the external data that was read into it.
    complaint : str
        What the checker said about an operator that it does not know, else empty.
    inner_names : dict of str to list of str
        The values that stood in local functions: their names there, and those that they have in `proto`.
    """

    proto: ModelProto
    external_data: list[str]
    complaint: str
    inner_names: dict[str, list[str]]

    def part(self, outputs: Sequence[str] | None, inputs: Sequence[ValueInfoProto] = ()) -> CheckedModel:
        """What some tensors need; see `pysofie.importers.part.take`."""
        if outputs is None and not inputs:
            return self
        wanted = [value.name for value in self.proto.graph.output] if outputs is None else outputs
        proto = part.take(self.proto, wanted, inputs, self.inner_names)
        return CheckedModel(proto, self.external_data, _check(proto), self.inner_names)


def parse(content: bytes, folder: Path | None) -> CheckedModel:
    """Parse, complete and check a serialised model.

    Parameters
    ----------
    content : bytes
        A serialised ``onnx.ModelProto``.
    folder : pathlib.Path or None
        Where external data may lie.

    Raises
    ------
    InvalidModelError
        It is not a well-formed ONNX model.
    """
    try:
        proto = ModelProto.FromString(content)
        if not content or not proto.HasField("graph") or not proto.opset_import:
            raise InvalidModelError("this is not an ONNX model: it has no graph, or no operator sets")
        _refuse_broken_text(proto)
        _find_home(proto)
        sort_nodes(proto.graph)
        external_data = [
            external.read_into(tensor, folder, byte_size(tensor))
            for tensor in _tensors(proto)
            if tensor.data_location == TensorProto.EXTERNAL
        ]
        functions.refuse_explosion(proto)
        complaint = _check(proto)
        proto, inner_names = functions.write_out(proto)
    except DecodeError as error:
        raise InvalidModelError("this is not an ONNX model, or it is truncated") from error
    except UnicodeDecodeError as error:
        raise InvalidModelError(f"a name in the model is not UTF-8: {error}") from error
    return CheckedModel(proto, external_data, complaint, inner_names)


def _check(proto: ModelProto) -> str:
    """Return the complaint if it is about an unknown operator: the core lists all of those at once."""
    try:
        onnx.checker.check_model(proto)
    except onnx.checker.ValidationError as error:
        text = str(error).split("\n\n==> Context")[0].strip()
        if "No Op registered for" in text:
            return text
        raise InvalidModelError(f"the ONNX checker refuses the model: {text}") from error
    except (ValueError, RuntimeError) as error:
        raise InvalidModelError(f"the ONNX checker cannot read the model: {error}") from error
    return ""


def _refuse_broken_text(message: Message) -> None:
    """Refuse names that are not UTF-8: protobuf hands them out as bytes."""
    for field, value in message.ListFields():
        if field.type not in (FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_MESSAGE):
            continue
        for item in (value,) if isinstance(value, (str, bytes, Message)) else value:
            if isinstance(item, bytes):
                raise InvalidModelError(f"the {field.name} {item!r} in the model is not UTF-8")
            if isinstance(item, Message):
                _refuse_broken_text(item)


def _find_home(proto: ModelProto) -> None:
    """Give operators that stand in ONNX's domain by mistake the domain of onnxruntime."""
    nodes = [node for graph in (proto.graph, *subgraphs(proto.graph.node)) for node in graph.node]
    misplaced = [node for node in nodes if node.op_type in _MISPLACED and not domain_of(node)]
    for node in misplaced:
        node.domain = _ONNXRUNTIME
    if misplaced and all(entry.domain != _ONNXRUNTIME for entry in proto.opset_import):
        proto.opset_import.add(domain=_ONNXRUNTIME, version=1)


def _tensors(proto: ModelProto) -> Iterator[TensorProto]:
    """All constants of a model, those of subgraphs, functions and attributes included."""
    bodies = [proto.graph.node, *(function.node for function in proto.functions)]
    graphs = [proto.graph, *(graph for nodes in bodies for graph in subgraphs(nodes))]
    for graph in graphs:
        yield from graph.initializer
        for sparse in graph.sparse_initializer:
            yield from (sparse.values, sparse.indices)
    for nodes in (*(graph.node for graph in graphs), *(function.node for function in proto.functions)):
        for node in nodes:
            for attribute in node.attribute:
                yield from _attribute_tensors(attribute)


def _attribute_tensors(attribute: AttributeProto) -> Iterator[TensorProto]:
    if attribute.HasField("t"):
        yield attribute.t
    yield from attribute.tensors
    if attribute.HasField("sparse_tensor"):
        yield from (attribute.sparse_tensor.values, attribute.sparse_tensor.indices)
