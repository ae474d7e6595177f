"""torch's two exporters to ONNX: what the first writes is taken if it computes what the module computes."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import onnx
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.experimental.symbolic_shapes import GuardOnDataDependentSymNode

from pysofie.errors import UnsupportedError
from pysofie.importers.order import subgraphs
from pysofie.importers.signature import rename, separate_outputs
from pysofie.importers.torch import check, library
from pysofie.importers.torch.call import Call, as_array
from pysofie.importers.torch.decompositions import decomposed

if TYPE_CHECKING:
    from onnx import ModelProto

# The opsets that the exporters are written in, so that no version is converted.
_OPSET_OF_PROGRAMS = 18
_OPSET_OF_TRACES = 17

# Tensors of another memory format are the same.
_SYMBOLS: dict[str, Callable[..., Any]] = {
    "aten::contiguous": lambda g, x, memory_format: x,
}

Tensors: TypeAlias = Mapping[str, torch.Tensor]
Exporter: TypeAlias = Callable[[Call, Tensors], "ModelProto"]


def write(call: Call, *, traces_first: bool = False) -> ModelProto:
    """Write a call as ONNX that computes the same at two sizes.

    Parameters
    ----------
    call : Call
        What to write.
    traces_first : bool
        Whether to try a trace first, which takes a tenth of the time, unless values decide what is computed.

    Raises
    ------
    UnsupportedError
        No exporter does; the message says where the difference arises, or what torch says.
    """
    inputs = check.other_inputs(call)
    feeds = [{name: as_array(tensor) for name, tensor in each.items()} for each in (call.inputs, inputs)]
    complaints = []
    for name, exporter in _exporters(call, traces_first).items():
        try:
            with _quiet():
                proto = _named(exporter(call, inputs), call)
        except Exception as error:  # the exporters raise whatever they meet
            complaints.append(f"{name} cannot write it: {_reason(error)}")
            if _is_about_data(error):
                break  # a trace would go the way of the example, whatever the data
            continue
        difference = check.difference(proto, call, feeds)
        if not difference:
            _forget_sources(proto)
            return proto
        complaints.append(f"what {name} writes computes something else: {difference}")
    lines = [f"torch does not write this {call.kind} as ONNX:", *complaints]
    lines += [library.advice("\n".join(complaints)), call.advice]
    raise UnsupportedError("\n  ".join(filter(None, lines)))


def _exporters(call: Call, traces_first: bool) -> dict[str, Exporter]:
    traced: dict[str, Exporter] = {"torch.onnx.export(dynamo=False)": _from_trace}
    exported: dict[str, Exporter] = {"torch.onnx.export": _from_program}
    if isinstance(call.module.module, torch.jit.ScriptModule):
        return traced
    if traces_first and not _asks_for_values(call):
        return dict.fromkeys(traced, partial(_from_trace, is_flat=True)) | exported
    return exported | traced


def _asks_for_values(call: Call) -> bool:
    """Whether the module cannot be called with tensors that have shapes, but no values."""
    mode = FakeTensorMode(allow_non_fake_inputs=True)
    try:
        with mode:
            call.module(*map(mode.from_tensor, call.inputs.values()))
    except Exception:  # whatever stands against it
        return True
    return False


def _from_program(call: Call, inputs: Tensors) -> ModelProto:
    program = call.program
    if program is None:
        dynamic = [
            {axis: torch.export.Dim.DYNAMIC for axis, dim in enumerate(shape) if isinstance(dim, str)}
            for shape in call.shapes.values()
        ]
        program = torch.export.export(
            call.module, tuple(inputs.values()), dynamic_shapes=(tuple(dynamic),), strict=False
        )
    # Its optimisation takes constants below 1e-8 for zero and drops the node that adds one.
    exported = torch.onnx.export(
        decomposed(program),
        dynamo=True,
        optimize=False,
        opset_version=_OPSET_OF_PROGRAMS,
        verbose=False,
        custom_translation_table=library.translations(),
    )
    return exported.model_proto


def _from_trace(call: Call, inputs: Tensors, *, is_flat: bool = False) -> ModelProto:
    """Write a trace: made beforehand it keeps parts apart; flat, operators get their first names."""
    arguments = tuple(inputs.values())
    module = call.module if is_flat else torch.jit.trace(call.module, arguments, check_trace=False)
    content = io.BytesIO()
    axes = {
        name: {axis: dim for axis, dim in enumerate(shape) if isinstance(dim, str)}
        for name, shape in call.shapes.items()
    }
    with _symbols():
        torch.onnx.export(
            module,
            arguments,
            content,
            dynamo=False,
            input_names=list(call.inputs),
            output_names=list(call.outputs),
            dynamic_axes={name: named for name, named in axes.items() if named},
            opset_version=_OPSET_OF_TRACES,
            custom_opsets=library.opsets(),
        )
    return onnx.ModelProto.FromString(content.getvalue())


@contextmanager
def _symbols() -> Iterator[None]:
    """Teach the exporter of traces what it does not know, for this export."""
    symbols = _SYMBOLS | library.symbolics()
    for operator, function in symbols.items():
        torch.onnx.register_custom_op_symbolic(operator, function, _OPSET_OF_TRACES)
    try:
        yield
    finally:
        for operator in symbols:
            torch.onnx.unregister_custom_op_symbolic(operator, _OPSET_OF_TRACES)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep to ourselves what the exporters think of each other and of what they cannot know."""
    level = logging.getLogger("torch").level
    logging.getLogger("torch").setLevel(logging.ERROR)
    # The fused inference of attention layers is one operator, which no exporter knows.
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        # torch.export prints how far it came.
        with warnings.catch_warnings(), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
        logging.getLogger("torch").setLevel(level)


# --- names ------------------------------------------------------------------------------------------------


def _named(proto: ModelProto, call: Call) -> ModelProto:
    """Give inputs and outputs, and the dims of inputs, the names that the call has for them."""
    graph = proto.graph
    graph.name = call.kind
    separate_outputs(graph)
    old = [value.name for value in (*graph.input, *graph.output)]
    rename(proto, dict(zip(old, (*call.inputs, *call.outputs), strict=True)))
    for value in graph.output:
        for dim in value.type.tensor_type.shape.dim:
            dim.Clear()
    return proto


def _forget_sources(proto: ModelProto) -> None:
    """Leave out the lines of the files that nodes come from, which differ from machine to machine."""
    bodies = [proto.graph.node, *(function.node for function in proto.functions)]
    inner = [graph.node for nodes in bodies for graph in subgraphs(nodes)]
    for node in (node for nodes in (*bodies, *inner) for node in nodes):
        node.ClearField("metadata_props")
        node.ClearField("doc_string")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def _is_about_data(error: BaseException) -> bool:
    """Whether what is computed depends on values, not on shapes."""
    return any(isinstance(cause, GuardOnDataDependentSymNode) for cause in _causes(error))


def _reason(error: BaseException) -> str:
    """What lies behind an exporter's error, shortly."""
    *_, cause = _causes(error)
    lines = [line.strip() for line in str(cause).strip().splitlines() if line.strip()]
    return f"{type(cause).__name__}: {' '.join(lines[:3])[:600]}"
