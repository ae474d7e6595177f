"""The element types that tensors are stored in and not computed in, by the names of NumPy and ml_dtypes."""

from __future__ import annotations

import ml_dtypes
import numpy as np

SMALL_INTEGERS = {"int4": 4, "uint4": 4, "int2": 2, "uint2": 2}
# With their significant bits.
TYPES = {
    "float16": 16,
    "bfloat16": 16,
    "float8_e4m3fn": 8,
    "float8_e4m3fnuz": 8,
    "float8_e5m2": 8,
    "float8_e5m2fnuz": 8,
    "float8_e8m0fnu": 8,
    "float6_e2m3fn": 6,
    "float6_e3m2fn": 6,
    "float4_e2m1fn": 4,
    **SMALL_INTEGERS,
}


def scalar_type(name: str) -> np.dtype:
    """The dtype of that name, of any type."""
    return np.dtype(getattr(ml_dtypes, name, name))


def codes(name: str) -> np.ndarray:
    """Every element of a storage type."""
    dtype = scalar_type(name)
    return np.arange(2 ** TYPES[name], dtype=f"uint{8 * dtype.itemsize}").view(dtype)
