"""What a compiled model takes and gives, and what stands between that and the arrays of users."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from pysofie.arrays import aligned, as_input, is_foreign, raw_dtype
from pysofie.errors import ShapeError
from pysofie.model import Tensor
from pysofie.sequences import Value, collect, spread, values_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]


@dataclass(frozen=True)
class Signature:
    """The inputs and outputs of a compiled model, as it describes itself.

    Attributes
    ----------
    name : str
        The model, for messages.
    inputs, outputs : tuple of Tensor
        Names, dtypes and shapes.
    input_values, output_values : list of Value
        What they are in the model file, if it has sequences or optionals; else empty.
    symbols : list of str
        The dims that the shapes of the inputs decide, in the order in which a runner takes them.
    measured : list of str
        The outputs whose shapes the data decide while the model runs.
    """

    name: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    input_values: list[Value]
    output_values: list[Value]
    symbols: list[str]
    measured: list[str]

    @staticmethod
    def of(description: Mapping[str, Any]) -> Signature:
        """Read it off the description in compiled code."""
        return Signature(
            description["name"],
            _tensors(description["inputs"]),
            _tensors(description["outputs"]),
            values_of(description.get("input_values")),
            values_of(description.get("output_values")),
            description["symbols"],
            description["measured"],
        )

    @cached_property
    def _input_names(self) -> tuple[str, ...]:
        return tuple(tensor.name for tensor in self.inputs)

    @cached_property
    def input_dtypes(self) -> tuple[np.dtype[Any], ...]:
        """The dtypes of the inputs, as NumPy has them."""
        return tuple(np.dtype(tensor.dtype) for tensor in self.inputs)

    @cached_property
    def has_foreign(self) -> bool:
        """Whether an input or output is of another package's dtype, see `pysofie.arrays.is_foreign`."""
        return any(is_foreign(tensor.dtype) for tensor in (*self.inputs, *self.outputs))

    # --- inputs -----------------------------------------------------------------------------------------

    def ordered(self, arrays: Sequence[Any], named: Mapping[str, Any]) -> Sequence[Any]:
        """Put inputs in order that are given in order, by name, or some of each.

        Raises
        ------
        ShapeError
            An input is missing, given twice or not known; or a sequence has another length.
        """
        if self.input_values:
            arrays, named = spread(arrays, named, self.input_values)
        names = self._input_names
        given = dict(zip(names, arrays, strict=False))
        is_twice = not given.keys().isdisjoint(named)
        if len(arrays) > len(names) or is_twice or {*given, *named} != {*names}:
            came = [*(f"#{i}" for i in range(len(arrays))), *map(repr, named)]
            raise ShapeError(
                f"{self.name}: expected the inputs {', '.join(map(str, self.inputs))}; "
                f"got {', '.join(came) or 'none'}"
            )
        given.update(named)
        return [given[name] for name in names]

    def ready(self, arrays: Sequence[Any]) -> list[Array]:
        """Convert inputs that are in order to arrays as the model takes them.

        Raises
        ------
        ShapeError
            One is no array, or its dtype does not convert without loss.
        """
        return [
            as_input(array, tensor, dtype)
            for array, tensor, dtype in zip(arrays, self.inputs, self.input_dtypes, strict=True)
        ]

    def symbol_values(self, shapes: Sequence[tuple[int, ...]]) -> list[int]:
        """Read the values of the symbols off the shapes of the inputs.

        Raises
        ------
        ShapeError
            A rank or dim does not fit.
        """
        values: dict[str, tuple[int, str]] = {}
        for tensor, shape in zip(self.inputs, shapes, strict=True):
            if len(shape) != len(tensor.shape):
                raise ShapeError(
                    f"input {tensor.name!r} has {len(shape)} dims {shape}; "
                    f"expected {len(tensor.shape)}: {tensor}"
                )
            for axis, (expected, dim) in enumerate(zip(tensor.shape, shape, strict=True)):
                if isinstance(expected, str):
                    known, where = values.setdefault(expected, (dim, tensor.name))
                    reason = f"{expected}, which is {known} in input {where!r}"
                else:
                    known, reason = expected, str(expected)
                if dim != known:
                    raise ShapeError(
                        f"input {tensor.name!r} has shape {shape}; dim {axis} should be {reason}: {tensor}"
                    )
        return [values[symbol][0] for symbol in self.symbols]

    # --- outputs ----------------------------------------------------------------------------------------

    def places(
        self, shapes: Sequence[tuple[int, ...]], given: Mapping[str, Array], inputs: Sequence[Array]
    ) -> list[Array]:
        """Arrays for outputs of these shapes: those that are given by name, else new ones.

        Raises
        ------
        ShapeError
            There is no such output; or an array does not fit, or shares memory with another one or an input.
        """
        unknown = set(given) - {tensor.name for tensor in self.outputs}
        if unknown:
            raise ShapeError(
                f"{self.name}: expected outputs among {', '.join(map(str, self.outputs))}; "
                f"got {', '.join(map(repr, sorted(unknown)))}"
            )
        places: list[Array] = []
        for tensor, shape in zip(self.outputs, shapes, strict=True):
            dtype = np.dtype(tensor.dtype)
            place = given.get(tensor.name)
            if place is None:
                place = aligned(shape, raw_dtype(dtype)).view(dtype)
            elif not isinstance(place, np.ndarray) or (place.dtype, place.shape) != (dtype, shape):
                came = f"{place.dtype}{list(place.shape)}" if isinstance(place, np.ndarray) else type(place)
                raise ShapeError(f"output {tensor.name!r} needs an array {dtype}{list(shape)}; got {came}")
            elif not place.flags.carray:
                raise ShapeError(
                    f"output {tensor.name!r} needs an array that is dense, row-major and writable"
                )
            elif any(np.may_share_memory(place, other) for other in (*inputs, *places)):
                raise ShapeError(f"output {tensor.name!r} shares memory with another array")
            places.append(place)
        return places

    def named(self, outputs: Sequence[Array]) -> dict[str, Any]:
        """The outputs by name, put together to sequences and optionals where the model file has them."""
        if self.output_values:
            return collect(outputs, self.output_values)
        return {tensor.name: array for tensor, array in zip(self.outputs, outputs, strict=True)}

    def result_type(self) -> Any:
        """Make the named tuple of several outputs; names that are no identifiers are made some."""
        if len(self.outputs) == 1:
            return None
        fields: list[str] = []
        for tensor in self.outputs:
            name = "".join(c if c.isalnum() else "_" for c in tensor.name).strip("_")
            field = name if name.isidentifier() else f"output_{name}"
            fields.append(field if field not in fields else f"{field}_{len(fields)}")
        return namedtuple("Outputs", fields, rename=True)


def _tensors(entries: Sequence[Mapping[str, Any]]) -> tuple[Tensor, ...]:
    return tuple(Tensor(entry["name"], entry["dtype"], tuple(entry["shape"])) for entry in entries)
