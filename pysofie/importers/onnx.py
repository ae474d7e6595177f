"""ONNX models, handed to the core and analysed there."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from onnx import ModelProto

from pysofie.errors import InvalidModelError
from pysofie.importers.graph_builder import GraphBuilder
from pysofie.importers.schema_functions import registered, write_out
from pysofie.model import Model, Tensor

if TYPE_CHECKING:
    from pysofie._core import Graph
    from pysofie.custom.application import Application
    from pysofie.importers.source import Source


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
    _builder: GraphBuilder
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
    operators = registered() | set(definitions)
    proto = write_out(wanted.proto, operators)
    builder = GraphBuilder(proto, source.dims, operators, definitions)
    name = _core.sanitize(source.name or proto.graph.name or "model")
    graph = builder.graph(proto.graph, name)
    graph.keep(builder.custom)
    return Draft(name, proto, graph, builder, wanted.complaint)


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
