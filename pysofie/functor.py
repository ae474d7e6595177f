"""Models as columns of an RDataFrame."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pysofie.compile import compile
from pysofie.emit import emit, write_file
from pysofie.errors import Error, ShapeError
from pysofie.importers import as_source
from rdf_helpers import arrays, cling, distributed, hook, layout, tables
from rdf_helpers.columns import Columns, distinct, quoted
from rdf_helpers.event import EventBuilder, Request
from rdf_helpers.models import Models
from rdf_helpers.preprocessing import PreprocessingLike

if TYPE_CHECKING:
    from pysofie.importers import ModelLike, Source
    from pysofie.session import Session
    from rdf_helpers.results import Outputs


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
        self._models = Models(sessions)
        self.session: Session = self._models.first
        self._builder = EventBuilder(self._models, request, self._bounds())
        if request.columns is not None:
            self._match()

    @property
    def columns(self) -> list[str]:
        """The columns that the functor reads, in the order of the model's inputs.

        Raises
        ------
        Error
            Neither the user nor the model says which.
        """
        return list(dict.fromkeys([*distinct(self._match()), *self._request.extra_columns]))

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
        from rdf_helpers import frames

        return frames.define(node, method, name, self._builder, self._match(columns))

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
            named = self._match()
            columns = tables.columns_of(events[0], distinct(named), self._request.helpers)
        else:
            named, columns = self._numbered(events)
        types = {column: tables.type_of(values) for column, values in columns.items()}
        event = self._builder.event(named, types, self._request.where, self._request.by)
        scores = arrays.score(event, self._models.sessions, columns)
        return scores if self._builder.is_struct else next(iter(scores.values()))

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
        from rdf_helpers import macro

        text = macro.header(self._builder, self._match(), types or {})
        precision = str(self._options.get("precision", "float32"))
        files = [
            file for source in self._sources for file in emit(source.load(), directory, precision=precision)
        ]
        return [*files, write_file(Path(directory) / f"{self.session.name}_rdf.hxx", text.encode())]

    def _arguments(self) -> tuple[Any, ...]:
        return self._sources, self._request, self._options

    def __repr__(self) -> str:
        outputs = ", ".join(str(self.session.outputs[choice.output]) for choice in self._builder.choices)
        return f"<pysofie.Functor {self.session.name} -> {outputs}>"

    def _bounds(self) -> dict[str, tuple[int, int]]:
        """What the user said of dynamic dims."""
        dims = self._sources[0].dims if self._sources else {}
        return {symbol: (b[0], b[1]) for symbol, b in dims.items() if isinstance(b, tuple) and len(b) == 2}

    def _match(self, columns: Columns | None = None) -> dict[str, tuple[str, ...]]:
        """The columns of each input: these, else what the user or the model's metadata says."""
        chosen = self._request.columns if columns is None else columns
        features = self._sources[0].load().feature_names if chosen is None and self._sources else None
        return self._builder.match(chosen, features)

    def _numbered(self, given: Sequence[Any]) -> tuple[dict[str, tuple[str, ...]], dict[str, tables.Column]]:
        """The columns of each input, named by their positions, and what they hold."""
        if self._request.extra_columns:
            raise ShapeError(
                f"{self.session.name} reads {quoted(self._request.extra_columns)}, too: give a mapping of "
                "columns"
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
        if self._request.columns is not None or len(self.session.inputs) - len(self._builder.masks) > 1:
            return self._match()
        return self._match([f"#{i}" for i in range(len(tables.split(given, None)))])
