"""Models made of other models: complete in themselves, so that they travel and are cached as any other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import ml_dtypes  # noqa: F401  makes its dtypes known to NumPy by name
import numpy as np
import onnx

from pysofie.errors import Error
from pysofie.importers.source import Source

if TYPE_CHECKING:
    from onnx import ModelProto, ValueInfoProto

    from pysofie.custom import Definition
    from pysofie.model import Model, Tensor

#: From it on constants need not be inputs.
LEAST_IR_VERSION = 4


def load(
    proto: ModelProto, name: str, dims: Mapping[str, Any], origins: Sequence[Source] | None = None
) -> Model:
    """Make a model.

    Parameters
    ----------
    proto : onnx.ModelProto
        What it computes.
    name : str
        Names the generated code.
    dims : dict
        What was known of the dims of the models that it was made of; symbols that it lacks are left out.
    origins : sequence of Source, optional
        The models that it was made of: operators of users mean what they mean there, else what is
        registered now.

    Returns
    -------
    Model

    Raises
    ------
    Error
        An operator does not mean the same in all of them.
    InvalidModelError, UnsupportedError, ShapeError
        As `pysofie.load`.
    """
    definitions = None if origins is None else _definitions(origins)
    content = proto.SerializeToString(deterministic=True)
    known = {value.name for value in proto.graph.input}
    known |= {d.dim_param for v in proto.graph.input for d in v.type.tensor_type.shape.dim}
    stated = {symbol: value for symbol, value in dims.items() if symbol in known}
    model = Source(content, name=name, dims=stated, definitions=definitions).load()
    # Which sizes the data decide is only known now.
    decided = {s: value for s, value in dims.items() if s not in known and s in model.graph.measured}
    if not decided:
        return model
    return Source(content, name=name, dims=stated | decided, definitions=definitions).load()


def _definitions(origins: Sequence[Source]) -> list[Definition]:
    """The operators of users that models have."""
    found: dict[tuple[str, str], Definition] = {}
    for definition in (each for source in origins for each in source.definitions):
        known = found.setdefault((definition.domain, definition.name), definition)
        if known != definition:
            raise Error(
                f"the operator {definition.domain}.{definition.name} means different things in the models"
            )
    return list(found.values())


def tensor_info(name: str, tensor: Tensor) -> ValueInfoProto:
    """An input with the dtype and shape of a tensor."""
    kind = onnx.helper.np_dtype_to_tensor_dtype(np.dtype(tensor.dtype))
    return onnx.helper.make_tensor_value_info(name, kind, tensor.shape)
