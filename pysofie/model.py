"""A model as the user sees it: its inputs, outputs and metadata, and the graph that is compiled."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pysofie._core import Graph
    from pysofie.custom.application import Application
    from pysofie.importers.source import Source

#: Keys under which exporters and analysts put the names of the columns that a model was trained on.
FEATURE_KEYS = ("feature_names", "features", "columns", "input_features")


@dataclass(frozen=True)
class Tensor:
    """An input or output.

    Attributes
    ----------
    name : str
        The name in the model file.
    dtype : str
        NumPy's name of the element type.
    shape : tuple of int or str
        Numbers, or symbols (for outputs: expressions of symbols) for dims known when the model runs.
    """

    name: str
    dtype: str
    shape: tuple[int | str, ...]

    def __str__(self) -> str:
        return f"{self.name}: {self.dtype}[{', '.join(map(str, self.shape))}]"


@dataclass(frozen=True, eq=False)
class Model:
    """A loaded model, ready to be compiled or emitted; made by `pysofie.load`.

    Attributes
    ----------
    name : str
        A C++ identifier; the namespace of the generated code is ``TMVA_SOFIE_<name>``.
    inputs, outputs : tuple of Tensor
        In the order of the model file.
    metadata : dict of str to str
        What the file says about itself; under ``"classes"`` a JSON list of the labels that a classifier has,
        in the order of its scores.
    graph : pysofie._core.Graph
        Level 1 of the compiler, analysed.
    source : pysofie.importers.Source
        What it was made of.
    custom : tuple of pysofie.custom.application.Application
        The nodes of operators that users wrote.
    """

    name: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    metadata: dict[str, str]
    graph: Graph = field(repr=False)
    source: Source = field(repr=False)
    custom: tuple[Application, ...] = field(default=(), repr=False)

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel as content, which is analysed again where it arrives."""
        return _reload, (self.source,)

    @property
    def digest(self) -> str:
        """Identifies the content: file, external data, fixed and bounded dims."""
        return self.source.digest

    @property
    def feature_names(self) -> list[str] | None:
        """The columns the model was trained on, where its metadata names them."""
        for key in FEATURE_KEYS:
            if key in self.metadata:
                return parse_names(self.metadata[key])
        return None


def _reload(source: Source) -> Model:
    return source.load()


def parse_names(text: str) -> list[str]:
    """Read a JSON list or a comma-separated list of names."""
    try:
        names = json.loads(text)
    except json.JSONDecodeError:
        names = [name.strip() for name in text.split(",")]
    return [str(name) for name in names] if isinstance(names, list) else [str(names)]
