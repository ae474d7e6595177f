"""Models made of other models: complete in themselves, so that they travel and are cached as any other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import ml_dtypes  # noqa: F401  makes its dtypes known to NumPy by name
import numpy as np
import onnx

from pysofie.importers.source import Source

if TYPE_CHECKING:
    from onnx import ModelProto, ValueInfoProto

    from pysofie.model import Model, Tensor

#: From it on constants need not be inputs.
LEAST_IR_VERSION = 4


def load(proto: ModelProto, name: str, dims: Mapping[str, Any]) -> Model:
    """Make a model.

    Parameters
    ----------
    proto : onnx.ModelProto
        What it computes.
    name : str
        Names the generated code.
    dims : dict
        What was known of the dims of the models that it was made of; symbols that it lacks are left out.

    Returns
    -------
    Model

    Raises
    ------
    InvalidModelError, UnsupportedError, ShapeError
        As `pysofie.load`.
    """
    content = proto.SerializeToString(deterministic=True)
    known = {value.name for value in proto.graph.input}
    known |= {d.dim_param for v in proto.graph.input for d in v.type.tensor_type.shape.dim}
    stated = {symbol: value for symbol, value in dims.items() if symbol in known}
    model = Source(content, name=name, dims=stated).load()
    # Which sizes the data decide is only known now.
    decided = {s: value for s, value in dims.items() if s not in known and s in model.graph.measured}
    return Source(content, name=name, dims=stated | decided).load() if decided else model


def tensor_info(name: str, tensor: Tensor) -> ValueInfoProto:
    """An input with the dtype and shape of a tensor."""
    kind = onnx.helper.np_dtype_to_tensor_dtype(np.dtype(tensor.dtype))
    return onnx.helper.make_tensor_value_info(name, kind, tensor.shape)
