"""The classes of classifiers: labels that generated code can return, and what they stand for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pysofie.importers.writer import Writer


class Classes:
    """The classes of a classifier, in the order of its scores.

    Generated code returns numbers. Labels that are whole numbers are returned as they are; for others, such
    as text, their place in the order.

    Parameters
    ----------
    labels : sequence
        What the classifier calls them.
    """

    def __init__(self, labels: Sequence[Any]) -> None:
        array = np.asarray(labels)
        self.are_numbers = array.dtype.kind in "biu" or (
            array.dtype.kind == "f" and bool(np.all(array == np.floor(array)))
        )
        self.numbers: NDArray[np.int64] = (
            array.astype(np.int64) if self.are_numbers else np.arange(len(array), dtype=np.int64)
        )
        #: For the metadata of the model.
        self.names: list[Any] = self.numbers.tolist() if self.are_numbers else [str(x) for x in array]

    def chosen(self, places: NDArray[Any]) -> NDArray[np.int64]:
        """The labels of classes given by their places."""
        return np.take(self.numbers, places)

    def numbered(self, labels: NDArray[Any]) -> NDArray[np.int64]:
        """What generated code returns for labels of the classifier."""
        if self.are_numbers:
            return np.asarray(labels).astype(np.int64)
        places = {name: place for place, name in enumerate(self.names)}
        return np.asarray([places[str(label)] for label in labels], np.int64)

    def write_best(self, writer: Writer, scores: str) -> str:
        """Write the label of the greatest score, the first of equal ones."""
        places = writer.add("ArgMax", scores, axis=1, keepdims=0)
        if np.array_equal(self.numbers, np.arange(len(self.numbers))):
            return places
        return writer.add("Gather", self.numbers, places)
