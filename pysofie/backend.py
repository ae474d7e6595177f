"""pysofie as a backend of ONNX: prepare, run_model, run_node, supports_device.

>>> import pysofie.backend
>>> outputs = pysofie.backend.prepare(model).run([x])  # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from onnx.backend.base import Backend, BackendRep, Device, DeviceType

from pysofie.compile import compile, compile_many

if TYPE_CHECKING:
    from onnx import ModelProto

    from pysofie.session import Session


class Prepared(BackendRep):  # type: ignore[misc]
    """A compiled model in the clothes of ONNX's backend interface."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def run(self, inputs: Any, **kwargs: Any) -> tuple[Any, ...]:
        """Compute the outputs.

        Parameters
        ----------
        inputs : sequence of arrays, dict of arrays, or array
            The inputs.

        Returns
        -------
        tuple of numpy.ndarray
            The outputs in order.
        """
        if isinstance(inputs, Mapping):
            feeds = dict(inputs)
        else:
            arrays = inputs if isinstance(inputs, (list, tuple)) else [inputs]
            feeds = dict(zip(self.session.input_names, arrays, strict=True))
        return tuple(self.session.run(feeds).values())


class PysofieBackend(Backend):  # type: ignore[misc]
    """ONNX's backend interface; `device` is "CPU", `target` chooses what code is generated."""

    @classmethod
    def prepare(cls, model: Any, device: str = "CPU", *, target: str = "cpu", **kwargs: Any) -> Prepared:
        """Compile a model; keywords are those of `pysofie.compile`.

        Raises
        ------
        ValueError
            The device is not supported.
        Error
            As `pysofie.compile`.
        """
        if not cls.supports_device(device):
            raise ValueError(
                f"device {device!r} is not supported; choose the code by target=, on device 'CPU'"
            )
        return Prepared(compile(model, target=target, **kwargs))

    @classmethod
    def prepare_many(
        cls, models: Sequence[ModelProto], device: str = "CPU", *, target: str = "cpu", **kwargs: Any
    ) -> list[Prepared]:
        """Compile many models at once; see `pysofie.compile.compile_many`."""
        return [Prepared(session) for session in compile_many(models, target=target, **kwargs)]

    @classmethod
    def run_model(cls, model: Any, inputs: Any, device: str = "CPU", **kwargs: Any) -> tuple[Any, ...]:
        """Compile a model and run it once."""
        return cls.prepare(model, device, **kwargs).run(inputs)

    @classmethod
    def run_node(
        cls, node: Any, inputs: Any, device: str = "CPU", outputs_info: Any = None, **kwargs: Any
    ) -> tuple[Any, ...]:
        """Run a single node.

        Parameters
        ----------
        node : onnx.NodeProto
            The node.
        inputs : sequence of arrays
            Its inputs; they give the dtypes and shapes.
        outputs_info : sequence of (dtype, shape), optional
            Ignored: shapes and dtypes are inferred.
        opset_version : int, optional
            The version of ONNX's operators; by default the newest.
        """
        return cls.run_model(
            _model_of(node, inputs, kwargs.pop("opset_version", None)), inputs, device, **kwargs
        )

    @classmethod
    def supports_device(cls, device: str) -> bool:
        """Whether arrays may lie on this device."""
        return bool(Device(device).type == DeviceType.CPU)


def _model_of(node: Any, inputs: Sequence[Any], opset_version: int | None) -> ModelProto:
    """Wrap a node into a model."""
    import numpy as np
    from onnx import defs, helper, shape_inference

    arrays = [np.asarray(value) for value in inputs]
    names = list(dict.fromkeys(name for name in node.input if name))
    values = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
        for name, array in zip(names, arrays, strict=True)
    ]
    results = [helper.make_empty_tensor_value_info(name) for name in node.output if name]
    versions = {"": opset_version or defs.onnx_opset_version()}
    if node.domain not in ("", "ai.onnx"):
        versions[node.domain] = max(
            s.since_version for s in defs.get_all_schemas_with_history() if s.domain == node.domain
        )
    opsets = [helper.make_opsetid(domain, version) for domain, version in versions.items()]
    graph = helper.make_graph([node], node.op_type, values, results)
    # The checker wants the types of the outputs.
    return shape_inference.infer_shapes(helper.make_model(graph, opset_imports=opsets))


prepare = PysofieBackend.prepare
prepare_many = PysofieBackend.prepare_many
run_model = PysofieBackend.run_model
run_node = PysofieBackend.run_node
supports_device = PysofieBackend.supports_device
