"""Local functions: refused where they would not end, else written out, and what their values were called."""

from __future__ import annotations

import json
from typing import Any

import onnx
import onnx.inliner
from onnx import GraphProto, ModelProto, NodeProto

from pysofie.errors import InvalidModelError
from pysofie.importers.order import subgraphs

# More nodes than any network has; local functions that call each other can ask for exponentially many.
_MAX_NODES = 1_000_000
# Where a node says what its outputs are called in the function that it stands in: nodes keep their metadata
# when they are written out, and their values get other names.
_KEY = "pysofie.outputs"


def write_out(proto: ModelProto) -> tuple[ModelProto, dict[str, list[str]]]:
    """Replace calls of local functions by their nodes.

    Returns
    -------
    onnx.ModelProto
        The model without functions.
    dict of str to list of str
        By the name that a value has in a function, its names in the model: one for each call.
    """
    if not proto.functions:
        return proto, {}
    _forget(proto.graph)  # what a file says under this key was not written here
    for node in (node for function in proto.functions for node in function.node):
        _forget_node(node)
        node.metadata_props.add(key=_KEY, value=json.dumps(list(node.output)))
    written = onnx.inliner.inline_local_functions(proto)
    inner: dict[str, list[str]] = {}
    for node in written.graph.node:
        for entry in (entry for entry in node.metadata_props if entry.key == _KEY):
            for name, now in zip(json.loads(entry.value), node.output, strict=False):
                if name and now:
                    inner.setdefault(name, []).append(now)
    _forget(written.graph)
    return written, inner


def _forget(graph: GraphProto) -> None:
    for each in (graph, *subgraphs(graph.node)):
        for node in each.node:
            _forget_node(node)


def _forget_node(node: NodeProto) -> None:
    for entry in [entry for entry in node.metadata_props if entry.key == _KEY]:
        node.metadata_props.remove(entry)


def refuse_explosion(proto: ModelProto) -> None:
    """Refuse local functions that call themselves, or that would be written out without end."""
    functions = {(f.domain, f.name): f for f in proto.functions}
    sizes: dict[tuple[str, str], int] = {}
    open_calls: set[tuple[str, str]] = set()

    def size_of_nodes(nodes: Any) -> int:
        total = 0
        for node in (*nodes, *(node for graph in subgraphs(nodes) for node in graph.node)):
            key = (node.domain, node.op_type)
            total += size_of_function(key) if key in functions else 1
        return total

    def size_of_function(key: tuple[str, str]) -> int:
        if key in open_calls:
            raise InvalidModelError(f"the local function {key[1]!r} calls itself")
        if key not in sizes:
            open_calls.add(key)
            sizes[key] = size_of_nodes(functions[key].node)
            open_calls.discard(key)
        return sizes[key]

    size = size_of_nodes(proto.graph.node)
    if size > _MAX_NODES:
        raise InvalidModelError(f"with its local functions written out the model has {size} nodes")
