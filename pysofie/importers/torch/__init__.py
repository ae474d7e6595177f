"""PyTorch: modules, exported programs and TorchScript, written as ONNX by torch's own exporters."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from pysofie.errors import UnsupportedError
from pysofie.importers.frameworks import Exported, Wishes
from pysofie.importers.signature import label
from pysofie.importers.torch import call as calls
from pysofie.importers.torch import exporters, files
from pysofie.importers.torch.call import as_array
from pysofie.model import Tensor

if TYPE_CHECKING:
    from numpy.typing import NDArray


def export(source: Any, wishes: Wishes) -> Exported:
    """Write a model of PyTorch as ONNX.

    Parameters
    ----------
    source : torch.nn.Module, torch.jit.ScriptModule, torch.export.ExportedProgram or pathlib.Path
        What to write; it is exported in evaluation mode and is left as it was.
    wishes : Wishes
        Modules need `example_inputs`, one for each positional parameter of ``forward``. Of the dims that
        `shapes` names any size is taken; by default that is the leading one, as ``batch``, where the example
        inputs share it.

    Returns
    -------
    Exported
        Its inputs are called as the parameters of ``forward``; its outputs as the keys or fields of what that
        returns, else ``output``, or ``output_0`` and so on.

    Raises
    ------
    UnsupportedError
        torch cannot write it as ONNX, or what it wrote computes something else than the module.
    ShapeError
        The example inputs do not fit the module, or `shapes` does not fit them.
    """
    if isinstance(source, Path):
        source = files.read(source, trust=wishes.trust)
    if isinstance(source, torch.export.ExportedProgram):
        call = calls.of_program(source, wishes)
    elif isinstance(source, torch.nn.Module):
        call = calls.of_module(source, wishes)
    else:
        raise UnsupportedError(_refusal(source))
    with calls.evaluating(call.module):
        proto = exporters.write(call)
    inputs = [
        Tensor(name, str(as_array(tensor).dtype), call.shapes[name]) for name, tensor in call.inputs.items()
    ]
    label(proto, inputs, wishes.columns)

    def reference(feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        with calls.evaluating(call.module):
            return call.run(feeds)

    return Exported(proto, reference)


def _refusal(source: Any) -> str:
    kind = f"{type(source).__module__}.{type(source).__qualname__}"
    if isinstance(source, torch.jit.ScriptFunction):
        return f"a {kind} is a function; wrap it into a torch.nn.Module whose forward calls it"
    return f"a {kind} is no model; give a torch.nn.Module, a TorchScript module or an exported program"
