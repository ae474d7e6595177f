"""The order of nodes: ONNX wants them sorted, but some tools append them as they make them."""

from __future__ import annotations

import heapq
from collections.abc import Sequence

from onnx import GraphProto, NodeProto


def sort_nodes(graph: GraphProto) -> None:
    """Sort the nodes of a graph and of its subgraphs, so that each follows those whose results it reads.

    Otherwise the order stays. A cycle stays too: ONNX's checker reports it.
    """
    for node in graph.node:
        for subgraph in _subgraphs(node):
            sort_nodes(subgraph)
    order = _order(graph.node)
    if order != sorted(order) and len(order) == len(graph.node):
        nodes = [graph.node[position] for position in order]
        del graph.node[:]
        graph.node.extend(nodes)


def _order(nodes: Sequence[NodeProto]) -> list[int]:
    """The positions of the nodes in the order of execution, without those of a cycle (A. Kahn, 1962)."""
    producers = {name: i for i, node in enumerate(nodes) for name in node.output if name}
    sources = [{producers[name] for name in _reads(node) if name in producers} for node in nodes]
    readers: list[list[int]] = [[] for _ in nodes]
    for i, needed in enumerate(sources):
        for source in needed:
            readers[source].append(i)
    missing = [len(needed) for needed in sources]
    ready = [i for i, count in enumerate(missing) if count == 0]
    order = []
    while ready:
        order.append(heapq.heappop(ready))
        for reader in readers[order[-1]]:
            missing[reader] -= 1
            if missing[reader] == 0:
                heapq.heappush(ready, reader)
    return order


def _reads(node: NodeProto) -> set[str]:
    """The names that a node reads, those that its subgraphs take from around them included."""
    names = set(node.input)
    for subgraph in _subgraphs(node):
        names.update(value.name for value in subgraph.output)
        for inner in subgraph.node:
            names |= _reads(inner)
    return names


def _subgraphs(node: NodeProto) -> list[GraphProto]:
    return [
        graph
        for attribute in node.attribute
        for graph in ([attribute.g] if attribute.HasField("g") else attribute.graphs)
    ]
