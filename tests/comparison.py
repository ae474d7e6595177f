"""Many nodes in one model, compared with onnxruntime or ONNX's reference: compiling is what costs time."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import helper
from onnx.reference import ReferenceEvaluator
from support import model

import pysofie

RTOL = {"float32": 1e-5, "float64": 1e-12}
ATOL = {"float32": 1e-5, "float64": 1e-12}


class Nodes:
    """Nodes that read common inputs; every output of a node is an output of the model.

    Parameters
    ----------
    inputs : dict
        Type and shape by name; a text in a shape is a symbol.
    opset : int
        Of all nodes.
    seed : int
        Of `rng`, which draws attributes and constants.
    rank : int, optional
        Of all outputs; left out, ONNX must be able to infer it.
    """

    def __init__(
        self,
        inputs: dict[str, tuple[str, Sequence[int | str]]],
        *,
        opset: int,
        seed: int = 0,
        rank: int | None = None,
    ) -> None:
        self.inputs = inputs
        self.opset = opset
        self.rank = rank
        self.rng = np.random.default_rng(seed)
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, np.ndarray] = {}
        self.outputs: list[tuple[str, str]] = []

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

    def add(self, op: str, inputs: Sequence[str], *types: str, **attributes: Any) -> None:
        """Add a node whose outputs have these types, by default one of the first input's type."""
        first = len(self.outputs)
        for kind in types or [self.inputs[inputs[0]][0]]:
            self.outputs.append((kind, f"{op} of {list(inputs)} with {attributes}"))
        names = [f"y{i}" for i in range(first, len(self.outputs))]
        self.nodes.append(helper.make_node(op, inputs, names, **attributes))

    def proto(self) -> onnx.ModelProto:
        def value(name: str, dtype: str, shape: Sequence[int | str | None] | None) -> onnx.ValueInfoProto:
            return helper.make_tensor_value_info(
                name, helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), shape
            )

        inputs = [value(name, *tensor) for name, tensor in self.inputs.items()]
        # ONNX does not infer every shape, but wants one.
        shape = None if self.rank is None else [None] * self.rank
        outputs = [value(f"y{i}", kind, shape) for i, (kind, _) in enumerate(self.outputs)]
        return model(self.nodes, inputs, outputs, self.constants, opset=self.opset)

    def compile(self, reference: str = "onnxruntime") -> Comparison:
        proto = self.proto()
        run: Callable[..., Any]
        if reference == "onnxruntime":
            run = onnxruntime.InferenceSession(
                proto.SerializeToString(), providers=["CPUExecutionProvider"]
            ).run
        else:
            run = ReferenceEvaluator(proto).run
        return Comparison(
            pysofie.compile(proto), functools.partial(run, None), [text for _, text in self.outputs]
        )


class Comparison:
    """A compiled model and its reference."""

    def __init__(self, session: pysofie.Session, reference: Callable[..., Any], labels: list[str]) -> None:
        self.session = session
        self.reference = reference
        self.labels = labels

    def check(self, feeds: dict[str, np.ndarray], *, scale: float = 1) -> None:
        """Compare all outputs; `scale` is how large their absolute error may be in units of the type's."""
        results = list(self.session.run(feeds).values())
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the reference divides by zero as we do
            expected = self.reference(feeds)
        for label, ours, theirs in zip(self.labels, results, map(np.asarray, expected), strict=True):
            assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape), label
            kind = str(theirs.dtype)
            np.testing.assert_allclose(
                ours, theirs, rtol=RTOL.get(kind, 0), atol=scale * ATOL.get(kind, 0), err_msg=label
            )
