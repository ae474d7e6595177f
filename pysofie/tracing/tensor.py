"""A tensor that stands for what a model computes: NumPy's operations on it write nodes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from pysofie.errors import Error
from pysofie.tracing.refusals import UnknownElementsError, attempt, listed, require_parameters

if TYPE_CHECKING:
    from pysofie.tracing.recorder import Dims, Recorder

Function = TypeVar("Function", bound=Callable[..., Any])

#: NumPy, whose stubs do not know that it calls tensors back.
xp: Any = np
#: What NumPy's functions do with tensors, by the function.
FUNCTIONS: dict[Any, Callable[..., Any]] = {}
#: What NumPy's universal functions do; they get tensors, in the types that NumPy would compute in.
UFUNCS: dict[np.ufunc, Callable[..., Any]] = {}
# The reductions by universal functions.
_REDUCTIONS = {
    np.add: np.sum,
    np.multiply: np.prod,
    np.maximum: np.max,
    np.minimum: np.min,
    np.logical_and: np.all,
    np.logical_or: np.any,
}


def implements(*functions: Any) -> Callable[[Function], Function]:
    """Say that a function is what these functions of NumPy do with tensors."""

    def register(function: Function) -> Function:
        FUNCTIONS.update(dict.fromkeys(functions, function))
        return function

    return register


class Tensor(NDArrayOperatorsMixin):
    """A symbolic tensor: it has a type and a shape, and no elements before the model runs.

    Operators, indexing and NumPy's functions work as on arrays, by NumPy's rules for types, broadcasting
    and signs. What asks for elements (``if x > 0``, ``float(x)``) is refused.

    Attributes
    ----------
    recorder : Recorder
        Where operations are written down.
    name : str
        Of the value in the nodes.
    dtype : numpy.dtype
        The element type.
    dims : tuple of int, str or None, or None
        What is known of the shape: numbers, names of symbols; None for what only a run tells.
    is_weak : bool
        Whether NumPy has a number of Python in its place, a size: such do not decide about types.
    """

    # Arrays leave operations with a tensor to the tensor.
    __array_priority__ = 1000

    def __init__(self, recorder: Recorder, name: str, dtype: np.dtype[Any], dims: Dims) -> None:
        self.recorder = recorder
        self.name = name
        self.dtype = dtype
        self.dims = dims
        self.is_weak = False

    def __str__(self) -> str:
        shape = "..." if self.dims is None else ", ".join("?" if d is None else str(d) for d in self.dims)
        return f"{self.name}: {self.dtype}[{shape}]"

    def __repr__(self) -> str:
        return f"<Tensor {self}>"

    __hash__ = object.__hash__

    @property
    def ndim(self) -> int:
        """The number of axes.

        Raises
        ------
        Error
            It is not known before the model runs.
        """
        if self.dims is None:
            raise Error(f"the number of axes of {self} is not known when the function is traced")
        return len(self.dims)

    @property
    def shape(self) -> tuple[Any, ...]:
        """The sizes of the axes: numbers, or int64 scalars that the model computes."""
        known = self.dims or (None,) * self.ndim
        return tuple(dim if isinstance(dim, int) else self._size(axis) for axis, dim in enumerate(known))

    def _size(self, axis: int) -> Tensor:
        sizes = self.recorder.apply("Shape", [self])[0]
        return weak(self.recorder.apply("Gather", [sizes, np.int64(axis)], {"axis": 0})[0])

    @property
    def size(self) -> Any:
        """The number of elements: a number, or an int64 scalar that the model computes."""
        return xp.size(self)

    @property
    def T(self) -> Tensor:  # noqa: N802 (as NumPy calls it)
        """The tensor with its axes in reverse order."""
        return self.transpose()

    @property
    def mT(self) -> Tensor:  # noqa: N802 (as NumPy calls it)
        """The tensor with its last two axes exchanged."""
        return xp.swapaxes(self, -1, -2)

    def astype(self, dtype: Any) -> Tensor:
        """Convert the elements."""
        from pysofie.tracing.elementwise import cast

        return cast(self, dtype)

    def reshape(self, *shape: Any) -> Tensor:
        """Arrange the elements in another shape, whose dims may be tensors too."""
        wanted = shape[0] if len(shape) == 1 and isinstance(shape[0], (tuple, list)) else shape
        return xp.reshape(self, wanted)

    def transpose(self, *axes: Any) -> Tensor:
        """Permute the axes, by default to the reverse order."""
        order = axes[0] if len(axes) == 1 and isinstance(axes[0], (tuple, list)) else axes
        return xp.transpose(self, order or None)

    def flatten(self) -> Tensor:
        """The elements in one axis."""
        return xp.ravel(self)

    def __getitem__(self, key: Any) -> Tensor:
        from pysofie.tracing.indexing import index

        return index(self, key)

    def __setitem__(self, key: Any, value: Any) -> NoReturn:
        raise Error(
            f"{self} stands for a result, to which nothing can be assigned; numpy.where and "
            "pysofie.ops.ScatterND make another one"
        )

    def __len__(self) -> int:
        size = self.dims[0] if self.ndim and self.dims else None
        if not isinstance(size, int):
            raise UnknownElementsError(
                f"the first size of {self} is not known when the function is traced; use .shape[0]"
            )
        return size

    def __iter__(self) -> Iterator[Tensor]:
        return (self[i] for i in range(len(self)))

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **keywords: Any) -> Any:
        if method == "reduce" and ufunc in _REDUCTIONS:
            return FUNCTIONS[_REDUCTIONS[ufunc]](*inputs, **{"axis": 0, **keywords})
        if method != "__call__" or ufunc not in UFUNCS:
            _refuse(f"numpy.{ufunc.__name__}{'' if method == '__call__' else '.' + method}")
        if keywords:
            hint = "; an operation in place is written as x = x + y" if "out" in keywords else ""
            raise Error(f"numpy.{ufunc.__name__} of a symbolic tensor takes no {', '.join(keywords)}={hint}")
        result = attempt(f"numpy.{ufunc.__name__} of {listed(inputs)}", UFUNCS[ufunc], *inputs)
        return weak(result) if all(map(_is_number, inputs)) else result

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if function not in FUNCTIONS:
            _refuse(f"{function.__module__}.{function.__name__}")
        name = f"{function.__module__}.{function.__name__}"
        require_parameters(name, FUNCTIONS[function], args, kwargs)
        return attempt(f"{name} of {listed(args)}", FUNCTIONS[function], *args, **kwargs)

    def __array__(self, *_: Any, **__: Any) -> NoReturn:
        self._no_elements("made an array")

    def __bool__(self) -> NoReturn:
        raise Error(
            f"{self} is not known when the function is traced, so that Python cannot branch on it; use "
            "numpy.where(condition, a, b), and & | ~ for and, or, not"
        )

    def __int__(self) -> NoReturn:
        self._no_elements("an int; convert it with .astype")

    def __index__(self) -> NoReturn:
        self._no_elements("an index of Python")

    def __float__(self) -> NoReturn:
        self._no_elements("a float; convert it with .astype")

    def _no_elements(self, what: str) -> NoReturn:
        raise UnknownElementsError(
            f"{self} is not known when the function is traced, so that it cannot be {what}"
        )


def weak(tensor: Tensor) -> Tensor:
    """The tensor, as a number of Python."""
    tensor.is_weak = True
    return tensor


def _is_number(value: Any) -> bool:
    return value.is_weak if isinstance(value, Tensor) else isinstance(value, (bool, int, float))


def _method(function: Any) -> Any:
    def method(self: Tensor, *args: Any, **keywords: Any) -> Any:
        return function(self, *args, **keywords)

    method.__name__ = function.__name__
    method.__doc__ = f"As `numpy.{function.__name__}`."
    return method


for _function in (
    np.sum, np.prod, np.mean, np.var, np.std, np.max, np.min, np.any, np.all, np.argmax, np.argmin,
    np.cumsum, np.clip, np.squeeze, np.swapaxes, np.ravel, np.dot, np.round, np.take,
):  # fmt: skip
    setattr(Tensor, _function.__name__, _method(_function))


def _refuse(what: str) -> NoReturn:
    raise Error(f"{what} does not take symbolic tensors; write it with other functions, or with pysofie.ops")
