"""Nodes of ONNX files: the domains of their operators, and the values of attributes and constants."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import onnx
from onnx import AttributeProto, NodeProto, TensorProto

from pysofie.errors import UnsupportedError
from pysofie.importers.tensors import densify, unpack

if TYPE_CHECKING:
    from onnx import OperatorSetIdProto

_SCALARS = {AttributeProto.FLOAT: "f", AttributeProto.INT: "i", AttributeProto.STRING: "s"}
_LISTS = {AttributeProto.FLOATS: "floats", AttributeProto.INTS: "ints", AttributeProto.STRINGS: "strings"}


def domain_of(named: NodeProto | OperatorSetIdProto) -> str:
    """The domain that something names; ONNX's own has two names, of which this is the empty one."""
    return "" if named.domain == "ai.onnx" else str(named.domain)


def is_constant(node: NodeProto) -> bool:
    """Whether all that it does is to hold a value."""
    return node.op_type == "Constant" and domain_of(node) == ""


def constant_value(node: NodeProto) -> TensorProto:
    """The value of a Constant node, in whichever of its attributes it lies.

    Raises
    ------
    UnsupportedError
        It is of no numbers.
    """
    attribute = node.attribute[0]
    name = node.output[0]
    if attribute.name == "sparse_value":
        attribute.sparse_tensor.values.name = name
        return densify(attribute.sparse_tensor)
    if attribute.name == "value":
        tensor = TensorProto()
        tensor.CopyFrom(attribute.t)
        tensor.name = name
        return tensor
    if attribute.name in ("value_float", "value_int"):
        value = onnx.helper.get_attribute_value(attribute)
        kind = TensorProto.FLOAT if attribute.name == "value_float" else TensorProto.INT64
        return onnx.helper.make_tensor(name, kind, [], [value])
    if attribute.name in ("value_floats", "value_ints"):
        values = onnx.helper.get_attribute_value(attribute)
        kind = TensorProto.FLOAT if attribute.name == "value_floats" else TensorProto.INT64
        return onnx.helper.make_tensor(name, kind, [len(values)], values)
    raise UnsupportedError(f"node {node.name!r} (Constant): {attribute.name} is not taken")


def attribute_value(node: NodeProto, attribute: AttributeProto) -> Any:
    """The value of an attribute as the core takes it.

    Raises
    ------
    UnsupportedError
        The core has no attributes of this kind.
    """
    if attribute.type in _SCALARS:
        return getattr(attribute, _SCALARS[attribute.type])
    if attribute.type in _LISTS:
        return list(getattr(attribute, _LISTS[attribute.type]))
    if attribute.type == AttributeProto.TENSOR:
        return ("tensor", *unpack(attribute.t))
    kind = AttributeProto.AttributeType.Name(attribute.type)
    raise UnsupportedError(
        f"node {node.name!r} ({node.op_type}): attribute {attribute.name!r} of kind {kind} is not taken"
    )
