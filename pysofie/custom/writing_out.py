"""Models with users' operators written out as what they are composed of, for those who do not know them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from onnx import ModelProto, NodeProto, TensorProto, helper

from pysofie.errors import Error
from pysofie.importers.order import subgraphs

if TYPE_CHECKING:
    from pysofie.custom.application import Application
    from pysofie.importers.source import Source


def written_out(source: Source) -> bytes:
    """The model that the outputs wanted need, serialised, with ONNX's operators in place of compositions.

    Raises
    ------
    Error
        An operator is C++ text, or is composed differently for different sizes in a loop.
    """
    custom = source.load().custom if source.definitions else ()
    if not custom:
        return source.wanted_content()
    proto = ModelProto()
    proto.CopyFrom(source.wanted().proto)
    applications = {application.outputs: application for application in custom}
    imports = {entry.domain: entry.version for entry in proto.opset_import}
    for graph in [proto.graph, *subgraphs(proto.graph.node)]:
        nodes = [part for node in graph.node for part in _written(node, applications, imports)]
        del graph.node[:]
        graph.node.extend(nodes)
    del proto.opset_import[:]
    proto.opset_import.extend(helper.make_opsetid(*entry) for entry in imports.items())
    content: bytes = proto.SerializeToString(deterministic=True)
    return content


def _written(
    node: NodeProto, applications: Mapping[tuple[str, ...], Application], imports: dict[str, int]
) -> Iterator[NodeProto]:
    application = applications.get(tuple(node.output))
    if application is None:
        yield node
        return
    what = f"node {node.name!r}: the operator {application.definition}"
    traces = [answer.trace for answer in application.answers.values()]
    if any(trace is None for trace in traces):
        raise Error(f"{what} is C++ text, which nothing but generated code can run")
    trace = traces[0] if len({answer.text for answer in application.answers.values()}) == 1 else None
    if trace is None or imports.get("", trace.recorder.opset) != trace.recorder.opset:
        raise Error(f"{what} cannot be written out as one list of nodes of the model's opset")
    imports |= trace.recorder.imports
    present = [name for name in node.input if name]
    names = dict(zip((tensor.name for tensor in trace.inputs), present, strict=True))
    names |= dict(zip((tensor.name for tensor in trace.outputs), node.output, strict=False))
    for tensor in trace.recorder.constants:
        value = TensorProto()
        value.CopyFrom(tensor)
        yield helper.make_node("Constant", [], [tensor.name], value=value)
    for each in trace.recorder.nodes:
        part = NodeProto()
        part.CopyFrom(each)
        part.name = each.output[0]  # as the whole operator is, for messages of ours
        part.input[:] = [names.get(name, name) for name in each.input]
        part.output[:] = [names.get(name, name) for name in each.output]
        yield part
