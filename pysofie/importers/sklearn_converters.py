"""Boosted estimators that skl2onnx lacks, or cannot write: it asks here for them, in pipelines too."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable
from typing import Any

from onnx import TensorProto, helper, numpy_helper
from skl2onnx import update_registered_converter
from skl2onnx.common.data_types import DoubleTensorType
from skl2onnx.common.shape_calculator import (
    calculate_linear_classifier_output_shapes,
    calculate_linear_regressor_output_shapes,
)
from sklearn.base import BaseEstimator, is_classifier

from pysofie.importers.boosting import INPUT
from pysofie.importers.writer import Writer
from pysofie.model import Tensor

# The modules that take estimators apart, by the beginning of the modules that these come from.
_MODULES = {
    "xgboost": "xgboost",
    "lightgbm": "lightgbm",
    "sklearn.ensemble._hist_gradient_boosting": "histogram_boosting",
}


def register(parts: Iterable[Any]) -> None:
    """Have skl2onnx write boosted estimators by the modules of this package."""
    for kind, estimator in {type(part): part for part in parts if isinstance(part, BaseEstimator)}.items():
        for beginning, module in _MODULES.items():
            if kind.__module__.startswith(beginning):
                _register(estimator, module)


def _register(estimator: Any, module: str) -> None:
    kind = type(estimator)
    shapes: Callable[..., None] = calculate_linear_regressor_output_shapes
    options = None
    if is_classifier(estimator):
        shapes = calculate_linear_classifier_output_shapes
        # Pipelines and ensembles ask for these; labels are numbers here whatever nocl says.
        options = {"zipmap": [True, False], "nocl": [True, False], "raw_scores": [False]}
    update_registered_converter(
        kind, f"Pysofie{kind.__name__}", shapes, _converter(module), overwrite=True, options=options
    )


def _converter(module: str) -> Callable[[Any, Any, Any], None]:
    describe_model = importlib.import_module(f"pysofie.importers.{module}").describe_model

    def convert(scope: Any, operator: Any, container: Any) -> None:
        """Copy the nodes of the booster into the model that skl2onnx writes."""
        model = describe_model(operator.raw_operator)
        writer = Writer()
        own = Tensor(INPUT, "float32", ("batch", model.features))
        graph = writer.model("boosted", own, model.outputs(writer, INPUT)).graph
        is_wide = isinstance(operator.inputs[0].type, DoubleTensorType)
        names = _Names(scope)
        container.add_node("Cast", operator.input_full_names, [names[INPUT]], to=TensorProto.FLOAT)
        for tensor in graph.initializer:
            copied = numpy_helper.from_array(numpy_helper.to_array(tensor), names[tensor.name])
            container.initializers.append(copied)
        for node in graph.node:
            attributes = {entry.name: helper.get_attribute_value(entry) for entry in node.attribute}
            inputs, outputs = ([names[name] for name in side] for side in (node.input, node.output))
            container.add_node(node.op_type, inputs, outputs, op_domain=node.domain, **attributes)
        for value, final in zip(graph.output, operator.output_full_names, strict=True):
            is_label = value.name == "label"
            to = TensorProto.INT64 if is_label else TensorProto.DOUBLE if is_wide else TensorProto.FLOAT
            container.add_node("Cast", [names[value.name]], [final], to=to)

    return convert


class _Names(dict[str, str]):
    """Names that are new in the model of skl2onnx."""

    def __init__(self, scope: Any) -> None:
        self._scope = scope

    def __missing__(self, name: str) -> str:
        self[name] = self._scope.get_unique_variable_name(name)
        return self[name]
