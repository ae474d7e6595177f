"""The content of a model before it is parsed: enough to look it up in the cache."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from pysofie import custom
from pysofie.errors import ShapeError, errors_of
from pysofie.importers.limits import MAX_DIM

if TYPE_CHECKING:
    from onnx import ModelProto

    from pysofie.custom import Definition
    from pysofie.importers.checked import CheckedModel
    from pysofie.importers.frameworks import Reference
    from pysofie.model import Model

#: By symbol a number or bounds; by the name of a sequence its length, or the shapes of its tensors.
Dims: TypeAlias = Mapping[str, "int | tuple[int, int] | list[tuple[int | str, ...]]"]


class Source:
    """The bytes of a model, with what the user said about it.

    Parameters
    ----------
    content : bytes
        A serialised ``onnx.ModelProto``.
    folder : pathlib.Path, optional
        Where external data may lie.
    name : str, optional
        A wish for the name of the model.
    dims : dict, optional
        Values and bounds of symbols, lengths of sequences.
    outputs : sequence of str, optional
        The outputs wanted, any tensors of the graph; by default the model's own.
    reference : Reference, optional
        Computes the same with the framework that the model comes from; it does not travel.
    definitions : sequence of Definition, optional
        What users' operators in the model mean; by default as they are registered now.

    Raises
    ------
    ShapeError
        A value or bound in `dims` makes no sense.
    """

    def __init__(
        self,
        content: bytes,
        *,
        folder: Path | None = None,
        name: str | None = None,
        dims: Dims | None = None,
        outputs: Sequence[str] | None = None,
        reference: Reference | None = None,
        definitions: Sequence[Definition] | None = None,
    ) -> None:
        self.content = content
        self.folder = folder
        self.name = name
        self.dims = _checked(dims or {})
        self.outputs = None if outputs is None else list(outputs)
        self.reference = reference
        self.definitions = custom.mentioned(content) if definitions is None else tuple(definitions)
        self._model: Model | None = None
        self._proto: Any = None

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel as bytes, which hold external data too: the folder stays behind."""
        content = self.complete_content()
        return _rebuild, (content, self.name, self.dims, self.outputs, self.definitions)

    def complete_content(self) -> bytes:
        """Return the model with its external data in it."""
        if self._may_refer_outside() and self.proto().external_data:
            content: bytes = self.proto().proto.SerializeToString(deterministic=True)
            return content
        return self.content

    def wanting(self, outputs: Sequence[str] | None) -> Source:
        """The same content for other outputs; it is not parsed again."""
        source = copy.copy(self)
        source.outputs = None if outputs is None else list(outputs)
        source._model = None
        return source

    def wanted(self) -> CheckedModel:
        """What the outputs wanted need of the model."""
        part: CheckedModel = self.proto().part(self.outputs)
        return part

    def forget(self) -> None:
        """Let go of what was made of the content; it is made again when it is needed."""
        self._proto = self._model = None

    def rewritten(self, proto: ModelProto) -> Source:
        """The same with a model in place of `wanted` that differs in the values of constants alone."""
        content = proto.SerializeToString(deterministic=True)
        source = Source(
            content, name=self.name, dims=self.dims, outputs=self.outputs, definitions=self.definitions
        )
        source._proto = replace(self.wanted(), proto=proto)
        return source

    def alike(self, other: Source) -> Source:
        """The same content by the name, the dims and the outputs of another source."""
        return Source(
            self.content,
            folder=self.folder,
            name=other.name,
            dims=other.dims,
            outputs=other.outputs,
            definitions=self.definitions,
        )

    def wanted_content(self) -> bytes:
        """Return the model that computes the outputs wanted, whatever else the file computes."""
        if self.outputs is None:
            return self.complete_content()
        content: bytes = self.wanted().proto.SerializeToString(deterministic=True)
        return content

    @property
    def digest(self) -> str:
        """Identifies the content, external data included, and the options."""
        digest = hashlib.sha256(self.content)
        options = {"name": self.name, "dims": dict(self.dims), "outputs": self.outputs}
        digest.update(json.dumps(options, sort_keys=True).encode())
        if self._may_refer_outside():
            for tensor in self.proto().external_data:
                digest.update(tensor.encode())
        if self.definitions:  # what they mean is known when they have been asked
            from pysofie.custom import dependencies

            applications = self.load().custom
            for application in applications:
                digest.update(application.digest().encode())
            for definition in {str(each.definition): each.definition for each in applications}.values():
                digest.update(dependencies.contents(definition).encode())
        return digest.hexdigest()

    def _may_refer_outside(self) -> bool:
        # External data is found by parsing. Its entries carry this key, so a file without the word has none.
        return b"location" in self.content

    def proto(self) -> Any:
        """Parse and check the content once.

        Returns
        -------
        pysofie.importers.checked.CheckedModel
        """
        if self._proto is None:
            from pysofie.importers.checked import parse

            with errors_of(self.name):
                self._proto = parse(self.content, self.folder)
        return self._proto

    def load(self) -> Model:
        """Build the model; see `pysofie.load` for the errors."""
        if self._model is None:
            from pysofie.importers import onnx

            self._model = onnx.build(self)
        return self._model


def _rebuild(
    content: bytes,
    name: str | None,
    dims: Dims,
    outputs: Sequence[str] | None,
    definitions: Sequence[Definition],
) -> Source:
    return Source(content, name=name, dims=dims, outputs=outputs, definitions=definitions)


def _checked(dims: Dims) -> dict[str, Any]:
    return {name: _checked_shapes(name, value) or _checked_dim(name, value) for name, value in dims.items()}


def _checked_shapes(name: str, value: Any) -> list[tuple[int | str, ...]]:
    """The shapes of a sequence's tensors; empty for what is no list of shapes."""
    if not isinstance(value, list) or not all(isinstance(shape, (tuple, list)) for shape in value):
        return []
    for dim in (dim for shape in value for dim in shape if not isinstance(dim, str)):
        _checked_dim(name, dim)
    return [tuple(shape) for shape in value]


def _checked_dim(name: str, value: Any) -> int | tuple[int, int]:
    is_pair = isinstance(value, (tuple, list))
    low, high = value if is_pair and len(value) == 2 else (value, value)
    try:
        low, high = int(low), int(high)
    except TypeError:
        low, high = 1, 0
    if not 0 <= low <= high <= MAX_DIM:
        raise ShapeError(f"dims[{name!r}] = {value!r}: a dim is a number from 0 to {MAX_DIM}, or (low, high)")
    return (low, high) if is_pair else low
