"""Operators that the core lacks, written out as the simpler ones that ONNX defines them with."""

from __future__ import annotations

from typing import TypeAlias

import onnx
import onnx.checker
import onnx.inliner
from onnx import ModelProto, NodeProto, TensorProto

from pysofie.importers.nodes import domain_of, is_constant
from pysofie.importers.order import subgraphs

Operators: TypeAlias = set[tuple[str, str]]


def registered() -> Operators:
    """The operators of the core: domains and names."""
    from pysofie import _core

    return {(domain, operator) for domain, operator, _ in _core.operators()}


def is_known(node: NodeProto, operators: Operators) -> bool:
    """Whether the core can be given the node; it is not asked for constants."""
    return is_constant(node) or (domain_of(node), node.op_type) in operators


def write_out(proto: ModelProto, operators: Operators) -> ModelProto:
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


def _unknown(proto: ModelProto, operators: Operators) -> Operators:
    """The operators, subgraphs included, that the core lacks."""
    nodes = [node for graph in (proto.graph, *subgraphs(proto.graph.node)) for node in graph.node]
    return {(domain_of(node), node.op_type) for node in nodes if not is_known(node, operators)}


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
