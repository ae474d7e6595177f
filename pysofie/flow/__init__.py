"""Changes of the flow of a model: a part of it, one behind the other, several side by side.

Each gives a `Model` of its own, which is optimised as a whole: what one model computes last is fused with
what the next one computes first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from pysofie.importers import as_source

if TYPE_CHECKING:
    from pysofie.importers import ModelLike
    from pysofie.model import Model

#: A Python function over tensors, a C++ expression, or a dict that names what each of them computes.
Step: TypeAlias = "Callable[..., Any] | str | Mapping[str, Callable[..., Any] | str]"
#: ``("float32", ("batch", 3))``, or ``"float32[batch, 3]"``.
InputType: TypeAlias = "tuple[str, Sequence[int | str]] | str"


def cut(
    source: ModelLike,
    inputs: Sequence[str] | None = None,
    outputs: Sequence[str] | None = None,
    *,
    name: str | None = None,
) -> Model:
    """Take a part of a model: what leads from some of its tensors to others.

    Parameters
    ----------
    source : Model, or as for `pysofie.load`
        The model.
    inputs : sequence of str, optional
        The tensors that are the inputs of the part, in this order: any tensors of the graph, weights
        included. They have the shape and dtype that they have in the model, and what computes them is left
        out, even if it cannot be compiled. By default the inputs of the model that are needed.
    outputs : sequence of str, optional
        The tensors that are the outputs of the part; by default those of the model.
    name : str, optional
        Names the generated code; by default as the model is named.

    Returns
    -------
    Model

    Raises
    ------
    Error
        There is no such tensor; or the outputs need an input that is not named, or do not need one that is.
    InvalidModelError, UnsupportedError, ShapeError
        As `pysofie.load`.

    Examples
    --------
    >>> head = pysofie.cut("model.onnx", inputs=["layer3"], outputs=["score"])  # doctest: +SKIP
    >>> features = pysofie.cut(model, outputs=["layer3"])  # doctest: +SKIP
    """
    from pysofie.flow import cutting

    return cutting.cut(as_source(source), inputs, outputs, name)


def chain(
    *sources: ModelLike,
    connect: Mapping[str, str] | Sequence[Mapping[str, str] | None] | None = None,
    name: str | None = None,
) -> Model:
    """Put models one behind the other.

    What a model computes is what the next one takes: outputs go to the inputs of the same name, and if no
    name is the same, to the inputs in order, where there are as many of them. Inputs that get nothing are
    inputs of the whole; of those with the same name there is one. The outputs are those of the last model.

    Parameters
    ----------
    *sources : Model, or as for `pysofie.load`
        Two models or more, in the order in which they run.
    connect : dict of str to str, or sequence of dict or None, optional
        Which output goes to which input: ``{"logits": "x"}``. Of more than two models, one for each link;
        None leaves a link to the rule.
    name : str, optional
        Names the generated code; by default made of the models' names.

    Returns
    -------
    Model
        Symbols of different models are the same where the shapes that meet say so, else they are kept apart.
        Names of inner tensors that several models use get the model's name in front: ``"second/layer3"``.
        The feature names are those of the first model, the classes those of the last that has some.

    Raises
    ------
    Error
        It is not clear which output goes to which input, or `connect` names something else.
    ShapeError
        A shape or dtype does not fit the input that it goes to.
    UnsupportedError
        The models are written for operator sets that cannot be made one; or as `pysofie.load`.
    InvalidModelError
        As `pysofie.load`.

    Examples
    --------
    >>> model = pysofie.chain("scaler.onnx", "network.onnx")  # doctest: +SKIP
    >>> model = pysofie.chain(network, calibration, connect={"logits": "x"})  # doctest: +SKIP
    """
    from pysofie.flow import joining

    models = [as_source(source).load() for source in sources]
    return joining.chain(models, connect, name)


def average(
    sources: Sequence[ModelLike], weights: Sequence[float] | None = None, *, name: str | None = None
) -> Model:
    """Average the outputs of models that take the same inputs, as of an ensemble or of folds.

    Parameters
    ----------
    sources : sequence of Model, or as for `pysofie.load`
        Models whose inputs and outputs have the same names, dtypes and shapes.
    weights : sequence of float, optional
        One for each model, as in `numpy.average`: they are divided by their sum. By default all weigh the
        same.
    name : str, optional
        Names the generated code; by default made of the first model's name.

    Returns
    -------
    Model
        With the inputs and outputs that each of them has.

    Raises
    ------
    Error
        The models differ in their inputs or outputs; or the outputs are no floating-point numbers, of which
        there is an average; or the weights are not as many as the models, or add up to 0.
    ShapeError, InvalidModelError, UnsupportedError
        As `chain`.

    Examples
    --------
    >>> model = pysofie.average(["seed0.onnx", "seed1.onnx", "seed2.onnx"])  # doctest: +SKIP
    """
    from pysofie.flow import joining

    models = [as_source(source).load() for source in sources]
    return joining.average(models, weights, name)


def around(
    model: Model, pre: Step | None, post: Step | None, inputs: Mapping[str, InputType] | None
) -> Model:
    """Put functions before and behind a model; see `pysofie.load`, which takes them."""
    if inputs and pre is None:
        raise TypeError("inputs= says what pre= takes; it is not given")
    if pre is None and post is None:
        return model
    from pysofie.flow import functions

    whole = model if pre is None else functions.before(model, pre, inputs or {})
    return whole if post is None else functions.after(whole, post)


__all__ = ["InputType", "Step", "around", "average", "chain", "cut"]
