"""Front doors: every source of models becomes a `Model`."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from pysofie.errors import UnsupportedError
from pysofie.importers.frameworks import (
    FRAMEWORKS,
    Framework,
    Reference,
    Wishes,
    by_class,
    by_suffix,
    command_for,
)
from pysofie.importers.source import Dims, Source

if TYPE_CHECKING:
    from pysofie.flow import InputType, Step
    from pysofie.model import Model

#: A path, bytes, an onnx.ModelProto, a `Model`, or a model of one of `FRAMEWORKS`.
ModelLike: TypeAlias = Any


def load(
    source: ModelLike,
    *,
    dims: Dims | None = None,
    name: str | None = None,
    outputs: Sequence[str] | None = None,
    example_inputs: Any = (),
    shapes: Mapping[str, Sequence[int | str]] | None = None,
    columns: Sequence[str] | None = None,
    trust: bool = False,
    pre: Step | None = None,
    post: Step | None = None,
    inputs: Mapping[str, InputType] | None = None,
) -> Model:
    """Read and check a model.

    Parameters
    ----------
    source : path, bytes, onnx.ModelProto or a model of a framework
        An ONNX model, or a model or file of one of `FRAMEWORKS`, which the framework's own exporter writes as
        ONNX. External data is read from the folder of the file, and from nowhere else.
    dims : dict, optional
        What is known of dynamic dims, by symbol: a number fixes the dim, a pair ``(low, high)`` bounds it.
        Sizes that the data decide (of NonZero, Range, ...) are symbols too, as the shapes of the outputs and
        ``pysofie info`` show them: of these it gives the largest value, and memory is planned for that.
        Of an input that is a sequence, by its name: the number of its tensors, or a list of their shapes.
        Of an optional input: 0 if it will not be given.
    name : str, optional
        Names the generated code; by default the name of the file, else of the graph.
    outputs : sequence of str, optional
        The outputs wanted: any tensors of the graph, in this order, by default its outputs. What these do
        not need is left out of the model, inputs too.
    example_inputs : array or tensor, or a tuple of them, optional
        What a model of a framework can be called with; PyTorch's modules need it.
    shapes : dict of str to tuple of int or str, optional
        Shapes of a framework's inputs, with names for the dims that may change:
        ``{"x": ("batch", 28)}``.
    columns : sequence of str, optional
        What the features of a framework's model are called, for `pysofie.functor`.
    trust : bool
        Whether a file may run code while it is read: pickles can do anything. Only for files of your own.
    pre : function, str, or dict of str to these, optional
        What is computed before the model, and compiled with it. A Python function takes the new inputs, by
        the names of its parameters, and returns a dict of the model's inputs that it gives; it may use NumPy.
        A dict says how each input is computed, by such a function or by an expression of C++:
        ``{"x": "log1p(pt / 1000)"}``. The model's other inputs stay.
    post : function, str, or dict of str to these, optional
        What is computed after the model: of outputs, and inputs too, by their names. The outputs that it
        takes are replaced by what it returns or names; the others stay.
    inputs : dict of str to tuple or str, optional
        The dtypes and shapes of the new inputs: ``{"pt": ("float32", ("batch",))}`` or
        ``{"pt": "float32[batch]"}``. Annotations of the function's parameters can say the same. Else an input
        is as that of the model with its name, and in an expression as the one that is computed.

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
        The model uses something that cannot be compiled, all of it is listed; or it is none that is taken.
    ShapeError
        Shapes contradict each other, or `dims` names a symbol that the model lacks.
    Error
        `outputs` names something else than tensors of the model; the message names those that are alike.

    Examples
    --------
    >>> model = pysofie.load("model.onnx", dims={"batch": 1, "n_tracks": (0, 128)})  # doctest: +SKIP
    >>> model = pysofie.load(module, example_inputs=x, shapes={"x": ("batch", 28)})  # doctest: +SKIP
    >>> model = pysofie.load("model.onnx", pre={"x": "log1p(x / 1000)"}, post="1 - score")  # doctest: +SKIP
    """
    wishes = Wishes.given(example_inputs, shapes, columns, trust)
    model = as_source(source, wishes, dims=dims, name=name, outputs=outputs).load()
    if pre is None and post is None and not inputs:
        return model
    from pysofie.flow import around

    return around(model, pre, post, inputs)


def as_source(
    source: ModelLike,
    wishes: Wishes | None = None,
    *,
    dims: Dims | None = None,
    name: str | None = None,
    outputs: Sequence[str] | None = None,
) -> Source:
    """Take hold of a model's content without parsing it.

    Raises
    ------
    UnsupportedError
        The source is of a kind that is not taken; the message names those that are.
    """
    from pysofie.model import Model

    if isinstance(source, Source):
        return source
    if isinstance(source, Model):
        if dims is not None or name is not None or outputs is not None:
            raise TypeError(
                "dims, name and outputs are given to pysofie.load; this model is already loaded: "
                "pysofie.cut(model, outputs=[...]) gives another one"
            )
        return source.source
    if isinstance(source, (str, os.PathLike)):
        path = Path(source)
        framework = by_suffix(path)
        options = _Options(name or path.stem, dims, outputs)
        if framework is None and command_for(path):
            raise UnsupportedError(f"{path} is not taken; make ONNX of it, as by\n  {command_for(path)}")
        if framework is None:
            _refuse_wishes(wishes)
            return options.source(path.read_bytes(), folder=path.parent)
        if not path.exists():
            raise FileNotFoundError(path)
        return options.exported(framework, path, wishes)
    options = _Options(name, dims, outputs)
    framework = by_class(source)
    if framework is not None:
        return options.exported(framework, source, wishes)
    _refuse_wishes(wishes)
    if isinstance(source, (bytes, bytearray, memoryview)):
        return options.source(bytes(source))
    if hasattr(source, "SerializeToString") and hasattr(source, "graph"):
        return options.source(source.SerializeToString(deterministic=True))
    raise UnsupportedError(_refusal(source))


@dataclass(frozen=True)
class _Options:
    """What the user says of a model, whatever it is made of."""

    name: str | None
    dims: Dims | None
    outputs: Sequence[str] | None

    def source(
        self, content: bytes, *, folder: Path | None = None, reference: Reference | None = None
    ) -> Source:
        return Source(
            content, folder=folder, name=self.name, dims=self.dims, outputs=self.outputs, reference=reference
        )

    def exported(self, framework: Framework, source: Any, wishes: Wishes | None) -> Source:
        exported = framework.export(source, wishes or Wishes())
        content = exported.proto.SerializeToString(deterministic=True)
        return self.source(content, reference=exported.reference)


def _refuse_wishes(wishes: Wishes | None) -> None:
    if wishes:
        raise TypeError(
            "example_inputs, shapes, columns and trust are for models of frameworks; this one is ONNX"
        )


def _refusal(source: Any) -> str:
    kind = type(source)
    what = f"a model of type {kind.__module__}.{kind.__qualname__} is not taken"
    command = command_for(source)
    if command:
        return f"{what}; make ONNX of it, as by\n  {command}"
    taken = ", ".join(framework.name for framework in FRAMEWORKS)
    return f"{what}; give the path, bytes or onnx.ModelProto of an ONNX model, or a model of {taken}"


__all__ = ["Dims", "Mapping", "ModelLike", "Sequence", "Source", "as_source", "load"]
