"""What a traced function does, written down as ONNX nodes."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import onnx
import onnx.checker
import onnx.defs
import onnx.shape_inference
from onnx import AttributeProto, NodeProto, TensorProto, TypeProto, helper, numpy_helper
from onnx.defs import OpSchema

from pysofie.errors import Error, ShapeError, UnsupportedError

if TYPE_CHECKING:
    from pysofie.tracing.tensor import Tensor

#: What is known of a shape: a number, the name of a symbol, or None for each dim; None without a rank.
Dims: TypeAlias = "tuple[int | str | None, ...] | None"

#: The opset of functions that are not traced into a model.
OPSET = 21
# Before it axes and operands were given in other ways.
_FIRST_OPSET = 13

_OPTIONAL = OpSchema.FormalParameterOption.Optional
_VARIADIC = OpSchema.FormalParameterOption.Variadic


class Recorder:
    """Collects the nodes and constants that operations on symbolic tensors become.

    Parameters
    ----------
    opset : int
        Of ONNX's operators, 13 or later.
    prefix : str
        Begins the names of all values that are made here.

    Attributes
    ----------
    nodes : list of onnx.NodeProto
        In the order of execution.
    constants : list of onnx.TensorProto
        What the nodes read beside the inputs.
    imports : dict of str to int
        The opsets of all domains that the nodes are of.

    Raises
    ------
    UnsupportedError
        The opset is too old, or unknown to the `onnx` package.
    """

    def __init__(self, opset: int = OPSET, prefix: str = "traced_") -> None:
        if not _FIRST_OPSET <= opset <= onnx.defs.onnx_opset_version():
            raise UnsupportedError(
                f"Python functions become operators of opset {_FIRST_OPSET} to "
                f"{onnx.defs.onnx_opset_version()}, not {opset}; convert the model with "
                "onnx.version_converter.convert_version"
            )
        self.opset = opset
        self.imports = {"": opset}
        self.prefix = prefix
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = []
        self._constant_of: dict[tuple[str, tuple[int, ...], bytes], Tensor] = {}
        self._data: dict[str, TensorProto] = {}
        self._count = 0

    def input(self, name: str, dtype: Any, dims: Dims) -> Tensor:
        """A tensor that comes from outside.

        Parameters
        ----------
        name : str
            Its name in the nodes.
        dtype : numpy.dtype or str
            The element type.
        dims : tuple of int, str or None, or None
            What is known of its shape; dims of one name are equal.
        """
        from pysofie.tracing.tensor import Tensor

        return Tensor(self, name, np.dtype(dtype), None if dims is None else tuple(dims))

    def constant(self, value: Any, dtype: Any = None) -> Tensor:
        """A tensor whose elements are known."""
        array = as_array(value, dtype)
        element_type(array.dtype, "a constant")
        key = (str(array.dtype), array.shape, array.tobytes())
        if key not in self._constant_of:
            name = self._fresh()
            self.constants.append(numpy_helper.from_array(array, name))
            self._data[name] = self.constants[-1]
            self._constant_of[key] = self.input(name, array.dtype, array.shape)
        return self._constant_of[key]

    def value(self, tensor: Tensor) -> Any:
        """The elements of a constant; None for what is computed."""
        data = self._data.get(tensor.name)
        return None if data is None else numpy_helper.to_array(data)

    def apply(
        self,
        operator: str,
        inputs: Sequence[Any],
        attributes: Mapping[str, Any] | None = None,
        *,
        outputs: int | None = None,
        domain: str = "",
    ) -> list[Tensor]:
        """Write a node.

        Parameters
        ----------
        operator : str
            Of ONNX.
        inputs : sequence of Tensor, array, number or None
            Numbers take the type of the tensors that the operator wants them to equal; None leaves an
            optional input out.
        attributes : dict, optional
            Those that have no value are left to their defaults.
        outputs : int, optional
            How many are wanted; by default those that are not optional, or all if all are.
        domain : str
            Of the operator.

        Returns
        -------
        list of Tensor

        Raises
        ------
        Error
            There is no such operator or attribute, or the number of inputs or outputs is wrong.
        ShapeError
            Types or shapes do not fit.
        """
        schema = self.schema(operator, domain)
        given = {key: value for key, value in (attributes or {}).items() if value is not None}
        attributes_of_node = _attributes(schema, given)
        tensors = _typed(self, schema, inputs)
        names = [self._fresh() for _ in range(_output_count(schema, outputs))]
        node = helper.make_node(
            operator, [t.name if t is not None else "" for t in tensors], names, domain=domain
        )
        node.attribute.extend(attributes_of_node)
        types = self._infer(schema, node, [tensor for tensor in tensors if tensor is not None])
        self.nodes.append(node)
        if domain:
            self.imports[domain] = schema.since_version
        return [self.input(name, *_known(schema, types.get(name))) for name in names]

    def schema(self, operator: str, domain: str = "") -> OpSchema:
        """The definition of an operator."""
        versions = _versions().get((domain, operator), [])
        if not versions:
            raise Error(f"ONNX has no operator {'.'.join(filter(None, (domain, operator)))}")
        if domain:
            return onnx.defs.get_schema(operator, max(versions), domain)
        if min(versions) > self.opset:
            raise UnsupportedError(
                f"ONNX has {operator} since opset {min(versions)}, but the model is of opset {self.opset}; "
                "convert it with onnx.version_converter.convert_version"
            )
        schema = onnx.defs.get_schema(operator, self.opset, domain)
        if schema.deprecated:
            raise UnsupportedError(f"ONNX has withdrawn {operator}: it is not in opset {self.opset}")
        return schema

    def _fresh(self) -> str:
        self._count += 1
        return f"{self.prefix}{self._count}"

    def _infer(self, schema: OpSchema, node: NodeProto, inputs: Sequence[Tensor]) -> dict[str, TypeProto]:
        types = {tensor.name: _type_proto(tensor) for tensor in inputs}
        data = {tensor.name: self._data[tensor.name] for tensor in inputs if tensor.name in self._data}
        imports = [
            helper.make_opsetid(schema.domain, self.opset if not schema.domain else schema.since_version)
        ]
        try:
            return dict(
                onnx.shape_inference.infer_node_outputs(schema, node, types, data, opset_imports=imports)
            )
        except (onnx.shape_inference.InferenceError, onnx.checker.ValidationError) as error:
            text = str(error).strip().splitlines()[0]
            raise ShapeError(f"{schema.name} of {_list(inputs)}: {text}") from None


@cache
def _versions() -> dict[tuple[str, str], list[int]]:
    """The opsets in which operators changed, by domain and name."""
    versions: dict[tuple[str, str], list[int]] = {}
    for schema in onnx.defs.get_all_schemas_with_history():
        versions.setdefault((schema.domain, schema.name), []).append(schema.since_version)
    return versions


def element_type(dtype: np.dtype[Any], what: str) -> int:
    """ONNX's number of an element type.

    Raises
    ------
    ShapeError
        It has none for `what`.
    """
    try:
        return int(helper.np_dtype_to_tensor_dtype(dtype))
    except (KeyError, ValueError):
        raise ShapeError(f"{what} of type {dtype} cannot be a tensor") from None


def type_name(dtype: np.dtype[Any], what: str = "a tensor") -> str:
    """What the definitions of operators call an element type."""
    return TensorProto.DataType.Name(element_type(dtype, what)).lower()


def type_names(types: Iterable[str]) -> str:
    """The element types of tensors among the types of a definition, for messages."""
    return ", ".join(sorted(name[7:-1] for name in types if name.startswith("tensor(")))


def as_array(value: Any, dtype: Any = None) -> np.ndarray[Any, Any]:
    """A dense array of numbers, or of a scalar.

    Raises
    ------
    ShapeError
        The value is none, or none of that type.
    """
    try:
        array = np.ascontiguousarray(value, dtype=dtype).reshape(np.shape(value))
    except (TypeError, ValueError, OverflowError) as error:
        raise ShapeError(f"{reprlib.repr(value)} cannot be a tensor: {error}") from None
    if array.dtype == np.object_:
        raise ShapeError(f"{reprlib.repr(value)} cannot be a tensor: it holds other things than numbers")
    return array


def _type_proto(tensor: Tensor) -> TypeProto:
    return helper.make_tensor_type_proto(element_type(tensor.dtype, tensor.name), tensor.dims)


def _list(tensors: Sequence[Tensor]) -> str:
    return ", ".join(map(str, tensors))


def _attributes(schema: OpSchema, given: Mapping[str, Any]) -> list[AttributeProto]:
    """The attributes of a node, checked."""
    unknown = [name for name in given if name not in schema.attributes]
    if unknown:
        known = ", ".join(sorted(schema.attributes)) or "none"
        raise Error(f"{schema.name} has no attribute {', '.join(unknown)}; its attributes are: {known}")
    missing = [name for name, a in schema.attributes.items() if a.required and name not in given]
    if missing:
        raise Error(f"{schema.name} needs the attribute {', '.join(missing)}")
    return [_attribute(schema, name, value) for name, value in given.items()]


def _attribute(schema: OpSchema, name: str, value: Any) -> AttributeProto:
    kind = schema.attributes[name].type.name
    if kind == "FLOAT" and isinstance(value, (int, np.integer)):
        value = float(value)
    try:
        return helper.make_attribute(name, value, attr_type=AttributeProto.AttributeType.Value(kind))
    except (TypeError, ValueError):
        words = f"a list of {kind[:-1]}" if kind.endswith("S") else kind
        raise Error(
            f"{schema.name}: its attribute {name} is {words} of ONNX, and {reprlib.repr(value)} is none"
        ) from None


def _output_count(schema: OpSchema, wanted: int | None) -> int:
    if wanted is None:
        if any(output.option == _VARIADIC for output in schema.outputs):
            raise Error(f"{schema.name} has any number of outputs; say how many by outputs=")
        needed = sum(output.option != _OPTIONAL for output in schema.outputs)
        return needed or len(schema.outputs)
    if not schema.min_output <= wanted <= schema.max_output:
        raise Error(f"{schema.name} has {schema.min_output} to {schema.max_output} outputs, not {wanted}")
    return wanted


def _typed(recorder: Recorder, schema: OpSchema, inputs: Sequence[Any]) -> list[Tensor | None]:
    """The inputs as tensors; numbers get the type that their place asks for."""
    from pysofie.tracing.tensor import Tensor

    if not schema.min_input <= len(inputs) <= schema.max_input:
        most = "any number of" if schema.max_input > 2**30 else str(schema.max_input)
        raise Error(f"{schema.name} takes {schema.min_input} to {most} inputs, not {len(inputs)}")
    formals = [schema.inputs[min(i, len(schema.inputs) - 1)] for i in range(len(inputs))]
    bound: dict[str, Tensor] = {}
    for formal, value in zip(formals, inputs, strict=True):
        if isinstance(value, Tensor):
            _check_type(recorder, schema, formal, value, bound)
    tensors: list[Tensor | None] = []
    for formal, value in zip(formals, inputs, strict=True):
        if value is None and formal.option != _OPTIONAL:
            raise Error(f"{schema.name} needs its input {formal.name}")
        if value is None or isinstance(value, Tensor):
            tensors.append(value)
            continue
        like = bound.get(formal.type_str)
        number = recorder.constant(value, like.dtype if like is not None else _natural(formal, value))
        _check_type(recorder, schema, formal, number, bound)
        tensors.append(number)
    return tensors


def _natural(formal: OpSchema.FormalParameter, value: Any) -> Any:
    """The type of a constant that no tensor decides."""
    array = as_array(value)
    if array.dtype == np.float64 and not isinstance(value, (np.ndarray, np.generic)):
        return np.float32
    if np.issubdtype(array.dtype, np.integer) or array.size == 0:
        return np.int64 if "tensor(int64)" in formal.types else array.dtype
    return array.dtype


def _check_type(
    recorder: Recorder,
    schema: OpSchema,
    formal: OpSchema.FormalParameter,
    tensor: Tensor,
    bound: dict[str, Tensor],
) -> None:
    if tensor.recorder is not recorder:
        raise Error(
            f"{tensor} is of another trace: a function may only use the tensors that it was called with"
        )
    if f"tensor({type_name(tensor.dtype, tensor.name)})" not in formal.types:
        raise ShapeError(
            f"{schema.name}: its input {formal.name} is {tensor}, but in opset {recorder.opset} it takes "
            f"{type_names(formal.types)}; convert it with .astype"
        )
    if not formal.is_homogeneous:
        return
    first = bound.setdefault(formal.type_str, tensor)
    if first.dtype != tensor.dtype:
        raise ShapeError(
            f"{schema.name}: {first} and {tensor} must be of one type; convert one of them with .astype"
        )


def _known(schema: OpSchema, kind: TypeProto | None) -> tuple[np.dtype[Any], Dims]:
    if kind is None or not kind.HasField("tensor_type"):
        raise UnsupportedError(f"{schema.name} does not return a tensor, and only tensors can be traced")
    dtype = np.dtype(helper.tensor_dtype_to_np_dtype(kind.tensor_type.elem_type))
    if not kind.tensor_type.HasField("shape"):
        return dtype, None
    dims = kind.tensor_type.shape.dim
    return dtype, tuple(
        int(dim.dim_value) if dim.HasField("dim_value") else (str(dim.dim_param) or None) for dim in dims
    )


def known_size(dims: Dims) -> int | None:
    """The number of elements, if it is known."""
    if dims is None or not all(isinstance(dim, int) for dim in dims):
        return None
    return math.prod(dim for dim in dims if isinstance(dim, int))
