"""Operators of torch's libraries: the exporters write the nodes that `pysofie.operator` gives a meaning."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

import onnx
import torch
from torch.onnx import symbolic_helper

from pysofie import custom
from pysofie.custom.definition import Definition
from pysofie.errors import UnsupportedError

#: The version of every domain of users' operators.
VERSION = 1

# How the exporters name an operator that they do not know.
_UNKNOWN = re.compile(r"op='(\w+)\.(\w+)'|(?:operator '|namespace )(\w+)::(\w+)")

_Parameter: TypeAlias = onnx.defs.OpSchema.FormalParameter
_Arity: TypeAlias = onnx.defs.OpSchema.FormalParameterOption


@dataclass(frozen=True)
class _Kind:
    """How values become attributes of a node.

    Attributes
    ----------
    convert : callable
        Makes the value.
    name : str
        Of the type in ONNX.
    suffix : str
        By which the exporter of traces knows the type of an attribute.
    descriptor : str
        By which it reads the constant in a trace.
    """

    convert: Callable[[Any], Any]
    name: str
    suffix: str
    descriptor: str


# By the types of torch.
_KINDS = {
    torch.IntType: _Kind(int, "INT", "i", "i"),
    torch.BoolType: _Kind(int, "INT", "i", "b"),
    torch.FloatType: _Kind(float, "FLOAT", "f", "f"),
    torch.NumberType: _Kind(float, "FLOAT", "f", "f"),
    torch.StringType: _Kind(str, "STRING", "s", "s"),
}


@dataclass(frozen=True)
class _Argument:
    """A parameter of an operator of torch.

    Attributes
    ----------
    name : str
        Of the parameter.
    element : type of torch
        What it is, or what it is a list of.
    is_list, is_optional : bool
        Whether it is a list, and whether it may be None.
    """

    name: str
    element: Any
    is_list: bool
    is_optional: bool

    @staticmethod
    def of(argument: Any) -> _Argument:
        """Read an argument of a schema."""
        kind = argument.type
        is_optional = isinstance(kind, torch.OptionalType)
        kind = kind.getElementType() if is_optional else kind
        is_list = isinstance(kind, torch.ListType)
        return _Argument(argument.name, kind.getElementType() if is_list else kind, is_list, is_optional)

    @property
    def is_tensor(self) -> bool:
        """Whether it is an input of the node; else it is an attribute."""
        return isinstance(self.element, torch.TensorType)

    @property
    def kind(self) -> _Kind:
        """How it becomes an attribute."""
        return _KINDS[type(self.element)]

    def value(self, given: Any) -> Any:
        """The value of the attribute."""
        convert = self.kind.convert
        return [convert(item) for item in given] if self.is_list else convert(given)


@dataclass(frozen=True)
class Operator:
    """An operator of torch and the node that it becomes.

    Attributes
    ----------
    definition : Definition
        What was registered.
    overload : torch._ops.OpOverload
        The operator of torch.
    arguments : tuple of _Argument
        Its parameters.
    """

    definition: Definition
    overload: Any
    arguments: tuple[_Argument, ...]

    @staticmethod
    def of(definition: Definition) -> Operator | None:
        """Find the operator that a definition stands for; None if torch has none of that name (yet).

        Raises
        ------
        UnsupportedError
            It has parameters that no node can have.
        """
        namespace, _, rest = str(definition.torch).partition("::")
        name, _, overload = rest.partition(".")
        try:
            found = getattr(getattr(getattr(torch.ops, namespace), name), overload or "default")
        except AttributeError:
            return None
        arguments = tuple(map(_Argument.of, found._schema.arguments))
        for argument in arguments:
            if not argument.is_tensor and type(argument.element) not in _KINDS:
                raise UnsupportedError(
                    f"{definition.torch} cannot become a node {definition}: its parameter {argument.name} is "
                    f"a {argument.element}; tensors become inputs, and numbers, strings and lists of them "
                    "attributes"
                )
        return Operator(definition, found, arguments)

    def split(self, values: Mapping[str, Any]) -> tuple[list[Any], dict[str, Any]]:
        """The inputs of the node, None where one is left out, and the values of its attributes."""
        inputs: list[Any] = []
        for argument in (argument for argument in self.arguments if argument.is_tensor):
            given = values[argument.name]
            inputs += given if argument.is_list and given is not None else [given]
        while inputs and inputs[-1] is None:
            inputs.pop()
        attributes = {
            argument.name: values[argument.name]
            for argument in self.arguments
            if not argument.is_tensor and values[argument.name] is not None
        }
        return inputs, attributes

    # --- the exporter of programs -------------------------------------------------------------------------

    def translate(self, *positional: Any, **keywords: Any) -> Any:
        """Write the node for values of the exporter of programs; of its custom translation table."""
        from onnxscript import values as script

        given = {a.name: a.default_value for a in self.overload._schema.arguments if a.has_default_value()}
        given |= (
            dict(zip((argument.name for argument in self.arguments), positional, strict=False)) | keywords
        )
        inputs, attributes = self.split(given)
        for argument in (argument for argument in self.arguments if argument.name in attributes):
            attributes[argument.name] = self._constant(argument, attributes[argument.name])
        opset = script.Opset(self.definition.domain, VERSION)
        return script.Op(opset, self.definition.name, self._schema(len(inputs)))(*inputs, **attributes)

    def _constant(self, argument: _Argument, given: Any) -> Any:
        try:
            return argument.value(given)
        except (TypeError, ValueError):
            raise UnsupportedError(
                f"{self.definition.torch} is called with {argument.name}={given}, which is computed; an "
                f"attribute of a node is a constant: make {argument.name} a tensor"
            ) from None

    def _schema(self, inputs: int) -> onnx.defs.OpSchema:
        """A schema of the node for so many inputs, of any types."""
        outputs = len(self.overload._schema.returns)
        every = onnx.defs.get_schema("Identity").type_constraints[0].allowed_type_strs
        types = [(f"T{i}", every, "") for i in range(inputs + outputs)]
        attributes = [
            onnx.defs.OpSchema.Attribute(
                argument.name,
                getattr(onnx.defs.OpSchema.AttrType, argument.kind.name + "S" * argument.is_list),
                required=False,
            )
            for argument in self.arguments
            if not argument.is_tensor
        ]
        return onnx.defs.OpSchema(
            self.definition.name,
            self.definition.domain,
            VERSION,
            inputs=[_Parameter(f"x{i}", f"T{i}", param_option=_Arity.Optional) for i in range(inputs)],
            outputs=[_Parameter(f"y{i}", f"T{inputs + i}") for i in range(outputs)],
            type_constraints=types,
            attributes=attributes,
        )

    # --- the exporter of traces ---------------------------------------------------------------------------

    def symbolic(self, graph: Any, *values: Any) -> Any:
        """Write the node for values of the exporter of traces; a symbolic function."""
        read = {
            argument.name: _read(argument, value)
            for argument, value in zip(self.arguments, values, strict=True)
        }
        inputs, attributes = self.split(read)
        suffixed = {
            f"{argument.name}_{argument.kind.suffix}": argument.value(attributes[argument.name])
            for argument in self.arguments
            if argument.name in attributes
        }
        returned = list(graph.original_node.outputs())
        label = f"{self.definition.domain}::{self.definition.name}"
        present = [_nothing(graph) if given is None else given for given in inputs]
        results = graph.op(label, *present, outputs=len(returned), **suffixed)
        for result, original in zip([results] if len(returned) == 1 else results, returned, strict=True):
            kind = original.type()
            rank = kind.dim() if isinstance(kind, torch.TensorType) else None
            result.setType(kind if rank is None else kind.with_sizes([None] * rank))
        return results


def _read(argument: _Argument, value: Any) -> Any:
    """A value of a trace: the constant that it is, or what computes it; None where nothing is given."""
    if value.node().mustBeNone():
        return None
    if argument.is_tensor:
        return symbolic_helper._unpack_list(value) if argument.is_list else value
    return symbolic_helper._get_const(value, argument.kind.descriptor + "s" * argument.is_list, argument.name)


def _nothing(graph: Any) -> Any:
    """The value of an input that is left out."""
    value = graph.op("prim::Constant")
    value.setType(torch.NoneType.get())
    return value


def operators() -> Iterator[Operator]:
    """The operators of torch that users have given a meaning."""
    found = (Operator.of(definition) for definition in custom.registered() if definition.torch)
    return (operator for operator in found if operator is not None)


def translations() -> dict[Any, Callable[..., Any]]:
    """For the exporter of programs: what writes the operators' nodes."""
    return {operator.overload: partial(operator.translate) for operator in operators()}


def symbolics() -> dict[str, Callable[..., Any]]:
    """For the exporter of traces: what writes the operators' nodes."""
    return {operator.overload._schema.name: operator.symbolic for operator in operators()}


def advice(complaints: str) -> str:
    """How the user gives a meaning to operators that the exporters do not know; empty if there are none."""
    names = {"::".join(filter(None, match)) for match in _UNKNOWN.findall(complaints)}
    return "\n  ".join(
        f"pysofie.operator(domain, name, torch={name!r}) can say what {name} means" for name in sorted(names)
    )


def opsets() -> dict[str, int]:
    """The versions of the domains of these nodes."""
    return {operator.definition.domain: VERSION for operator in operators()}
