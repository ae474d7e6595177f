"""What is done to the values of columns before a model sees them."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, Union

import numpy as np

from pysofie.errors import Error, InvalidModelError, ShapeError, UnsupportedError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

#: A `Preprocessing`, a fitted scaler of scikit-learn, or the path of a JSON file of weaver.
PreprocessingLike: TypeAlias = Union["Preprocessing", str, "os.PathLike[str]", Any]


@dataclass(frozen=True)
class Scaling:
    """What happens to one feature, in double precision; see `Preprocessing`."""

    center: float = 0.0
    scale: float = 1.0
    low: float = -math.inf
    high: float = math.inf
    nan: float | None = None
    inf: float | None = None
    sentinels: tuple[tuple[float, float], ...] = ()

    def apply(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """Scale an array; `cpp` does the same, to the bit."""
        raw = np.asarray(values, "float64")
        with np.errstate(over="ignore", invalid="ignore"):
            scaled = (raw - self.center) * self.scale
        scaled = np.where(scaled < self.low, self.low, np.where(scaled > self.high, self.high, scaled))
        if self.nan is not None:
            scaled = np.where(np.isnan(raw), self.nan, scaled)
        if self.inf is not None:
            scaled = np.where(np.isinf(raw), self.inf, scaled)
        for sentinel, seen in self.sentinels:
            scaled = np.where(raw == sentinel, seen, scaled)
        return scaled

    def cpp(self) -> list[str]:
        """C++ statements that return the scaled `value`."""
        lines = [f"if (value == {number(raw)}) return {number(seen)};" for raw, seen in self.sentinels[::-1]]
        if self.nan is not None:
            lines.append(f"if (value != value) return {number(self.nan)};")
        if self.inf is not None:
            infinity = number(math.inf)
            lines.append(f"if (value == {infinity} || value == -{infinity}) return {number(self.inf)};")
        lines.append(f"value = (value - {number(self.center)}) * {number(self.scale)};")
        if self.low > -math.inf:
            lines.append(f"if (value < {number(self.low)}) return {number(self.low)};")
        if self.high < math.inf:
            lines.append(f"if (value > {number(self.high)}) return {number(self.high)};")
        return [*lines, "return value;"]


@dataclass(frozen=True)
class Preprocessing:
    """Standardisation, clipping and missing values, for each feature of an input.

    A value x becomes ``(x - center) * scale``, and is then clipped to ``[low, high]``. A missing value, NaN
    or a sentinel, becomes what is said here and is neither scaled nor clipped. All of it is compiled into the
    event loop, and done in double precision.

    Attributes
    ----------
    center, scale, low, high : float, or array_like of shape (n_features,)
        As above.
    nan, inf : float, array_like or None
        What the model sees in place of NaN and of the infinities; None leaves them.
    sentinels : dict of float to float
        What the model sees in place of a value that stands for a missing one, such as ``{-999: 0}``.
    features : sequence of str, optional
        The columns that the arrays belong to; without it, they are in the order of the input's columns.

    Examples
    --------
    >>> prepare = pysofie.Preprocessing(center=[50, 0], scale=[0.02, 1], low=-5, nan=0)  # doctest: +SKIP
    >>> score = pysofie.functor("model.onnx", columns=["pt", "eta"], preprocess=prepare)  # doctest: +SKIP
    """

    center: ArrayLike = 0.0
    scale: ArrayLike = 1.0
    low: ArrayLike = -math.inf
    high: ArrayLike = math.inf
    nan: ArrayLike | None = None
    inf: ArrayLike | None = None
    sentinels: Mapping[float, float] = field(default_factory=dict)
    features: Sequence[str] | None = None

    def scalings(self, columns: Sequence[str]) -> list[Scaling]:
        """What happens to each column.

        Parameters
        ----------
        columns : sequence of str
            The columns of an input.

        Returns
        -------
        list of Scaling

        Raises
        ------
        Error
            A column is none of `features`.
        ShapeError
            The arrays have another length than `columns` (or `features`).
        """
        names = list(columns if self.features is None else self.features)
        missing = [column for column in columns if column not in names]
        if missing:
            raise Error(f"preprocess says nothing of the column '{missing[0]}'; it knows {', '.join(names)}")
        arrays = {
            key: self._per_feature(key, names)
            for key in ("center", "scale", "low", "high", "nan", "inf")
            if getattr(self, key) is not None
        }
        sentinels = tuple((float(raw), float(seen)) for raw, seen in self.sentinels.items())
        # A column may be there twice.
        places = range(len(names)) if self.features is None else [names.index(column) for column in columns]
        return [
            Scaling(**{key: float(array[i]) for key, array in arrays.items()}, sentinels=sentinels)
            for i in places
        ]

    def _per_feature(self, key: str, names: Sequence[str]) -> NDArray[np.float64]:
        array = np.asarray(getattr(self, key), "float64").squeeze()
        if array.ndim > 1 or array.size not in (1, len(names)):
            raise ShapeError(f"preprocess: {key} has shape {array.shape}, the input has {len(names)} columns")
        return np.broadcast_to(array, len(names))


def as_preprocessing(given: PreprocessingLike, inputs: Sequence[str]) -> dict[str, Preprocessing]:
    """What the user gave, for each input.

    Parameters
    ----------
    given : Preprocessing, scaler, path, or dict of str to these
        As for `pysofie.functor`.
    inputs : sequence of str
        The inputs that take columns.

    Returns
    -------
    dict of str to Preprocessing

    Raises
    ------
    Error
        It names an input that the model does not have, or is for one input where there are several.
    UnsupportedError
        It is of a kind that is not taken.
    InvalidModelError
        A file is not one of weaver's.
    """
    if given is None:
        return {}
    if isinstance(given, Mapping):
        unknown = [str(name) for name in given if name not in inputs]
        if unknown:
            raise Error(
                f"preprocess names no input of the model: '{unknown[0]}'; there are {', '.join(inputs)}"
            )
        return {name: _one(part, name) for name, part in given.items()}
    if isinstance(given, (str, os.PathLike)):
        return {name: _of_weaver(Path(given), name) for name in inputs}
    if len(inputs) > 1:
        raise Error(f"preprocess: the model has several inputs; give a dict with keys of {', '.join(inputs)}")
    return {inputs[0]: _one(given, inputs[0])}


def _one(given: PreprocessingLike, name: str) -> Preprocessing:
    if isinstance(given, Preprocessing):
        return given
    if isinstance(given, (str, os.PathLike)):
        return _of_weaver(Path(given), name)
    return _of_scaler(given)


def _of_scaler(scaler: Any) -> Preprocessing:
    """A fitted scaler of scikit-learn: StandardScaler, RobustScaler, MinMaxScaler or MaxAbsScaler."""
    kind = type(scaler).__name__
    names = getattr(scaler, "feature_names_in_", None)
    features = None if names is None else [str(name) for name in names]
    if not hasattr(scaler, "n_features_in_"):
        taken = (
            "a pysofie.Preprocessing, a fitted scaler of scikit-learn or the path of a JSON file of weaver"
        )
        raise UnsupportedError(f"preprocess: {kind} is not taken, or not fitted; give {taken}")
    if kind == "MinMaxScaler":  # X * scale_ + min_
        low, high = scaler.feature_range if scaler.clip else (-math.inf, math.inf)
        return Preprocessing(-scaler.min_ / scaler.scale_, scaler.scale_, low, high, features=features)
    if kind not in ("StandardScaler", "RobustScaler", "MaxAbsScaler"):
        raise UnsupportedError(
            f"preprocess: {kind} is none of StandardScaler, RobustScaler, MinMaxScaler and MaxAbsScaler; "
            "export it with the model, as a pipeline"
        )
    center = getattr(scaler, "mean_" if kind == "StandardScaler" else "center_", None)
    scale = scaler.scale_ if scaler.scale_ is not None else 1.0
    return Preprocessing(0.0 if center is None else center, 1.0 / np.asarray(scale), features=features)


def _of_weaver(path: Path, name: str) -> Preprocessing:
    """An input's part of the JSON file that weaver writes beside an ONNX model."""
    try:
        content = json.loads(path.read_text())
        part = content[name]
        names = list(part["var_names"])
        infos = [part["var_infos"][variable] for variable in names]
        scale, offset = ([float(info[key]) for info in infos] for key in ("norm_factor", "median"))
        low = [float(info.get("lower_bound", -math.inf)) for info in infos]
        high = [float(info.get("upper_bound", math.inf)) for info in infos]
        # It replaces what is not finite before it scales.
        raw = np.array([float(info.get("replace_inf_value", 0.0)) for info in infos])
        missing = np.clip((raw - offset) * scale, low, high)
        return Preprocessing(offset, scale, low, high, nan=missing, inf=missing)
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidModelError(
            f"{path} is no preprocessing file of weaver for the input '{name}': "
            f"{type(error).__name__}: {error}"
        ) from error


def number(value: float) -> str:
    """A C++ literal."""
    if math.isnan(value):
        return "std::numeric_limits<double>::quiet_NaN()"
    if math.isinf(value):
        return ("-" if value < 0 else "") + "std::numeric_limits<double>::infinity()"
    return repr(float(value))
