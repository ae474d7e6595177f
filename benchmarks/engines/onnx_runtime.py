"""onnxruntime with one thread, and inputs and outputs bound."""

from __future__ import annotations

import onnxruntime

from benchmarks.task import Arrays, Task


class _Loaded:
    def __init__(self, task: Task) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(
            str(task.model), options, providers=["CPUExecutionProvider"]
        )
        names = [output.name for output in self._session.get_outputs()]
        outputs = dict(zip(names, self._session.run(names, task.feeds), strict=True))
        self._binding = self._session.io_binding()
        self._inputs = {key: _value(array) for key, array in task.feeds.items()}
        self._outputs = {key: _value(array) for key, array in outputs.items()}
        for name, value in self._inputs.items():
            self._binding.bind_ortvalue_input(name, value)
        for name, value in self._outputs.items():
            self._binding.bind_ortvalue_output(name, value)

    def call(self) -> object:
        return self._session.run_with_iobinding(self._binding)

    def outputs(self) -> Arrays:
        return {name: value.numpy() for name, value in self._outputs.items()}

    def loop(self) -> None:
        return None

    def facts(self) -> dict[str, float]:
        return {}


def _value(array):
    return onnxruntime.OrtValue.ortvalue_from_numpy(array)


load = _Loaded
