"""Models of LightGBM: boosters, estimators and its text files."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
from numpy.typing import NDArray

from pysofie.errors import InvalidModelError, UnsupportedError, errors_of
from pysofie.importers.boosting import Boosted, Link, export_boosted
from pysofie.importers.classes import Classes
from pysofie.importers.forest import LESS_EQUAL, Forest, Tree
from pysofie.importers.frameworks import Exported, Wishes
from pysofie.importers.writer import Writer

_LINKS = {
    "regression": Link.IDENTITY,
    "regression_l1": Link.IDENTITY,
    "huber": Link.IDENTITY,
    "fair": Link.IDENTITY,
    "quantile": Link.IDENTITY,
    "mape": Link.IDENTITY,
    "lambdarank": Link.IDENTITY,
    "rank_xendcg": Link.IDENTITY,
    "poisson": Link.EXP,
    "gamma": Link.EXP,
    "tweedie": Link.EXP,
    "binary": Link.SIGMOID,
    "multiclass": Link.SOFTMAX,
    "multiclassova": Link.SIGMOID,
    "cross_entropy": Link.SIGMOID,
    "cross_entropy_lambda": Link.SOFTPLUS,
}
_CLASSIFIERS = {"binary", "multiclass", "multiclassova"}
# The bits of a node's decision_type: categorical, default left, and two of what is missing.
_CATEGORICAL, _DEFAULT_LEFT = 1, 2
_NOTHING, _ZERO, _NAN = 0, 1, 2
# What LightGBM takes for zero.
_ZERO_THRESHOLD = np.float32(1e-35)


def export(source: Any, wishes: Wishes) -> Exported:
    """Write a `lightgbm.Booster`, an estimator or a text file as ONNX.

    Returns
    -------
    Exported
        It takes ``features``, float32 of shape (batch, features). Classifiers give ``label`` and
        ``probabilities``, others ``prediction``, of shape (batch, targets).

    Raises
    ------
    InvalidModelError
        The file is no model of LightGBM, or a damaged one.
    UnsupportedError
        The model has an objective or trees of a kind that is not taken; or what was written computes
        something else than LightGBM.
    ShapeError
        `wishes` do not fit the model.
    """
    return export_boosted(describe_model(_read(source) if isinstance(source, Path) else source), wishes)


def describe_model(model: Any) -> Boosted:
    """Take a booster or an estimator apart.

    Raises
    ------
    InvalidModelError, UnsupportedError
        As `export`.
    """
    booster = model.booster_ if isinstance(model, lightgbm.LGBMModel) else model
    content = _Content(booster.model_to_string())
    name, *options = content.objective.split() or ["custom"]
    if name not in _LINKS and name != "custom":
        raise UnsupportedError(
            f"the objective {name!r} of LightGBM is not taken; those that are: {', '.join(sorted(_LINKS))}"
        )
    classes = None
    if name in _CLASSIFIERS:
        classes = Classes(getattr(model, "classes_", range(max(2, content.scores))))
    link = Link.SIGNED_SQUARE if "sqrt" in options else _LINKS.get(name, Link.IDENTITY)
    return Boosted(
        library="LightGBM",
        features=content.features,
        feature_names=content.feature_names,
        scores=_Scores(content, _slope(options)),
        link=link,
        classes=classes,
        is_multilabel=False,
        predict=lambda x: np.asarray(booster.predict(x)),
    )


def _slope(options: list[str]) -> float:
    """The factor in front of the scores in the sigmoid."""
    given = dict(option.split(":", 1) for option in options if ":" in option)
    return float(given.get("sigmoid", 1))


def _read(path: Path) -> lightgbm.Booster:
    """Read a file. LightGBM trusts what it reads, so that trees are looked at before it follows them."""
    try:
        text = path.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidModelError(f"{path.name} is no text file of LightGBM: {error}") from error
    with errors_of(path.name):
        _Content(text).forest()
    trees, end, _ = text.partition("\nend of trees\n")
    if not end:
        raise InvalidModelError(f"{path.name} is truncated: it lacks the line 'end of trees'")
    # Sizes of trees and the parameters of the training, which it follows too, are not needed.
    trees = re.sub(r"^tree_sizes=.*\n", "", trees, flags=re.MULTILINE)
    try:
        return lightgbm.Booster(model_str=f"{trees}{end}\npandas_categorical:null\n")
    except lightgbm.basic.LightGBMError as error:
        raise InvalidModelError(f"LightGBM cannot read {path.name}: {error}") from error


class _Content:
    """What the text form of a model says."""

    def __init__(self, text: str) -> None:
        lines = text.splitlines()
        if not lines or lines[0].strip() != "tree":
            raise InvalidModelError("this is no model of LightGBM, whose text files begin with 'tree'")
        header, *trees = _blocks(lines)
        self._trees = trees
        try:
            self.scores = int(header["num_tree_per_iteration"])
            self.features = int(header["max_feature_idx"]) + 1
        except (KeyError, ValueError) as error:
            raise InvalidModelError(f"the header of LightGBM's model is damaged: {error!r}") from error
        if self.scores < 1 or self.features < 1:
            raise InvalidModelError("LightGBM's model has no scores, or no features")
        self.objective = header.get("objective", "")
        self.averages = "average_output" in header
        names = header.get("feature_names", "").split()
        if len(names) != self.features:
            raise InvalidModelError(
                f"LightGBM's model names {len(names)} features, but max_feature_idx says {self.features}"
            )
        self.feature_names = names
        self.categorical: set[int] = set()
        self.zero_is_missing: set[int] = set()

    @property
    def rounds(self) -> int:
        """The number of iterations."""
        return len(self._trees) // self.scores

    def forest(self) -> Forest:
        """All trees.

        Raises
        ------
        InvalidModelError
            They are damaged.
        UnsupportedError
            They are of a kind that is not taken.
        """
        forest = Forest(self.features, self.scores)
        zero_is_present: set[int] = set()
        for i, block in enumerate(self._trees):
            try:
                table = _Table(block)
                forest.add(table.tree(), i % self.scores)
            except (KeyError, ValueError, IndexError, OverflowError) as error:
                raise InvalidModelError(f"tree {i} of LightGBM's model is damaged: {error!r}") from error
            self.categorical |= table.features_where(table.is_categorical)
            self.zero_is_missing |= table.features_where(~table.is_categorical & (table.missing == _ZERO))
            zero_is_present |= table.features_where(~table.is_categorical & (table.missing != _ZERO))
        if self.zero_is_missing & zero_is_present or self.categorical & (
            self.zero_is_missing | zero_is_present
        ):
            raise UnsupportedError(
                "a feature is treated in different ways by trees of one LightGBM model, as when training "
                "went on with other options; train anew"
            )
        return forest


def _blocks(lines: list[str]) -> Iterator[dict[str, str]]:
    """The entries of the header, and of each tree."""
    entries: dict[str, str] = {}
    for line in lines:
        if line.startswith("end of trees"):
            break
        key, _, value = line.strip().partition("=")
        if key == "Tree":
            yield entries
            entries = {}
        elif key:
            entries[key] = value
    yield entries


class _Table:
    """The nodes of a tree as LightGBM's text has them: branches, and leaves with negative places."""

    def __init__(self, block: Mapping[str, str]) -> None:
        if block.get("is_linear", "0") != "0":
            raise UnsupportedError("LightGBM's trees have linear models at their leaves (linear_tree)")
        self._block = block
        leaves = int(block["num_leaves"])
        if not 1 <= leaves <= len(block["leaf_value"].split()):
            raise ValueError(f"it has {leaves} leaves, but values for less")
        self.leaves, self.branches = leaves, leaves - 1
        self.values = self._numbers("leaf_value", np.float64, leaves)
        self.feature = self._numbers("split_feature", np.int64, self.branches)
        self.threshold = self._numbers("threshold", np.float64, self.branches)
        self.left = self._numbers("left_child", np.int64, self.branches)
        self.right = self._numbers("right_child", np.int64, self.branches)
        decision = self._numbers("decision_type", np.int64, self.branches)
        self.is_categorical = (decision & _CATEGORICAL) != 0
        self.default_left = (decision & _DEFAULT_LEFT) != 0
        self.missing = (decision >> 2) & 3

    def _numbers(self, key: str, kind: Any, count: int) -> NDArray[Any]:
        numbers = np.asarray((self._block[key] if count else "").split(), kind)
        if len(numbers) != count:
            raise ValueError(f"{key} has {len(numbers)} entries in place of {count}")
        return numbers

    def features_where(self, chosen: NDArray[np.bool_]) -> set[int]:
        return set(self.feature[chosen].tolist())

    def tree(self) -> Tree:
        """The same as a table of branches and then leaves."""
        leaves = self.leaves
        return Tree(
            feature=np.append(self.feature, np.zeros(leaves, np.int64)),
            threshold=np.append(self._cuts(), np.zeros(leaves)),
            mode=LESS_EQUAL,
            yes=np.append(self._places(self.left), np.full(leaves, -1)),
            no=np.append(self._places(self.right), np.full(leaves, -1)),
            missing_yes=np.append(self._missing_left(), np.zeros(leaves, bool)),
            value=np.append(np.zeros(self.branches), self.values),
            members={node: self._members(node) for node in np.flatnonzero(self.is_categorical).tolist()},
        )

    def _cuts(self) -> NDArray[np.float64]:
        return np.where(self.is_categorical, 0, _beside_zero(self.threshold))

    def _places(self, children: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.where(children < 0, self.branches + ~children, children)

    def _missing_left(self) -> NDArray[np.bool_]:
        """Where NaN goes left: by default where it or zero may be missing, else as zero does.

        In categorical nodes what is no category goes right.
        """
        goes_left = np.where(self.missing == _NOTHING, self.threshold >= 0, self.default_left)
        return np.asarray(~self.is_categorical & goes_left)

    def _members(self, node: int) -> NDArray[Any]:
        """The categories that go left, from the bits of words of 32."""
        start, stop = (int(x) for x in self._block["cat_boundaries"].split()[self._set(node) :][:2])
        words = [int(x) for x in self._block["cat_threshold"].split()[start:stop]]
        if len(words) != stop - start:
            raise ValueError("cat_threshold is too short")
        return np.asarray(
            [32 * i + bit for i, word in enumerate(words) for bit in range(32) if word >> bit & 1]
        )

    def _set(self, node: int) -> int:
        number = int(self.threshold[node])
        if number < 0:
            raise ValueError(f"there is no set of categories {number}")
        return number


def _beside_zero(thresholds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Thresholds for which what LightGBM takes for zero compares as zero does."""
    inside = np.abs(thresholds) <= _ZERO_THRESHOLD
    above, below = _ZERO_THRESHOLD, np.nextafter(-_ZERO_THRESHOLD, np.float32(-np.inf))
    return np.where(inside, np.where(thresholds < 0, below, above), thresholds)


@dataclass
class _Scores:
    """Writes what a booster adds up, before the link."""

    content: _Content
    slope: float

    def __post_init__(self) -> None:
        self.forest = self.content.forest()

    def write(self, writer: Writer, x: str) -> str:
        scores = self.forest.write(writer, self._prepared(writer, x))
        factor = self.slope / (self.content.rounds if self.content.averages else 1)
        return scores if factor == 1 else writer.add("Mul", scores, np.float32(factor))

    def _prepared(self, writer: Writer, x: str) -> str:
        """Zero is NaN where it stands for what is missing; categories are cut to whole numbers."""
        places = np.arange(self.content.features)
        zeros = np.isin(places, list(self.content.zero_is_missing))
        if zeros.any():
            small = writer.add("LessOrEqual", writer.add("Abs", x), _ZERO_THRESHOLD)
            x = writer.add("Where", writer.add("And", small, zeros), np.float32(np.nan), x)
        categorical = np.isin(places, list(self.content.categorical))
        if categorical.any():
            negative = writer.add("Less", x, np.float32(0))
            whole = writer.add("Where", negative, writer.add("Ceil", x), writer.add("Floor", x))
            x = writer.add("Where", categorical, whole, x)
        return x

    def samples(self, count: int) -> NDArray[np.float32]:
        return self.forest.samples(count, (np.nan, 0.0, 1e-36, np.inf, -np.inf))
