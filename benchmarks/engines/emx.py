"""emx-onnx-cgen, another generator: C from ONNX, for static shapes, compiled as pysofie's code is."""

from __future__ import annotations

import ctypes
import re
import subprocess
import sys

import numpy as np
import onnx

from benchmarks import native
from benchmarks.engines import source_facts
from benchmarks.task import Arrays, Task

FLAGS = ("-std=c11", "-O3", "-march=native", "-fPIC", "-shared")
_DTYPES = {"float": "float32", "double": "float64", "bool": "bool"}


def build(task: Task) -> None:
    """Generate C, and compile it with a function that takes the arrays as pointers."""
    model = task.folder / "model.onnx"
    onnx.save(onnx.load(task.model), model)  # with its external data, which the generator does not find
    generate = [sys.executable, "-m", "emx_onnx_cgen", "compile", str(model), str(model.with_suffix(".c"))]
    generate += ["--model-name", "model", "--emit-data-file", "--large-weight-threshold", "0"]
    for value in _inputs(task):
        for axis, dim in enumerate(value.type.tensor_type.shape.dim):
            if not dim.HasField("dim_value"):
                generate += ["--input-dim", f"{value.name}:{axis}={task.feeds[value.name].shape[axis]}"]
    _run(generate)
    arguments = ", ".join(f"arrays[{i}]" for i in range(len(_parameters(task))))
    (task.folder / "call.c").write_text(
        f'#include "model.c"\nint call(void** arrays) {{\n  model({arguments});\n  return 0;\n}}\n'
    )
    sources = [str(task.folder / name) for name in ("call.c", "model_data.c")]
    _run(["cc", *FLAGS, *sources, "-o", str(task.folder / "model.so"), "-lm"])


class _Loaded:
    def __init__(self, task: Task) -> None:
        self._task = task
        self._library = ctypes.CDLL(str(task.folder / "model.so"))
        inputs = [np.ascontiguousarray(task.feeds[value.name]) for value in _inputs(task)]
        outputs = [np.zeros(shape, dtype) for dtype, shape in _parameters(task)[len(inputs) :]]
        self._arrays = [*inputs, *outputs]
        names = [value.name for value in onnx.load(task.model, load_external_data=False).graph.output]
        self._outputs = dict(zip(names, outputs, strict=True))
        self._pointers = native.pointers(self._arrays)

    def call(self) -> object:
        return self._library.call(self._pointers)

    def outputs(self) -> Arrays:
        self.call()
        return self._outputs

    def loop(self) -> native.Calls:
        function = ctypes.cast(self._library.call, ctypes.c_void_p).value
        assert function is not None
        return native.Calls(function, ctypes.addressof(self._pointers), self)

    def facts(self) -> dict[str, float]:
        return source_facts([self._task.folder / "model.c"])


def _inputs(task: Task) -> list[onnx.ValueInfoProto]:
    graph = onnx.load(task.model, load_external_data=False).graph
    return [value for value in graph.input if value.name in task.feeds]


def _parameters(task: Task) -> list[tuple[str, tuple[int, ...]]]:
    """Dtype and shape of what the generated function takes, inputs first."""
    signature = re.search(r"^void model\((.*)\) \{$", (task.folder / "model.c").read_text(), re.MULTILINE)
    if signature is None:
        raise RuntimeError("the generated code has no function of the expected form")
    result = []
    for parameter in signature[1].split(", "):
        declaration = re.fullmatch(r"(?:const )?(\w+) \w+((?:\[[^]]*\])+)", parameter)
        if declaration is None:
            raise RuntimeError(f"the generated function has a parameter of unknown form: {parameter}")
        kind = declaration[1].removesuffix("_t")
        shape = tuple(int(size) for size in re.findall(r"(\d+)\]", declaration[2]))
        result.append((_DTYPES.get(kind, kind), shape))
    return result


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        output = (done.stdout + done.stderr).strip()
        _, result, reason = output.rpartition("Result: ")
        raise RuntimeError(reason if result else output.splitlines()[-1])


load = _Loaded
