"""Arrays as compiled models take them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import ml_dtypes  # noqa: F401  makes its dtypes known to NumPy by name
import numpy as np

from pysofie.errors import ShapeError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pysofie.model import Tensor

    Array = NDArray[Any]


def has_events(value: Any) -> bool:
    """Whether it is an array of awkward that is no tensor: records, or lists of different lengths."""
    if type(value).__module__.partition(".")[0] != "awkward":
        return False
    return bool(value.fields) or "var" in str(value.type)


def as_input(value: Any, tensor: Tensor, dtype: np.dtype[Any], role: str = "input") -> Array:
    """Convert what came into an array that the model takes; `role` is what messages call it.

    Raises
    ------
    ShapeError
        It is no array, or its dtype does not convert without loss.
    """
    untyped = isinstance(value, (bool, int, float, list, tuple))
    array = as_array(value, tensor, role)
    if not np.can_cast(array.dtype, dtype, "same_kind" if untyped else "safe"):
        remedy = "" if array.dtype.kind in "OSUV" else f"; if you mean it, pass x.astype({tensor.dtype!r})"
        raise ShapeError(f"{role} {tensor.name!r} has dtype {array.dtype}; expected {tensor}{remedy}")
    return np.require(array, dtype, ["C", "A"])


def as_array(value: Any, tensor: Tensor, role: str = "input") -> Array:
    """What NumPy makes of a value; `ShapeError` if that is nothing."""
    try:
        if not hasattr(value, "__array__") and hasattr(value, "__dlpack__"):
            return np.from_dlpack(value)
        return np.asarray(value)
    except (TypeError, ValueError, RuntimeError, BufferError) as error:
        raise ShapeError(
            f"{role} {tensor.name!r} cannot be made an array: {error}; expected {tensor}"
        ) from error


def require_in_place(value: Any, array: Array, tensor: Tensor) -> None:
    """Refuse an input that was copied to make it an array for the model.

    Raises
    ------
    ShapeError
        It was.
    """
    if array.size and not np.may_share_memory(array, as_array(value, tensor)):
        raise ShapeError(
            f"input {tensor.name!r} would be copied, and later changes of it would not be seen; "
            f"bind numpy.require(x, {tensor.dtype!r}, 'CA')"
        )


def aligned(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """A new array in cache lines of its own, so that threads do not slow down each other."""
    size = math.prod(shape) * dtype.itemsize
    memory = np.empty(-(-size // 64) * 64 + 64, np.uint8)
    start = -memory.ctypes.data % 64
    return memory[start : start + size].view(dtype).reshape(shape)


def is_foreign(dtype: str | np.dtype[Any]) -> bool:
    """Whether NumPy does not hand out the memory of such an array, as it is another package's dtype."""
    return np.dtype(dtype).isbuiltin == 2


def raw_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The dtype itself, or the integers in place of a foreign one."""
    return np.dtype(f"u{dtype.itemsize}") if is_foreign(dtype) else dtype


def raw(arrays: Sequence[Array]) -> list[Array]:
    """The same memory, of integers in place of foreign dtypes."""
    return [array.view(raw_dtype(array.dtype)) for array in arrays]
