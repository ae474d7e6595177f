"""PyTorch's AOTInductor, for the models of the zoo that were made with PyTorch.

It compiles a `torch.nn.Module`, not an ONNX file. The zoo's ``make_zoo.py`` makes the modules, with fixed
seeds; the module is made again, and the benchmark compares its outputs with those of the others. Shapes are
static.
"""

from __future__ import annotations

import sys
from pathlib import Path

import onnx
import torch

from benchmarks.task import Arrays, Task


def build(task: Task) -> None:
    """Export and compile the module."""
    module = _module(task.model)
    arguments = tuple(torch.from_numpy(task.feeds[name]) for name in _names(task.model, "input"))
    with torch.no_grad():
        program = torch.export.export(module.eval(), arguments)
        torch._inductor.aoti_compile_and_package(program, package_path=str(_package(task)))


class _Loaded:
    def __init__(self, task: Task) -> None:
        torch.set_num_threads(1)
        self._run = torch._inductor.aoti_load_package(str(_package(task)))
        self._arguments = [torch.from_numpy(task.feeds[name]) for name in _names(task.model, "input")]
        self._names = _names(task.model, "output")

    def call(self) -> object:
        return self._run(*self._arguments)

    def outputs(self) -> Arrays:
        result = self.call()
        tensors = result if isinstance(result, (tuple, list)) else (result,)
        return {name: tensor.numpy() for name, tensor in zip(self._names, tensors, strict=True)}

    def loop(self) -> None:
        return None

    def facts(self) -> dict[str, float]:
        return {}


def _package(task: Task) -> Path:
    return task.folder / "model.pt2"


def _names(model: Path, role: str) -> list[str]:
    graph = onnx.load(model, load_external_data=False).graph
    return [value.name for value in getattr(graph, role)]


def _module(model: Path) -> torch.nn.Module:
    sources = model.parents[1]
    if not (sources / "make_zoo.py").exists():
        raise LookupError(
            f"AOTInductor needs the PyTorch modules, and {sources / 'make_zoo.py'} is not there"
        )
    sys.path.insert(0, str(sources))
    import make_zoo  # noqa: F401  registers the models
    from zoolib import BUILDERS

    if model.stem not in BUILDERS:
        raise LookupError("not a PyTorch model: there is no module to compile")
    torch.manual_seed(12345)  # as the zoo was made
    builder, _ = BUILDERS[model.stem]
    return builder().net


load = _Loaded
