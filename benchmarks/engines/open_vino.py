"""OpenVINO with one thread and one stream in full float32, and its tensors set once."""

from __future__ import annotations

import numpy as np
import openvino

from benchmarks.task import Arrays, Task

OPTIONS = {
    "INFERENCE_NUM_THREADS": 1,
    "INFERENCE_PRECISION_HINT": "f32",
    "NUM_STREAMS": 1,
    "PERFORMANCE_HINT": "LATENCY",
}


class _Loaded:
    def __init__(self, task: Task) -> None:
        model = openvino.Core().compile_model(str(task.model), "CPU", OPTIONS)
        self._request = model.create_infer_request()
        self._inputs = {
            name: openvino.Tensor(array, shared_memory=True) for name, array in task.feeds.items()
        }
        for port in model.inputs:
            self._request.set_tensor(port, self._inputs[next(n for n in port.names if n in self._inputs)])
        self._ports = model.outputs
        self.call = self._request.infer
        self.call()

    def outputs(self) -> Arrays:
        arrays = {}
        for port in self._ports:
            array = np.array(self._request.get_tensor(port).data)
            arrays.update(dict.fromkeys(port.names, array))
        return arrays

    def loop(self) -> None:
        return None

    def facts(self) -> dict[str, float]:
        return {}


load = _Loaded
