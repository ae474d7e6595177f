"""Writes ONNX models node by node, for what no exporter writes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from pysofie.errors import ShapeError
from pysofie.model import Tensor

#: What scikit-learn's converters write too, so that their nodes and ours fit into one model.
OPSETS = {"": 18, "ai.onnx.ml": 3}
_IR_VERSION = 9


class Writer:
    """A graph that grows by one node at a time."""

    def __init__(self) -> None:
        self._nodes: list[NodeProto] = []
        self._constants: list[TensorProto] = []

    def add(self, operator: str, *inputs: str | NDArray[Any], domain: str = "", **attributes: Any) -> str:
        """Add a node.

        Parameters
        ----------
        operator, domain : str
            What it computes.
        inputs : str or numpy.ndarray
            Names of values, or constants.
        attributes
            As ONNX names them.

        Returns
        -------
        str
            The name of its output.
        """
        return self.add_all(1, operator, *inputs, domain=domain, **attributes)[0]

    def add_all(
        self, outputs: int, operator: str, *inputs: str | NDArray[Any], domain: str = "", **attributes: Any
    ) -> list[str]:
        """Add a node with several outputs."""
        names = [value if isinstance(value, str) else self._constant(value) for value in inputs]
        results = [f"value_{len(self._nodes)}_{i}" for i in range(outputs)]
        self._nodes.append(helper.make_node(operator, names, results, domain=domain, **attributes))
        return results

    def _constant(self, values: NDArray[Any]) -> str:
        name = f"constant_{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def model(self, name: str, given: Tensor, outputs: Mapping[str, str]) -> ModelProto:
        """Finish the model.

        Parameters
        ----------
        name : str
            Of the graph.
        given : Tensor
            The only input.
        outputs : dict of str to str
            Values by the names that the outputs shall have.
        """
        for final, value in outputs.items():
            self._nodes.append(helper.make_node("Identity", [value], [final]))
        kind = helper.np_dtype_to_tensor_dtype(np.dtype(given.dtype))
        graph = helper.make_graph(
            self._nodes,
            name,
            [helper.make_tensor_value_info(given.name, kind, given.shape)],
            [onnx.ValueInfoProto(name=final) for final in outputs],
            self._constants,
        )
        opsets = [helper.make_opsetid(*entry) for entry in OPSETS.items()]
        proto = helper.make_model(
            graph, opset_imports=opsets, ir_version=_IR_VERSION, producer_name="pysofie"
        )
        return onnx.shape_inference.infer_shapes(proto, strict_mode=True)


def describe(proto: ModelProto, **facts: Sequence[Any] | None) -> None:
    """Write lists into the metadata of a model, but for those that are not known.

    Parameters
    ----------
    proto : onnx.ModelProto
        Changed in place.
    facts : sequence or None
        By key, such as ``feature_names`` and ``classes``.
    """
    for key, values in facts.items():
        if values is not None:
            proto.metadata_props.add(key=key, value=json.dumps(list(values)))


def feature_names(
    columns: Sequence[str] | None, own: Sequence[str] | None, count: int
) -> Sequence[str] | None:
    """What the features are called: as the user says, else as the model does.

    Raises
    ------
    ShapeError
        The user gives too few names, or too many.
    """
    if columns is not None and len(columns) != count:
        raise ShapeError(f"columns names {len(columns)} features, but the model has {count}")
    return own if columns is None else columns
