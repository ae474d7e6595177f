"""Whether ONNX that torch wrote computes what the module computes, and where the two part if not."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import torch
from torch.utils import _pytree as pytree

from pysofie.custom.writing_out import written_out
from pysofie.errors import Error, UnsupportedError
from pysofie.importers import agreement
from pysofie.importers.frameworks import Exported
from pysofie.importers.source import Source
from pysofie.importers.torch.call import Call, as_array

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from onnx import ModelProto, NodeProto

Arrays = Mapping[str, "NDArray[Any]"]

# What onnxruntime and the evaluator of onnx know; other domains are of the user's own operators.
_KNOWN_DOMAINS = {"", "ai.onnx", "ai.onnx.ml"}


def other_inputs(call: Call) -> dict[str, torch.Tensor]:
    """Inputs made of the examples, in which every dim that may change has another size.

    No two of these sizes are equal, or 0 or 1, which exporters take for a promise.

    Raises
    ------
    UnsupportedError
        The module takes no other size.
    """
    symbols = call.symbols
    # First no multiples; but some modules ask for them.
    doubled = {name: 2 * max(size, 1) for name, size in symbols.items()}
    refusals = []
    for sizes in (_different(symbols), doubled):
        inputs = _like_examples(call, sizes)
        try:
            call.compute(inputs)
        except Exception as error:  # whatever the module raises
            refusals.append(f"{', '.join(f'{name}={size}' for name, size in sizes.items())}: {error}")
        else:
            return inputs
    raise UnsupportedError(
        f"{call.kind} was to take any {', '.join(symbols) or 'values'}, but does not take "
        f"{'; nor '.join(refusals)}. {call.advice}"
    )


def difference(proto: ModelProto, call: Call, feeds: Sequence[Arrays]) -> str:
    """How the ONNX differs from the module, and where that arises; empty if it does not.

    Operators of the user's own are written out as what they are composed of. C++ text, and what is not
    registered, is known to nobody here, so that a model with it is not compared: a warning says so.
    """
    if foreign := sorted(_foreign_domains(proto)):
        try:
            proto = onnx.ModelProto.FromString(written_out(Source(proto.SerializeToString())))
        except Error:
            warnings.warn(
                f"the model has operators of {', '.join(foreign)}, so what torch wrote was not compared with "
                "it",
                stacklevel=2,
            )
            return ""
    found = agreement.first_difference(Exported(proto, call.run), feeds)
    if found is None:
        return ""
    if not _is_reproducible(call, found.feeds):
        warnings.warn("the model draws random numbers, so it was not compared with the module", stacklevel=2)
        return ""
    place = _place(proto, call, found.feeds) if found.output else _place_in_text(proto, found.what)
    return f"{found}{place}"


def _like_examples(call: Call, sizes: Mapping[str, int]) -> dict[str, torch.Tensor]:
    """The rows of the examples, repeated; numbers of floating point shrink a little, so that few are equal.

    What lies between zero and an example is what a module most likely takes. Zeros stay what they are, which
    may mean something, unless there is nothing else.
    """
    generator = torch.Generator().manual_seed(0)
    inputs = {}
    for name, example in call.inputs.items():
        tensor = example.cpu()
        for axis, dim in enumerate(call.shapes[name]):
            if isinstance(dim, str):
                tensor = _resized(tensor, axis, sizes[dim])
        if tensor.is_floating_point():
            noise = torch.rand(tensor.shape, generator=generator)
            tensor = (tensor * (1 - 0.3 * noise) if tensor.any() else noise).to(example.dtype)
        inputs[name] = tensor.to(example.device)
    return inputs


def _different(symbols: Mapping[str, int]) -> dict[str, int]:
    """Sizes that are none of these, and no two equal."""
    sizes: dict[str, int] = {}
    for name, size in symbols.items():
        other = max(size, 1) + 2
        while other in (*symbols.values(), *sizes.values()):
            other += 1
        sizes[name] = other
    return sizes


def _resized(tensor: torch.Tensor, axis: int, size: int) -> torch.Tensor:
    count = tensor.shape[axis]
    if count == 0:
        return tensor.new_zeros([*tensor.shape[:axis], size, *tensor.shape[axis + 1 :]])
    return tensor.index_select(axis, torch.arange(size) % count)


def _is_reproducible(call: Call, feeds: Arrays) -> bool:
    """Whether the module computes the same twice."""
    once, again = call.run(feeds), call.run(feeds)
    return not any(agreement.difference(again[name], array) for name, array in once.items())


def _foreign_domains(proto: ModelProto) -> set[str]:
    own = {function.domain for function in proto.functions}
    nodes = [*proto.graph.node, *(node for function in proto.functions for node in function.node)]
    return {node.domain for node in nodes} - own - _KNOWN_DOMAINS


# --- where ------------------------------------------------------------------------------------------------


def _place(proto: ModelProto, call: Call, feeds: Arrays) -> str:
    """The first part of the module whose result no value that was written for it has."""
    every = onnx.ModelProto()
    every.CopyFrom(proto)
    del every.graph.output[:]
    named = {name: _scope(node) for node in proto.graph.node for name in node.output if name}
    every.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in named)
    try:
        values = next(agreement.runners(every))(feeds)
    except Exception:  # whatever it raises: some intermediate values cannot be outputs
        return ""
    for path, kind, tensors in _results_of_parts(call, feeds):
        written = [np.asarray(values[name]) for name, scope in named.items() if _is_within(scope, path)]
        if written and not all(any(not agreement.difference(w, x) for w in written) for x in tensors):
            return f"; it arises in {_described(path, kind)}"
    return ""


def _results_of_parts(call: Call, feeds: Arrays) -> list[tuple[str, str, list[NDArray[Any]]]]:
    """Path, class and results of all parts of the module, in the order in which they are done."""
    results = []

    def hook(path: str, part: torch.nn.Module) -> Callable[..., None]:
        def note(module: Any, inputs: Any, output: Any) -> None:
            tensors = [as_array(x) for x in pytree.tree_leaves(output) if isinstance(x, torch.Tensor)]
            results.append((path, type(part).__qualname__, tensors))

        return note

    handles = [
        part.register_forward_hook(hook(path, part))
        for path, part in call.module.named_modules()
        if path and not isinstance(part, torch.jit.ScriptModule)
    ]
    try:
        call.run(feeds)
    finally:
        for handle in handles:
            handle.remove()
    return results


def _scope(node: NodeProto) -> str:
    """The path of the part of the module that a node was written for."""
    for entry in node.metadata_props:
        if entry.key == "pkg.torch.onnx.name_scopes":
            scopes = [str(scope) for scope in ast.literal_eval(entry.value)]
            return scopes[-2] if len(scopes) > 1 else ""
    # The exporter of traces writes paths into names: /encoder/layers.0/MatMul
    return ".".join(node.name.strip("/").split("/")[:-1])


def _is_within(scope: str, path: str) -> bool:
    return scope == path or scope.startswith(f"{path}.")


def _described(path: str, kind: str) -> str:
    inner = path.removeprefix("module").removeprefix(".")
    return f"{inner!r} ({kind})" if inner else f"the module itself ({kind})"


def _place_in_text(proto: ModelProto, text: str) -> str:
    """Where the node stands that an evaluator complains about."""
    mentioned = [node for node in proto.graph.node if node.name and node.name in text]
    if not mentioned:
        return ""
    scope = _scope(max(mentioned, key=lambda node: len(node.name)))
    inner = scope.removeprefix("module").removeprefix(".")
    return f" in {inner!r}" if inner else " in the module itself"
