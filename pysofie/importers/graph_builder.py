"""ONNX graphs written into graphs of the core."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import onnx
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto

from pysofie.errors import InvalidModelError, ShapeError, UnsupportedError
from pysofie.importers.nodes import attribute_value, constant_value, domain_of, is_constant
from pysofie.importers.schema_functions import Operators, is_known, registered, write_out
from pysofie.importers.tensors import checked_dims, densify, dtype_name, unpack

if TYPE_CHECKING:
    from onnx import TypeProto

    from pysofie._core import Graph
    from pysofie.custom import Definition
    from pysofie.custom.application import Application

# Subgraphs of subgraphs: each is analysed once for every analysis of the graph around it, and to lower it.
_MAX_NESTING = 8


class GraphBuilder:
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
        if is_constant(node):
            with self._refused_at(graph, node.output[0]):
                self._initializer(graph, node.output[0], constant_value(node))
            return
        definition = self.definitions.get((domain_of(node), node.op_type))
        if definition is not None:
            self._custom(graph, node, definition)
            return
        # The core only reports an operator that it does not know: what its attributes are is no matter.
        read = [a for a in node.attribute if a.type != AttributeProto.TYPE_PROTO]  # types are inferred
        if not is_known(node, self.operators):
            read = []
        attributes: dict[str, Any] = {}
        refusal = ""
        try:
            attributes = {attribute.name: self._attribute(node, attribute) for attribute in read}
        except UnsupportedError as error:
            refusal = str(error)
        graph.add_node(
            node.op_type, domain_of(node), node.name, list(node.input), list(node.output), attributes, refusal
        )

    def _custom(self, graph: Graph, node: NodeProto, definition: Definition) -> None:
        from pysofie.custom.application import Application

        self.custom.append(Application.of(node, definition, subgraph))
        inputs, outputs = list(node.input), list(node.output)
        graph.add_node(node.op_type, node.domain, node.name, inputs, outputs, {}, "", self.custom[-1])

    def _attribute(self, node: NodeProto, attribute: AttributeProto) -> Any:
        if attribute.type != AttributeProto.GRAPH:
            return attribute_value(node, attribute)
        if self.nesting == _MAX_NESTING:
            raise UnsupportedError(f"node {node.name!r}: subgraphs are nested more than {_MAX_NESTING} deep")
        self.nesting += 1
        try:
            return self.graph(attribute.g, attribute.g.name, is_subgraph=True)
        finally:
            self.nesting -= 1


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
    operators = registered()
    proto = write_out(onnx.helper.make_model(source, opset_imports=opsets), operators)
    return GraphBuilder(proto, {}, operators).graph(proto.graph, source.name, is_subgraph=True)
