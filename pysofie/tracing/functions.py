"""NumPy's functions that put symbolic tensors together and move their elements."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from pysofie.errors import Error, ShapeError
from pysofie.tracing import elementwise
from pysofie.tracing.elementwise import as_tensor, cast, common, dtype_of, is_float, recorder_of, sample
from pysofie.tracing.indexing import as_places, vector
from pysofie.tracing.recorder import known_size
from pysofie.tracing.reductions import axes_of, axis_of
from pysofie.tracing.tensor import Tensor, implements, weak, xp

# --- choices ----------------------------------------------------------------------------------------------


@implements(np.where)
def _where(condition: Any, x: Any = None, y: Any = None) -> Tensor:
    if x is None or y is None:
        raise Error("numpy.where of symbolic tensors takes three arguments; pysofie.ops.NonZero finds places")
    return elementwise.where(condition, x, y)


@implements(np.clip)
def _clip(a: Any, a_min: Any = None, a_max: Any = None, *, min: Any = None, max: Any = None) -> Any:
    low, high = a_min if min is None else min, a_max if max is None else max
    above = a if low is None else xp.maximum(a, low)
    return above if high is None else xp.minimum(above, high)


@implements(np.nan_to_num)
def _nan_to_num(x: Tensor, *, nan: float = 0.0, posinf: Any = None, neginf: Any = None) -> Tensor:
    if not is_float(x):
        return x
    largest = float(np.finfo(x.dtype).max)
    high, low = (largest if posinf is None else posinf), (-largest if neginf is None else neginf)
    infinite = xp.where(xp.isinf(x), xp.where(x > 0, _like(x, high), _like(x, low)), x)
    return xp.where(xp.isnan(x), _like(x, nan), infinite)


def _like(x: Tensor, value: Any) -> Tensor:
    return x.recorder.constant(value, x.dtype)


# --- shapes -----------------------------------------------------------------------------------------------


@implements(np.shape)
def _shape(a: Tensor) -> tuple[Any, ...]:
    return a.shape


@implements(np.ndim)
def _ndim(a: Tensor) -> int:
    return a.ndim


@implements(np.size)
def _size(a: Tensor, axis: int | None = None) -> Any:
    if axis is not None:
        return a.shape[axis_of(axis, a.ndim)]
    known = known_size(a.dims)
    return weak(a.recorder.apply("Size", [a])[0]) if known is None else known


@implements(np.reshape)
def _reshape(a: Tensor, shape: Any) -> Tensor:
    wanted = tuple(shape) if isinstance(shape, (tuple, list)) else (shape,)
    # Else a zero would mean: as it was.
    attributes = {"allowzero": 1} if 0 in [size for size in wanted if isinstance(size, int)] else {}
    sizes = [size for size in wanted if isinstance(size, int)]
    known = known_size(a.dims)
    if known is not None and len(sizes) == len(wanted) and -1 not in sizes and math.prod(sizes) != known:
        raise ShapeError(f"{a} has {known} elements, and the shape {wanted} has {math.prod(sizes)}")
    return a.recorder.apply("Reshape", [a, vector(a.recorder, wanted)], attributes)[0]


@implements(np.ravel)
def _ravel(a: Tensor) -> Tensor:
    return _reshape(a, (-1,))


@implements(np.expand_dims)
def _expand_dims(a: Tensor, axis: Any) -> Tensor:
    count = len(axis) if isinstance(axis, (tuple, list)) else 1
    return a.recorder.apply("Unsqueeze", [a, np.array(axes_of(axis, a.ndim + count))])[0]


@implements(np.squeeze)
def _squeeze(a: Tensor, axis: Any = None) -> Tensor:
    units = [i for i, dim in enumerate(a.dims or ()) if dim == 1]
    axes = units if axis is None else axes_of(axis, a.ndim)
    return a.recorder.apply("Squeeze", [a, np.array(axes, np.int64)])[0] if axes else a


@implements(np.transpose)
def _transpose(a: Tensor, axes: Any = None) -> Tensor:
    order = axes_of(axes, a.ndim) if axes is not None else list(range(a.ndim))[::-1]
    return a.recorder.apply("Transpose", [a], {"perm": order})[0]


@implements(np.swapaxes)
def _swapaxes(a: Tensor, axis1: int, axis2: int) -> Tensor:
    order = list(range(a.ndim))
    first, second = axis_of(axis1, a.ndim), axis_of(axis2, a.ndim)
    order[first], order[second] = second, first
    return _transpose(a, order)


@implements(np.moveaxis)
def _moveaxis(a: Tensor, source: Any, destination: Any) -> Tensor:
    sources, places = axes_of(source, a.ndim), axes_of(destination, a.ndim)
    if len(sources) != len(places):
        raise ShapeError(f"source={source!r} and destination={destination!r} name different numbers of axes")
    order = [axis for axis in range(a.ndim) if axis not in sources]
    for place, axis in sorted(zip(places, sources, strict=True)):
        order.insert(place, axis)
    return _transpose(a, order)


@implements(np.broadcast_to)
def _broadcast_to(array: Tensor, shape: Any) -> Tensor:
    wanted = tuple(shape) if isinstance(shape, (tuple, list)) else (shape,)
    result = array.recorder.apply("Expand", [array, vector(array.recorder, wanted)])[0]
    # ONNX broadcasts both ways: what is wanted to the tensor, too.
    reached = (None,) * len(wanted) if result.dims is None else result.dims
    fixed = [(size, dim) for size, dim in zip(wanted, reached, strict=False) if isinstance(size, int)]
    if len(reached) != len(wanted) or any(
        (isinstance(dim, int) and dim != size) or size < 0 for size, dim in fixed
    ):
        raise ShapeError(f"{array} cannot be broadcast to the shape {shape}")
    return result


@implements(np.flip)
def _flip(m: Tensor, axis: Any = None) -> Tensor:
    axes = range(m.ndim) if axis is None else axes_of(axis, m.ndim)
    return m[tuple(slice(None, None, -1 if i in axes else None) for i in range(m.ndim))]


@implements(np.tile)
def _tile(A: Tensor, reps: Any) -> Tensor:  # noqa: N803 (as NumPy calls it)
    counts = list(reps) if isinstance(reps, (tuple, list)) else [reps]
    counts = [1] * (A.ndim - len(counts)) + counts
    full = _reshape(A, [1] * (len(counts) - A.ndim) + list(A.shape)) if len(counts) > A.ndim else A
    return A.recorder.apply("Tile", [full, vector(A.recorder, counts)])[0]


@implements(np.zeros_like)
def _zeros_like(a: Tensor, dtype: Any = None) -> Tensor:
    return _full_like(a, 0, dtype)


@implements(np.ones_like)
def _ones_like(a: Tensor, dtype: Any = None) -> Tensor:
    return _full_like(a, 1, dtype)


@implements(np.full_like)
def _full_like(a: Tensor, fill_value: Any, dtype: Any = None) -> Tensor:
    value = as_tensor(a.recorder, fill_value, dtype_of(dtype) if dtype is not None else a.dtype)
    return a.recorder.apply("Expand", [value, a.recorder.apply("Shape", [a])[0]])[0]


# --- several tensors --------------------------------------------------------------------------------------


@implements(np.concatenate)
def _concatenate(arrays: Sequence[Any], axis: int | None = 0) -> Tensor:
    tensors = common(*arrays)
    if axis is None:
        tensors, axis = [_ravel(tensor) for tensor in tensors], 0
    place = axis_of(axis, tensors[0].ndim)
    return tensors[0].recorder.apply("Concat", tensors, {"axis": place})[0]


@implements(np.stack)
def _stack(arrays: Sequence[Any], axis: int = 0) -> Tensor:
    rows = [_expand_dims(tensor, axis) for tensor in common(*arrays)]
    return _concatenate(rows, axis)


@implements(np.hstack)
def _hstack(tup: Sequence[Any]) -> Tensor:
    tensors = [_expand_dims(t, 0) if t.ndim == 0 else t for t in common(*tup)]
    return _concatenate(tensors, min(1, tensors[0].ndim - 1))


@implements(np.vstack)
def _vstack(tup: Sequence[Any]) -> Tensor:
    tensors = [_reshape(t, (1, -1)) if t.ndim < 2 else t for t in common(*tup)]
    return _concatenate(tensors)


@implements(np.column_stack)
def _column_stack(tup: Sequence[Any]) -> Tensor:
    tensors = [_reshape(t, (-1, 1)) if t.ndim < 2 else t for t in common(*tup)]
    return _concatenate(tensors, 1)


@implements(np.dot)
def _dot(a: Any, b: Any) -> Any:
    ranks = [value.ndim if isinstance(value, Tensor) else np.ndim(value) for value in (a, b)]
    if 0 in ranks:
        x, y = common(*(value if isinstance(value, Tensor) else np.asarray(value) for value in (a, b)))
        return x * y
    if ranks[1] > 2:
        raise Error(
            "numpy.dot of symbolic tensors takes at most a matrix on the right; use @ or numpy.einsum"
        )
    return a @ b


@implements(np.outer)
def _outer(a: Any, b: Any) -> Tensor:
    x, y = common(a, b)
    return _reshape(x, (-1, 1)) * _reshape(y, (1, -1))


@implements(np.einsum)
def _einsum(subscripts: str, *operands: Any) -> Tensor:
    tensors = common(*operands)
    return tensors[0].recorder.apply("Einsum", tensors, {"equation": subscripts})[0]


# --- elements by place or size ----------------------------------------------------------------------------


@implements(np.take)
def _take(a: Any, indices: Any, axis: int | None = None) -> Tensor:
    recorder = recorder_of((a, indices))
    x, places = as_tensor(recorder, a), as_places(recorder, indices)
    flat, place = (_ravel(x), 0) if axis is None else (x, axis_of(axis, x.ndim))
    return recorder.apply("Gather", [flat, places], {"axis": place})[0]


@implements(np.take_along_axis)
def _take_along_axis(arr: Any, indices: Any, axis: int = -1) -> Tensor:
    recorder = recorder_of((arr, indices))
    x, places = as_tensor(recorder, arr), as_places(recorder, indices)
    return recorder.apply("GatherElements", [x, places], {"axis": axis_of(axis, x.ndim)})[0]


@implements(np.sort)
def _sort(a: Tensor, axis: int | None = -1) -> Tensor:
    return _sorted(a, axis)[0]


@implements(np.argsort)
def _argsort(a: Tensor, axis: int | None = -1) -> Tensor:
    return _sorted(a, axis)[1]


def _sorted(a: Tensor, axis: int | None) -> list[Tensor]:
    x, place = (_ravel(a), 0) if axis is None else (a, axis_of(axis, a.ndim))
    count = vector(x.recorder, [x.shape[place]])
    return x.recorder.apply("TopK", [x, count], {"axis": place, "largest": 0, "sorted": 1})


@implements(np.diff)
def _diff(a: Tensor, n: int = 1, axis: int = -1) -> Tensor:
    place = axis_of(axis, a.ndim)
    if operator.index(n) < 0:
        raise ShapeError(f"n={n}: differences are taken 0 times or more")
    before = [slice(None)] * place
    for _ in range(n):
        later, earlier = (a[tuple([*before, part])] for part in (slice(1, None), slice(None, -1)))
        a = later != earlier if a.dtype == np.bool_ else later - earlier
    return a


@implements(np.round, np.around)
def _round(a: Tensor, decimals: int = 0) -> Tensor:
    if not is_float(a) and operator.index(decimals) >= 0:
        return a
    scale = 10.0 ** abs(operator.index(decimals))
    x = a if is_float(a) else cast(a, np.float64)
    rounded = xp.rint(x * scale) / scale if decimals > 0 else xp.rint(x / scale) * scale
    return cast(xp.rint(x) if decimals == 0 else rounded, a.dtype)


@implements(np.tril)
def _tril(m: Tensor, k: int = 0) -> Tensor:
    return m.recorder.apply("Trilu", [m, np.int64(operator.index(k))], {"upper": 0})[0]


@implements(np.triu)
def _triu(m: Tensor, k: int = 0) -> Tensor:
    return m.recorder.apply("Trilu", [m, np.int64(operator.index(k))], {"upper": 1})[0]


@implements(np.linalg.det)
def _det(a: Tensor) -> Tensor:
    return a.recorder.apply("Det", [a if is_float(a) else cast(a, np.float64)])[0]


@implements(np.result_type)
def _result_type(*values: Any) -> np.dtype[Any]:
    return np.result_type(*map(sample, values))
