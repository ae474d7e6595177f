"""What happens to an event: what the user wants, and what that means for a model and for columns."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from pysofie.errors import Error

from . import expressions, layout, results
from .columns import Columns, ColumnType, match
from .layout import Plan
from .models import Models
from .preprocessing import PreprocessingLike, Scaling, as_preprocessing
from .results import Outputs, Result


@dataclass(frozen=True)
class Request:
    """What the user wants of a model; the keywords of `functor`, which explains them."""

    columns: Columns | None = None
    output: Outputs = None
    axis: int | Mapping[str, int] | None = None
    pad: float | None = None
    mask: layout.Masks = None
    padding_mask: layout.Masks = None
    preprocess: PreprocessingLike | Mapping[str, PreprocessingLike] | None = None
    where: str | None = None
    default: float | None = None
    by: str | None = None

    @property
    def helpers(self) -> list[str]:
        """The columns or expressions that no model reads."""
        return [expression for expression in (self.where, self.by) if expression is not None]

    @property
    def extra_columns(self) -> list[str]:
        """The columns in `helpers`."""
        return [column for expression in self.helpers for column in expressions.columns(expression)]


@dataclass(frozen=True)
class Event:
    """All that happens to an event.

    Attributes
    ----------
    plan : Plan
        How columns are laid into inputs.
    types : dict of str to ColumnType
        What the columns hold; in the order of the adapter's arguments.
    scalings : dict of (str, int) to Scaling
        What happens to values, by input and position among its columns.
    symbols : sequence of str
        The model's symbols.
    results : sequence of Result
        What the event has in the end.
    is_struct : bool
        Whether the results are the members of a struct.
    fold : str or None
        The column that says which model an event is for.
    where : str or None
        The column that is false where the model is not wanted.
    default : float
        The result where it is not.
    """

    plan: Plan
    types: dict[str, ColumnType]
    scalings: dict[tuple[str, int], Scaling]
    symbols: Sequence[str]
    results: Sequence[Result]
    is_struct: bool = False
    fold: str | None = None
    where: str | None = None
    default: float = math.nan

    @property
    def selects_objects(self) -> bool:
        """Whether `where` chooses among the objects of an event."""
        return self.where is not None and self.types[self.where].is_list


class EventBuilder:
    """Finds out what happens to an event, when it is known which columns there are.

    Parameters
    ----------
    models : Models
        What scores events.
    request : Request
        What the user wants of them.
    bounds : dict of str to (int, int)
        What the user said of dynamic dims.

    Attributes
    ----------
    models, request
        As above.
    choices : tuple of Choice
        The outputs that are wanted.
    is_struct : bool
        Whether they are the members of a struct.
    masks : list of str
        The inputs that take no columns.

    Raises
    ------
    Error
        The request does not fit the models.
    UnsupportedError
        An input or output has elements that columns cannot hold.
    """

    def __init__(self, models: Models, request: Request, bounds: Mapping[str, tuple[int, int]]) -> None:
        if (request.where is None) != (request.default is None):
            raise Error("where= and default= belong together: default= is the result where where= is false")
        self.models = models
        self.request = request
        inputs, outputs = models.first.inputs, models.first.outputs
        self.choices, self.is_struct = results.choose(outputs, request.output)
        results.require_numbers([*inputs, *(outputs[choice.output] for choice in self.choices)])
        self._lists = layout.options(
            inputs, request.axis, request.pad, request.mask, request.padding_mask, bounds
        )
        self.masks = list(self._lists.masks)
        taking = [tensor.name for tensor in inputs if tensor.name not in self.masks]
        self._preprocessing = as_preprocessing(request.preprocess, taking)

    def match(self, columns: Columns | None, features: Columns | None) -> dict[str, tuple[str, ...]]:
        """Give every input its columns; see `pysofie.functor` and `columns.match`.

        Parameters
        ----------
        columns : list, dict or None
            What the user said.
        features : list or None
            What the model's metadata says, for when the user said nothing.
        """
        inputs = self.models.first.inputs
        named = match(inputs, columns, features, self.masks)
        for tensor in inputs:
            if tensor.name in named:
                layout.require_fitting(tensor, named[tensor.name])
        self._scalings(named)
        return named

    def event(
        self,
        named: Mapping[str, tuple[str, ...]],
        types: dict[str, ColumnType],
        where: str | None,
        by: str | None,
    ) -> Event:
        """What happens to an event.

        Parameters
        ----------
        named : dict of str to tuple of str
            The columns of each input, from `match`.
        types : dict of str to ColumnType
            What these and the following hold; in the order of the adapter's arguments.
        where, by : str or None
            The columns that have the values of the expressions that were asked for.

        Raises
        ------
        Error
            A column holds a list or a number where that does not fit.
        ShapeError
            The columns do not fit the inputs.
        """
        session = self.models.first
        lists = {column: kind.length for column, kind in types.items() if kind.is_list}
        plan = layout.plan(session.inputs, named, lists, self._lists)
        _, shapes = self.models.shapes(plan)
        described = results.describe(
            self.choices, session.outputs, shapes, plan.open_symbols, session.measured
        )
        event = Event(
            plan, types, self._scalings(named), session.symbols, described, self.is_struct, by, where
        )
        if self.request.default is not None:
            event = replace(event, default=float(self.request.default))
        if by is not None and types[by].is_list:
            raise Error(f"by: '{by}' holds a list; one number per event chooses the model")
        if event.selects_objects:
            _require_objects(event, where or "")
        return event

    def _scalings(self, named: Mapping[str, tuple[str, ...]]) -> dict[tuple[str, int], Scaling]:
        return {
            (name, i): scaling
            for name, preprocessing in self._preprocessing.items()
            for i, scaling in enumerate(preprocessing.scalings(named[name]))
        }


def _require_objects(event: Event, where: str) -> None:
    """A list in `where` needs a result for every object."""
    extents = event.plan.extents
    is_object = len(extents) == 1 and all(part.axis in (0, None) for part in event.plan.layouts)
    if not is_object or not all(result.is_open and result.axes[0] == 0 for result in event.results):
        raise Error(f"where: '{where}' holds a list, but the model gives no value for each of its entries")
