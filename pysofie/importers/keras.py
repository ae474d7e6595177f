"""Models of Keras 3, by the exporter that the backend brings on which Keras runs."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pysofie.errors import ShapeError, UnsupportedError
from pysofie.importers import agreement, keras_files
from pysofie.importers.frameworks import Exported, Wishes
from pysofie.importers.signature import BATCH, label, named_dims, random_feeds, with_shapes
from pysofie.model import Tensor

if TYPE_CHECKING:
    from numpy.typing import NDArray

_BACKENDS = ("torch", "tensorflow", "jax")
# Two sizes at which the exported model must agree; what is no batch is large enough for deep convolutions.
_SIZES = ((2, 32), (3, 64))


def export(source: Any, wishes: Wishes) -> Exported:
    """Write a model of Keras as ONNX.

    Parameters
    ----------
    source : keras.Model, keras.layers.Layer or pathlib.Path
        A model, or a ``.keras`` or HDF5 file.
    wishes : Wishes
        The example inputs or shapes are needed where the model has not been called yet.

    Returns
    -------
    Exported
        Its inputs and outputs are called as those of a functional model; else as the parameters of ``call``,
        and as the keys of what that returns, or ``output``, or ``output_0`` and so on.

    Raises
    ------
    InvalidModelError
        The file is broken.
    UnsupportedError
        The file brings code, or the backend's exporters do not write what the model computes.
    ShapeError
        The shapes or example inputs do not fit the model.
    """
    choose_backend()
    import keras

    model = keras_files.read(source, trust=wishes.trust) if isinstance(source, Path) else source
    if not isinstance(model, keras.layers.Layer):
        raise UnsupportedError(f"{type(model).__name__} is no model of Keras; give a keras.Model, or a layer")
    call = _call(model, wishes)
    try:
        return _exported(call, wishes)
    except UnsupportedError as error:
        raise UnsupportedError(f"{error}{_where(model)}") from error


def _exported(call: _Call, wishes: Wishes) -> Exported:
    import keras

    return (_by_torch if keras.backend.backend() == "torch" else _by_function)(call, wishes)


def _where(model: Any) -> str:
    """Name the first layer with which a model is not exported as it is."""
    import keras

    for layer in model.layers if getattr(model, "inputs", None) else ():
        try:
            _exported(_call(keras.Model(model.inputs, layer.output), Wishes()), Wishes())
        except UnsupportedError:
            return f"\n  It begins with the layer {layer.name!r} ({type(layer).__name__})."
    return ""


def choose_backend() -> None:
    """Take a backend that is installed, unless the user has said which; Keras's default is TensorFlow."""
    if "keras" in sys.modules or "KERAS_BACKEND" in os.environ:
        return
    config = Path(os.environ.get("KERAS_HOME", Path.home() / ".keras")) / "keras.json"
    # Keras itself writes the file, with its default, when it is imported for the first time.
    wish = json.loads(config.read_text()).get("backend") if config.exists() else "tensorflow"
    installed = [name for name in _BACKENDS if importlib.util.find_spec(name)]
    if wish not in installed and installed:
        os.environ["KERAS_BACKEND"] = installed[0]


# --- a model as a function --------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Call:
    """A model as a function of flat inputs.

    Attributes
    ----------
    model : keras.layers.Layer
        What is called.
    inputs : list of Tensor
        The leaves of the arguments, in the order in which Keras flattens them.
    arguments : tuple
        The structure of the arguments; what the leaves are does not matter.
    """

    model: Any
    inputs: list[Tensor]
    arguments: tuple[Any, ...]

    def structured(self, tensors: Sequence[Any]) -> Any:
        """The outputs as the model gives them."""
        import keras

        arguments = keras.tree.pack_sequence_as(self.arguments, list(tensors))
        return self.model(*arguments, training=False)

    def __call__(self, *tensors: Any) -> tuple[Any, ...]:
        """The outputs, flat."""
        import keras

        return tuple(keras.tree.flatten(self.structured(tensors)))

    def tensors(self, feeds: Mapping[str, NDArray[Any]]) -> list[Any]:
        """Inputs as tensors of the backend."""
        import keras

        return [keras.ops.convert_to_tensor(feeds[each.name], dtype=each.dtype) for each in self.inputs]

    def feeds(self) -> list[dict[str, NDArray[Any]]]:
        """Random inputs of two sizes."""
        return [random_feeds(self.inputs, {BATCH: batch}, others) for batch, others in _SIZES]


def _call(model: Any, wishes: Wishes) -> _Call:
    """Find out what a model takes: as it was made, as its caller says, or as it was called before."""
    import keras

    if getattr(model, "inputs", None):
        # A sequential or functional model says so itself: all inputs lie in its first argument.
        arguments: tuple[Any, ...] = (
            model.inputs[0] if isinstance(model, keras.Sequential) else model.input,
        )
        names = [tensor.name for tensor in keras.tree.flatten(arguments)]
    else:
        arguments = _arguments(model, wishes)
        names = _argument_names(model, arguments)
    inputs = [
        Tensor(name, keras.backend.standardize_dtype(tensor.dtype), named_dims(name, tensor.shape))
        for name, tensor in zip(names, keras.tree.flatten(arguments), strict=True)
    ]
    return _Call(model, with_shapes(inputs, wishes.shapes), arguments)


def _arguments(model: Any, wishes: Wishes) -> tuple[Any, ...]:
    """The arguments of a model that is written as a class, as tensors without values."""
    import keras

    def symbolic(shape: Sequence[Any], dtype: Any = model.input_dtype) -> Any:
        dims = [None if isinstance(dim, str) else dim for dim in shape[1:]]
        return keras.KerasTensor((None, *dims), keras.backend.standardize_dtype(dtype))

    if wishes.example_inputs:
        arrays = keras.tree.map_structure(keras.ops.convert_to_tensor, wishes.example_inputs)
        return tuple(keras.tree.map_structure(lambda array: symbolic(array.shape, array.dtype), arrays))
    if wishes.shapes:
        parameters = _parameters(model)
        unknown = [name for name in wishes.shapes if name not in parameters]
        if unknown:
            raise ShapeError(f"shapes names {unknown[0]!r}, but the model is called with {parameters}")
        return tuple(symbolic(wishes.shapes[name]) for name in parameters if name in wishes.shapes)
    config = model.get_build_config() or {}
    shapes = list((config.get("shapes_dict") or {"inputs": config.get("input_shape")}).values())
    if not model.built or None in shapes or len(shapes) < len(_parameters(model, required=True)):
        raise UnsupportedError(
            f"what {type(model).__name__} takes is not known: Keras keeps the shape of the first argument "
            f"only, from the first call. Give example_inputs=, or shapes= for {_parameters(model)}"
        )
    return tuple(keras.tree.map_shape_structure(symbolic, shape) for shape in shapes)


def _parameters(model: Any, *, required: bool = False) -> list[str]:
    """The arguments with data, all or those without a default."""
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [
        name
        for name, parameter in inspect.signature(model.call).parameters.items()
        if parameter.kind in kinds
        and name not in ("training", "mask")
        and not (required and parameter.default is not inspect.Parameter.empty)
    ]


def _argument_names(model: Any, arguments: tuple[Any, ...]) -> list[str]:
    """Names for the leaves: those of the arguments, with keys and places for what is inside of them."""
    import keras

    parameters = dict(enumerate(_parameters(model)))
    paths = [path for path, _ in keras.tree.flatten_with_path(arguments)]
    return ["_".join(map(str, (parameters.get(path[0], f"input_{path[0]}"), *path[1:]))) for path in paths]


def _output_names(call: _Call, outputs: Any) -> list[str]:
    """The keys of a dict, else the names of the layers that make the outputs, else numbers."""
    import keras

    paths = [path for path, _ in keras.tree.flatten_with_path(outputs)]
    given = list(getattr(call.model, "output_names", None) or [])
    if all(any(isinstance(key, str) for key in path) for path in paths):
        names = ["_".join(map(str, path)) for path in paths]
    elif len(given) == len(paths):
        names = given
    else:
        names = [f"output_{i}" if len(paths) > 1 else "output" for i in range(len(paths))]
    taken = {tensor.name for tensor in call.inputs}
    return [f"{name}_{i}" if name in taken or names.count(name) > 1 else name for i, name in enumerate(names)]


def _examples(call: _Call, wishes: Wishes) -> list[dict[str, NDArray[Any]]]:
    """The user's inputs, by name."""
    import keras

    leaves = keras.tree.flatten(wishes.example_inputs)
    if not leaves:
        return []
    if len(leaves) != len(call.inputs):
        raise ShapeError(
            f"example_inputs holds {len(leaves)} arrays; the model takes {', '.join(map(str, call.inputs))}"
        )
    arrays = map(keras.ops.convert_to_numpy, leaves)
    return [{each.name: array.astype(each.dtype) for each, array in zip(call.inputs, arrays, strict=True)}]


# --- exporters --------------------------------------------------------------------------------------------


def _by_torch(call: _Call, wishes: Wishes) -> Exported:
    """On torch a model of Keras is a module, and goes the way of torch's modules."""
    from pysofie.importers.torch import call as calls
    from pysofie.importers.torch import exporters

    class Flat(calls.Flat):
        def result(self, tensors: Any) -> Any:
            return call(*tensors)

    tensors = call.tensors((_examples(call, wishes) or call.feeds())[0])
    flat = Flat(call.model, tensors, None)
    with calls.evaluating(flat):
        torch_call = calls.Call(
            flat,
            None,
            inputs=dict(zip([each.name for each in call.inputs], tensors, strict=True)),
            shapes={each.name: each.shape for each in call.inputs},
            outputs=tuple(_output_names(call, call.structured(tensors))),
        )
        proto = exporters.write(torch_call, traces_first=True)
    label(proto, call.inputs, wishes.columns)

    def reference(feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        with calls.evaluating(flat):
            return torch_call.run(feeds)

    return Exported(proto, reference)


def _by_function(call: _Call, wishes: Wishes) -> Exported:
    """On other backends it is a function, which the converter of the backend writes."""
    import keras

    backend = keras.backend.backend()
    feeds = [*_examples(call, wishes), *call.feeds()]
    names = _output_names(call, call.structured(call.tensors(feeds[0])))

    def reference(feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        outputs = call(*call.tensors(feeds))
        return dict(zip(names, map(keras.ops.convert_to_numpy, outputs), strict=True))

    writer = importlib.import_module(f"pysofie.importers.{backend}")
    proto = writer.write(call, call.inputs, names)
    label(proto, call.inputs, wishes.columns)
    exported = Exported(proto, reference)
    agreement.require(exported, feeds, f"Keras's backend {backend!r}")
    return exported
