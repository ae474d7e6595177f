"""Indexing of symbolic tensors by NumPy's rules."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from pysofie.errors import Error, ShapeError
from pysofie.tracing.elementwise import as_tensor
from pysofie.tracing.recorder import Recorder, as_array
from pysofie.tracing.refusals import PlaceError, listed
from pysofie.tracing.tensor import Tensor, xp

# Beyond the end of every axis.
_END = np.iinfo(np.int64).max


def index(x: Tensor, key: Any) -> Tensor:
    """As ``x[key]``: with numbers, slices, ``None``, ``...``, and one array or tensor of integers or bools.

    Raises
    ------
    PlaceError
        There are more indices than axes, or a number lies outside of a known size, or an index is no integer.
    Error
        There are several arrays or tensors.
    """
    items = _completed(x, key if isinstance(key, tuple) else (key,))
    if isinstance(items[0], (Tensor, np.ndarray)) and _is_mask(items[0]) and items[0].ndim == x.ndim > 1:
        flat = xp.reshape(x, -1)
        return index(flat, xp.reshape(items[0], -1))
    axes = [item for item in items if item is not None]
    picked = _picked(_sliced(x, axes), axes)
    removed = [axis for axis, item in enumerate(axes) if _is_number(item)]
    if removed:
        picked = picked.recorder.apply("Squeeze", [picked, np.array(removed, np.int64)])[0]
    return _with_new_axes(picked, items)


def _completed(x: Tensor, key: tuple[Any, ...]) -> list[Any]:
    """One item for each axis, and None for each new one."""
    items = [np.asarray(item) if isinstance(item, (list, bool, np.bool_)) else item for item in key]
    dots = [i for i, item in enumerate(items) if item is Ellipsis]
    if len(dots) > 1:
        raise PlaceError("an index can only have a single ellipsis ('...')")
    used = sum(
        item.ndim if _is_mask(item) else 1 for item in items if item is not None and item is not Ellipsis
    )
    if used > x.ndim:
        raise PlaceError(f"{used} indices for {x}, which has {x.ndim} axes")
    arrays = [item for item in items if isinstance(item, (Tensor, np.ndarray)) and item.ndim]
    if len(arrays) > 1 or any(_is_mask(item) and item.ndim not in (1, x.ndim) for item in arrays):
        raise Error(
            f"{x} is indexed by arrays along one axis, or by a mask of its shape; for others use "
            "pysofie.ops.GatherND"
        )
    place = dots[0] if dots else len(items)
    return [*items[:place], *[slice(None)] * (x.ndim - used), *items[place + 1 :]]


def _is_mask(item: Any) -> bool:
    return isinstance(item, (Tensor, np.ndarray)) and item.dtype == np.bool_


def _is_number(item: Any) -> bool:
    """Whether an item picks one element and drops the axis."""
    if isinstance(item, (Tensor, np.ndarray)):
        return item.ndim == 0
    return not isinstance(item, slice)


def _is_whole(item: slice) -> bool:
    return item.start is None and item.stop is None and item.step is None


def _sliced(x: Tensor, items: list[Any]) -> Tensor:
    axes = [axis for axis, item in enumerate(items) if isinstance(item, slice) and not _is_whole(item)]
    if not axes:
        return x
    starts, ends, steps = [], [], []
    for item in (items[axis] for axis in axes):
        step = 1 if item.step is None else _bound(x, item.step)
        if isinstance(step, Tensor):
            raise Error(f"the step of a slice of {x} is {step}, and must be a number")
        if step == 0:
            raise ShapeError("the step of a slice cannot be zero")
        starts.append((0 if step > 0 else _END) if item.start is None else _bound(x, item.start))
        ends.append((_END if step > 0 else -_END) if item.stop is None else _bound(x, item.stop))
        steps.append(step)
    bounds = [vector(x.recorder, values) for values in (starts, ends, axes, steps)]
    return x.recorder.apply("Slice", [x, *bounds])[0]


def _bound(x: Tensor, item: Any) -> Any:
    """A bound of a slice: an integer or a tensor of one."""
    if isinstance(item, Tensor) and item.ndim == 0 and np.issubdtype(item.dtype, np.integer):
        return item
    try:
        return operator.index(item)
    except TypeError:
        raise PlaceError(f"a slice of {x} has the bound {item!r}, which is no integer") from None


def as_places(recorder: Recorder, indices: Any) -> Tensor:
    """Indices of elements as int64.

    Raises
    ------
    PlaceError
        They are no integers.
    """
    given = indices if isinstance(indices, Tensor) else as_array(indices)
    is_empty = isinstance(given, np.ndarray) and given.size == 0
    if not (np.issubdtype(given.dtype, np.integer) or is_empty):
        raise PlaceError(f"{listed([indices])} is no tensor of integers, and cannot be used as indices")
    return as_tensor(recorder, given, np.int64)


def _picked(x: Tensor, items: list[Any]) -> Tensor:
    """Axes with a number keep that element alone."""
    for axis, item in enumerate(items):
        if isinstance(item, slice):
            continue
        if _is_mask(item):
            _check_mask(x, axis, item)
            x = x.recorder.apply("Compress", [x, item], {"axis": axis})[0]
        elif isinstance(item, (Tensor, np.ndarray)):
            places = as_places(x.recorder, item)
            one = xp.reshape(places, (1,)) if item.ndim == 0 else places
            x = x.recorder.apply("Gather", [x, one], {"axis": axis})[0]
        else:
            x = x.recorder.apply("Gather", [x, [_checked(x, axis, item)]], {"axis": axis})[0]
    return x


def _check_mask(x: Tensor, axis: int, mask: Any) -> None:
    size = x.dims[axis] if x.dims is not None else None
    (given,) = (mask.dims if isinstance(mask, Tensor) else mask.shape) or (None,)
    if isinstance(size, int) and isinstance(given, int) and given != size:
        raise PlaceError(f"a mask of {given} elements does not fit axis {axis} of {x}")


def _checked(x: Tensor, axis: int, item: Any) -> int:
    try:
        place = operator.index(item)
    except TypeError:
        raise PlaceError(
            f"{item!r} is no index of {x}; numbers, slices, None, ... and tensors of integers are"
        ) from None
    size = x.dims[axis] if x.dims is not None else None
    if isinstance(size, int) and not -size <= place < size:
        raise PlaceError(f"index {place} is outside of axis {axis} of {x}")
    return place


def _with_new_axes(x: Tensor, items: list[Any]) -> Tensor:
    """Axes for the items that are None; an array of many axes stands for as many."""
    new, place = [], 0
    for item in items:
        if item is None:
            new.append(place)
        if isinstance(item, (Tensor, np.ndarray)):
            place += item.ndim
        elif item is None or isinstance(item, slice):
            place += 1
    return x.recorder.apply("Unsqueeze", [x, np.array(new, np.int64)])[0] if new else x


def vector(recorder: Recorder, values: Any) -> Tensor:
    """An int64 vector of numbers and scalar tensors."""
    if not any(isinstance(value, Tensor) for value in values):
        return recorder.constant([operator.index(value) for value in values], np.int64)
    parts = [as_tensor(recorder, value, np.int64) for value in values]
    rows = [recorder.apply("Unsqueeze", [part, np.array([0])])[0] for part in parts]
    return recorder.apply("Concat", rows, {"axis": 0})[0] if len(rows) > 1 else rows[0]
