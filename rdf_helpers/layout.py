"""Where the values of an event lie in the inputs of a model.

A column holds a number or a list of numbers. Numbers alone fill an input element by element, row-major. Lists
lie along one axis of it, each in a row of its own: along the leading axis if the model takes a batch of
objects, along another if it takes the constituents of one object, as (1, features, n) or (1, n, features).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from pysofie.errors import Error, ShapeError
from pysofie.model import Tensor

from .columns import quoted


@dataclass(frozen=True)
class Options:
    """What the user says about lists.

    Attributes
    ----------
    axis : dict of str to int
        The axis of an input along which lists lie, where it is not obvious.
    padding : float or None
        What fills an axis that is longer than the lists; longer lists lose their last entries. Without it
        lists must fit.
    masks : dict of str to (str or None, bool)
        Inputs that tell entries from padding: of which input (None where there is no choice), and what
        they hold for an entry.
    bounds : dict of str to (int, int)
        The least and the greatest value of symbols.
    """

    axis: Mapping[str, int] = field(default_factory=dict)
    padding: float | None = None
    masks: Mapping[str, tuple[str | None, bool]] = field(default_factory=dict)
    bounds: Mapping[str, tuple[int, int]] = field(default_factory=dict)


#: Inputs that are masks; a dict says to which input each belongs.
Masks = str | Sequence[str] | Mapping[str, str] | None


def options(
    inputs: Sequence[Tensor],
    axis: int | Mapping[str, int] | None,
    padding: float | None,
    mask: Masks,
    padding_mask: Masks,
    bounds: Mapping[str, tuple[int, int]],
) -> Options:
    """Check what the user says, as for `pysofie.functor`, and bring it into one form.

    Raises
    ------
    Error
        It names an input that the model does not have, or an axis that the input does not have.
    """
    names = [tensor.name for tensor in inputs]
    if not isinstance(axis, Mapping) and axis is not None and len(names) > 1:
        raise Error(f"axis: the model has several inputs; give a dict with keys of {quoted(names)}")
    axes = dict(axis or {}) if isinstance(axis, Mapping) or axis is None else {names[0]: axis}
    masks = {name: (of, True) for name, of in _named(mask)}
    masks |= {name: (of, False) for name, of in _named(padding_mask)}
    marked = [of for of, _ in masks.values() if of is not None]
    for what, given in (("axis", [*axes]), ("mask", [*masks, *marked])):
        for name in given:
            if name not in names:
                raise Error(f"{what}: the model has no input '{name}'; its inputs are {quoted(names)}")
    if len(masks) == len(inputs):
        raise Error("mask: the model has no other input")
    counted = {tensor.name: _counted(axes[tensor.name], tensor) for tensor in inputs if tensor.name in axes}
    return Options(counted, padding, masks, bounds)


def _named(masks: Masks) -> list[tuple[str, str | None]]:
    if masks is None:
        return []
    if isinstance(masks, Mapping):
        return list(masks.items())
    return [(name, None) for name in ([masks] if isinstance(masks, str) else masks)]


def _counted(axis: int, tensor: Tensor) -> int:
    """An axis counted from the front."""
    if not -len(tensor.shape) <= axis < len(tensor.shape):
        raise Error(f"axis={axis}: the input {tensor} has {len(tensor.shape)} axes")
    return axis % len(tensor.shape)


@dataclass
class Extent:
    """An axis that lists share, in one input or in several.

    Attributes
    ----------
    symbol : str or None
        The model's name of its size; None if the size is fixed.
    low, high : int, int or None
        The sizes that the model takes; equal if the size is fixed, `high` None if there is no limit.
    lists : list of str
        The columns along it, which are equally long in every event.
    """

    symbol: str | None
    low: int
    high: int | None
    lists: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Layout:
    """How one input is filled.

    Attributes
    ----------
    tensor : Tensor
        The input.
    columns : tuple of str
        One for each element beside `axis`, row-major; none for a mask.
    axis : int or None
        Along which lists lie, and numbers are repeated.
    extent : int or None
        What `axis` is, a position in `Plan.extents`.
    marks : bool or None
        For a mask, what it holds for an entry.
    """

    tensor: Tensor
    columns: tuple[str, ...]
    axis: int | None = None
    extent: int | None = None
    marks: bool | None = None


@dataclass(frozen=True)
class Plan:
    """The layouts of all inputs, and what follows for the model's symbols.

    Attributes
    ----------
    layouts : tuple of Layout
        In the order of the inputs.
    extents : tuple of Extent
        The axes of lists.
    symbols : dict of str to int
        The symbols that are the same for all events.
    padding : float or None
        See `Options`.
    """

    layouts: tuple[Layout, ...]
    extents: tuple[Extent, ...]
    symbols: dict[str, int]
    padding: float | None

    @property
    def open_symbols(self) -> dict[str, int]:
        """The symbols that differ from event to event, with their extents."""
        return {extent.symbol: i for i, extent in enumerate(self.extents) if extent.symbol is not None}

    def shape(self, tensor: Tensor, sizes: Sequence[int]) -> tuple[int, ...]:
        """Shape of an input for these sizes of the extents."""
        known = self.symbols | {symbol: sizes[i] for symbol, i in self.open_symbols.items()}
        return tuple(known[dim] if isinstance(dim, str) else dim for dim in tensor.shape)

    def symbol_values(self, symbols: Sequence[str], sizes: Sequence[int]) -> list[int]:
        """Values of the model's symbols for these sizes of the extents."""
        known = self.symbols | {symbol: sizes[i] for symbol, i in self.open_symbols.items()}
        return [known[symbol] for symbol in symbols]

    @property
    def smallest(self) -> list[int]:
        """Sizes of the extents that every model takes."""
        return [max(extent.low, 1) if extent.high != 0 else 0 for extent in self.extents]


def require_fitting(tensor: Tensor, columns: Sequence[str]) -> None:
    """Refuse a number of columns that fits neither numbers nor lists.

    Raises
    ------
    ShapeError
        With the number that is expected.
    """
    if not _axes(tensor, len(columns)):
        _solve(tensor, columns, {})


def plan(
    inputs: Sequence[Tensor],
    columns: Mapping[str, tuple[str, ...]],
    lists: Mapping[str, int | None],
    options: Options,
) -> Plan:
    """Lay columns into inputs.

    Parameters
    ----------
    inputs : sequence of Tensor
        The model's inputs.
    columns : dict of str to tuple of str
        The columns of every input that is no mask.
    lists : dict of str to (int or None)
        The columns that hold lists, with their length where it is known.
    options : Options
        What the user says about lists.

    Returns
    -------
    Plan

    Raises
    ------
    Error, ShapeError
        The columns do not fit; the message names the input, what came and what is expected.
    """
    return _Planner(inputs, columns, lists, options).plan()


class _Planner:
    def __init__(
        self,
        inputs: Sequence[Tensor],
        columns: Mapping[str, tuple[str, ...]],
        lists: Mapping[str, int | None],
        options: Options,
    ) -> None:
        self.inputs = inputs
        self.columns = columns
        self.lists = lists
        self.options = options
        self.extents: list[Extent] = []
        self.symbols: dict[str, int] = {}
        self.layouts: dict[str, Layout] = {}

    def plan(self) -> Plan:
        taking = [tensor for tensor in self.inputs if tensor.name not in self.options.masks]
        jagged = [t for t in taking if any(column in self.lists for column in self.columns[t.name])]
        for tensor in jagged:
            self._lay_lists(tensor)
        for tensor in taking:
            if tensor not in jagged:
                self._lay_numbers(tensor)
        for tensor in self.inputs:
            if tensor.name in self.options.masks:
                self._lay_mask(tensor)
        for tensor in self.inputs:
            self._settle(tensor)
        for extent in self.extents:
            self._require_padding(extent)
        layouts = tuple(self.layouts[tensor.name] for tensor in self.inputs)
        return Plan(layouts, tuple(self.extents), self.symbols, self.options.padding)

    def _lay_lists(self, tensor: Tensor) -> None:
        columns = self.columns[tensor.name]
        axis = self._axis(tensor, columns)
        extent = self._extent(tensor, axis)
        known = self.extents[extent].lists
        known += dict.fromkeys(column for column in columns if column in self.lists and column not in known)
        self.layouts[tensor.name] = Layout(tensor, columns, axis, extent)

    def _axis(self, tensor: Tensor, columns: Sequence[str]) -> int:
        possible = _axes(tensor, len(columns))
        axis = self.options.axis.get(tensor.name)
        if axis is not None:
            if axis not in possible:
                raise ShapeError(
                    f"axis={axis}: {len(columns)} columns cannot lie along it in the input {tensor}"
                )
            return axis
        if not possible:
            named = quoted([column for column in columns if column in self.lists])
            raise ShapeError(
                f"the input {tensor} has no axis along which {len(columns)} columns could lie, of which "
                f"{named} hold lists; a model that takes a batch of objects needs a dynamic leading dim"
            )
        best = possible[0]
        if len(possible) > 1 and _rank(tensor, possible[1]) == _rank(tensor, best):
            raise Error(
                f"the {len(columns)} columns of the input {tensor} may lie along the axes {possible}: "
                "give axis="
            )
        return best

    def _extent(self, tensor: Tensor, axis: int) -> int:
        dim = tensor.shape[axis]
        if isinstance(dim, int):
            self.extents.append(Extent(None, dim, dim))
            return len(self.extents) - 1
        for i, extent in enumerate(self.extents):
            if extent.symbol == dim:
                return i
        low, high = self.options.bounds.get(dim, (0, None))
        self.extents.append(Extent(dim, low, high))
        return len(self.extents) - 1

    def _lay_numbers(self, tensor: Tensor) -> None:
        columns = self.columns[tensor.name]
        open_symbols = {extent.symbol for extent in self.extents}
        axes = [axis for axis, dim in enumerate(tensor.shape) if isinstance(dim, str) and dim in open_symbols]
        if not axes:
            _solve(tensor, columns, self.symbols)
            self.layouts[tensor.name] = Layout(tensor, columns)
            return
        if axes[0] not in _axes(tensor, len(columns)):
            expected = _elements_beside(tensor, axes[0])
            raise ShapeError(f"the input {tensor} takes {expected} columns, got {quoted(columns)}")
        self.layouts[tensor.name] = Layout(tensor, columns, axes[0], self._extent(tensor, axes[0]))

    def _lay_mask(self, tensor: Tensor) -> None:
        of, marks = self.options.masks[tensor.name]
        candidates = [
            (axis, i)
            for i, extent in enumerate(self.extents)
            for axis, dim in enumerate(tensor.shape)
            if dim == (extent.symbol or extent.high) and _elements_beside(tensor, axis) == 1
            if of is None or self.layouts[of].extent == i
        ]
        if not candidates:
            raise Error(
                f"mask: no axis of the input {tensor} is that of the lists" + (f" of '{of}'" if of else "")
            )
        if len({extent for _, extent in candidates}) > 1 and not self._are_equal(candidates):
            raise Error(f"mask: say which input {tensor.name!r} belongs to: mask={{'{tensor.name}': input}}")
        axis, extent = candidates[0]
        self.layouts[tensor.name] = Layout(tensor, (), axis, extent, marks)

    def _are_equal(self, candidates: Sequence[tuple[int, int]]) -> bool:
        """Whether the extents have columns in common, and so are equally long."""
        lists = [set(self.extents[extent].lists) for _, extent in candidates]
        return bool(set.intersection(*lists))

    def _settle(self, tensor: Tensor) -> None:
        """Every symbol that no list decides: a leading one is the batch, thus 1."""
        layout = self.layouts[tensor.name]
        open_symbols = {extent.symbol for extent in self.extents}
        for axis, dim in enumerate(tensor.shape):
            if not isinstance(dim, str) or axis == layout.axis:
                continue
            if dim in open_symbols:
                raise Error(
                    f"the input {tensor} would need lists of lists: '{dim}' is the length of "
                    f"{quoted(self.extents[self._extent(tensor, axis)].lists)}"
                )
            self.symbols.setdefault(dim, 1)

    def _require_padding(self, extent: Extent) -> None:
        if extent.low != extent.high or self.options.padding is not None:
            return
        if any(self.lists[column] != extent.high for column in extent.lists):
            raise Error(
                f"{quoted(extent.lists)}: the model takes exactly {extent.high} entries; give pad= to fill "
                "up shorter lists with that value and to drop what is left over of longer ones"
            )


def _axes(tensor: Tensor, columns: int) -> list[int]:
    """The axes along which that many columns may lie, the most likely first."""
    possible = [
        axis
        for axis, dim in enumerate(tensor.shape)
        if dim != 1 and _elements_beside(tensor, axis) == columns and not _has_other_symbol(tensor, axis)
    ]
    return sorted(possible, key=lambda axis: _rank(tensor, axis))


def _rank(tensor: Tensor, axis: int) -> int:
    if axis > 0:
        return 0 if isinstance(tensor.shape[axis], str) else 1
    return 2


def _elements_beside(tensor: Tensor, axis: int) -> int:
    return math.prod(dim for i, dim in enumerate(tensor.shape) if i != axis and isinstance(dim, int))


def _has_other_symbol(tensor: Tensor, axis: int) -> bool:
    """Whether a dim is unknown that is neither this one nor that of a batch."""
    return any(isinstance(dim, str) and i not in (0, axis) for i, dim in enumerate(tensor.shape))


def _solve(tensor: Tensor, columns: Collection[str], symbols: dict[str, int]) -> None:
    """Settle the symbols of an input of numbers: a leading one is 1, the batch; one other takes the rest."""
    known = math.prod(dim for dim in tensor.shape if isinstance(dim, int))
    for axis, dim in enumerate(tensor.shape):
        if isinstance(dim, str):
            rest = len(columns) // max(known, 1)
            symbols.setdefault(dim, 1 if axis == 0 else rest)
    expected = math.prod(symbols[dim] if isinstance(dim, str) else dim for dim in tensor.shape)
    if expected != len(columns):
        values = f"{expected} value" + ("" if expected == 1 else "s")
        raise ShapeError(
            f"the input {tensor} takes {values} per event, "
            f"got {len(columns)} columns: {quoted(list(columns))}"
        )
