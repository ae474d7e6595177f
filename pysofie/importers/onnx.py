"""ONNX files: parsed and checked by the official package, then handed to the core as they are written."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import onnx
import onnx.checker
import onnx.inliner
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError, Message
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto

from pysofie.errors import InvalidModelError, ShapeError, UnsupportedError
from pysofie.importers import external, functions, part
from pysofie.importers.order import sort_nodes, subgraphs
from pysofie.importers.tensors import byte_size, checked_dims, densify, dtype_name, unpack
from pysofie.model import Model, Tensor

if TYPE_CHECKING:
    from onnx import TypeProto, ValueInfoProto

    from pysofie._core import Graph
    from pysofie.custom import Definition
    from pysofie.custom.application import Application
    from pysofie.importers.source import Source

# Subgraphs of subgraphs: each is analysed once for every analysis of the graph around it, and to lower it.
_MAX_NESTING = 8

Operators: TypeAlias = set[tuple[str, str]]

_SCALARS = {AttributeProto.FLOAT: "f", AttributeProto.INT: "i", AttributeProto.STRING: "s"}
_LISTS = {AttributeProto.FLOATS: "floats", AttributeProto.INTS: "ints", AttributeProto.STRINGS: "strings"}


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


@dataclass
class Draft:
    """A model in the core that need not be one that can be compiled.

    Attributes
    ----------
    name : str
        A C++ identifier.
    proto : onnx.ModelProto
        What was handed to the core.
    graph : pysofie._core.Graph
        The same in the core.
    """

    name: str
    proto: ModelProto
    graph: Graph
    _builder: Builder
    _complaint: str

    @property
    def custom(self) -> tuple[Application, ...]:
        """The nodes of operators that users wrote."""
        return tuple(self._builder.custom)

    def analyse(self) -> None:
        """Infer types and shapes; see `pysofie.load` for the errors."""
        self.graph.analyse()
        self._builder.refuse_unknown_dims(self.graph.measured)
        if self._complaint:
            raise InvalidModelError(self._complaint)


def build(source: Source) -> Model:
    """Hand a model to the core and analyse it.

    Raises
    ------
    InvalidModelError, UnsupportedError, ShapeError, Error
        As `pysofie.load`.
    """
    draft = draft_of(source)
    draft.analyse()
    graph = draft.graph
    return Model(
        name=draft.name,
        inputs=tuple(Tensor(n, dtype, tuple(shape)) for n, dtype, shape in graph.inputs),
        outputs=tuple(Tensor(n, dtype, tuple(shape)) for n, dtype, shape in graph.outputs),
        metadata=_metadata(draft.proto),
        graph=graph,
        source=source,
        custom=draft.custom,
    )


def draft_of(source: Source) -> Draft:
    """Hand a model to the core, which finds out when it is analysed whether it can be compiled.

    Raises
    ------
    InvalidModelError, ShapeError, Error
        As `pysofie.load`.
    """
    from pysofie import _core

    wanted = source.wanted()
    definitions = {(each.domain, each.name): each for each in source.definitions}
    operators = _registered() | set(definitions)
    proto = _write_out(wanted.proto, operators)
    builder = Builder(proto, source.dims, operators, definitions)
    name = _core.sanitize(source.name or proto.graph.name or "model")
    graph = builder.graph(proto.graph, name)
    graph.keep(builder.custom)
    return Draft(name, proto, graph, builder, wanted.complaint)


def subgraph(source: GraphProto, imports: Mapping[str, int]) -> Graph:
    """Hand a graph to the core that becomes part of another one.

    Parameters
    ----------
    source : onnx.GraphProto
        The types of its inputs come from where it is used.
    imports : dict of str to int
        The opsets of its domains.
    """
    opsets = [onnx.helper.make_opsetid(domain, version) for domain, version in imports.items()]
    operators = _registered()
    proto = _write_out(onnx.helper.make_model(source, opset_imports=opsets), operators)
    return Builder(proto, {}, operators).graph(proto.graph, source.name, is_subgraph=True)


def _registered() -> Operators:
    from pysofie import _core

    return {(domain, operator) for domain, operator, _ in _core.operators()}


def _metadata(proto: ModelProto) -> dict[str, str]:
    fields = {
        "producer": f"{proto.producer_name} {proto.producer_version}".strip(),
        "domain": proto.domain,
        "description": proto.doc_string,
    }
    stated = {key: value for key, value in fields.items() if value} | _classes(proto)
    return stated | {entry.key: entry.value for entry in proto.metadata_props}


def _classes(proto: ModelProto) -> dict[str, str]:
    """The labels of a classifier's classes, in the order of their scores, as a JSON list."""
    for node in proto.graph.node:
        for attribute in node.attribute:
            labels = [*attribute.ints, *(label.decode(errors="replace") for label in attribute.strings)]
            if attribute.name.startswith("classlabels_") and labels:
                return {"classes": json.dumps(labels)}
    return {}


# --- checks -----------------------------------------------------------------------------------------------


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


# What onnxruntime's optimiser writes into ONNX's domain, which does not have it.
_ONNXRUNTIME = "com.microsoft"
_MISPLACED = {"SimplifiedLayerNormalization"}


def _find_home(proto: ModelProto) -> None:
    """Give operators that stand in ONNX's domain by mistake the domain of onnxruntime."""
    nodes = [node for graph in (proto.graph, *subgraphs(proto.graph.node)) for node in graph.node]
    misplaced = [node for node in nodes if node.op_type in _MISPLACED and not _domain(node)]
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


def _write_out(proto: ModelProto, operators: Operators) -> ModelProto:
    """Replace operators that the core lacks by the simpler ones that ONNX defines them with."""
    while True:
        unknown = _unknown(proto, operators)
        if not unknown:
            return proto
        try:
            written = _inlined(proto, sorted(unknown))
            onnx.checker.check_model(written)
        except (RuntimeError, onnx.checker.ValidationError):
            # ONNX cannot write out all of its definitions; the core then reports the operators themselves.
            return proto
        if _unknown(written, operators) == unknown:
            return proto
        proto = written


def _unknown(proto: ModelProto, operators: Operators) -> set[tuple[str, str]]:
    """The operators, subgraphs included, that the core lacks."""
    nodes = [node for graph in (proto.graph, *subgraphs(proto.graph.node)) for node in graph.node]
    return {(_domain(node), node.op_type) for node in nodes if not _is_known(node, operators)}


def _inlined(proto: ModelProto, names: list[tuple[str, str]]) -> ModelProto:
    """Write out operators by ONNX's own definitions.

    ONNX asks for the types of all inputs of a node: of constants too, and of those that are left out, which
    have the empty name.
    """
    typed = ModelProto()
    typed.CopyFrom(proto)
    constants = {tensor.name: tensor.data_type for tensor in proto.graph.initializer}
    for name, data_type in {"": TensorProto.UNDEFINED, **constants}.items():
        typed.graph.value_info.add(name=name).type.tensor_type.elem_type = data_type
    written = onnx.inliner.inline_selected_functions(typed, names, inline_schema_functions=True)
    known = [value for value in written.graph.value_info if value.name and value.name not in constants]
    del written.graph.value_info[:]
    written.graph.value_info.extend(known)
    return written


# --- to the core ------------------------------------------------------------------------------------------


class Builder:
    """Writes the graph of an ONNX model into a graph of the core."""

    def __init__(
        self,
        proto: ModelProto,
        dims: Mapping[str, Any],
        operators: Operators,
        definitions: Mapping[tuple[str, str], Definition] | None = None,
    ) -> None:
        self.opsets = {entry.domain: entry.version for entry in proto.opset_import}
        self.operators = operators
        self.definitions = definitions or {}
        self.custom: list[Application] = []
        self.dims = dims
        self.nesting = 0
        self.symbols: list[str] = []
        self.taken = {
            dim.dim_param for value in proto.graph.input for dim in value.type.tensor_type.shape.dim
        }

    def graph(self, source: GraphProto, name: str, is_subgraph: bool = False) -> Graph:
        from pysofie import _core

        graph = _core.Graph(name, self.opsets, is_subgraph)
        for symbol, value in self.dims.items():
            if not isinstance(value, list):
                graph.set_bounds(symbol, *(value if isinstance(value, tuple) else (0, value)))
        constants = [*source.initializer, *map(densify, source.sparse_initializer)]
        names = [tensor.name for tensor in constants]
        # Before IR version 4 a constant had to be listed among the inputs too.
        inputs = [value for value in source.input if value.name not in set(names)]
        self._refuse_duplicates([*names, *(value.name for value in inputs)])
        for value in inputs:
            if is_subgraph:
                graph.add_parameter(value.name)
                continue
            with self._refused_at(graph, value.name):
                self._input(graph, value.name, value.type)
        for tensor in constants:
            self._initializer(graph, tensor.name, tensor)
        for node in source.node:
            self._node(graph, node)
        for value in source.output:
            graph.add_output(value.name)
        return graph

    @staticmethod
    @contextmanager
    def _refused_at(graph: Graph, name: str) -> Iterator[None]:
        """Let the analysis report a value that is not supported, with all else that is not."""
        try:
            yield
        except UnsupportedError as error:
            graph.add_refused(name, str(error))

    def _initializer(self, graph: Graph, name: str, tensor: TensorProto) -> None:
        with self._refused_at(graph, name):
            graph.add_initializer(name, *unpack(tensor))

    def refuse_unknown_dims(self, measured: list[str]) -> None:
        """Refuse values and bounds of symbols that neither the inputs have nor the data decide."""
        known = dict.fromkeys([*self.symbols, *measured])
        unknown = sorted(set(self.dims) - set(known))
        if unknown:
            raise ShapeError(
                f"dims names {', '.join(map(repr, unknown))}; the dynamic dims of this model are "
                f"{', '.join(map(repr, known)) or 'none'}"
            )

    @staticmethod
    def _refuse_duplicates(names: list[str]) -> None:
        seen: set[str] = set()
        for name in names:
            if name in seen:
                raise InvalidModelError(f"two inputs or constants are named {name!r}")
            seen.add(name)

    def _input(self, graph: Graph, name: str, kind: TypeProto) -> None:
        if kind.WhichOneof("value") == "optional_type":
            if self.dims.get(name) == 0:
                self.symbols.append(name)
                graph.add_absent_input(name)
                return
            kind = kind.optional_type.elem_type
        if kind.WhichOneof("value") == "sequence_type":
            graph.add_sequence_input(name, *self._sequence_type(name, kind.sequence_type.elem_type))
        else:
            graph.add_input(name, self._dtype(name, kind), self._shape(name, kind))

    def _sequence_type(self, name: str, element: TypeProto) -> tuple[str, list[list[int | str]]]:
        self.symbols.append(name)
        dtype = self._dtype(name, element)
        given = self.dims.get(name)
        if isinstance(given, list):
            self.symbols += [dim for shape in given for dim in shape if isinstance(dim, str)]
            return dtype, [list(shape) for shape in given]
        if not isinstance(given, int):
            raise UnsupportedError(
                f"input {name!r} is a sequence; say how many tensors it has by dims={{{name!r}: 3}}, or give "
                f"their shapes, dims={{{name!r}: [(4,), (3,)]}}"
            )
        return dtype, [self._shape(f"{name}[{i}]", element, own_symbols=True) for i in range(given)]

    @staticmethod
    def _dtype(name: str, kind: TypeProto) -> str:
        if kind.WhichOneof("value") != "tensor_type":
            raise UnsupportedError(f"input {name!r} is a {kind.WhichOneof('value')}; only tensors are taken")
        dtype = dtype_name(kind.tensor_type.elem_type)
        if dtype == "string":
            raise UnsupportedError(f"input {name!r} holds strings; encode them before the model")
        return dtype

    def _shape(self, name: str, kind: TypeProto, *, own_symbols: bool = False) -> list[int | str]:
        """The dims of a tensor. With `own_symbols` their names are not those of any other tensor."""
        if not kind.tensor_type.HasField("shape"):
            raise UnsupportedError(
                f"input {name!r} does not say how many dims it has; write its shape into the file, "
                "for example with onnx.tools.update_model_dims"
            )
        dims = kind.tensor_type.shape.dim
        checked_dims([dim.dim_value for dim in dims if dim.HasField("dim_value")], name)
        symbols = ["" if own_symbols else str(dim.dim_param) for dim in dims]
        return [
            int(dim.dim_value) if dim.HasField("dim_value") else self._symbol(name, axis, symbol)
            for axis, (dim, symbol) in enumerate(zip(dims, symbols, strict=True))
        ]

    def _symbol(self, name: str, axis: int, symbol: str) -> int | str:
        symbol = symbol or self._fresh(f"{name}_dim{axis}")
        self.symbols.append(symbol)
        value = self.dims.get(symbol)
        return value if isinstance(value, int) else symbol

    def _fresh(self, wish: str) -> str:
        symbol = wish
        while symbol in self.taken:
            symbol += "_"
        self.taken.add(symbol)
        return symbol

    def _node(self, graph: Graph, node: NodeProto) -> None:
        if _is_constant(node):
            with self._refused_at(graph, node.output[0]):
                self._initializer(graph, node.output[0], _constant(node))
            return
        definition = self.definitions.get((_domain(node), node.op_type))
        if definition is not None:
            self._custom(graph, node, definition)
            return
        # The core only reports an operator that it does not know: what its attributes are is no matter.
        read = [a for a in node.attribute if a.type != AttributeProto.TYPE_PROTO]  # types are inferred
        if not _is_known(node, self.operators):
            read = []
        attributes: dict[str, Any] = {}
        refusal = ""
        try:
            attributes = {attribute.name: self._attribute(node, attribute) for attribute in read}
        except UnsupportedError as error:
            refusal = str(error)
        graph.add_node(
            node.op_type, _domain(node), node.name, list(node.input), list(node.output), attributes, refusal
        )

    def _custom(self, graph: Graph, node: NodeProto, definition: Definition) -> None:
        from pysofie.custom.application import Application

        self.custom.append(Application.of(node, definition, subgraph))
        inputs, outputs = list(node.input), list(node.output)
        graph.add_node(node.op_type, node.domain, node.name, inputs, outputs, {}, "", self.custom[-1])

    def _attribute(self, node: NodeProto, attribute: AttributeProto) -> Any:
        if attribute.type != AttributeProto.GRAPH:
            return _attribute(node, attribute)
        if self.nesting == _MAX_NESTING:
            raise UnsupportedError(f"node {node.name!r}: subgraphs are nested more than {_MAX_NESTING} deep")
        self.nesting += 1
        try:
            return self.graph(attribute.g, attribute.g.name, is_subgraph=True)
        finally:
            self.nesting -= 1


def _domain(node: NodeProto) -> str:
    return "" if node.domain == "ai.onnx" else str(node.domain)


def _is_known(node: NodeProto, operators: Operators) -> bool:
    return _is_constant(node) or (_domain(node), node.op_type) in operators


def _is_constant(node: NodeProto) -> bool:
    return node.op_type == "Constant" and _domain(node) == ""


def _attribute(node: NodeProto, attribute: AttributeProto) -> Any:
    if attribute.type in _SCALARS:
        return getattr(attribute, _SCALARS[attribute.type])
    if attribute.type in _LISTS:
        return list(getattr(attribute, _LISTS[attribute.type]))
    if attribute.type == AttributeProto.TENSOR:
        return ("tensor", *unpack(attribute.t))
    kind = AttributeProto.AttributeType.Name(attribute.type)
    raise UnsupportedError(
        f"node {node.name!r} ({node.op_type}): attribute {attribute.name!r} of kind {kind} is not taken"
    )


def _constant(node: NodeProto) -> TensorProto:
    """The value of a Constant node, in whichever of its attributes it lies."""
    attribute = node.attribute[0]
    name = node.output[0]
    if attribute.name == "sparse_value":
        attribute.sparse_tensor.values.name = name
        return densify(attribute.sparse_tensor)
    if attribute.name == "value":
        tensor = TensorProto()
        tensor.CopyFrom(attribute.t)
        tensor.name = name
        return tensor
    if attribute.name in ("value_float", "value_int"):
        value = onnx.helper.get_attribute_value(attribute)
        kind = TensorProto.FLOAT if attribute.name == "value_float" else TensorProto.INT64
        return onnx.helper.make_tensor(name, kind, [], [value])
    if attribute.name in ("value_floats", "value_ints"):
        values = onnx.helper.get_attribute_value(attribute)
        kind = TensorProto.FLOAT if attribute.name == "value_floats" else TensorProto.INT64
        return onnx.helper.make_tensor(name, kind, [len(values)], values)
    raise UnsupportedError(f"node {node.name!r} (Constant): {attribute.name} is not taken")
