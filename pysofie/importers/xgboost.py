"""Models of XGBoost: boosters, estimators, JSON and UBJ files."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xgboost
from numpy.typing import NDArray

from pysofie.errors import InvalidModelError, UnsupportedError, errors_of
from pysofie.importers import ubjson
from pysofie.importers.boosting import Boosted, Link, export_boosted
from pysofie.importers.classes import Classes
from pysofie.importers.forest import LESS, Forest, Tree
from pysofie.importers.frameworks import Exported, Wishes
from pysofie.importers.writer import Writer

_LINKS = {
    "reg:squarederror": Link.IDENTITY,
    "reg:squaredlogerror": Link.IDENTITY,
    "reg:absoluteerror": Link.IDENTITY,
    "reg:pseudohubererror": Link.IDENTITY,
    "reg:quantileerror": Link.IDENTITY,
    "reg:expectileerror": Link.IDENTITY,
    "reg:linear": Link.IDENTITY,
    "reg:logistic": Link.SIGMOID,
    "reg:gamma": Link.EXP,
    "reg:tweedie": Link.EXP,
    "count:poisson": Link.EXP,
    "survival:cox": Link.EXP,
    "survival:aft": Link.EXP,
    "rank:pairwise": Link.IDENTITY,
    "rank:ndcg": Link.IDENTITY,
    "rank:map": Link.IDENTITY,
    "binary:logistic": Link.SIGMOID,
    "binary:logitraw": Link.IDENTITY,
    "binary:hinge": Link.STEP,
    "multi:softmax": Link.SOFTMAX,
    "multi:softprob": Link.SOFTMAX,
}
_CLASSIFIERS = {"binary:logistic", "multi:softmax", "multi:softprob"}


def export(source: Any, wishes: Wishes) -> Exported:
    """Write a `xgboost.Booster`, an estimator, or a JSON or UBJ file as ONNX.

    Returns
    -------
    Exported
        It takes ``features``, float32 of shape (batch, features). Classifiers give ``label`` and
        ``probabilities``, others ``prediction``, of shape (batch, targets).

    Raises
    ------
    InvalidModelError
        The file is no model of XGBoost, or a damaged one.
    UnsupportedError
        The model has an objective or trees of a kind that is not taken; or what was written computes
        something else than XGBoost.
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
    is_estimator = isinstance(model, xgboost.XGBModel)
    booster = model.get_booster() if is_estimator else model
    content = _Content(json.loads(bytes(booster.save_raw("json")))["learner"])
    # A booster uses all of its trees; an estimator those up to the best iteration of early stopping.
    rounds = content.best_rounds if is_estimator or content.is_estimator else 0
    objective = content.objective
    if objective not in _LINKS:
        raise UnsupportedError(
            f"the objective {objective!r} of XGBoost is not taken; those that are: "
            f"{', '.join(sorted(_LINKS))}"
        )
    missing = float(model.missing) if is_estimator and model.missing is not None else np.nan
    classes = None
    if objective in _CLASSIFIERS and content.targets == 1:
        classes = Classes(range(max(2, content.classes)))
    return Boosted(
        library="XGBoost",
        features=content.features,
        feature_names=content.feature_names,
        scores=_Scores(content, rounds, missing),
        link=_LINKS[objective],
        classes=classes,
        is_multilabel=objective in _CLASSIFIERS and content.targets > 1,
        predict=_Predictor(booster, rounds, missing, objective),
    )


def _read(path: Path) -> xgboost.Booster:
    """Read a file. XGBoost trusts what it reads, so that it is given only what was looked at before."""
    content = _parsed(path)
    learner = content.get("learner") if isinstance(content, dict) else None
    if not isinstance(learner, dict):
        raise InvalidModelError(
            f"{path.name} is no model of XGBoost, as its save_model writes them: it has no 'learner'"
        )
    checked = _Content(learner)
    if checked.booster == "gblinear":
        checked.linear()
    else:
        checked.forest(0)
    try:
        booster = xgboost.Booster()
        booster.load_model(bytearray(json.dumps(content).encode()))
    except (xgboost.core.XGBoostError, UnicodeError) as error:
        reason = str(error).split("Stack trace")[0].strip()
        raise InvalidModelError(f"XGBoost cannot read {path.name}: {reason}") from error
    return booster


def _parsed(path: Path) -> Any:
    content = path.read_bytes()
    if path.suffix.lower() == ".ubj":
        with errors_of(path.name):
            return ubjson.loads(content)
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise InvalidModelError(f"{path.name} is no JSON: {error}") from error


class _Content:
    """What the JSON form of a model says."""

    def __init__(self, learner: Mapping[str, Any]) -> None:
        try:
            parameters = learner["learner_model_param"]
            self.classes = int(parameters["num_class"])
            self.targets = max(1, int(parameters.get("num_target", 1)))
            self.features = int(parameters["num_feature"])
            self.objective = str(learner["objective"]["name"])
            base = json.loads(str(parameters["base_score"]))
            self.base = np.atleast_1d(np.asarray(base, np.float64))
            self.booster = str(learner["gradient_booster"]["name"])
            self._gradient_booster = learner["gradient_booster"]
            self._attributes = learner.get("attributes", {})
            self.feature_names = learner.get("feature_names") or None
            kinds = learner.get("feature_types") or []
            self.categorical = [place for place, kind in enumerate(kinds) if kind == "c"]
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InvalidModelError(f"the model of XGBoost is damaged: {error!r}") from error

    @property
    def scores(self) -> int:
        """How many scores there are."""
        return self.classes if self.classes > 1 else self.targets

    @property
    def is_estimator(self) -> bool:
        """Whether an estimator, which has its own rule for early stopping, wrote the file."""
        return "scikit_learn" in self._attributes

    @property
    def best_rounds(self) -> int:
        """The number of iterations up to the best one; 0 if there was no early stopping."""
        best = self._attributes.get("best_iteration")
        return 0 if best is None else int(best) + 1

    def forest(self, rounds: int) -> Forest:
        """The trees of some iterations, 0 for all."""
        forest = Forest(self.features, self.scores)
        try:
            for tree, target in self._trees(rounds):
                forest.add(tree, target)
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise InvalidModelError(f"the trees of XGBoost's model are damaged: {error!r}") from error
        return forest

    def _trees(self, rounds: int) -> Iterator[tuple[Tree, int]]:
        booster, drops = self._gradient_booster, None
        if self.booster == "dart":
            booster, drops = booster["gbtree"], booster["weight_drop"]
        model = booster["model"]
        trees = model["trees"]
        count = len(trees)
        if rounds and "iteration_indptr" in model:
            count = model["iteration_indptr"][min(rounds, len(model["iteration_indptr"]) - 1)]
        for i, tree in enumerate(trees[:count]):
            yield _tree(tree, 1.0 if drops is None else float(drops[i])), int(model["tree_info"][i])

    def linear(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Weights, of shape (features, scores), and constants of a linear booster."""
        try:
            weights = np.asarray(self._gradient_booster["model"]["weights"], np.float32)
            table = weights.reshape(self.features + 1, self.scores)
        except (KeyError, TypeError, ValueError) as error:
            raise InvalidModelError(f"the linear booster of XGBoost's model is damaged: {error!r}") from error
        return table[:-1], table[-1]


def _tree(tree: Mapping[str, Any], weight: float) -> Tree:
    if int(tree["tree_param"].get("size_leaf_vector", 1)) > 1:
        raise UnsupportedError(
            "XGBoost's trees have vectors at their leaves; train with multi_strategy='one_output_per_tree'"
        )
    left, right = np.asarray(tree["left_children"], np.int64), np.asarray(tree["right_children"], np.int64)
    values = np.asarray(tree["split_conditions"], np.float32)
    default_left = np.asarray(tree["default_left"]).astype(bool)
    feature = np.asarray(tree["split_indices"], np.int64)
    members = {}
    segments = zip(
        tree["categories_nodes"], tree["categories_segments"], tree["categories_sizes"], strict=True
    )
    for node, start, size in segments:
        members[int(node)] = np.asarray(tree["categories"][int(start) : int(start) + int(size)])
    is_leaf = left == -1
    if np.any((left < 0) & ~is_leaf) or np.any((right == -1) != is_leaf):
        raise ValueError("a node has one child, or a negative one")
    parents, branches = np.asarray(tree["parents"], np.int64), np.flatnonzero(~is_leaf)
    if len(parents) != len(left) or any(
        np.any(parents[children[branches]] != branches) for children in (left, right)
    ):
        raise ValueError("parents and children do not agree")
    # What is one of the categories goes right.
    swapped = np.isin(np.arange(len(left)), list(members))
    leaf_values = values * np.float32(weight)
    return Tree(
        feature=feature,
        threshold=np.where(swapped, 0, values),
        mode=LESS,
        yes=np.where(swapped, right, left),
        no=np.where(swapped, left, right),
        missing_yes=default_left ^ swapped,
        value=leaf_values,
        members=members,
    )


@dataclass
class _Scores:
    """Writes what a booster adds up, before the link."""

    content: _Content
    rounds: int
    missing: float

    def __post_init__(self) -> None:
        self.forest = None if self.content.booster == "gblinear" else self.content.forest(self.rounds)

    def write(self, writer: Writer, x: str) -> str:
        if not np.isnan(self.missing):
            gone = writer.add("Equal", x, np.float32(self.missing))
            x = writer.add("Where", gone, np.float32(np.nan), x)
        if self.forest is None:
            weights, constants = self.content.linear()
            present = writer.add("Where", writer.add("IsNaN", x), np.float32(0), x)
            scores = writer.add("Gemm", present, weights, constants)
        else:
            scores = self.forest.write(writer, self._with_whole_categories(writer, x))
        return writer.add("Add", scores, self._base())

    def _with_whole_categories(self, writer: Writer, x: str) -> str:
        """XGBoost cuts categories to whole numbers."""
        columns = np.isin(np.arange(self.content.features), list(self.content.categorical))
        if not columns.any():
            return x
        return writer.add("Where", columns, writer.add("Floor", x), x)

    def _base(self) -> NDArray[np.float32]:
        # A linear booster of several classes adds the constant of the first to all of them.
        base = self.content.base if self.forest else self.content.base[:1]
        with np.errstate(divide="ignore", invalid="ignore"):
            match _LINKS[self.content.objective]:
                case Link.SIGMOID:
                    base = np.log(base / (1 - base))
                case Link.EXP:
                    base = np.log(base)
        return np.broadcast_to(base, self.content.scores).astype(np.float32)

    def samples(self, count: int) -> NDArray[np.float32]:
        special = (np.nan, 0.0) if np.isnan(self.missing) else (np.nan, 0.0, self.missing)
        if self.forest is not None:
            return self.forest.samples(count, special)
        rng = np.random.default_rng(0)
        x = rng.standard_normal((count, self.content.features)).astype(np.float32)
        return np.where(rng.random(x.shape) < 0.1, rng.choice(np.asarray(special, np.float32), x.shape), x)


@dataclass
class _Predictor:
    """Asks XGBoost."""

    booster: xgboost.Booster
    rounds: int
    missing: float
    objective: str

    def __call__(self, x: NDArray[Any]) -> NDArray[Any]:
        data = xgboost.DMatrix(
            x,
            missing=self.missing,
            feature_names=self.booster.feature_names,
            feature_types=self.booster.feature_types,
            enable_categorical=True,
        )
        is_softmax = self.objective == "multi:softmax"
        values = self.booster.predict(data, iteration_range=(0, self.rounds), output_margin=is_softmax)
        return _softmax(values) if is_softmax else values


def _softmax(scores: NDArray[Any]) -> NDArray[Any]:
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))
