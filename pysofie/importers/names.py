"""The names of the values in a graph: which there are, and others in their place."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from onnx import GraphProto

from pysofie.importers.order import subgraphs


def value_names(graph: GraphProto) -> set[str]:
    """The names of all values, those that only exist in subgraphs included."""
    names = set()
    for each in (graph, *subgraphs(graph.node)):
        names |= {value.name for value in each.input}
        names |= constant_names(each)
        names |= {name for node in each.node for name in node.output if name}
    return names


def constant_names(graph: GraphProto) -> set[str]:
    """The names of the initializers of a graph, sparse ones included."""
    return {t.name for t in graph.initializer} | {t.values.name for t in graph.sparse_initializer}


def rename(graph: GraphProto, names: Mapping[str, str]) -> None:
    """Give values other names, in subgraphs too, where none of ONNX's names hides another.

    Parameters
    ----------
    graph : onnx.GraphProto
        Changed in place.
    names : dict of str to str
        New names by old ones; values that are left out keep theirs.
    """
    for each in (graph, *subgraphs(graph.node)):
        for node in each.node:
            _replace(node.input, names)
            _replace(node.output, names)
        for value in (*each.input, *each.output, *each.value_info, *each.initializer):
            value.name = names.get(value.name, value.name)
        for sparse in each.sparse_initializer:
            sparse.values.name = names.get(sparse.values.name, sparse.values.name)


def _replace(listed: Any, names: Mapping[str, str]) -> None:
    for i, name in enumerate(listed):
        if name in names:
            listed[i] = names[name]


def fresh(wish: str, taken: Collection[str]) -> str:
    """A name that is not taken: the one wished for, or one like it."""
    name, count = wish, 2
    while name in taken:
        name, count = f"{wish}_{count}", count + 1
    return name


def like(names: Iterable[str], known: Collection[str]) -> list[str]:
    """Which of the known names somebody may have meant."""
    meant = [match for name in names for match in difflib.get_close_matches(name, known, n=3)]
    return list(dict.fromkeys(meant))
