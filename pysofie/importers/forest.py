"""Ensembles of decision trees, from the tables in which libraries keep them to ONNX.

onnxmltools reads XGBoost's and LightGBM's trees too, but not all of them rightly: see `docs/frameworks.md`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pysofie.errors import InvalidModelError
from pysofie.importers.writer import Writer

#: Whether the feature is ... the threshold; ONNX's names.
LESS, LESS_EQUAL, GREATER_EQUAL, EQUAL = "BRANCH_LT", "BRANCH_LEQ", "BRANCH_GTE", "BRANCH_EQ"
_LEAF = "LEAF"
# More than any model has; what a file says of them decides how much memory is taken.
_MAX_COLUMNS = 1 << 20


@dataclass
class Tree:
    """A decision tree as a table of nodes, of which the first is the root.

    Attributes
    ----------
    feature : numpy.ndarray
        Of each node, the column that it compares.
    threshold : numpy.ndarray
        What it compares it with.
    mode : str
        How: the comparison of all nodes.
    yes, no : numpy.ndarray
        The nodes that follow where it holds and where not; negative at leaves.
    missing_yes : numpy.ndarray
        Whether NaN goes the way of yes.
    value : numpy.ndarray
        What the leaf adds to the score.
    members : dict of int to numpy.ndarray
        Nodes that do not compare with the threshold but ask whether the feature is one of these.
    """

    feature: NDArray[Any]
    threshold: NDArray[Any]
    mode: str
    yes: NDArray[Any]
    no: NDArray[Any]
    missing_yes: NDArray[Any]
    value: NDArray[Any]
    members: Mapping[int, NDArray[Any]] = field(default_factory=dict)


class Forest:
    """Decision trees whose leaves are added up.

    Parameters
    ----------
    features : int
        The number of columns.
    targets : int
        The number of scores.

    Raises
    ------
    InvalidModelError
        There are none, or more than any model has.
    """

    def __init__(self, features: int, targets: int = 1) -> None:
        if not 0 < features <= _MAX_COLUMNS or not 0 < targets <= _MAX_COLUMNS:
            raise InvalidModelError(f"the model has {features} features and {targets} scores")
        self.features = features
        self.targets = targets
        self._tables: list[dict[str, NDArray[Any]]] = []
        self._targets: list[int] = []

    def add(self, tree: Tree, target: int = 0) -> None:
        """Add a tree that adds to one of the scores.

        Raises
        ------
        InvalidModelError
            The table is no tree, or holds what is no number.
        """
        self._check(tree, target)
        threshold = rounded(tree.threshold, tree.mode)
        is_leaf = tree.yes < 0
        table = {
            "nodeids": np.arange(len(tree.yes)),
            "featureids": np.where(is_leaf, 0, tree.feature),
            "values": np.where(is_leaf, np.float32(0), threshold),
            "modes": np.where(is_leaf, _LEAF, tree.mode),
            "truenodeids": np.where(is_leaf, 0, tree.yes),
            "falsenodeids": np.where(is_leaf, 0, tree.no),
            "missing_value_tracks_true": np.where(is_leaf, 0, tree.missing_yes).astype(np.int64),
            "weights": np.where(is_leaf, tree.value, 0).astype(np.float32),
        }
        self._tables.append(_with_members(table, tree.members))
        self._targets.append(target)

    def _check(self, tree: Tree, target: int) -> None:
        where = f"tree {len(self._tables)}"
        count = len(tree.yes)
        tables = (tree.feature, tree.threshold, tree.no, tree.missing_yes, tree.value)
        if count == 0 or any(len(table) != count for table in tables):
            raise InvalidModelError(f"{where}: its tables have different lengths, or none")
        is_leaf = tree.yes < 0
        children = np.concatenate([tree.yes[~is_leaf], tree.no[~is_leaf]])
        if np.any(children < 1) or np.any(children >= count) or len(np.unique(children)) < len(children):
            raise InvalidModelError(
                f"{where}: a node leads to one that does not exist, or that another leads to"
            )
        feature = tree.feature[~is_leaf]
        if np.any(feature < 0) or np.any(feature >= self.features):
            raise InvalidModelError(
                f"{where}: a node asks for a feature that is not among the {self.features}"
            )
        if np.any(np.isnan(tree.threshold[~is_leaf])):
            raise InvalidModelError(f"{where}: a threshold is NaN")
        if not np.all(np.isfinite(np.where(is_leaf, tree.value, 0).astype(np.float32))):
            raise InvalidModelError(f"{where}: the value of a leaf is no finite number of float32")
        if not 0 <= target < self.targets:
            raise InvalidModelError(f"{where}: it adds to score {target} of {self.targets}")

    def write(self, writer: Writer, x: str) -> str:
        """Write the scores, of shape (batch, targets), of samples of shape (batch, features).

        Raises
        ------
        InvalidModelError
            There are no trees.
        """
        if not self._tables:
            raise InvalidModelError("the model has no trees")
        nodes = {key: np.concatenate([table[key] for table in self._tables]) for key in self._tables[0]}
        lengths = [len(table["nodeids"]) for table in self._tables]
        nodes["treeids"] = np.repeat(np.arange(len(lengths)), lengths)
        leaf = nodes["modes"] == _LEAF
        weights = nodes.pop("weights")
        votes = {
            "treeids": nodes["treeids"][leaf],
            "nodeids": nodes["nodeids"][leaf],
            "ids": np.repeat(self._targets, lengths)[leaf],
            "weights": weights[leaf],
        }
        return writer.add(
            "TreeEnsembleRegressor",
            x,
            domain="ai.onnx.ml",
            n_targets=self.targets,
            **{f"nodes_{key}": values.tolist() for key, values in nodes.items()},
            **{f"target_{key}": values.tolist() for key, values in votes.items()},
        )

    def samples(self, count: int, special: tuple[float, ...]) -> NDArray[np.float32]:
        """Draw samples at and beside thresholds, between them, and special values."""
        inner = [(table["modes"] != _LEAF, table) for table in self._tables]
        cuts = [(table["featureids"][chosen], table["values"][chosen]) for chosen, table in inner]
        return samples(cuts, self.features, count, special)


def samples(
    cuts: Iterable[tuple[NDArray[Any], NDArray[Any]]], features: int, count: int, special: tuple[float, ...]
) -> NDArray[np.float32]:
    """Draw samples at and beside thresholds, between them, and special values.

    Parameters
    ----------
    cuts : iterable of (numpy.ndarray, numpy.ndarray)
        Features and the thresholds that they are compared with.
    features, count : int
        The number of features, and of samples.
    special : tuple of float
        Values that any feature may have, such as NaN.
    """
    rng = np.random.default_rng(0)
    pairs = [(np.zeros(0, np.int64), np.zeros(0, np.float32)), *cuts]
    feature, threshold = (np.concatenate(side) for side in zip(*pairs, strict=True))
    x = np.empty((count, features), np.float32)
    for column in range(features):
        at = np.unique(np.append(threshold[(feature == column) & np.isfinite(threshold)], 0)).astype(
            np.float32
        )
        beside = np.concatenate([at, *(np.nextafter(at, np.float32(way)) for way in (-np.inf, np.inf))])
        between = rng.uniform(at.min() - 1, at.max() + 1, count)
        pool = np.where(rng.random(count) < 0.5, between, rng.choice(beside, count))
        x[:, column] = np.where(rng.random(count) < 0.15, rng.choice(special, count), pool)
    return x


def rounded(thresholds: NDArray[Any], mode: str) -> NDArray[np.float32]:
    """Thresholds in float32 with which every float32 compares as with the exact ones.

    A float32 is at most t where it is at most the greatest float32 that is at most t; and so for the others.
    """
    exact = np.asarray(thresholds, np.float64)
    with np.errstate(over="ignore"):
        nearest = exact.astype(np.float32)
    if mode == EQUAL:
        return nearest
    down = mode == LESS_EQUAL
    wrong = nearest > exact if down else nearest < exact
    return np.where(wrong, np.nextafter(nearest, np.float32(-np.inf if down else np.inf)), nearest)


def _with_members(
    table: dict[str, NDArray[Any]], members: Mapping[int, NDArray[Any]]
) -> dict[str, NDArray[Any]]:
    """Replace nodes that ask for members by chains of nodes that ask for one after the other."""
    parts = [table]
    count = len(table["nodeids"])
    for node, values in members.items():
        wanted = np.asarray(values, np.float32) if len(values) else np.full(1, np.nan, np.float32)
        places = np.append(node, np.arange(count, count + len(wanted) - 1))
        count += len(wanted) - 1
        chain = {key: np.repeat(column[node : node + 1], len(wanted)) for key, column in table.items()}
        chain |= {"nodeids": places, "values": wanted, "modes": np.full(len(wanted), EQUAL)}
        chain["falsenodeids"] = np.append(places[1:], table["falsenodeids"][node])
        for key, column in chain.items():
            table[key][node] = column[0]
        parts.append({key: column[1:] for key, column in chain.items()})
    return {key: np.concatenate([part[key] for part in parts]) for key in table}
