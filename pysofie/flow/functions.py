"""Functions before and after a model: traced into a model of their own, which is joined with it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import ml_dtypes  # noqa: F401  makes its dtypes known to NumPy by name
import numpy as np
import onnx

from pysofie import _core, tracing
from pysofie.errors import Error, ShapeError
from pysofie.flow import derived, expressions, joining
from pysofie.importers.names import like
from pysofie.model import FEATURE_KEYS, Model
from pysofie.tracing.elementwise import as_tensor

if TYPE_CHECKING:
    from onnx import ModelProto

    from pysofie.flow import InputType, Step

#: The dtype and shape of a tensor.
_Type: TypeAlias = "tuple[str, tuple[int | str, ...]]"


def before(model: Model, step: Step, inputs: Mapping[str, InputType]) -> Model:
    """Put a function in front of a model; see `pre` of `pysofie.load`."""
    own = {t.name: (t.dtype, t.shape) for t in model.inputs if t.name in joining.tensor_names(model, "input")}
    is_for_one = isinstance(step, str) and len(own) == 1
    function = _function({next(iter(own)): step} if is_for_one else step, "pre")
    types = {name: _input_type(function, name, own, inputs) for name in function.parameters}
    unused = [name for name in inputs if name not in types]
    if unused:
        raise Error(f"inputs names {_listed(unused)}, but pre takes {_listed(types)}")
    recorder = tracing.Recorder(_opset(model), "pre/")
    tensors = {name: recorder.input(name, *kind) for name, kind in types.items()}
    results = _named(function, function.call(tensors), own, "inputs")
    given = {name: _as(recorder, value, own[name][0], f"pre: {name!r}") for name, value in results.items()}
    trace = tracing.finish(recorder, tuple(tensors.values()), given, "pre")
    keeps_features = all(own.get(name) == kind for name, kind in types.items())
    links = dict(zip(given, (tensor.name for tensor in trace.outputs), strict=True))
    return joining.link(_as_model(trace, model, keeps_features), model, joining.Seam(links), model.name)


def after(model: Model, step: Step) -> Model:
    """Put a function behind a model; see `post` of `pysofie.load`."""
    function = _function(step, "post")
    outputs, inputs = (
        {t.name: t for t in tensors if t.name in joining.tensor_names(model, role)}
        for tensors, role in ((model.outputs, "output"), (model.inputs, "input"))
    )
    read = {name: _found(name, [*outputs, *inputs], "post takes") for name in function.parameters}
    recorder = tracing.Recorder(_opset(model), "post/")
    tensors, links = {}, {}
    for i, (name, place) in enumerate(read.items()):
        tensor = outputs.get(place) or inputs[place]
        entry = f"post/input{i}" if place in outputs else place
        tensors[name] = recorder.input(entry, tensor.dtype, tensor.shape)
        if place in outputs:
            links[entry] = place
    taken = list(links.values())
    results = _named(function, function.call(tensors), taken, None)
    trace = tracing.finish(recorder, tuple(tensors.values()), results, "post")
    kept = [name for name in outputs if name not in taken and name not in results]
    named = dict(zip((tensor.name for tensor in trace.outputs), results, strict=True))
    seam = joining.Seam(links, kept, named)
    return joining.link(model, _as_model(trace, model, False), seam, model.name)


# --- what the user gave -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Function:
    """A function over tensors by name.

    Attributes
    ----------
    role : {"pre", "post"}
        What messages call it.
    parameters : list of str
        What it takes.
    call : callable
        Computes a value, or a dict of them, of a dict of tensors.
    annotations : dict of str to object
        What it says about the types of parameters.
    is_expression : bool
        Whether it works element by element.
    purposes : dict of str to str
        What the expression is for that a parameter is of.
    """

    role: str
    parameters: list[str]
    call: Callable[[Mapping[str, tracing.Tensor]], Any]
    annotations: dict[str, Any] = field(default_factory=dict)
    is_expression: bool = False
    purposes: dict[str, str] = field(default_factory=dict)


def _function(step: Any, role: str) -> _Function:
    if isinstance(step, Mapping):
        return _of_mapping({str(name): _function(part, role) for name, part in step.items()}, role)
    if isinstance(step, str):
        names = expressions.names(step)
        return _Function(role, names, lambda tensors: expressions.evaluate(step, tensors), is_expression=True)
    if not callable(step):
        raise Error(f"{role}: give a Python function, an expression of C++, or a dict of these, not {step!r}")
    parameters = [p for p in inspect.signature(step).parameters.values() if p.default is p.empty]
    if any(p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD, p.POSITIONAL_ONLY) for p in parameters):
        raise Error(f"{role}: parameters are called as the tensors that they take; use a lambda for {step}")
    annotations = {p.name: p.annotation for p in parameters if p.annotation is not p.empty}
    return _Function(role, [p.name for p in parameters], lambda tensors: step(**tensors), annotations)


def _of_mapping(parts: Mapping[str, _Function], role: str) -> _Function:
    """One function that computes what several do."""
    if not parts:
        raise Error(f"{role} names nothing")
    parameters = dict.fromkeys(name for part in parts.values() for name in part.parameters)
    annotations = {key: value for part in parts.values() for key, value in part.annotations.items()}
    purposes: dict[str, str] = {}
    for name, part in parts.items():
        for parameter in part.parameters if part.is_expression else ():
            purposes.setdefault(parameter, name)

    def call(tensors: Mapping[str, tracing.Tensor]) -> dict[str, Any]:
        return {
            name: part.call({parameter: tensors[parameter] for parameter in part.parameters})
            for name, part in parts.items()
        }

    return _Function(role, list(parameters), call, annotations, purposes=purposes)


def _input_type(
    function: _Function, name: str, own: Mapping[str, _Type], inputs: Mapping[str, InputType]
) -> _Type:
    """The type of an input that the model has from now on."""
    if name in inputs:
        return _parsed(name, inputs[name])
    if name in function.annotations:
        return _parsed(name, function.annotations[name])
    alike = _place(name, own) or _place(function.purposes.get(name, ""), own)
    if alike is None:
        raise Error(
            f"pre takes {name!r}, which is no input of the model, so that its type is not known: say "
            f"inputs={{{name!r}: 'float32[batch]'}}"
        )
    return own[alike]


def _parsed(name: str, given: Any) -> _Type:
    """Read ``("float32", ("batch", 3))`` or ``"float32[batch, 3]"``."""
    dims: Iterable[Any]
    text = given.strip("'\" ") if isinstance(given, str) else ""  # annotations may be quoted twice
    match = re.fullmatch(r"(\w+)\s*\[([^\[\]]*)\]", text)
    if match:
        dtype, dims = match[1], [dim.strip() for dim in match[2].split(",") if dim.strip()]
    elif isinstance(given, tuple) and len(given) == 2 and isinstance(given[1], (tuple, list)):
        dtype, dims = given
    else:
        raise Error(f"{name!r}: {given!r} is no type; give one such as 'float32[batch, 3]'")
    try:
        known = np.dtype(dtype).name
    except TypeError as error:
        raise Error(f"{name!r}: {dtype!r} is no dtype") from error
    return known, tuple(int(dim) if str(dim).isdecimal() else str(dim) for dim in dims)


# --- names ------------------------------------------------------------------------------------------------


def _place(name: str, known: Iterable[str]) -> str | None:
    """The tensor that a name means: a parameter of Python cannot be called ``dense/Softmax:0``."""
    matches = [each for each in known if name in (each, _core.sanitize(each))]
    return name if name in matches else matches[0] if len(matches) == 1 else None


def _found(name: str, known: Collection[str], what: str) -> str:
    place = _place(name, known)
    if place is None:
        meant = like([name], known)
        hint = f"; did you mean {_listed(meant)}" if meant else ""
        raise Error(f"{what} {name!r}{hint}; there are {_listed(known)}")
    return place


def _named(function: _Function, returned: Any, known: Collection[str], kind: str | None) -> dict[str, Any]:
    """Results by the name of what they are for; with `kind`, only what is known has one."""
    if isinstance(returned, Mapping):
        what = f"{function.role} returns"
        return {
            str(name) if kind is None else _found(str(name), known, what): value
            for name, value in returned.items()
        }
    if len(known) != 1:
        raise Error(
            f"{function.role} must return a dict that says which {kind or 'outputs'} its results are; "
            f"there are {_listed(known)}"
        )
    return {next(iter(known)): returned}


def _listed(names: Iterable[str]) -> str:
    return ", ".join(map(repr, names)) or "nothing"


# --- the traced model -------------------------------------------------------------------------------------


def _opset(model: Model) -> int:
    """The operator set that a function is traced for: that of the model, unless it is too old."""
    versions = {entry.domain: entry.version for entry in model.source.wanted().proto.opset_import}
    return max(int(versions.get("", versions.get("ai.onnx", tracing.OPSET))), 13)


def _as(recorder: tracing.Recorder, value: Any, dtype: str, what: str) -> tracing.Tensor:
    """A result in the type that the model takes."""
    if isinstance(value, tracing.Tensor) and not np.can_cast(value.dtype, np.dtype(dtype), "same_kind"):
        raise ShapeError(f"{what} is {value}, but the model takes {dtype}; if you mean it, use .astype")
    return as_tensor(recorder, value, np.dtype(dtype))


def _as_model(trace: tracing.Trace, model: Model, keeps_features: bool) -> Model:
    """A trace as a model with the metadata of another."""
    proto = _as_proto(trace, model.source.wanted().proto.ir_version)
    for entry in model.source.wanted().proto.metadata_props:
        if keeps_features or entry.key not in FEATURE_KEYS:
            proto.metadata_props.append(entry)
    return derived.load(proto, trace.recorder.prefix.strip("/"), {})


def _as_proto(trace: tracing.Trace, ir_version: int) -> ModelProto:
    graph = trace.graph()
    versions = {"": trace.recorder.opset}
    for node in (node for node in graph.node if node.domain):
        version = trace.recorder.schema(node.op_type, node.domain).since_version
        versions[node.domain] = max(version, versions.get(node.domain, 1))
    opsets = [onnx.helper.make_opsetid(*entry) for entry in versions.items()]
    ir_version = max(ir_version, derived.LEAST_IR_VERSION)
    return onnx.helper.make_model(graph, opset_imports=opsets, ir_version=ir_version)
