"""What nodes read, and their order, which follows: some tools append nodes as they make them."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from typing import Any

from onnx import GraphProto, NodeProto


def sort_nodes(graph: GraphProto) -> None:
    """Sort the nodes of a graph and of its subgraphs, so that each follows those whose results it reads.

    Otherwise the order stays. A cycle stays too: ONNX's checker reports it.
    """
    # From the inside out: a graph that is sorted gets copies of its nodes.
    for each in (*reversed(list(subgraphs(graph.node))), graph):
        order = _order(each.node)
        if order != sorted(order) and len(order) == len(each.node):
            nodes = [each.node[position] for position in order]
            del each.node[:]
            each.node.extend(nodes)


def subgraphs(nodes: Any) -> Iterator[GraphProto]:
    """The subgraphs of nodes, and those inside of them."""
    for node in nodes:
        for attribute in node.attribute:
            for graph in (attribute.g,) if attribute.HasField("g") else attribute.graphs:
                yield graph
                yield from subgraphs(graph.node)


def reads(node: NodeProto) -> set[str]:
    """The names that a node reads, those that its subgraphs take from around them included."""
    inner = list(subgraphs([node]))
    names = {name for each in (node, *(n for graph in inner for n in graph.node)) for name in each.input}
    return names | {value.name for graph in inner for value in graph.output}


def _order(nodes: Sequence[NodeProto]) -> list[int]:
    """The positions of the nodes in the order of execution, without those of a cycle (A. Kahn, 1962)."""
    producers = {name: i for i, node in enumerate(nodes) for name in node.output if name}
    sources = [{producers[name] for name in reads(node) if name in producers} for node in nodes]
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
