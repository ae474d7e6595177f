"""Operators of users applied to the nodes of a model: what the core is told when it asks."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from onnx import AttributeProto, NodeProto, TensorProto, helper, numpy_helper

from pysofie.custom.definition import Definition, Routine
from pysofie.errors import Error, InvalidModelError, ShapeError, UnsupportedError
from pysofie.tracing import OPSET, Recorder, Tensor, Trace, finish

if TYPE_CHECKING:
    from onnx import GraphProto

    from pysofie._core import Call, Graph

#: Element type, the type that it is computed in, and dims of an input; None if it is left out.
Input: TypeAlias = "tuple[str, str, Sequence[Any]] | None"


@dataclass(frozen=True)
class Argument:
    """An input as the rule of a routine sees it.

    Attributes
    ----------
    dtype : numpy.dtype
        The element type; float32 for what is only stored in fewer bits.
    shape : tuple of int or Dim
        Numbers, and sizes that are known when the model runs, which can be added, multiplied and divided.
    """

    dtype: np.dtype[Any]
    shape: tuple[Any, ...]


@dataclass(frozen=True)
class Answer:
    """What the core was told for inputs of certain types and shapes.

    Attributes
    ----------
    meaning : pysofie._core.Graph or pysofie._core.Call
        The answer itself.
    text : str
        Identifies it.
    trace : Trace or None
        Of a composition.
    """

    meaning: Graph | Call
    text: str
    trace: Trace | None = None


@dataclass
class Application:
    """What a definition makes of a node.

    Attributes
    ----------
    definition : Definition
        Of the operator.
    outputs : tuple of str
        The names of the node's outputs.
    attributes : dict
        Of the node.
    as_graph : callable
        Makes a graph of the core from one of ONNX and the opsets of its domains.
    answers : dict
        By opset and inputs.
    """

    definition: Definition
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]
    as_graph: Callable[[GraphProto, Mapping[str, int]], Graph]
    answers: dict[tuple[int, str], Answer] = field(default_factory=dict)

    @staticmethod
    def of(node: NodeProto, definition: Definition, as_graph: Callable[..., Graph]) -> Application:
        """The application to a node of a model."""
        attributes = {attribute.name: _value(node, attribute) for attribute in node.attribute}
        return Application(definition, tuple(node.output), attributes, as_graph)

    def __call__(self, where: str, opset: int, inputs: list[Input]) -> Graph | Call:
        """The meaning of the node for inputs of these types and shapes.

        Parameters
        ----------
        where : str
            The node, for messages.
        opset : int
            Of ONNX in the graph around; 0 if it has none.
        inputs : list of (str, str, list of int or Dim), or None
            Types and shapes.

        Raises
        ------
        Error
            The rule failed, or returned what makes no sense.
        """
        key = (opset, str(inputs))
        if key not in self.answers:
            self.definition.check(where, len(inputs), self.attributes)
            try:
                is_routine = self.definition.bodies is not None
                self.answers[key] = (
                    self._routine(inputs) if is_routine else self._composition(opset or OPSET, inputs)
                )
            except ShapeError:
                raise  # the core says where
            except UnsupportedError as error:
                raise UnsupportedError(f"{where}: {error}") from error
            except Exception as error:
                raise Error(f"{where}: the rule of {self.definition} failed: {_words(error)}") from error
        return self.answers[key].meaning

    def _composition(self, opset: int, inputs: list[Input]) -> Answer:
        # Names of one model: no other node has this output.
        prefix = f"{next(filter(None, self.outputs))}/"
        recorder = Recorder(opset, prefix)
        tensors: list[Tensor | None] = []
        for i, given in enumerate(inputs):
            known = given and tuple(dim if isinstance(dim, int) else str(dim) for dim in given[2])
            tensors.append(recorder.input(f"{prefix}input{i}", given[0], known) if given else None)
        result = self.definition.rule(*tensors, **self.attributes)
        present = tuple(tensor for tensor in tensors if tensor is not None)
        trace = finish(recorder, present, result, str(self.definition))
        for node in recorder.nodes:
            node.name = self.definition.name
        graph = trace.graph(self.definition.name)
        digest = hashlib.sha256(graph.SerializeToString(deterministic=True)).hexdigest()
        return Answer(self.as_graph(graph, recorder.imports), digest, trace)

    def _routine(self, inputs: list[Input]) -> Answer:
        from pysofie import _core

        arguments = [given and Argument(np.dtype(given[1]), tuple(given[2])) for given in inputs]
        result = self.definition.rule(*arguments, **self.attributes)
        if not isinstance(result, Routine):
            raise Error(f"it returned {type(result).__name__}, and must return a pysofie.Routine")
        numbers = {k: v for k, v in result.arguments.items() if isinstance(v, (float, np.floating))}
        sizes = {k: v for k, v in result.arguments.items() if k not in numbers}
        names = [p.name for p, given in zip(self.definition.parameters()[0], inputs, strict=False) if given]
        parameters = [*names, *result.outputs, *sizes, *numbers]
        _refuse_names(parameters)
        call = {
            "name": str(self.definition),
            "bodies": self._bodies(parameters, result),
            "parameters": parameters,
            "headers": list(self.definition.headers),
            "items": _dim(result.items),
            "outputs": [(np.dtype(d).name, [_dim(n) for n in s]) for d, s in result.outputs.values()],
            "arguments": [_dim(value) for value in sizes.values()],
            "numbers": [float(value) for value in numbers.values()],
        }
        return Answer(_core.Call(**call), str(call))

    def _bodies(self, parameters: list[str], routine: Routine) -> dict[str, str]:
        if self.definition.function is None:
            return dict(self.definition.bodies or {})
        item = [] if isinstance(routine.items, int) and routine.items == 1 else ["item"]
        return {"cpu": f"{self.definition.function}({', '.join([*item, *parameters])});"}

    def digest(self) -> str:
        """Identifies what the node means, and what the compiler is told for it."""
        answers = (f"{key} {answer.text}" for key, answer in sorted(self.answers.items()))
        return hashlib.sha256("\0".join([*answers, *self.definition.flags]).encode()).hexdigest()


def _value(node: NodeProto, attribute: AttributeProto) -> Any:
    """The value of an attribute as Python has it."""
    value = helper.get_attribute_value(attribute)
    if isinstance(value, TensorProto):
        return numpy_helper.to_array(value)
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if attribute.type == AttributeProto.STRINGS:
        return [item.decode(errors="replace") for item in value]
    if attribute.type in (AttributeProto.INT, AttributeProto.FLOAT):
        return value
    if attribute.type in (AttributeProto.INTS, AttributeProto.FLOATS):
        return list(value)
    kind = AttributeProto.AttributeType.Name(attribute.type)
    raise InvalidModelError(
        f"node {node.name!r} ({node.op_type}): attribute {attribute.name!r} of kind {kind} is not taken"
    )


def _words(error: Exception) -> str:
    return str(error) if isinstance(error, Error) else f"{type(error).__name__}: {error}"


def _refuse_names(parameters: list[str]) -> None:
    from pysofie import _core

    for i, name in enumerate(parameters):
        if _core.sanitize(name) != name or name in ("item", "rt"):
            raise Error(f"{name!r} cannot be the name of a parameter in C++")
        if name in parameters[:i]:
            raise Error(f"two of its inputs, outputs and arguments are named {name!r}")


def _dim(value: Any) -> Any:
    from pysofie import _core

    if isinstance(value, _core.Dim):
        return value
    if isinstance(value, (int, np.integer)):
        return _core.Dim(int(value))
    raise Error(f"{value!r} is no size: sizes are numbers, and sizes of the inputs")
