"""NumPy's reductions of symbolic tensors."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from pysofie.errors import Error, ShapeError
from pysofie.tracing.elementwise import cast, dtype_of, is_float, result_type
from pysofie.tracing.tensor import Tensor, implements, xp

Axes: TypeAlias = "int | Sequence[int] | None"


def axes_of(axis: Any, ndim: int) -> list[int]:
    """Axes, counted from the front.

    Raises
    ------
    ShapeError
        There is no such axis, or one is named twice, or it is no integer.
    """
    try:
        given = [operator.index(i) for i in (axis if isinstance(axis, (tuple, list)) else (axis,))]
    except TypeError:
        raise ShapeError(f"axis={axis!r}: an axis is an integer") from None
    axes = [i % ndim for i in given if -ndim <= i < ndim]
    if len(set(axes)) < len(given):
        raise ShapeError(f"axis={axis!r} does not name different axes of a tensor that has {ndim}")
    return axes


def axis_of(axis: Any, ndim: int) -> int:
    """A single axis, counted from the front; see `axes_of`."""
    if isinstance(axis, (tuple, list)):
        raise ShapeError(f"axis={axis!r}: a single axis is wanted")
    return axes_of(axis, ndim)[0]


def _reduce(name: str, x: Tensor, axis: Axes, keepdims: bool) -> Tensor:
    attributes = {"keepdims": int(keepdims)}
    if axis is None:
        return x.recorder.apply(name, [x], attributes)[0]
    axes = axes_of(axis, x.ndim)
    if not axes:
        return x
    if "axes" in x.recorder.schema(name).attributes:
        return x.recorder.apply(name, [x], {**attributes, "axes": axes})[0]
    return x.recorder.apply(name, [x, np.array(axes, np.int64)], attributes)[0]


@implements(np.sum)
def _sum(a: Tensor, axis: Axes = None, dtype: Any = None, keepdims: bool = False) -> Tensor:
    wanted = dtype_of(dtype) if dtype is not None else result_type(np.sum, a)
    return _computed("ReduceSum", a, axis, wanted, keepdims)


@implements(np.prod)
def _prod(a: Tensor, axis: Axes = None, dtype: Any = None, keepdims: bool = False) -> Tensor:
    wanted = dtype_of(dtype) if dtype is not None else result_type(np.prod, a)
    return _computed("ReduceProd", a, axis, wanted, keepdims)


def _computed(name: str, a: Tensor, axis: Axes, dtype: np.dtype[Any], keepdims: bool) -> Tensor:
    # ONNX adds integers of 32 and 64 bits only; the lower bits of a sum are those of the wider one.
    small = dtype.kind in "bui" and dtype.itemsize < 4
    return cast(_reduce(name, cast(a, np.int32 if small else dtype), axis, keepdims), dtype)


@implements(np.mean)
def _mean(a: Tensor, axis: Axes = None, dtype: Any = None, keepdims: bool = False) -> Tensor:
    return _reduce("ReduceMean", cast(a, dtype or result_type(np.mean, a)), axis, keepdims)


@implements(np.var)
def _var(a: Tensor, axis: Axes = None, dtype: Any = None, ddof: float = 0, keepdims: bool = False) -> Tensor:
    x = cast(a, dtype or result_type(np.var, a))
    distance = x - xp.mean(x, axis=axis, keepdims=True)
    squares = distance * distance
    if ddof == 0:
        return _mean(squares, axis, keepdims=keepdims)
    count = xp.size(x) if axis is None else _product([x.shape[i] for i in axes_of(axis, x.ndim)])
    freedom = count - ddof
    total = _sum(squares, axis, keepdims=keepdims)
    return total / (cast(freedom, x.dtype) if isinstance(freedom, Tensor) else float(freedom))


def _product(sizes: Sequence[Any]) -> Any:
    result: Any = 1
    for size in sizes:
        result = result * size
    return result


@implements(np.std)
def _std(a: Tensor, axis: Axes = None, dtype: Any = None, ddof: float = 0, keepdims: bool = False) -> Tensor:
    return xp.sqrt(_var(a, axis, dtype, ddof, keepdims))


@implements(np.max, np.amax)
def _max(a: Tensor, axis: Axes = None, keepdims: bool = False) -> Tensor:
    return _any(a, axis, keepdims) if a.dtype == np.bool_ else _reduce("ReduceMax", a, axis, keepdims)


@implements(np.min, np.amin)
def _min(a: Tensor, axis: Axes = None, keepdims: bool = False) -> Tensor:
    return _all(a, axis, keepdims) if a.dtype == np.bool_ else _reduce("ReduceMin", a, axis, keepdims)


@implements(np.any)
def _any(a: Tensor, axis: Axes = None, keepdims: bool = False) -> Tensor:
    return _reduce("ReduceSum", cast(cast(a, np.bool_), np.int64), axis, keepdims) > 0


@implements(np.all)
def _all(a: Tensor, axis: Axes = None, keepdims: bool = False) -> Tensor:
    return ~_any(~cast(a, np.bool_), axis, keepdims)


@implements(np.argmax)
def _argmax(a: Tensor, axis: int | None = None, keepdims: bool = False) -> Tensor:
    return _arg("ArgMax", a, axis, keepdims)


@implements(np.argmin)
def _argmin(a: Tensor, axis: int | None = None, keepdims: bool = False) -> Tensor:
    return _arg("ArgMin", a, axis, keepdims)


def _arg(name: str, a: Tensor, axis: int | None, keepdims: bool) -> Tensor:
    x = cast(a, np.uint8) if a.dtype == np.bool_ else a
    if axis is None:
        flat = x.recorder.apply(name, [xp.reshape(x, -1)], {"axis": 0, "keepdims": 0})[0]
        return xp.reshape(flat, (1,) * a.ndim) if keepdims else flat
    attributes = {"axis": axis_of(axis, x.ndim), "keepdims": int(keepdims)}
    return x.recorder.apply(name, [x], attributes)[0]


@implements(np.cumsum)
def _cumsum(a: Tensor, axis: int | None = None, dtype: Any = None) -> Tensor:
    x = cast(a, dtype or result_type(np.cumsum, a))
    if axis is None:
        return x.recorder.apply("CumSum", [xp.reshape(x, -1), np.int64(0)])[0]
    return x.recorder.apply("CumSum", [x, np.int64(axis_of(axis, x.ndim))])[0]


@implements(np.linalg.norm)
def _norm(x: Tensor, ord: Any = None, axis: Axes = None, keepdims: bool = False) -> Tensor:
    if ord is not None and (axis is None or not isinstance(axis, int)) and x.ndim != 1:
        raise Error("numpy.linalg.norm of a symbolic tensor takes ord= for vectors only: give one axis=")
    value = x if is_float(x) else cast(x, np.float64)
    if ord is None or ord == 2:
        return xp.sqrt(_sum(value * value, axis, keepdims=keepdims))
    size = xp.abs(value)
    if ord == np.inf:
        return _max(size, axis, keepdims)
    if ord == -np.inf:
        return _min(size, axis, keepdims)
    if ord == 0:
        return _sum(cast(value != 0, value.dtype), axis, keepdims=keepdims)
    if ord == 1:
        return _sum(size, axis, keepdims=keepdims)
    return _sum(size**ord, axis, keepdims=keepdims) ** (1 / ord)
