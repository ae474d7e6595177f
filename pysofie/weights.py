"""Other weights for code that is compiled: new values go the way that the first ones went."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pysofie.arrays import as_input
from pysofie.errors import Error, ShapeError
from pysofie.generate import Options, generate
from pysofie.importers import as_source
from pysofie.model import Tensor

if TYPE_CHECKING:
    from numpy.typing import ArrayLike
    from onnx import ModelProto, TensorProto

    from pysofie.importers import ModelLike, Source
    from pysofie.session import Session


@dataclass(frozen=True)
class Origin:
    """What a session was compiled from.

    Attributes
    ----------
    source : Source
        The model.
    options : Options
        How code was generated.
    compile : callable
        Compiles a model by other options, with the same compiler.
    """

    source: Source
    options: Options
    compile: Callable[[Source, Options], Session]

    def exact(self) -> Session:
        """The same without roundings."""
        return self.compile(self.source, replace(self.options, precision="float32", profile=False))

    def with_weights(self, name: str, weights: Mapping[str, ArrayLike] | ModelLike) -> Origin:
        """The same with other weights.

        Parameters
        ----------
        name : str
            What the generated code is called.
        weights : dict of str to array_like, or a model
            See `pysofie.Session.set_weights`, also for errors.
        """
        if isinstance(weights, Mapping):
            source = self.source.rewritten(_with_values(self.source.wanted().proto, weights))
        else:
            source = as_source(weights).alike(self.source)
        source.name = name
        return replace(self, source=source)

    def generate_weights(self) -> bytes:
        """The weights file that the model's code would come with."""
        files = generate(self.source.load(), self.options)
        return next(content for file, content in files.items() if file.endswith(".dat"))


class WeightsFile:
    """A file of weights that goes with the last who holds it.

    Attributes
    ----------
    origin : Origin
        The model whose weights these are.
    path : pathlib.Path
        Where it is.
    """

    def __init__(self, origin: Origin) -> None:
        content = origin.generate_weights()
        folder = Path(tempfile.mkdtemp(prefix="pysofie-weights-"))
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        self.origin = origin
        self.path = folder / "weights.dat"
        self.path.write_bytes(content)


def other_code(name: str, before: Origin | None, after: Origin, error: Error) -> Error:
    """What is said of weights that compiled code cannot take.

    Parameters
    ----------
    name : str
        What the generated code is called.
    before, after : Origin
        With the weights that it has, and with those that it does not take; None if the former is not known.
    error : Error
        Why it does not.
    """
    reason = "a number in the code is another, or the architecture is"
    if before is not None:
        old, new = (_numbers(origin.source.proto().proto) for origin in (before, after))
        changed = [
            f"{key!r} from {old[key]} to {new[key]}" for key in old if old[key] != new.get(key, old[key])
        ]
        if changed:
            reason = (
                f"constants without axes are numbers in the code, and these change: {', '.join(changed)}; "
                "one of shape (1,) would be data"
            )
    return Error(
        f"{name}: with these values the model becomes other code, so that it must be compiled again: "
        f"{reason} ({error})"
    )


def _with_values(proto: ModelProto, values: Mapping[str, ArrayLike]) -> ModelProto:
    """A copy of a model in which initializers have other values.

    Raises
    ------
    Error
        There is no such initializer.
    ShapeError
        The values have another dtype or shape.
    """
    from onnx import ModelProto, numpy_helper

    from pysofie.importers.names import like

    changed = ModelProto()
    changed.CopyFrom(proto)
    constants = _constants(changed)
    unknown = [name for name in values if name not in constants]
    if unknown:
        known = like(unknown, constants) or list(constants)[:20]
        raise Error(
            f"set_weights names {', '.join(map(repr, unknown))}, which the model does not have; "
            f"there are {', '.join(map(repr, known))}"
        )
    for name, value in values.items():
        array = _checked(name, value, constants[name])
        constants[name].CopyFrom(numpy_helper.from_array(array, constants[name].name))
    return changed


def _constants(proto: ModelProto) -> dict[str, TensorProto]:
    """The constants of a model by name: initializers, and tensors in nodes of their own."""
    constants = [node for node in proto.graph.node if node.op_type == "Constant"]
    found = {node.output[0]: a.t for node in constants for a in node.attribute if a.name == "value"}
    return found | {tensor.name: tensor for tensor in proto.graph.initializer}


def _numbers(proto: ModelProto) -> dict[str, str]:
    """The constants without axes, as text."""
    from onnx import numpy_helper

    return {
        name: str(numpy_helper.to_array(constant))
        for name, constant in _constants(proto).items()
        if not constant.dims
    }


def _checked(name: str, value: Any, constant: TensorProto) -> np.ndarray[Any, Any]:
    from pysofie.importers.tensors import dtype_name

    tensor = Tensor(name, dtype_name(constant.data_type), tuple(constant.dims))
    array = as_input(value, tensor, np.dtype(tensor.dtype), "weight")
    if array.shape != tensor.shape:
        raise ShapeError(f"weight {name!r} has shape {array.shape}; expected {tensor}")
    return array
