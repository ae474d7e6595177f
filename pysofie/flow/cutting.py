"""Parts of models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pysofie.errors import Error, UnsupportedError
from pysofie.flow import derived
from pysofie.importers import part
from pysofie.importers.names import constant_names, rename
from pysofie.importers.order import reads
from pysofie.model import FEATURE_KEYS

if TYPE_CHECKING:
    from onnx import ModelProto, ValueInfoProto

    from pysofie.importers import Source
    from pysofie.model import Model


def cut(
    source: Source, inputs: Sequence[str] | None, outputs: Sequence[str] | None, name: str | None
) -> Model:
    """See `pysofie.cut`."""
    checked = source.proto()
    wanted = source.outputs if outputs is None else list(outputs)
    proto = checked.part(wanted).proto if inputs is None else _between(source, inputs, wanted)
    chosen = name or source.name or proto.graph.name or "model"
    return derived.load(proto, chosen, source.dims, [source])


def _between(source: Source, inputs: Sequence[str], outputs: Sequence[str] | None) -> ModelProto:
    """What leads from the inputs to the outputs."""
    checked = source.proto()
    graph = checked.proto.graph
    places = {name: part.resolve(graph, name, checked.inner_names, "inputs") for name in inputs}
    own = {value.name: value for value in graph.input if value.name not in constant_names(graph)}
    types = {place: own[place] for place in places.values() if place in own}
    types |= _inner_types(source, [place for place in places.values() if place not in own])
    proto: ModelProto = checked.part(outputs, [types[place] for place in places.values()]).proto
    _require_all(proto, places)
    rename(proto.graph, {place: name for name, place in places.items() if place != name})
    if not own.keys() >= set(inputs):  # the features are what went into the model
        kept = [entry for entry in proto.metadata_props if entry.key not in FEATURE_KEYS]
        del proto.metadata_props[:]
        proto.metadata_props.extend(kept)
    return proto


def _require_all(proto: ModelProto, places: dict[str, str]) -> None:
    graph = proto.graph
    wanted = ", ".join(repr(value.name) for value in graph.output)
    given = {*places.values(), *constant_names(graph)}
    missing = [value.name for value in graph.input if value.name not in given]
    if missing:
        raise Error(
            f"inputs: {wanted} cannot be computed from {', '.join(map(repr, places)) or 'nothing'} alone; "
            f"name {', '.join(map(repr, missing))}, too"
        )
    read = {name for node in graph.node for name in reads(node)} | {value.name for value in graph.output}
    idle = [name for name, place in places.items() if place not in read]
    if idle:
        raise Error(f"inputs names {', '.join(map(repr, idle))}, which {wanted} does not depend on")


def _inner_types(source: Source, names: Sequence[str]) -> dict[str, ValueInfoProto]:
    """The dtypes and shapes of tensors that are no inputs, as the compiler finds them."""
    if not names:
        return {}
    try:
        model = source.wanting(names).load()
    except UnsupportedError as error:
        # What cannot be compiled may be cut away: then what the file says has to do.
        stated = part.stated(source.proto().proto, names)
        types = {value.name: value.type.tensor_type for value in stated}
        unknown = [n for n, t in types.items() if not (t.elem_type and t.HasField("shape"))]
        if unknown:
            raise UnsupportedError(
                f"the shape of {', '.join(map(repr, unknown))} is not known, because {error}"
            ) from error
        return {value.name: value for value in stated}
    tensors = {tensor.name: derived.tensor_info(tensor.name, tensor) for tensor in model.outputs}
    if tensors.keys() != set(names):
        raise Error(f"inputs: {', '.join(repr(n) for n in names if n not in tensors)} is no tensor")
    return tensors
