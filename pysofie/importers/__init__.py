"""Front doors: every source of models becomes a `Model`."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, Union

from pysofie.errors import UnsupportedError
from pysofie.importers.source import Dims, Source

if TYPE_CHECKING:
    from onnx import ModelProto

    from pysofie.model import Model

ModelLike: TypeAlias = Union[str, "os.PathLike[str]", bytes, "ModelProto", "Model", Source]

# How to make an ONNX file of an object, by the top package of its class.
_EXPORTERS = {
    "torch": "torch.onnx.export(model, (example_input,), 'model.onnx', dynamo=True)",
    "keras": "model.export('model.onnx', format='onnx')",
    "tensorflow": "python -m tf2onnx.convert --saved-model FOLDER --output model.onnx",
    "sklearn": "skl2onnx.to_onnx(model, X[:1].astype('float32')).SerializeToString()",
    "xgboost": "onnxmltools.convert_xgboost(model, initial_types=[...]).SerializeToString()",
    "lightgbm": "onnxmltools.convert_lightgbm(model, initial_types=[...]).SerializeToString()",
}
_SUFFIXES = {
    ".pt": "torch",
    ".pt2": "torch",
    ".pth": "torch",
    ".keras": "keras",
    ".h5": "keras",
    ".pb": "tensorflow",
    ".joblib": "sklearn",
    ".pkl": "sklearn",
    ".ubj": "xgboost",
}


def load(
    source: ModelLike,
    *,
    dims: Dims | None = None,
    name: str | None = None,
    outputs: Sequence[str] | None = None,
) -> Model:
    """Read and check a model.

    Parameters
    ----------
    source : path, bytes or onnx.ModelProto
        An ONNX model. External data is read from the folder of the file, and from nowhere else.
    dims : dict, optional
        What is known of dynamic dims, by symbol: a number fixes the dim, a pair ``(low, high)`` bounds it.
        Sizes that the data decide (of NonZero, Range, ...) are symbols too, as the shapes of the outputs and
        ``pysofie info`` show them: of these it gives the largest value, and memory is planned for that.
        Of an input that is a sequence, by its name: the number of its tensors, or a list of their shapes.
        Of an optional input: 0 if it will not be given.
    name : str, optional
        Names the generated code; by default the name of the file, else of the graph.
    outputs : sequence of str, optional
        The outputs wanted, by default all; what these do not need is left out of the model, inputs too.

    Returns
    -------
    Model

    Raises
    ------
    FileNotFoundError
        There is no such file.
    InvalidModelError
        The source is not a well-formed ONNX model.
    UnsupportedError
        The model uses something that cannot be compiled; all of it is listed.
    ShapeError
        Shapes contradict each other, or `dims` names a symbol that the model lacks.
    Error
        `outputs` names something else than outputs of the model.

    Examples
    --------
    >>> model = pysofie.load("model.onnx", dims={"batch": 1, "n_tracks": (0, 128)})  # doctest: +SKIP
    """
    return as_source(source, dims=dims, name=name, outputs=outputs).load()


def as_source(
    source: ModelLike,
    *,
    dims: Dims | None = None,
    name: str | None = None,
    outputs: Sequence[str] | None = None,
) -> Source:
    """Take hold of a model's content without parsing it.

    Raises
    ------
    UnsupportedError
        The source is of a kind that is not taken; the message says how to make ONNX of it.
    """
    from pysofie.model import Model

    if isinstance(source, Source):
        return source
    if isinstance(source, Model):
        if dims is not None or name is not None or outputs is not None:
            raise TypeError("dims, name and outputs are given to pysofie.load; this model is already loaded")
        return Source.from_model(source)
    if isinstance(source, (bytes, bytearray, memoryview)):
        return Source(bytes(source), name=name, dims=dims, outputs=outputs)
    if isinstance(source, (str, os.PathLike)):
        path = Path(source)
        _refuse_suffix(path)
        content, stem = path.read_bytes(), name or path.stem
        return Source(content, folder=path.parent, name=stem, dims=dims, outputs=outputs)
    if hasattr(source, "SerializeToString") and hasattr(source, "graph"):
        content = source.SerializeToString(deterministic=True)
        return Source(content, name=name, dims=dims, outputs=outputs)
    raise UnsupportedError(_refusal(source))


def _refuse_suffix(path: Path) -> None:
    framework = _SUFFIXES.get(path.suffix.lower())
    if framework is not None:
        raise UnsupportedError(
            f"{path}: a {framework} file is not taken directly; export it to ONNX, for example with\n"
            f"  {_EXPORTERS[framework]}"
        )


def _refusal(source: Any) -> str:
    kind = type(source)
    what = f"a model of type {kind.__module__}.{kind.__qualname__} is not taken directly"
    for base in kind.__mro__:
        exporter = _EXPORTERS.get(base.__module__.partition(".")[0])
        if exporter is not None:
            return f"{what}; export it to ONNX, for example with\n  {exporter}"
    return f"{what}; give a path, bytes or an onnx.ModelProto"


__all__ = ["Dims", "Mapping", "ModelLike", "Sequence", "Source", "as_source", "load"]
