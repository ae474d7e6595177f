"""Estimators and pipelines of scikit-learn, by skl2onnx, and the files that hold them."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import sklearn.base
import sklearn.compose
import sklearn.ensemble
import sklearn.pipeline
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper
from skl2onnx import to_onnx
from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType

from pysofie.errors import InvalidModelError, UnsupportedError
from pysofie.importers import agreement, sklearn_converters
from pysofie.importers.classes import Classes
from pysofie.importers.forest import samples
from pysofie.importers.frameworks import Exported, Wishes, by_class
from pysofie.importers.signature import label, rename, with_shapes
from pysofie.importers.writer import OPSETS, describe, feature_names
from pysofie.model import Tensor

_INPUT = "features"
_TREES = ("sklearn.tree", "sklearn.ensemble", "xgboost", "lightgbm")
_SEVERAL_LABELS = "classifiers with several labels for each sample are not taken; load one for each label"
_COMPARED = 200
_TOLERANCE = 1e-4


def export(source: Any, wishes: Wishes) -> Exported:
    """Write an estimator, a pipeline, or a file that holds one, as ONNX.

    Files are pickles (``.pkl``, ``.joblib``), read only if `wishes.trust` says so, or of skops.

    Returns
    -------
    Exported
        It takes ``features``, float32 of shape (batch, features). Classifiers give ``label``, and
        ``probabilities``, or ``scores`` if they know no probabilities; regressors ``prediction``;
        transformers ``transformed``; clusterers ``label`` and ``scores``. Labels that are no whole numbers
        become their places in the metadata's ``classes``.

    Raises
    ------
    InvalidModelError
        The file is damaged, or its content is not fitted.
    UnsupportedError
        skl2onnx does not take the estimator, what it writes computes something else, or the file could run
        code while it is read.
    ShapeError
        `wishes` do not fit the model.
    """
    if isinstance(source, Path):
        source = _read(source, wishes.trust)
        framework = by_class(source)
        if framework is not None and framework.module != "sklearn":
            return framework.export(source, wishes)
    if not isinstance(source, sklearn.base.BaseEstimator):
        kind = type(source)
        raise UnsupportedError(
            f"a {kind.__module__}.{kind.__qualname__} is no estimator of scikit-learn; give a fitted "
            f"estimator or pipeline"
        )
    return _export_estimator(source, wishes)


def _export_estimator(estimator: Any, wishes: Wishes) -> Exported:
    count = getattr(estimator, "n_features_in_", None)
    if count is None:
        raise InvalidModelError(f"this {type(estimator).__name__} is not fitted: call its method fit first")
    own = Tensor(_INPUT, "float32", ("batch", int(count)))
    given = with_shapes([own], wishes.shapes)
    fitted_names = getattr(estimator, "feature_names_in_", None)
    names = feature_names(wishes.columns, None if fitted_names is None else list(fitted_names), int(count))
    answers = _Answers(estimator)
    proto = _convert(estimator, answers, int(count))
    label(proto, [own], None)
    exported = Exported(proto, answers.reference)
    _compare(exported, answers, int(count), wishes)
    label(proto, given, names)
    describe(proto, classes=answers.classes.names if answers.classes else None)
    return exported


# --- files -------------------------------------------------------------------------------------------------


def _read(path: Path, trust: bool) -> Any:
    if path.suffix.lower() == ".skops":
        return _read_skops(path, trust)
    if not trust:
        raise UnsupportedError(
            f"{path.name} is a pickle, which runs whatever code it contains while it is read; give "
            f"trust=True if the file is your own, or save the estimator with skops"
        )
    import joblib

    try:
        return joblib.load(path)
    except ImportError as error:
        raise UnsupportedError(f"{path.name} needs a package that is not installed: {error}") from error
    except Exception as error:  # a damaged pickle can raise anything
        raise InvalidModelError(f"{path.name} cannot be read: {error}") from error


def _read_skops(path: Path, trust: bool) -> Any:
    import skops.io
    from skops.io.exceptions import UntrustedTypesFoundException

    try:
        trusted = skops.io.get_untrusted_types(file=path) if trust else []
        return skops.io.load(path, trusted=trusted)
    except UntrustedTypesFoundException as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise UnsupportedError(f"{path.name}: {reason}; give trust=True if the file is your own") from error
    except Exception as error:  # a damaged archive can raise anything
        raise InvalidModelError(f"{path.name} cannot be read: {error}") from error


# --- conversion --------------------------------------------------------------------------------------------


def _convert(estimator: Any, answers: _Answers, count: int) -> ModelProto:
    """Have skl2onnx write a copy of the estimator whose labels are numbers."""
    kind_name = type(estimator).__name__
    converted = copy.deepcopy(estimator)
    parts = list(_parts(converted))
    for part in parts:
        _prepare(part)
    sklearn_converters.register(parts)
    is_wide = _needs_float64(parts)
    kind = DoubleTensorType if is_wide else FloatTensorType
    try:
        proto = _written(converted, kind([None, count]), answers.options)
    except Exception as error:  # skl2onnx raises whatever comes up, for each estimator something else
        reason = (str(error).strip() or repr(error)).splitlines()[0]
        raise UnsupportedError(f"skl2onnx cannot write this {kind_name} as ONNX: {reason}") from error
    found = [output.name for output in proto.graph.output]
    if len(found) != len(answers.names):
        raise UnsupportedError(
            f"skl2onnx gives {len(found)} outputs for this {kind_name} in place of {answers.names}"
        )
    rename(proto, {_INPUT: _INPUT} | dict(zip(found, answers.names, strict=True)))
    if "label" in answers.names:
        _flatten_label(proto)
    return _narrowed(proto) if is_wide else proto


def _written(estimator: Any, kind: Any, options: dict[str, Any]) -> ModelProto:
    keywords = {"initial_types": [(_INPUT, kind)], "target_opset": OPSETS}
    final = estimator
    while isinstance(final, sklearn.pipeline.Pipeline):
        final = final[-1]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return to_onnx(estimator, **keywords, options={id(final): options} if options else None)
        except NameError:
            # Some classifiers give tensors without the option that asks for them, and refuse it.
            scores = {key: value for key, value in options.items() if key != "zipmap"}
            return to_onnx(estimator, **keywords, options={id(final): scores})


def _parts(thing: Any, seen: set[int] | None = None) -> Iterator[Any]:
    """An estimator and all that it contains."""
    seen = set() if seen is None else seen
    if id(thing) in seen:
        return
    seen.add(id(thing))
    if isinstance(thing, (list, tuple)):
        inside = list(thing)
    elif isinstance(thing, dict):
        inside = list(thing.values())
    elif isinstance(thing, np.ndarray) and thing.dtype == object:
        inside = thing.ravel().tolist()
    elif isinstance(thing, sklearn.base.BaseEstimator) or type(thing).__name__ == "_CalibratedClassifier":
        yield thing
        inside = list(vars(thing).values())
    else:
        return
    for part in inside:
        yield from _parts(part, seen)


def _prepare(part: Any) -> None:
    """Make an estimator what skl2onnx takes, without a change to what it computes."""
    classes = vars(part).get("classes_")
    if isinstance(classes, np.ndarray) and classes.dtype.kind not in "biuf":
        # Labels that are no numbers are called by their places.
        part.classes_ = np.arange(len(classes))
    if isinstance(part, sklearn.compose.ColumnTransformer):
        # The input is one matrix, whose columns have places, not names.
        places = part._transformer_to_input_indices
        part.transformers_ = [
            (name, step, list(places.get(name, []))) for name, step, _ in part.transformers_
        ]
    if isinstance(part, sklearn.ensemble.VotingClassifier):
        # It says how `transform` answers, which nobody asks.
        part.flatten_transform = False


def _needs_float64(parts: list[Any]) -> bool:
    """Whether rounding could move values over the thresholds of trees: where something is computed before."""
    has_trees = any(type(part).__module__.startswith(_TREES) for part in parts)
    return has_trees and any(isinstance(part, sklearn.pipeline.Pipeline) for part in parts)


def _flatten_label(proto: ModelProto) -> None:
    """Give labels the shape (batch,): skl2onnx writes some as rows, and some as columns."""
    rename(proto, {value.name: value.name for value in proto.graph.input} | {"label": "label_of_skl2onnx"})
    shape = helper.make_tensor("label_shape", TensorProto.INT64, [1], [-1])
    proto.graph.initializer.append(shape)
    proto.graph.node.append(helper.make_node("Reshape", ["label_of_skl2onnx", "label_shape"], ["label"]))
    output = next(value for value in proto.graph.output if value.name == "label_of_skl2onnx")
    output.CopyFrom(helper.make_tensor_value_info("label", TensorProto.INT64, ["batch"]))


def _narrowed(proto: ModelProto) -> ModelProto:
    """A model of float64 with inputs and outputs of float32."""
    graph = proto.graph
    kinds = {value.name: value.type.tensor_type.elem_type for value in (*graph.input, *graph.output)}
    wide = {name: f"{name}_float64" for name, kind in kinds.items() if kind == TensorProto.DOUBLE}
    rename(proto, {name: wide.get(name, name) for name in kinds})
    for value in (*graph.input, *graph.output):
        value.name = value.name.removesuffix("_float64") if value.name in wide.values() else value.name
        if value.name in wide:
            value.type.tensor_type.elem_type = TensorProto.FLOAT
    first = [
        helper.make_node("Cast", [value.name], [wide[value.name]], to=TensorProto.DOUBLE)
        for value in graph.input
        if value.name in wide
    ]
    last = [
        helper.make_node("Cast", [wide[value.name]], [value.name], to=TensorProto.FLOAT)
        for value in graph.output
        if value.name in wide
    ]
    nodes = [*first, *graph.node, *last]
    del graph.node[:]
    graph.node.extend(nodes)
    return proto


# --- what scikit-learn answers -----------------------------------------------------------------------------


class _Answers:
    """The outputs of an estimator: their names, and how scikit-learn computes them."""

    def __init__(self, estimator: Any) -> None:
        self._estimator = estimator
        self.classes: Classes | None = None
        self.options: dict[str, Any] = {}
        if sklearn.base.is_classifier(estimator):
            if isinstance(estimator.classes_, list):
                raise UnsupportedError(_SEVERAL_LABELS)
            self.classes = Classes(estimator.classes_)
            has_probabilities = hasattr(estimator, "predict_proba")
            second = (
                ("probabilities", "predict_proba") if has_probabilities else ("scores", "decision_function")
            )
            self.options = {"zipmap": False} | ({} if has_probabilities else {"raw_scores": True})
            self._methods = {"label": "predict", second[0]: second[1]}
        elif sklearn.base.is_regressor(estimator):
            self._methods = {"prediction": "predict"}
        elif sklearn.base.is_outlier_detector(estimator):
            self._methods = {"label": "predict", "scores": "decision_function"}
        elif sklearn.base.is_clusterer(estimator):
            self._methods = {"label": "predict", "scores": "transform"}
        elif hasattr(estimator, "predict_proba"):
            self._methods = {"label": "predict", "probabilities": "predict_proba"}
        else:
            self._methods = {"transformed": "transform"}

    @property
    def names(self) -> list[str]:
        """Of the outputs."""
        return list(self._methods)

    def reference(self, feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """The outputs as scikit-learn computes them, in float64 where it can."""
        x: Any = np.asarray(feeds[_INPUT], np.float64)
        if hasattr(self._estimator, "feature_names_in_"):
            import pandas

            x = pandas.DataFrame(x, columns=self._estimator.feature_names_in_)
        with warnings.catch_warnings():
            # Of arrays without the names of the features.
            warnings.simplefilter("ignore")
            return {name: self._answer(name, method, x) for name, method in self._methods.items()}

    def take(self, x: NDArray[Any]) -> bool:
        """Whether the estimator takes any numbers; some know their categories, or want no negative ones."""
        try:
            self.reference({_INPUT: x})
        except ValueError:
            return False
        return True

    def floats(self, feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """The outputs but the label, which rounding decides where classes are equally likely."""
        return {name: values for name, values in self.reference(feeds).items() if name != "label"}

    def _answer(self, name: str, method: str, x: NDArray[Any]) -> NDArray[Any]:
        values = getattr(self._estimator, method)(x)
        values = values.toarray() if hasattr(values, "toarray") else np.asarray(values)
        if name == "label":
            if values.ndim != 1:
                raise UnsupportedError(_SEVERAL_LABELS)
            return self.classes.numbered(values) if self.classes else values.astype(np.int64)
        values = values.astype(np.float32)
        if values.ndim == 1:
            values = values[:, None]
            if name == "scores" and self.classes is not None:
                values = np.concatenate([-values, values], axis=1)
        return np.asarray(values)


def _compare(exported: Exported, answers: _Answers, count: int, wishes: Wishes) -> None:
    """Refuse what skl2onnx writes if it computes something else."""
    x = samples(_cuts(exported.proto), count, _COMPARED, (0.0, 1.0))
    arrays = [*wishes.example_inputs, x] if answers.take(x) else wishes.example_inputs
    feeds = [{_INPUT: np.asarray(array, np.float32)} for array in arrays]
    compared = replace(exported, reference=answers.floats)
    agreement.require(compared, feeds, "skl2onnx", tolerance=_TOLERANCE)


def _cuts(proto: ModelProto) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
    """The features and thresholds of the trees in a model."""
    for node in proto.graph.node:
        given = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
        if "nodes_featureids" in given and "nodes_values" in given:
            yield np.asarray(given["nodes_featureids"]), np.asarray(given["nodes_values"], np.float32)
