"""The symbols of several models: which of them are one, because shapes meet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pysofie.errors import ShapeError
from pysofie.importers.names import fresh
from pysofie.model import Model, Tensor

#: A model's position, and a dim of it that is no number.
_Key = tuple[int, str]


class Symbols:
    """The dims of models that become one.

    A symbol belongs to its model: those of different models are the same only where tensors with them meet.
    """

    def __init__(self, models: Sequence[Model]) -> None:
        self._models = models
        self._parents: dict[_Key, _Key | int] = {}
        self._names: dict[_Key, str] = {}

    def meet(self, i: int, first: Tensor, j: int, second: Tensor, what: str) -> None:
        """Let a tensor of one model stand for one of another.

        Raises
        ------
        ShapeError
            Their shapes or dtypes differ.
        """
        if first.dtype != second.dtype:
            raise ShapeError(
                f"{what}: {first} and {second} differ in dtype; put a Cast between, for example with pre="
            )
        if len(first.shape) != len(second.shape):
            raise ShapeError(f"{what}: {first} and {second} differ in the number of dims")
        for a, b in zip(first.shape, second.shape, strict=True):
            one, other = self._root(i, a), self._root(j, b)
            if one == other:
                continue
            if isinstance(one, int) and isinstance(other, int):
                raise ShapeError(f"{what}: {first} and {second} do not fit: {a} is {one}, {b} is {other}")
            if isinstance(other, int) or (not isinstance(one, int) and self._rank(other) < self._rank(one)):
                one, other = other, one
            if not isinstance(other, int):  # only for the type checker: two numbers were refused
                self._parents[other] = one

    def shape(self, i: int, tensor: Tensor) -> tuple[int | str, ...]:
        """The shape of a model's tensor in the symbols of the whole."""
        return tuple(self._named(self._root(i, dim)) for dim in tensor.shape)

    def bounds(self) -> dict[str, Any]:
        """What was said of the dims of all models, in the symbols of the whole.

        Raises
        ------
        ShapeError
            It contradicts itself.
        """
        result: dict[str, Any] = {}
        for i, model in enumerate(self._models):
            own = _symbols(model)
            for symbol, value in model.source.dims.items():
                if symbol not in own:
                    result.setdefault(symbol, value)
                    continue
                whole = self._named(self._root(i, symbol))
                known = (whole, whole) if isinstance(whole, int) else result.get(whole, value)
                low, high = max(value[0], known[0]), min(value[1], known[1])
                if low > high:
                    raise ShapeError(
                        f"{model.name}: dims[{symbol!r}] = {value} contradicts {known} of what it meets"
                    )
                if isinstance(whole, str):
                    result[whole] = (low, high)
        return result

    def _root(self, i: int, dim: int | str) -> _Key | int:
        key: _Key | int = (i, dim) if isinstance(dim, str) else dim
        while not isinstance(key, int) and key in self._parents:
            key = self._parents[key]
        return key

    def _rank(self, key: _Key) -> tuple[bool, int]:
        """A symbol is a better name than an expression, and one of an earlier model than one of a later."""
        i, text = key
        return text not in _symbols(self._models[i]), i

    def _named(self, root: _Key | int) -> int | str:
        if isinstance(root, int):
            return root
        if root not in self._names:
            self._names[root] = fresh(root[1], self._names.values())
        return self._names[root]


def _symbols(model: Model) -> set[str]:
    """The symbols that the shapes of a model's inputs have; what was fixed is a number there."""
    return {dim for tensor in model.inputs for dim in tensor.shape if isinstance(dim, str)}
