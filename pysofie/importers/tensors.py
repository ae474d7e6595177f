"""Tensors of ONNX files as dtype, shape and bytes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

from pysofie.errors import InvalidModelError, UnsupportedError
from pysofie.importers.limits import MAX_DIM

if TYPE_CHECKING:
    from onnx import SparseTensorProto

# Elements that a file packs into bytes.
_BITS = {
    "float6_e2m3fn": 6,
    "float6_e3m2fn": 6,
    "float4_e2m1fn": 4,
    "int4": 4,
    "uint4": 4,
    "int2": 2,
    "uint2": 2,
}

# A tensor that is mostly zeros is refused when it would fill more than this many bytes.
_MAX_DENSE = 2**31


def dtype_name(elem_type: int) -> str:
    """Name an ONNX element type as NumPy or ml_dtypes do.

    Raises
    ------
    InvalidModelError
        There is no such element type.
    """
    if elem_type not in TensorProto.DataType.values() or elem_type == TensorProto.UNDEFINED:
        raise InvalidModelError(f"{elem_type} is not an element type of ONNX")
    if elem_type == TensorProto.STRING:
        return "string"
    return str(onnx.helper.tensor_dtype_to_np_dtype(elem_type).name)


def byte_size(tensor: TensorProto) -> int:
    """How many bytes the raw data of a tensor must have."""
    name = dtype_name(tensor.data_type)
    count = math.prod(checked_dims(tensor.dims, tensor.name))
    if name in _BITS:
        return (count * _BITS[name] + 7) // 8
    return count * int(onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize)


def checked_dims(dims: Any, name: str) -> list[int]:
    """Dims as a list; negative and absurd ones are refused.

    Raises
    ------
    InvalidModelError
        A dim is negative, or the tensor has more elements than can be addressed.
    """
    result = [int(dim) for dim in dims]
    if any(dim < 0 for dim in result) or math.prod(dim for dim in result if dim) > MAX_DIM:
        raise InvalidModelError(f"tensor {name!r} has impossible dims {result}")
    return result


def unpack(tensor: TensorProto) -> tuple[str, list[int], bytes]:
    """Dtype, shape and data of a constant.

    Returns
    -------
    tuple of str, list of int, bytes
        The bytes are row-major and little-endian; elements of fewer than 8 bits take one each.

    Raises
    ------
    InvalidModelError
        The data does not fit the shape.
    UnsupportedError
        It holds strings.
    """
    dtype = dtype_name(tensor.data_type)
    dims = checked_dims(tensor.dims, tensor.name)
    if dtype == "string":
        raise UnsupportedError(f"tensor {tensor.name!r} holds strings, which are not computed with")
    try:
        array = numpy_helper.to_array(tensor)
    except (ValueError, TypeError) as error:
        raise InvalidModelError(f"tensor {tensor.name!r}: {error}") from error
    return (
        dtype,
        dims,
        np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<"), copy=False).tobytes(),
    )


def densify(sparse: SparseTensorProto) -> TensorProto:
    """Write a sparse tensor out in full.

    Raises
    ------
    InvalidModelError
        Indices do not fit the shape.
    UnsupportedError
        The dense tensor would be absurdly large.
    """
    name = sparse.values.name
    shape = checked_dims(sparse.dims, name)
    values = numpy_helper.to_array(sparse.values)
    indices = numpy_helper.to_array(sparse.indices)
    if math.prod(shape) * values.itemsize > _MAX_DENSE:
        raise UnsupportedError(f"sparse tensor {name!r} of dims {shape} is too large to be written out")
    if indices.ndim == 2 and indices.shape[1] == len(shape):
        if np.any(indices < 0) or np.any(indices >= np.array(shape)):
            raise InvalidModelError(f"sparse tensor {name!r}: an index lies outside {shape}")
        flat = np.ravel_multi_index(tuple(indices.T), tuple(shape))
    else:
        flat = indices.reshape(-1)
    dense = np.zeros(math.prod(shape), dtype=values.dtype)
    if flat.size != values.size or np.any(flat < 0) or np.any(flat >= dense.size):
        raise InvalidModelError(f"sparse tensor {name!r}: indices and values do not fit {shape}")
    dense[flat] = values
    return numpy_helper.from_array(dense.reshape(shape), name)
