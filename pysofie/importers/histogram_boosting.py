"""scikit-learn's HistGradientBoosting: trees with missing values, which skl2onnx 1.20 cannot write."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import is_classifier

from pysofie.errors import UnsupportedError
from pysofie.importers.boosting import Boosted, Link
from pysofie.importers.classes import Classes
from pysofie.importers.forest import LESS_EQUAL, Forest, Tree
from pysofie.importers.writer import Writer

_LINKS = {
    "squared_error": Link.IDENTITY,
    "absolute_error": Link.IDENTITY,
    "quantile": Link.IDENTITY,
    "gamma": Link.EXP,
    "poisson": Link.EXP,
}


def describe_model(estimator: Any) -> Boosted:
    """Take a fitted estimator apart.

    Raises
    ------
    UnsupportedError
        It has categorical features, or a loss that is not taken.
    """
    if estimator.is_categorical_ is not None:
        raise UnsupportedError(
            "HistGradientBoosting with categorical features is not taken; encode them before"
        )
    classes = Classes(estimator.classes_) if is_classifier(estimator) else None
    if classes is not None:
        link = Link.SOFTMAX if len(classes.numbers) > 2 else Link.SIGMOID
    elif estimator.loss in _LINKS:
        link = _LINKS[estimator.loss]
    else:
        raise UnsupportedError(f"HistGradientBoosting with the loss {estimator.loss!r} is not taken")
    return Boosted(
        library="scikit-learn",
        features=int(estimator.n_features_in_),
        feature_names=None,
        scores=_Scores(_forest(estimator), np.ravel(estimator._baseline_prediction)),
        link=link,
        classes=classes,
        is_multilabel=False,
        predict=estimator.predict if classes is None else estimator.predict_proba,
    )


def _forest(estimator: Any) -> Forest:
    rounds = estimator._predictors
    forest = Forest(int(estimator.n_features_in_), len(rounds[0]) if rounds else 1)
    for trees in rounds:
        for target, tree in enumerate(trees):
            forest.add(_tree(tree.nodes), target)
    return forest


def _tree(nodes: NDArray[Any]) -> Tree:
    is_leaf = nodes["is_leaf"] != 0
    return Tree(
        feature=nodes["feature_idx"],
        threshold=nodes["num_threshold"],
        mode=LESS_EQUAL,
        yes=np.where(is_leaf, -1, nodes["left"].astype(np.int64)),
        no=np.where(is_leaf, -1, nodes["right"].astype(np.int64)),
        missing_yes=nodes["missing_go_to_left"] != 0,
        value=nodes["value"],
    )


@dataclass
class _Scores:
    """Writes the sums of trees on top of the baseline."""

    forest: Forest
    baseline: NDArray[Any]

    def write(self, writer: Writer, x: str) -> str:
        return writer.add("Add", self.forest.write(writer, x), self.baseline.astype(np.float32))

    def samples(self, count: int) -> NDArray[np.float32]:
        return self.forest.samples(count, (np.nan, 0.0, np.inf, -np.inf))
