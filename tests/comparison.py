"""Many nodes in one model, compared with onnxruntime or ONNX's reference: compiling is what costs time."""

from __future__ import annotations

import functools
import os
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import helper
from onnx.reference import ReferenceEvaluator
from support import model, typed

import pysofie

# The suites of operators run for any target: tests/targets has them do so.
TARGET = os.environ.get("PYSOFIE_TEST_TARGET", "cpu")
RTOL = {"float32": 1e-5, "float64": 1e-12}
# A device adds one term after the other, where a processor has many partial sums.
ATOL = {"float32": 1e-5, "float64": 1e-12} if TARGET == "cpu" else {"float32": 1e-4, "float64": 1e-11}


def _value(name: str, dtype: str, shape: Sequence[int | str]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), shape)


def _typed_by_onnxruntime(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Fill in the types of outputs: ONNX does not infer those of other domains than its own."""
    names = {f"tensor({name.lower()})": number for name, number in onnx.TensorProto.DataType.items()}
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    types = {output.name: (names[output.type], output.shape) for output in session.get_outputs()}
    outputs = [
        helper.make_tensor_value_info(output.name, *types[output.name]) for output in proto.graph.output
    ]
    del proto.graph.output[:]
    proto.graph.output.extend(outputs)
    return proto


class Nodes:
    """Nodes that read common inputs; every output of a node is an output of the model.

    Parameters
    ----------
    inputs : dict
        Type and shape by name; a text in a shape is a symbol.
    opset : int
        Of all nodes.
    domains : dict, optional
        Opsets of other domains; a node names its own by the keyword `domain`.
    seed : int
        Of `rng`, which draws attributes and constants.
    """

    def __init__(
        self,
        inputs: dict[str, tuple[str, Sequence[int | str]]],
        *,
        opset: int,
        domains: dict[str, int] | None = None,
        seed: int = 0,
    ) -> None:
        self.inputs = inputs
        self.opset = opset
        self.domains = domains or {}
        self.rng = np.random.default_rng(seed)
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, np.ndarray] = {}
        self.outputs: list[onnx.ValueInfoProto] = []
        self.labels: list[str] = []

    def constant(self, values: Any, dtype: str = "int64") -> str:
        name = f"c{len(self.constants)}"
        self.constants[name] = np.asarray(values, dtype)
        return name

    def weights(self, *shape: int, dtype: str = "float32") -> str:
        return self.constant(self.rng.uniform(-1, 1, shape).round(3), dtype)

    def integer(self, low: int, high: int) -> int:
        return int(self.rng.integers(low, high + 1))

    def choice(self, *options: Any) -> Any:
        return options[self.integer(0, len(options) - 1)]

    def add(self, op: str, inputs: Sequence[str], outputs: int = 1, **attributes: Any) -> None:
        """Add a node; ONNX infers the types of its outputs."""
        names = [f"y{len(self.outputs) + i}" for i in range(outputs)]
        self.outputs += map(helper.make_empty_tensor_value_info, names)
        self._append(op, inputs, names, attributes)

    def add_alike(self, op: str, inputs: Sequence[str], **attributes: Any) -> None:
        """Add a node whose output is as its first input; ONNX does not infer that of every operator."""
        self.add_typed(op, inputs, *self.inputs[inputs[0]], **attributes)

    def add_typed(
        self, op: str, inputs: Sequence[str], dtype: str, shape: Sequence[int | str], **attributes: Any
    ) -> None:
        """Add a node whose output is of that type, where ONNX infers none."""
        name = f"y{len(self.outputs)}"
        self.outputs.append(_value(name, dtype, shape))
        self._append(op, inputs, [name], attributes)

    def _append(self, op: str, inputs: Sequence[str], outputs: list[str], attributes: dict[str, Any]) -> None:
        self.nodes.append(helper.make_node(op, inputs, outputs, **attributes))
        self.labels += [f"{op} of {list(inputs)} with {attributes}"] * len(outputs)

    def proto(self) -> onnx.ModelProto:
        inputs = [_value(name, *tensor) for name, tensor in self.inputs.items()]
        proto = model(
            self.nodes, inputs, self.outputs, self.constants, opset=self.opset, domains=self.domains
        )
        return _typed_by_onnxruntime(proto) if self.domains else typed(proto)

    def compile(self, reference: str = "onnxruntime") -> Comparison:
        proto = self.proto()
        run: Callable[..., Any]
        if reference == "onnxruntime":
            run = onnxruntime.InferenceSession(
                proto.SerializeToString(), providers=["CPUExecutionProvider"]
            ).run
        else:
            run = ReferenceEvaluator(proto).run
        return Comparison(pysofie.compile(proto, target=TARGET), functools.partial(run, None), self.labels)


class Comparison:
    """A compiled model and its reference."""

    def __init__(self, session: pysofie.Session, reference: Callable[..., Any], labels: list[str]) -> None:
        self.session = session
        self.reference = reference
        self.labels = labels

    def check(self, feeds: dict[str, np.ndarray], *, scale: float = 1, steps: int = 0) -> None:
        """Compare all outputs.

        Their absolute error may be `scale` times the type's, and `steps` for integers.
        """
        results = list(self.session.run(feeds).values())
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the reference divides by zero as we do
            expected = self.reference(feeds)
        for label, ours, theirs in zip(self.labels, results, map(np.asarray, expected), strict=True):
            assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape), label
            kind = str(theirs.dtype)
            np.testing.assert_allclose(
                ours, theirs, rtol=RTOL.get(kind, 0), atol=scale * ATOL.get(kind, steps), err_msg=label
            )
