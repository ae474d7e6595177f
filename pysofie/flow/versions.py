"""Operator sets of models that become one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import onnx
import onnx.defs
import onnx.version_converter
from onnx import ModelProto, NodeProto

from pysofie.errors import UnsupportedError
from pysofie.importers.nodes import domain_of
from pysofie.importers.order import subgraphs


def agree(protos: Sequence[ModelProto], least: int = 1) -> tuple[list[ModelProto], dict[str, int]]:
    """Write models for the same versions of operator sets.

    Parameters
    ----------
    protos : sequence of onnx.ModelProto
        Models without local functions.
    least : int
        The least version of ONNX's own operators.

    Returns
    -------
    list of onnx.ModelProto
        The models, converted where an operator has changed.
    dict of str to int
        The version of each domain.

    Raises
    ------
    UnsupportedError
        ONNX cannot convert a model.
    """
    stated = any("" in _versions(proto) for proto in protos)
    newest = {"": least if stated else max(least, onnx.defs.onnx_opset_version())}
    for proto in protos:
        for domain, version in _versions(proto).items():
            newest[domain] = max(version, newest.get(domain, 0))
    return [_written_for(proto, newest) for proto in protos], newest


def _versions(proto: ModelProto) -> dict[str, int]:
    return {domain_of(entry): entry.version for entry in proto.opset_import}


def _written_for(proto: ModelProto, newest: dict[str, int]) -> ModelProto:
    changed = _changed(proto, newest)
    if not changed:
        return proto
    wanted = ", ".join(f"{newest[domain_of(n)]} of {n.domain or 'ai.onnx'}" for n in changed[:1])
    refusal = (
        f"the model {proto.graph.name!r} cannot be written for version {wanted}, which another one needs, "
        f"because of its {', '.join(sorted({node.op_type for node in changed}))}; export the models with the "
        "same operator sets"
    )
    if any(domain_of(node) for node in changed):
        raise UnsupportedError(refusal)
    try:
        converted: ModelProto = onnx.version_converter.convert_version(proto, newest[""])
    except (onnx.version_converter.ConvertError, RuntimeError) as error:
        raise UnsupportedError(f"{refusal}: {error}") from error
    # The converter passes over subgraphs.
    if any(_has_changed(node, proto, newest) for node in _inner_nodes(proto)):
        raise UnsupportedError(refusal)
    return converted


def _changed(proto: ModelProto, newest: dict[str, int]) -> list[NodeProto]:
    """The nodes whose operators mean something else, or are not there, in the newest versions."""
    nodes = [*proto.graph.node, *_inner_nodes(proto)]
    return [node for node in nodes if _has_changed(node, proto, newest)]


def _inner_nodes(proto: ModelProto) -> Iterator[NodeProto]:
    return (node for graph in subgraphs(proto.graph.node) for node in graph.node)


def _has_changed(node: NodeProto, proto: ModelProto, newest: dict[str, int]) -> bool:
    domain = domain_of(node)
    version = _versions(proto)[domain]
    if version == newest[domain]:
        return False
    try:
        old, new = (
            onnx.defs.get_schema(node.op_type, max_inclusive_version=v, domain=domain)
            for v in (version, newest[domain])
        )
    except onnx.defs.SchemaError:  # of others than ONNX nothing is known
        return True
    return bool(old.since_version != new.since_version or new.deprecated)
