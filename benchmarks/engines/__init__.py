"""The engines that are compared, one module each."""

from __future__ import annotations

import importlib
import importlib.util
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Protocol

from benchmarks.task import Arrays, Task

if TYPE_CHECKING:
    from benchmarks.native import Calls


class Loaded(Protocol):
    """A loaded model whose inputs and outputs are bound: a call has nothing else to do than to compute."""

    def call(self) -> object:
        """Compute the outputs."""

    def outputs(self) -> Arrays:
        """What the last call computed, by name."""

    def loop(self) -> Calls | None:
        """What C++ calls in a loop, if it can."""

    def facts(self) -> dict[str, float | None]:
        """What else is known of it; see `benchmarks.measure.Measured`."""


@dataclass(frozen=True)
class Engine:
    """An engine and where it comes from.

    Its module defines ``load(task: Task) -> Loaded``, and ``build(task: Task) -> None`` if there is a step
    before that is not repeated.

    Attributes
    ----------
    module : str
        In this package.
    package : str
        What has to be importable.
    install : str
        How to get it.
    from_python : bool
        Whether it is called from Python; else only in a C++ loop.
    is_static : bool
        Whether it compiles anew for every size, which takes long: it is measured with one event only.
    """

    module: str
    package: str
    install: str
    from_python: bool = True
    is_static: bool = False

    @property
    def is_installed(self) -> bool:
        return importlib.util.find_spec(self.package) is not None

    def load_module(self) -> ModuleType:
        return importlib.import_module(f"{__name__}.{self.module}")


OURS = "pysofie"
PEERS = ("onnxruntime", "openvino")  # what a physicist would pick: the better one is what counts
ENGINES = {
    OURS: Engine("ours", "pysofie", "pip install pysofie"),
    "onnxruntime": Engine("onnx_runtime", "onnxruntime", "pip install onnxruntime"),
    "openvino": Engine("open_vino", "openvino", "pip install openvino"),
    "aotinductor": Engine("aot_inductor", "torch", "pip install torch", is_static=True),
    "emx": Engine("emx", "emx_onnx_cgen", "pip install emx-onnx-cgen==1.4.0", False, is_static=True),
}


def source_facts(files: list[Path]) -> dict[str, float]:
    """The size of generated sources."""
    texts = [file.read_bytes() for file in files]
    return {
        "source_lines": sum(text.count(b"\n") for text in texts),
        "source_bytes": sum(map(len, texts)),
    }


__all__ = ["ENGINES", "OURS", "PEERS", "Engine", "Loaded", "Task", "source_facts"]
