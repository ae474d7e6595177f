"""The content of a model before it is parsed: enough to look it up in the cache."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from pysofie.errors import InvalidModelError, ShapeError
from pysofie.importers.limits import MAX_DIM

if TYPE_CHECKING:
    from pysofie.model import Model

Dims: TypeAlias = Mapping[str, "int | tuple[int, int]"]


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
        Values and bounds of symbols.
    outputs : sequence of str, optional
        The outputs wanted, by default all.

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
    ) -> None:
        self.content = content
        self.folder = folder
        self.name = name
        self.dims = _checked(dims or {})
        self.outputs = None if outputs is None else list(outputs)
        self._model: Model | None = None
        self._proto: Any = None

    @classmethod
    def from_model(cls, model: Model) -> Source:
        """Wrap a model that has been loaded."""
        source = cls(b"", name=model.name)
        source._model = model
        return source

    @property
    def digest(self) -> str:
        """Identifies the content, external data included, and the options."""
        if self._model is not None:
            return self._model.digest
        digest = hashlib.sha256(self.content)
        options = {"name": self.name, "dims": dict(self.dims), "outputs": self.outputs}
        digest.update(json.dumps(options, sort_keys=True).encode())
        # External data is found by parsing. Its entries carry this key, so a file without the word has none.
        if b"location" in self.content:
            for tensor in self.proto().external_data:
                digest.update(tensor.encode())
        return digest.hexdigest()

    def proto(self) -> Any:
        """Parse and check the content once.

        Returns
        -------
        pysofie.importers.onnx.CheckedModel
        """
        if self._proto is None:
            from pysofie.importers import onnx

            self._proto = onnx.parse(self.content, self.folder)
        return self._proto

    def load(self) -> Model:
        """Build the model; see `pysofie.load` for the errors."""
        if self._model is None:
            from pysofie.importers import onnx

            if not self.content:
                raise InvalidModelError("the model is empty")
            self._model = onnx.build(
                self.proto(), name=self.name, dims=self.dims, outputs=self.outputs, digest=self.digest
            )
        return self._model


def _checked(dims: Dims) -> dict[str, int | tuple[int, int]]:
    result: dict[str, int | tuple[int, int]] = {}
    for symbol, value in dims.items():
        low, high = value if isinstance(value, (tuple, list)) else (value, value)
        if not 0 <= int(low) <= int(high) <= MAX_DIM:
            raise ShapeError(
                f"dims[{symbol!r}] = {value!r}: a dim is a number from 0 to {MAX_DIM}, or (low, high)"
            )
        result[symbol] = (int(low), int(high)) if isinstance(value, (tuple, list)) else int(value)
    return result
