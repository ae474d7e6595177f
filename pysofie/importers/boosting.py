"""What boosted models of every library are made of: scores that are added up, and a link."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from pysofie.importers import agreement
from pysofie.importers.classes import Classes
from pysofie.importers.frameworks import Exported, Wishes
from pysofie.importers.signature import label, with_shapes
from pysofie.importers.writer import Writer, describe, feature_names
from pysofie.model import Tensor

#: What the input is called.
INPUT = "features"
# How many samples are compared with the library.
_COMPARED = 400
# What adding float32 in another order may come to, relative to the largest output.
_TOLERANCE = 1e-5


class Link(enum.Enum):
    """What is made of the scores."""

    IDENTITY = enum.auto()
    SIGMOID = enum.auto()
    SOFTMAX = enum.auto()
    EXP = enum.auto()
    STEP = enum.auto()
    SIGNED_SQUARE = enum.auto()
    SOFTPLUS = enum.auto()

    def write(self, writer: Writer, scores: str) -> str:
        """Write it for scores of shape (batch, targets)."""
        match self:
            case Link.SIGMOID:
                return writer.add("Sigmoid", scores)
            case Link.SOFTMAX:
                return writer.add("Softmax", scores, axis=1)
            case Link.EXP:
                return writer.add("Exp", scores)
            case Link.STEP:
                positive = writer.add("Greater", scores, np.float32(0))
                return writer.add("Cast", positive, to=TensorProto.FLOAT)
            case Link.SIGNED_SQUARE:
                return writer.add("Mul", scores, writer.add("Abs", scores))
            case Link.SOFTPLUS:
                return writer.add("Softplus", scores)
        return scores


class Scores(Protocol):
    """What a model adds up."""

    def write(self, writer: Writer, x: str) -> str:
        """Write the scores, of shape (batch, targets), of samples of shape (batch, features)."""

    def samples(self, count: int) -> NDArray[np.float32]:
        """Samples with which a fault in what is written shows."""


@dataclass(frozen=True)
class Boosted:
    """A boosted model, whichever library it comes from.

    Attributes
    ----------
    library : str
        Its name, for messages.
    features : int
        The number of features.
    feature_names : sequence of str or None
        What the model calls them.
    scores : Scores
        What is added up.
    link : Link
        What is made of that.
    classes : Classes or None
        Of a classifier with one label for each sample.
    is_multilabel : bool
        Whether each score is the probability of a label of its own.
    predict : callable
        Asks the library for what comes after the link.
    """

    library: str
    features: int
    feature_names: Sequence[str] | None
    scores: Scores
    link: Link
    classes: Classes | None
    is_multilabel: bool
    predict: Callable[[NDArray[np.float32]], NDArray[Any]]

    def outputs(self, writer: Writer, x: str) -> dict[str, str]:
        """Write the outputs, by name."""
        values = self.link.write(writer, self.scores.write(writer, x))
        if self.is_multilabel:
            likely = writer.add("Greater", values, np.float32(0.5))
            return {"label": writer.add("Cast", likely, to=TensorProto.INT64), "probabilities": values}
        if self.classes is None:
            return {"prediction": values}
        if self.link is Link.SIGMOID and len(self.classes.numbers) == 2:
            values = writer.add("Concat", writer.add("Sub", np.float32(1), values), values, axis=1)
        return {"label": self.classes.write_best(writer, values), "probabilities": values}

    def reference(self, feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """The outputs as the library computes them."""
        x = feeds[INPUT]
        values = np.asarray(self.predict(x), np.float32)
        if self.is_multilabel:
            return {"label": (values > 0.5).astype(np.int64), "probabilities": values}
        if self.classes is None:
            return {"prediction": values.reshape(len(x), -1)}
        if values.ndim == 1:
            values = np.stack([1 - values, values], axis=1)
        return {"label": self.classes.chosen(values.argmax(axis=1)), "probabilities": values}

    def scores_reference(self, feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """The outputs but the label, which rounding decides where classes are equally likely."""
        return {name: values for name, values in self.reference(feeds).items() if name != "label"}


def export_boosted(model: Boosted, wishes: Wishes) -> Exported:
    """Write a boosted model as ONNX and compare it with its library.

    Raises
    ------
    UnsupportedError
        What was written computes something else than the library.
    ShapeError
        `wishes` do not fit the model.
    """
    own = Tensor(INPUT, "float32", ("batch", model.features))
    given = with_shapes([own], wishes.shapes)
    names = feature_names(wishes.columns, model.feature_names, model.features)
    writer = Writer()
    proto = writer.model("boosted", own, model.outputs(writer, INPUT))
    exported = Exported(proto, model.reference)
    compared = [model.scores.samples(_COMPARED), *wishes.example_inputs]
    feeds = [{INPUT: np.asarray(x, np.float32)} for x in compared]
    agreement.require(
        replace(exported, reference=model.scores_reference), feeds, "pysofie", tolerance=_TOLERANCE
    )
    label(proto, given, names)
    describe(proto, classes=model.classes.names if model.classes else None)
    return exported
