"""NumPy's universal functions on symbolic tensors."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from pysofie.errors import Error, ShapeError
from pysofie.tracing.recorder import Recorder, as_array, element_type, type_name, type_names
from pysofie.tracing.tensor import UFUNCS, Tensor, xp

_SAME: dict[np.ufunc, str] = {
    np.add: "Add",
    np.subtract: "Sub",
    np.multiply: "Mul",
    np.divide: "Div",
    np.negative: "Neg",
    np.absolute: "Abs",
    np.fabs: "Abs",
    np.sign: "Sign",
    np.exp: "Exp",
    np.log: "Log",
    np.sqrt: "Sqrt",
    np.reciprocal: "Reciprocal",
    np.sin: "Sin",
    np.cos: "Cos",
    np.tan: "Tan",
    np.arcsin: "Asin",
    np.arccos: "Acos",
    np.arctan: "Atan",
    np.sinh: "Sinh",
    np.cosh: "Cosh",
    np.tanh: "Tanh",
    np.arcsinh: "Asinh",
    np.arccosh: "Acosh",
    np.arctanh: "Atanh",
    np.floor: "Floor",
    np.ceil: "Ceil",
    np.rint: "Round",
    np.maximum: "Max",
    np.minimum: "Min",
    np.bitwise_and: "BitwiseAnd",
    np.bitwise_or: "BitwiseOr",
    np.bitwise_xor: "BitwiseXor",
    np.invert: "BitwiseNot",
}
_OF_BOOLS: dict[np.ufunc, str] = {
    np.add: "Or",
    np.multiply: "And",
    np.maximum: "Or",
    np.minimum: "And",
    np.bitwise_and: "And",
    np.bitwise_or: "Or",
    np.bitwise_xor: "Xor",
    np.invert: "Not",
    np.logical_and: "And",
    np.logical_or: "Or",
    np.logical_xor: "Xor",
    np.logical_not: "Not",
    np.absolute: "Identity",
}
_COMPARISONS: dict[np.ufunc, str] = {
    np.greater: "Greater",
    np.greater_equal: "GreaterOrEqual",
    np.less: "Less",
    np.less_equal: "LessOrEqual",
    np.equal: "Equal",
}


def recorder_of(values: Iterable[Any]) -> Recorder:
    """The recorder of the first tensor."""
    recorders = (value.recorder for value in values if isinstance(value, Tensor))
    found = next(recorders, None)
    if found is None:
        raise Error("there is no symbolic tensor among the operands")
    return found


def dtype_of(dtype: Any) -> np.dtype[Any]:
    """An element type.

    Raises
    ------
    ShapeError
        There is no such type.
    """
    try:
        return np.dtype(dtype)
    except TypeError:
        raise ShapeError(f"{dtype!r} is no type of elements; give one such as 'float32'") from None


def cast(x: Tensor, dtype: Any) -> Tensor:
    """Convert the elements; what is of that type stays.

    Raises
    ------
    ShapeError
        There is no such type, or nothing converts to it.
    """
    wanted = dtype_of(dtype)
    if x.dtype == wanted:
        return x
    kind = element_type(wanted, f"{x}, converted,")
    taken = x.recorder.schema("Cast").outputs[0].types
    if f"tensor({type_name(wanted)})" not in taken:
        raise ShapeError(
            f"{x} cannot become {wanted}; in opset {x.recorder.opset} it can be {type_names(taken)}"
        )
    return x.recorder.apply("Cast", [x], {"to": kind})[0]


def as_tensor(recorder: Recorder, value: Any, dtype: Any = None) -> Tensor:
    """A tensor of that type, if one is given; constants are converted at once."""
    if isinstance(value, Tensor):
        return value if dtype is None else cast(value, dtype)
    return recorder.constant(value, dtype)


def sample(value: Any) -> Any:
    """Something of the same type as the value, for NumPy to decide about types."""
    if isinstance(value, Tensor):
        return value.dtype.type(1).item() if value.is_weak else np.ones(1, value.dtype)
    return np.ones(1, value.dtype) if isinstance(value, np.ndarray) else value


def result_type(function: Callable[..., Any], *values: Any) -> np.dtype[Any]:
    """The type that a function of NumPy returns for values of these types."""
    with np.errstate(all="ignore"):
        return np.dtype(np.asarray(function(*map(sample, values))).dtype)


def common(*values: Any) -> list[Tensor]:
    """Tensors of the type that NumPy promotes them to."""
    values = tuple(as_array(v) if isinstance(v, (list, tuple)) else v for v in values)
    recorder, dtype = recorder_of(values), np.result_type(*map(sample, values))
    return [as_tensor(recorder, value, dtype) for value in values]


def _write(operator: str, *tensors: Tensor) -> Tensor:
    return tensors[0].recorder.apply(operator, tensors)[0]


def _elementwise(ufunc: np.ufunc) -> Callable[..., Tensor]:
    def apply(*values: Any) -> Tensor:
        recorder, dtype = recorder_of(values), result_type(ufunc, *values)
        tensors = [as_tensor(recorder, value, dtype) for value in values]
        return _write((_OF_BOOLS if dtype == np.bool_ else _SAME)[ufunc], *tensors)

    return apply


def _logical(ufunc: np.ufunc) -> Callable[..., Tensor]:
    def apply(*values: Any) -> Tensor:
        recorder = recorder_of(values)
        return _write(_OF_BOOLS[ufunc], *(as_tensor(recorder, value, np.bool_) for value in values))

    return apply


def _comparison(ufunc: np.ufunc) -> Callable[..., Tensor]:
    def apply(*values: Any) -> Tensor:
        tensors = common(*values)
        if tensors[0].dtype == np.bool_:
            tensors = [cast(tensor, np.uint8) for tensor in tensors]
        return _write(_COMPARISONS[ufunc], *tensors)

    return apply


UFUNCS.update({ufunc: _elementwise(ufunc) for ufunc in _SAME})
UFUNCS.update({ufunc: _logical(ufunc) for ufunc in _OF_BOOLS if ufunc not in _SAME})
UFUNCS.update({ufunc: _comparison(ufunc) for ufunc in _COMPARISONS})


def ufunc(function: np.ufunc) -> Callable[[Callable[..., Tensor]], Callable[..., Tensor]]:
    """Say what a universal function is of tensors that have the type of its result."""

    def register(composition: Callable[..., Tensor]) -> Callable[..., Tensor]:
        def apply(*values: Any) -> Tensor:
            recorder, dtype = recorder_of(values), result_type(function, *values)
            return composition(*(as_tensor(recorder, value, dtype) for value in values))

        UFUNCS[function] = apply
        return composition

    return register


def where(condition: Any, yes: Any, no: Any) -> Tensor:
    """As `numpy.where` with three arguments."""
    recorder, dtype = recorder_of((condition, yes, no)), np.result_type(sample(yes), sample(no))
    tensors = (as_tensor(recorder, value, dtype) for value in (yes, no))
    return recorder.apply("Where", [as_tensor(recorder, condition, np.bool_), *tensors])[0]


def is_float(x: Tensor) -> bool:
    """Whether the elements are floating-point numbers, ml_dtypes' included."""
    return not (np.issubdtype(x.dtype, np.integer) or x.dtype == np.bool_)


def _like(x: Tensor, value: float) -> Tensor:
    return x.recorder.constant(value, x.dtype)


# --- compositions: the arguments have the type of the result ----------------------------------------------


@ufunc(np.positive)
def _positive(x: Tensor) -> Tensor:
    return x


@ufunc(np.square)
def _square(x: Tensor) -> Tensor:
    return x * x


@ufunc(np.cbrt)
def _cbrt(x: Tensor) -> Tensor:
    return xp.sign(x) * xp.abs(x) ** (1 / 3)


@ufunc(np.exp2)
def _exp2(x: Tensor) -> Tensor:
    return _write("Pow", _like(x, 2), x)


@ufunc(np.log2)
def _log2(x: Tensor) -> Tensor:
    return xp.log(x) * (1 / math.log(2))


@ufunc(np.log10)
def _log10(x: Tensor) -> Tensor:
    return xp.log(x) * (1 / math.log(10))


@ufunc(np.log1p)
def _log1p(x: Tensor) -> Tensor:
    # W. Kahan's: the error of 1 + x divides out.
    u = x + 1
    near = where(u == 1, x, xp.log(u) * (x / (u - 1)))
    return where(u == np.inf, u, near)


@ufunc(np.expm1)
def _expm1(x: Tensor) -> Tensor:
    u = xp.exp(x)
    near = where(u == 1, x, (u - 1) * (x / xp.log(u)))
    return where(u - 1 == -1, _like(x, -1), where(u == np.inf, u, near))


@ufunc(np.trunc)
def _trunc(x: Tensor) -> Tensor:
    return where(x < 0, xp.ceil(x), xp.floor(x)) if is_float(x) else x


@ufunc(np.deg2rad)
@ufunc(np.radians)
def _deg2rad(x: Tensor) -> Tensor:
    return x * (math.pi / 180)


@ufunc(np.rad2deg)
@ufunc(np.degrees)
def _rad2deg(x: Tensor) -> Tensor:
    return x * (180 / math.pi)


@ufunc(np.fmod)
def _fmod(x: Tensor, y: Tensor) -> Tensor:
    return x.recorder.apply("Mod", [x, y], {"fmod": 1})[0]


@ufunc(np.remainder)
def _remainder(x: Tensor, y: Tensor) -> Tensor:
    if not is_float(x):
        return _write("Mod", x, y)
    rest = _fmod(x, y)
    shifted = where((y < 0) != (rest < 0), rest + y, rest)
    return where(rest == 0, xp.copysign(_like(x, 0), y), shifted)


@ufunc(np.floor_divide)
def _floor_divide(x: Tensor, y: Tensor) -> Tensor:
    if not is_float(x):
        quotient = _write("Div", x, y)
        rest = x - quotient * y
        return quotient - cast((rest != 0) & ((rest < 0) != (y < 0)), x.dtype)
    rest = _fmod(x, y)
    multiple = (x - rest) / y
    multiple = where((rest != 0) & ((y < 0) != (rest < 0)), multiple - 1, multiple)
    below = xp.floor(multiple)  # of what is whole but for rounding
    quotient = where(multiple - below > 0.5, below + 1, below)
    return where(y == 0, x / y, where(multiple == 0, xp.copysign(_like(x, 0), x / y), quotient))


@ufunc(np.power)
def _power(x: Tensor, y: Tensor) -> Tensor:
    exponent = x.recorder.value(y)
    if exponent is not None and exponent.ndim == 0 and exponent == 2:
        return x * x
    return _write("Pow", x, y)


@ufunc(np.float_power)
def _float_power(x: Tensor, y: Tensor) -> Tensor:
    return _power(x, y)


@ufunc(np.fmax)
def _fmax(x: Tensor, y: Tensor) -> Tensor:
    return where(xp.isnan(x), y, where(xp.isnan(y), x, xp.maximum(x, y)))


@ufunc(np.fmin)
def _fmin(x: Tensor, y: Tensor) -> Tensor:
    return where(xp.isnan(x), y, where(xp.isnan(y), x, xp.minimum(x, y)))


@ufunc(np.copysign)
def _copysign(x: Tensor, y: Tensor) -> Tensor:
    return where(xp.signbit(y), -xp.abs(x), xp.abs(x))


@ufunc(np.hypot)
def _hypot(x: Tensor, y: Tensor) -> Tensor:
    a, b = xp.abs(x), xp.abs(y)
    large, small = xp.maximum(a, b), xp.minimum(a, b)
    # Scaled, so that squares neither overflow nor vanish.
    ratio = small / where(large == 0, _like(x, 1), large)
    length = large * xp.sqrt(1 + ratio * ratio)
    return where(xp.isinf(a) | xp.isinf(b), _like(x, np.inf), length)


@ufunc(np.arctan2)
def _arctan2(y: Tensor, x: Tensor) -> Tensor:
    a, b = xp.abs(y), xp.abs(x)
    both = where(xp.isinf(a) & xp.isinf(b), _like(x, 1), a / b)
    angle = xp.arctan(where((a == 0) & (b == 0), _like(x, 0), both))
    return xp.copysign(where(xp.signbit(x), math.pi - angle, angle), y)


@ufunc(np.logaddexp)
def _logaddexp(x: Tensor, y: Tensor) -> Tensor:
    distance = where(x == y, _like(x, 0), xp.abs(x - y))
    return xp.maximum(x, y) + xp.log1p(xp.exp(-distance))


@ufunc(np.heaviside)
def _heaviside(x: Tensor, y: Tensor) -> Tensor:
    step = where(x < 0, _like(x, 0), where(x == 0, y, _like(x, 1)))
    return where(xp.isnan(x), x, step)


# --- what has other types than its arguments --------------------------------------------------------------


def _not_equal(x: Any, y: Any) -> Tensor:
    return _write("Not", UFUNCS[np.equal](x, y))


def _isnan(x: Tensor) -> Tensor:
    return _write("IsNaN", x) if is_float(x) else x != x


def _isinf(x: Tensor) -> Tensor:
    return xp.abs(x) == np.inf if is_float(x) else x != x


def _isfinite(x: Tensor) -> Tensor:
    return xp.abs(x) < np.inf if is_float(x) else x == x


def _signbit(x: Tensor) -> Tensor:
    # The sign of a zero shows in its reciprocal.
    return (x < 0) | ((x == 0) & (1 / x < 0)) if is_float(x) else x < 0


def _matmul(x: Any, y: Any) -> Tensor:
    tensors = common(x, y)
    dtype = tensors[0].dtype
    if dtype.kind in "bui" and dtype.itemsize < 4:
        return cast(_write("MatMul", *(cast(tensor, np.int32) for tensor in tensors)), dtype)
    return _write("MatMul", *tensors)


UFUNCS.update(
    {
        np.not_equal: _not_equal,
        np.isnan: _isnan,
        np.isinf: _isinf,
        np.isfinite: _isfinite,
        np.signbit: _signbit,
        np.matmul: _matmul,
    }
)
