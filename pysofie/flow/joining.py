"""Models one behind the other, and side by side."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import GraphProto, ModelProto, ValueInfoProto, numpy_helper

from pysofie.errors import Error
from pysofie.flow import derived, versions
from pysofie.flow.symbols import Symbols
from pysofie.importers import part
from pysofie.importers.names import constant_names, fresh, rename, value_names
from pysofie.importers.nodes import domain_of
from pysofie.importers.order import subgraphs
from pysofie.model import FEATURE_KEYS, Model, Tensor

if TYPE_CHECKING:
    from collections.abc import Iterable

#: What is averaged; labels and counts are not.
_AVERAGED = ("float16", "bfloat16", "float32", "float64")

Links = Mapping[str, str] | Sequence[Mapping[str, str] | None] | None


def chain(models: Sequence[Model], connect: Links, name: str | None) -> Model:
    """See `pysofie.chain`."""
    if len(models) < 2:
        raise Error(f"chain takes two models or more, not {len(models)}")
    links = [connect] if isinstance(connect, Mapping) or connect is None else list(connect)
    if connect is None:
        links *= len(models) - 1
    if len(links) != len(models) - 1:
        raise Error(f"connect: {len(models)} models have {len(models) - 1} links, it is for {len(links)}")
    whole = models[0]
    for second, connection in zip(models[1:], links, strict=True):
        seam = Seam(_links(whole, second, connection))
        whole = link(whole, second, seam, f"{whole.name}_{second.name}")
    if name is None:
        return whole
    return derived.load(_proto(whole), name, whole.source.dims, [whole.source])


def average(models: Sequence[Model], weights: Sequence[float] | None, name: str | None) -> Model:
    """See `pysofie.average`."""
    if not models:
        raise Error("average takes at least one model")
    shares = _shares(len(models), weights)
    symbols = Symbols(models)
    first = models[0]
    for k, model in enumerate(models):
        _require_alike(first, model)
        for role in ("inputs", "outputs"):
            theirs = {tensor.name: tensor for tensor in getattr(model, role)}
            for tensor in getattr(first, role):
                what = f"average: the {role} of {first.name} and {model.name}"
                symbols.meet(0, tensor, k, theirs[tensor.name], what)
    # From version 7 on, arithmetic broadcasts.
    protos, opsets = versions.agree([_proto(model) for model in models], least=7)
    interface = [tensor.name for tensor in (*first.inputs, *first.outputs)]
    assembly = _Assembly(opsets, interface)
    parts: dict[str, list[str]] = {tensor.name: [] for tensor in first.outputs}
    for model, proto in zip(models, protos, strict=True):
        names = assembly.add(model.name, proto, {tensor.name: tensor.name for tensor in first.inputs})
        for output, found in parts.items():
            found.append(names[output])
    for tensor in first.outputs:
        if tensor.name not in {each.name for each in first.inputs}:
            assembly.average(tensor, parts[tensor.name], shares)
    inputs = [_input(symbols, 0, first, value) for value in _inputs(protos[0])]
    proto = assembly.model(inputs, [tensor.name for tensor in first.outputs])
    onnx.helper.set_model_props(proto, _metadata(first, first))
    origins = [model.source for model in models]
    return derived.load(proto, name or f"{first.name}_average", symbols.bounds(), origins)


# --- chains -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Seam:
    """How two models are joined.

    Attributes
    ----------
    links : dict of str to str
        By the inputs of the second model, the outputs of the first that they get.
    kept : sequence of str
        The outputs of the first model that are outputs of the whole.
    named : dict of str to str
        What outputs of the second model are called in the whole, if otherwise.
    """

    links: Mapping[str, str]
    kept: Collection[str] = ()
    named: Mapping[str, str] = field(default_factory=dict)


def link(first: Model, second: Model, seam: Seam, name: str) -> Model:
    """Put one model behind another."""
    symbols = _meetings(first, second, seam.links)
    protos, opsets = versions.agree([_proto(first), _proto(second)])
    rest = [value for value in _inputs(protos[1]) if value.name not in seam.links]
    inputs = {value.name: _input(symbols, 0, first, value) for value in _inputs(protos[0])}
    for value in rest:
        inputs.setdefault(value.name, _input(symbols, 1, second, value))
    results = _results(second, protos[1], inputs, seam.named)
    assembly = _Assembly(opsets, [*inputs, *results.values(), *seam.kept])
    own = [value.name for value in _inputs(protos[0])]
    names = assembly.add(first.name, protos[0], {name: name for name in (*own, *seam.kept)})
    fixed = {value.name: value.name for value in rest}
    fixed |= {name: names[output] for name, output in seam.links.items()}
    fixed |= {name: result for name, result in results.items() if name not in fixed}
    assembly.add(second.name, protos[1], fixed)
    for output, result in results.items():
        if fixed[output] != result:  # an input that is an output as it is
            assembly.alias(fixed[output], result)
    given = {*seam.kept, *results.values()}
    order = [value.name for value in protos[0].graph.output if value.name in given]
    order += [result for result in results.values() if result not in order]
    proto = assembly.model(list(inputs.values()), order)
    onnx.helper.set_model_props(proto, _metadata(first, second))
    return derived.load(proto, name, symbols.bounds(), [first.source, second.source])


def _meetings(first: Model, second: Model, links: Mapping[str, str]) -> Symbols:
    """The symbols of both, after all tensors that meet have done so."""
    symbols = Symbols((first, second))
    given, own = ({t.name: t for t in tensors} for tensors in (first.outputs, first.inputs))
    for tensor in second.inputs:
        theirs = f"input {tensor.name!r} of {second.name}"
        if tensor.name in links:
            output = given[links[tensor.name]]
            what = f"chain: output {output.name!r} of {first.name} and {theirs}"
            symbols.meet(0, output, 1, tensor, what)
        elif tensor.name in own:
            what = f"chain: input {tensor.name!r} of {first.name} and {theirs}"
            symbols.meet(0, own[tensor.name], 1, tensor, what)
    return symbols


def _results(
    model: Model, proto: ModelProto, inputs: Collection[str], named: Mapping[str, str]
) -> dict[str, str]:
    """What the outputs are called in the whole: an autoencoder's decoder gives what its encoder takes."""
    outputs = {value.name: named.get(value.name, value.name) for value in proto.graph.output}
    taken = {*inputs, *outputs.values()}
    return {
        name: fresh(f"{model.name}/{result}", taken) if result in inputs else result
        for name, result in outputs.items()
    }


def _links(first: Model, second: Model, connect: Mapping[str, str] | None) -> dict[str, str]:
    """Which output an input gets."""
    outputs, inputs = (tensor_names(first, "output"), tensor_names(second, "input"))
    theirs = f"{first.name} gives {_listed(first.outputs)}; {second.name} takes {_listed(second.inputs)}"
    if connect is not None:
        unknown = [name for name in connect if name not in outputs]
        unknown += [name for name in connect.values() if name not in inputs]
        if unknown or len(set(connect.values())) < len(connect) or not connect:
            what = f"names {', '.join(map(repr, unknown))}" if unknown else "names nothing, or an input twice"
            raise Error(f"connect {what}: {theirs}")
        return {name: output for output, name in connect.items()}
    same = {name: name for name in outputs if name in inputs}
    if same or (outputs and len(outputs) == len(inputs)):
        return same or dict(zip(inputs, outputs, strict=True))
    raise Error(f"chain: say what goes where by connect={{output: input}}: {theirs}")


def tensor_names(model: Model, role: str) -> list[str]:
    """The inputs or outputs that are tensors, and no sequences."""
    names = {value.name for value in getattr(_proto(model).graph, role)}
    return [tensor.name for tensor in getattr(model, f"{role}s") if tensor.name in names]


def _listed(tensors: Iterable[Tensor]) -> str:
    return ", ".join(map(str, tensors)) or "nothing"


def _metadata(first: Model, last: Model) -> dict[str, str]:
    """The features are those of the first model, the classes those of the last that has some."""
    ours, theirs = ({e.key: e.value for e in m.source.proto().proto.metadata_props} for m in (first, last))
    features = {key: text for key, text in ours.items() if key in FEATURE_KEYS}
    rest = {key: text for key, text in theirs.items() if key not in FEATURE_KEYS}
    classes = last.metadata.get("classes", first.metadata.get("classes"))
    return rest | features | ({} if classes is None else {"classes": classes})


# --- ensembles --------------------------------------------------------------------------------------------


def _require_alike(first: Model, model: Model) -> None:
    for role in ("inputs", "outputs"):
        ours, theirs = ([tensor.name for tensor in getattr(m, role)] for m in (first, model))
        if sorted(ours) != sorted(theirs):
            raise Error(
                f"average: the models differ in their {role}: {first.name} has "
                f"{', '.join(map(repr, ours))}, {model.name} has {', '.join(map(repr, theirs))}"
            )
        if sorted(theirs) != sorted(tensor_names(model, role.removesuffix("s"))):
            raise Error(f"average: {model.name} has sequences among its {role}; only tensors are taken")
    for tensor in model.outputs:
        if tensor.dtype not in _AVERAGED:
            raise Error(
                f"average: the output {tensor} of {model.name} is no floating-point number; leave it out: "
                "pysofie.cut(model, outputs=[...])"
            )


def _shares(count: int, weights: Sequence[float] | None) -> list[float] | None:
    """The factor of each model; None where all are the same."""
    if weights is None:
        return None
    given = [float(weight) for weight in weights]
    total = math.fsum(given)
    if len(given) != count or not math.isfinite(total) or total == 0:
        raise Error(f"average: weights={given}; give {count} numbers whose sum is not 0")
    return [weight / total for weight in given]


# --- graphs -----------------------------------------------------------------------------------------------


def _proto(model: Model) -> ModelProto:
    """What a model computes, without the rest of its file."""
    proto: ModelProto = model.source.wanted().proto
    return proto


def _input(symbols: Symbols, k: int, model: Model, value: ValueInfoProto) -> ValueInfoProto:
    """An input of the whole: in its symbols, unless it is a sequence or optional."""
    for tensor in model.inputs:
        if tensor.name == value.name:
            return derived.tensor_info(
                value.name, Tensor(tensor.name, tensor.dtype, symbols.shape(k, tensor))
            )
    return value


def _inputs(proto: ModelProto) -> list[ValueInfoProto]:
    """The inputs; before IR version 4 constants are listed among them."""
    constants = constant_names(proto.graph)
    return [value for value in proto.graph.input if value.name not in constants]


class _Assembly:
    """A graph that takes in others.

    Parameters
    ----------
    opsets : dict of str to int
        The versions of its operator sets.
    reserved : sequence of str
        The names of its inputs and outputs.
    """

    def __init__(self, opsets: Mapping[str, int], reserved: Iterable[str]) -> None:
        self._graph = GraphProto()
        self._opsets = opsets
        self._taken = set(reserved)
        self._ir_version = derived.LEAST_IR_VERSION

    def add(self, prefix: str, proto: ModelProto, fixed: Mapping[str, str]) -> dict[str, str]:
        """Take in the nodes and constants of a model.

        Parameters
        ----------
        prefix : str
            Goes in front of names that are taken.
        proto : onnx.ModelProto
            A model without local functions.
        fixed : dict of str to str
            What values must be called.

        Returns
        -------
        dict of str to str
            What each of its values is called now.
        """
        names = dict(fixed)
        for name in sorted(value_names(proto.graph) - set(fixed)):
            names[name] = name if name not in self._taken else fresh(f"{prefix}/{name}", self._taken)
            self._taken.add(names[name])
        graph = GraphProto()
        graph.CopyFrom(proto.graph)
        rename(graph, names)
        for node in (node for each in (graph, *subgraphs(graph.node)) for node in each.node):
            node.domain = domain_of(node)
        self._graph.node.extend(graph.node)
        self._graph.initializer.extend(graph.initializer)
        self._graph.sparse_initializer.extend(graph.sparse_initializer)
        self._ir_version = max(self._ir_version, proto.ir_version)
        return names

    def alias(self, name: str, result: str) -> None:
        """Give a value a second name."""
        self._graph.node.append(onnx.helper.make_node("Identity", [name], [result]))

    def average(self, tensor: Tensor, parts: Sequence[str], shares: Sequence[float] | None) -> None:
        """Average values into a tensor."""
        if shares is None:
            self._graph.node.append(onnx.helper.make_node("Mean", parts, [tensor.name]))
            return
        terms = []
        for name, share in zip(parts, shares, strict=True):
            factor = fresh(f"{tensor.name}/share", self._taken)
            term = fresh(f"{tensor.name}/term", self._taken | {factor})
            self._taken |= {factor, term}
            array = np.asarray(share, np.dtype(tensor.dtype))
            self._graph.initializer.append(numpy_helper.from_array(array, factor))
            self._graph.node.append(onnx.helper.make_node("Mul", [name, factor], [term]))
            terms.append(term)
        self._graph.node.append(onnx.helper.make_node("Sum", terms, [tensor.name]))

    def model(self, inputs: Sequence[ValueInfoProto], outputs: Sequence[str]) -> ModelProto:
        """What the outputs need of the graph."""
        self._graph.name = "joined"
        self._graph.input.extend(inputs)
        opsets: list[Any] = [onnx.helper.make_opsetid(*entry) for entry in self._opsets.items()]
        whole = onnx.helper.make_model(self._graph, opset_imports=opsets, ir_version=self._ir_version)
        return part.take(whole, outputs)
