"""Models as columns of an RDataFrame."""

from __future__ import annotations

import hashlib
import os
import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pysofie import _core
from pysofie.compile import compile
from pysofie.emit import emit, write_file
from pysofie.errors import Error, ShapeError
from pysofie.importers import as_source
from rdf_helpers import (
    adapter,
    arrays,
    cling,
    distributed,
    expressions,
    frames,
    hook,
    layout,
    macro,
    results,
    tables,
)
from rdf_helpers.columns import Columns, ColumnType, match, parse_type, quoted
from rdf_helpers.preprocessing import Preprocessing, PreprocessingLike, as_preprocessing

if TYPE_CHECKING:
    from pysofie.importers import ModelLike, Source
    from pysofie.session import Session
    from rdf_helpers.preprocessing import Scaling
    from rdf_helpers.results import Outputs

# Data frames run the code of a compiled model after its functor is gone: such a library stays loaded.
_kept_loaded: list[Session] = []


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


def functor(
    source: ModelLike,
    *,
    columns: Columns | None = None,
    output: Outputs = None,
    axis: int | Mapping[str, int] | None = None,
    pad: float | None = None,
    mask: layout.Masks = None,
    padding_mask: layout.Masks = None,
    preprocess: PreprocessingLike | Mapping[str, PreprocessingLike] | None = None,
    where: str | None = None,
    default: float | None = None,
    **options: Any,
) -> Functor:
    """Make of a model what ``Define`` takes as its second argument.

    A column holds a number or a list of numbers (``RVec``, ``std::vector``, ``std::array``) per event.
    Numbers fill an input element by element. Lists lie along one axis of it, one column beside the other, and
    numbers among them are repeated:

    - along a dynamic leading dim, where the columns are the features of one object: the objects of the event
      are the batch, and the result is a list of that length, a score per jet;
    - along another axis, as in ``(1, features, n)`` or ``(1, n, features)``: the constituents of one object.

    Parameters
    ----------
    source : Model, path, bytes or onnx.ModelProto
        As for `pysofie.compile`.
    columns : list of str, or dict of str to list of str, optional
        The columns that feed the model: a list for its one input, a dict of input name -> list for several;
        row-major in the input's shape. Left out, they are the features that the model's metadata names, else
        the names of the inputs if each takes one column.
    output : str, int, list or dict, optional
        Which output becomes the column: its name or position; ``"probs[1]"`` is one element along its last
        axis. A list of these, or a dict of member -> output, becomes a struct whose members are columns:
        ``df.Define("tag", f).Define("pb", "tag.pb")``. Left out, it is all of them. Axes of size 1 vanish:
        what is left is a number, an ``RVec``, or an ``RVec`` of ``RVec`` such as (objects, classes).
    axis : int or dict of str to int, optional
        Along which axis of the input (or of each input) lists lie, where two are possible.
    pad : float, optional
        What fills a fixed axis beyond the last entry of shorter lists; of longer lists only the first entries
        are used. It also does so with the bounds of a dynamic dim, see `dims` of `pysofie.load`.
    mask, padding_mask : str, list of str, or dict of str to str, optional
        Inputs that take no columns but tell entries, 1 or true, from padding, 0 or false; or the other way
        around. A dict says to which input each belongs.
    preprocess : Preprocessing, fitted scaler, path, or dict of str to these, optional
        What is done to the values first, see `pysofie.Preprocessing`: that, a scaler of scikit-learn
        (StandardScaler, RobustScaler, MinMaxScaler, MaxAbsScaler), or a JSON file of weaver; a dict for
        several inputs.
    where : str, optional
        A column or expression. Where it is false, the model does not run and the result is `default`. A list
        chooses among the objects of the event.
    default : float, optional
        See `where`.
    **options
        For `pysofie.compile`.

    Returns
    -------
    Functor

    Raises
    ------
    Error
        An option does not fit the model.
    InvalidModelError, UnsupportedError, ShapeError, CompileError
        As `pysofie.compile`.

    Examples
    --------
    >>> score = pysofie.functor("higgs.onnx", columns=["m_jj", "m_bb"])  # doctest: +SKIP
    >>> df = df.Define("score", score)  # doctest: +SKIP
    >>> tag = pysofie.functor(  # doctest: +SKIP
    ...     "particlenet.onnx",
    ...     columns={"points": ["part_deta", "part_dphi"], "features": ["part_logpt", "part_deta"]},
    ...     mask="mask",
    ...     pad=0,
    ...     output="probs[1]",
    ... )
    """
    request = Request(columns, output, axis, pad, mask, padding_mask, preprocess, where, default)
    return _hooked(make([source], request, options))


def fold(sources: Sequence[ModelLike], *, by: str, **keywords: Any) -> Functor:
    """Make a column of the models of a cross-validation, of which each event needs another.

    Parameters
    ----------
    sources : sequence of Model, path, bytes or onnx.ModelProto
        The models, with the same inputs and outputs.
    by : str
        A column or expression: the position of an event's model, as in ``"event % 2"``.
    **keywords
        As for `functor`.

    Returns
    -------
    Functor

    Raises
    ------
    Error
        The models differ in inputs or outputs; and as `functor`.

    Examples
    --------
    >>> score = pysofie.fold(["even.onnx", "odd.onnx"], by="event % 2", columns=["pt"])  # doctest: +SKIP
    """
    if not sources:
        raise Error("fold: give at least one model")
    wanted = {key: keywords.pop(key) for key in tuple(keywords) if key in Request.__dataclass_fields__}
    return _hooked(make(sources, Request(**wanted, by=by), keywords))


def make(sources: Sequence[ModelLike], request: Request, options: Mapping[str, Any]) -> Functor:
    """Make a functor that needs no ROOT as long as it is called on arrays.

    Parameters
    ----------
    sources : sequence of Model, path, bytes or onnx.ModelProto
        The models among which events choose.
    request : Request
        What is wanted of them.
    options : dict
        For `pysofie.compile`.

    Returns
    -------
    Functor

    Raises
    ------
    Error
        As `functor`.
    """
    rest = dict(options)
    dims, name = rest.pop("dims", None), rest.pop("name", None)
    return Functor([as_source(source, dims=dims, name=name) for source in sources], request, rest)


def _hooked(functor: Functor) -> Functor:
    """Let data frames take it, if there is ROOT; without, it can be called on arrays."""
    if cling.is_there():
        hook.install()
    return functor


class Functor(distributed.Travelling):
    """A compiled model that can be given to ``Define`` and called on arrays; made by `pysofie.functor`.

    All data frames that use a functor share one copy of the weights, and no two threads ever share a session.
    It can be pickled: the other process compiles the model for its own processor.

    Attributes
    ----------
    session : Session
        The compiled model; the first one of several folds. Its weights stay as they are.
    """

    def __init__(self, sources: Sequence[Source], request: Request, options: Mapping[str, Any]) -> None:
        self._sources = list(sources)
        self._options = dict(options)
        sessions = [compile(source, **options) for source in self._sources]
        for session in sessions:
            session.has_fixed_weights = True  # event loops have sessions of their own
        self._take(sessions, request)

    @classmethod
    def of_session(cls, session: Session, request: Request) -> Functor:
        """Make a functor for arrays of a model that has been compiled."""
        functor = cls.__new__(cls)
        functor._sources, functor._options = [], {}
        functor._take([session], request)
        return functor

    def _take(self, sessions: Sequence[Session], request: Request) -> None:
        self._request = request
        self._sessions = list(sessions)
        self.session: Session = self._sessions[0]
        _require_alike(self._sessions)
        if (request.where is None) != (request.default is None):
            raise Error("where= and default= belong together: default= is the result where where= is false")
        self._choices, self._is_struct = results.choose(self.session.outputs, request.output)
        chosen = [self.session.outputs[choice.output] for choice in self._choices]
        results.require_numbers([*self.session.inputs, *chosen])
        self._layout = layout.options(
            self.session.inputs, request.axis, request.pad, request.mask, request.padding_mask, self._bounds()
        )
        taking = [tensor.name for tensor in self.session.inputs if tensor.name not in self._layout.masks]
        self._preprocessing: dict[str, Preprocessing] = as_preprocessing(request.preprocess, taking)
        self._models: dict[tuple[int, ...], _core.AdapterModels] = {}
        self._lock = threading.Lock()
        if request.columns is not None:
            self._match(request.columns)

    @property
    def columns(self) -> list[str]:
        """The columns that the functor reads, in the order of the model's inputs.

        Raises
        ------
        Error
            Neither the user nor the model says which.
        """
        named = [column for columns in self._match(self._request.columns).values() for column in columns]
        return list(dict.fromkeys([*named, *self._extra_columns()]))

    def define(self, node: Any, method: str, name: str, columns: Columns | None) -> Any:
        """Define a column; ``df.Define(name, functor)`` calls it.

        Parameters
        ----------
        node : ROOT.RDF.RInterface
            Where the column is wanted.
        method : {"Define", "Redefine"}
            What was called.
        name : str
            The column to make.
        columns : list or dict or None
            Columns in place of the functor's own.

        Returns
        -------
        ROOT.RDF.RInterface

        Raises
        ------
        Error
            A column is missing or does not hold numbers, or their count does not fit the model.
        """
        named = self._match(self._request.columns if columns is None else columns)
        node, where = frames.helper_column(node, "where", self._request.where)
        node, by = frames.helper_column(node, "by", self._request.by)
        wanted = [column for columns in named.values() for column in columns]
        wanted += [column for column in (where, by) if column is not None]
        types = {column: frames.type_of(node, column, self.session.name) for column in dict.fromkeys(wanted)}
        event = self._event(named, types, where, by)
        node, kind = frames.interface(node)
        adapt, models = self._adapter(event, adapter.Frame(kind, method))
        with frames.errors_of_root(r"RDataFrame::\w+: (.*)"):
            return adapt(node, name, models, list(types))

    def __call__(self, *events: Any) -> Any:
        """Score arrays, as a data frame scores events.

        Parameters
        ----------
        *events : array_like, or mapping or table of arrays
            A mapping of column -> array, awkward or NumPy records or a pandas.DataFrame; or one array for
            each column; or one of shape ``(n_events, n_columns)``. A column of numbers has the shape
            ``(n_events,)``; one of lists the shape ``(n_events, n)``, or is an awkward array.

        Returns
        -------
        numpy.ndarray, awkward.Array or dict of str to these
            A NumPy array of shape ``(n_events,)``, or ``(n_events, n_values)`` where all events have as many
            values; else an awkward array. A dict of member -> array for several outputs.

        Raises
        ------
        ShapeError
            The arrays are not as many as the columns, differ in length, or do not fit the model.
        """
        if len(events) == 1 and tables.is_table(events[0]):
            named, columns = self._from_table(events[0])
        else:
            named, columns = self._from_arrays(events)
        types = {
            column: ColumnType("", "", isinstance(values, tables.Lists), getattr(values, "length", None))
            for column, values in columns.items()
        }
        event = self._event(named, types, self._request.where, self._request.by)
        scores = arrays.score(event, self._sessions, columns)
        return scores if self._is_struct else next(iter(scores.values()))

    def emit(
        self, directory: str | os.PathLike[str] = ".", *, types: Mapping[str, str] | None = None
    ) -> list[Path]:
        """Write the C++ code of the column, for ROOT macros that run without Python.

        ``<name>_rdf.hxx`` includes the code of the model, which `pysofie.emit` would write, and has
        ``TMVA_SOFIE_<name>::rdf::define(frame, "score")``.

        Parameters
        ----------
        directory : path
            Where to; made if it is not there.
        types : dict of str to str, optional
            The C++ types of columns and of the expressions of `where` and `by`, such as
            ``"ROOT::RVec<float>"``; those that are left out are float, bool for `where` and long for `by`.

        Returns
        -------
        list of pathlib.Path
            The files.

        Raises
        ------
        Error
            A type is none of numbers or lists of numbers, or is that of no column; or the models of several
            folds have the same name.
        """
        named = self._match(self._request.columns)
        given = dict(types or {})
        wanted = [column for columns in named.values() for column in columns]
        kinds = {column: _parsed(column, given.pop(column, "float")) for column in dict.fromkeys(wanted)}
        helpers: dict[str, str] = {}

        def chooser(asked: str | None, usual: str) -> str | None:
            """The column of `where` or `by`, which the header makes of an expression."""
            if asked is None:
                return None
            column = asked if frames.is_column(asked) else frames.helper_name(asked)
            kind = _parsed(asked, given.pop(asked, usual))
            kinds.setdefault(column, kind)
            if column != asked:
                helpers[column] = f"static_cast<{kind.spelled}>({asked})"
            return column

        where, by = chooser(self._request.where, "bool"), chooser(self._request.by, "long")
        if given:
            raise Error(f"types: the functor reads no column {quoted([*given])}; it reads {quoted([*kinds])}")
        names = [session.name for session in self._sessions]
        if len(set(names)) < len(names):
            raise Error(f"the models need different names to be emitted, they are {quoted(names)}")
        event = self._event(named, kinds, where, by)
        symbols, _ = self._shapes(event.plan)
        models = [
            macro.EmittedModel(session.name, symbols, _output_facts(session)) for session in self._sessions
        ]
        text = macro.write(event, models, helpers)
        precision = str(self._options.get("precision", "float32"))
        files = [
            file for source in self._sources for file in emit(source.load(), directory, precision=precision)
        ]
        return [*files, write_file(Path(directory) / f"{names[0]}_rdf.hxx", text.encode())]

    def _arguments(self) -> tuple[Any, ...]:
        return self._sources, self._request, self._options

    def __repr__(self) -> str:
        outputs = ", ".join(str(self.session.outputs[choice.output]) for choice in self._choices)
        return f"<pysofie.Functor {self.session.name} -> {outputs}>"

    # --- what happens to an event -----------------------------------------------------------------------

    def _bounds(self) -> dict[str, tuple[int, int]]:
        """What the user said of dynamic dims."""
        dims = self._sources[0].dims if self._sources else {}
        return {symbol: (b[0], b[1]) for symbol, b in dims.items() if isinstance(b, tuple) and len(b) == 2}

    def _match(self, columns: Columns | None) -> dict[str, tuple[str, ...]]:
        features = self._sources[0].load().feature_names if columns is None and self._sources else None
        named = match(self.session.inputs, columns, features, self._layout.masks)
        for tensor in self.session.inputs:
            if tensor.name in named:
                layout.require_fitting(tensor, named[tensor.name])
        self._scalings(named)
        return named

    def _scalings(self, named: Mapping[str, tuple[str, ...]]) -> dict[tuple[str, int], Scaling]:
        return {
            (name, i): scaling
            for name, preprocessing in self._preprocessing.items()
            for i, scaling in enumerate(preprocessing.scalings(named[name]))
        }

    def _event(
        self,
        named: Mapping[str, tuple[str, ...]],
        types: dict[str, ColumnType],
        where: str | None,
        by: str | None,
    ) -> adapter.Event:
        lists = {column: kind.length for column, kind in types.items() if kind.is_list}
        plan = layout.plan(self.session.inputs, named, lists, self._layout)
        described = results.describe(
            self._choices,
            self.session.outputs,
            self._shapes(plan)[1],
            plan.open_symbols,
            self.session.measured,
        )
        event = adapter.Event(
            plan, types, self._scalings(named), self.session.symbols, described, self._is_struct, by, where
        )
        if self._request.default is not None:
            event = replace(event, default=float(self._request.default))
        if by is not None and types[by].is_list:
            raise Error(f"by: '{by}' holds a list; one number per event chooses the model")
        if event.selects_objects:
            _require_objects(event, where or "")
        return event

    def _shapes(self, plan: layout.Plan) -> tuple[list[int], list[list[int]]]:
        """Values of the symbols that the model takes, and the shapes of its outputs for them."""
        runner = self.session.library.session(str(self.session.weights))
        sizes, last = plan.smallest, 1 << 12
        while True:
            symbols = plan.symbol_values(self.session.symbols, sizes)
            try:
                runner.prepare(symbols)
                return symbols, runner.output_shapes()
            except ShapeError:
                if not plan.open_symbols or max(sizes) >= last:
                    raise
            sizes = [
                2 * size if extent.low != extent.high else size
                for size, extent in zip(sizes, plan.extents, strict=True)
            ]

    # --- RDataFrame -------------------------------------------------------------------------------------

    def _adapter(self, event: adapter.Event, frame: adapter.Frame) -> tuple[Any, int]:
        """The C++ function that defines the column in a frame, and the address of the models."""
        cling.declare_adapters()
        template = adapter.write("NAME", event, frame)
        name = f"pysofie_adapter_{hashlib.sha256(template.encode()).hexdigest()[:16]}"
        code = re.sub(r"\bNAME(?=\b|_result\b|_define\b)", name, template)
        cling.declare(f"#pragma cling optimize(3)\n{code}")
        return getattr(cling.root(), f"{name}_define"), self._shared(event.plan).address

    def _shared(self, plan: layout.Plan) -> _core.AdapterModels:
        """The models whose sessions all threads of all event loops share."""
        symbols, _ = self._shapes(plan)
        with self._lock:
            if tuple(symbols) not in self._models:
                _kept_loaded.extend(self._sessions)
                self._models[tuple(symbols)] = _open(self._sessions, symbols)
            return self._models[tuple(symbols)]

    # --- arrays -----------------------------------------------------------------------------------------

    def _extra_columns(self) -> list[str]:
        """The columns of `where` and `by`."""
        asked = [
            expression for expression in (self._request.where, self._request.by) if expression is not None
        ]
        return [column for expression in asked for column in expressions.columns(expression)]

    def _from_table(self, table: Any) -> tuple[dict[str, tuple[str, ...]], dict[str, tables.Column]]:
        named = self._match(self._request.columns)
        wanted = [column for columns in named.values() for column in columns]
        columns = {column: tables.pick(table, column) for column in dict.fromkeys(wanted)}
        for expression in (self._request.where, self._request.by):
            if expression is not None and expression not in columns:
                columns[expression] = tables.evaluated(table, expression)
        return named, columns

    def _from_arrays(
        self, given: Sequence[Any]
    ) -> tuple[dict[str, tuple[str, ...]], dict[str, tables.Column]]:
        if self._extra_columns():
            raise ShapeError(
                f"{self.session.name} reads {quoted(self._extra_columns())}, too: give a mapping of columns"
            )
        named = self._match_count(given)
        count = sum(map(len, named.values()))
        values = tables.split(given, count)
        if len(values) != count:
            raise ShapeError(
                f"{self.session.name} takes {count} columns, got {len(values)}: "
                f"{[column for columns in named.values() for column in columns]}"
            )
        positions = iter(range(count))
        numbered = {name: tuple(f"#{next(positions)}" for _ in columns) for name, columns in named.items()}
        return numbered, {f"#{i}": tables.as_column(value, f"#{i}") for i, value in enumerate(values)}

    def _match_count(self, given: Sequence[Any]) -> dict[str, tuple[str, ...]]:
        """The columns, which need no names where there is one input."""
        if self._request.columns is not None or len(self.session.inputs) - len(self._layout.masks) > 1:
            return self._match(self._request.columns)
        return self._match([f"#{i}" for i in range(len(tables.split(given, None)))])


def _require_alike(sessions: Sequence[Session]) -> None:
    first = sessions[0]
    for session in sessions[1:]:
        for what in ("inputs", "outputs"):
            if getattr(session, what) != getattr(first, what):
                ours, theirs = ("; ".join(map(str, getattr(s, what))) for s in (first, session))
                raise Error(f"fold: the models differ in their {what}: {ours} and {theirs}")


def _require_objects(event: adapter.Event, where: str) -> None:
    """A list in `where` needs a result for every object."""
    extents = event.plan.extents
    is_object = len(extents) == 1 and all(part.axis in (0, None) for part in event.plan.layouts)
    if not is_object or not all(result.is_open and result.axes[0] == 0 for result in event.results):
        raise Error(f"where: '{where}' holds a list, but the model gives no value for each of its entries")


def _open(sessions: Sequence[Session], symbols: Sequence[int]) -> _core.AdapterModels:
    return _core.AdapterModels(
        [
            (session.library.address, session.name, str(session.weights), _output_facts(session))
            for session in sessions
        ],
        list(symbols),
    )


def _output_facts(session: Session) -> list[tuple[int, int, bool]]:
    """Itemsize, rank, and whether the data decide the shape, of each output."""
    return [
        (np.dtype(tensor.dtype).itemsize, len(tensor.shape), tensor.name in session.measured)
        for tensor in session.outputs
    ]


def _parsed(column: str, spelled: str) -> ColumnType:
    kind = parse_type(spelled)
    if kind is None:
        raise Error(f"types: '{column}' cannot be {spelled!r}; it is a number or a list of numbers")
    return kind
