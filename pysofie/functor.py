"""Models as columns of an RDataFrame."""

from __future__ import annotations

import difflib
import hashlib
import math
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from pysofie.compile import compile
from pysofie.errors import Error, ShapeError, UnsupportedError
from pysofie.importers import as_source
from rdf_helpers import adapter, cling, distributed, hook
from rdf_helpers.columns import Binding, Columns, bind

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pysofie.importers import ModelLike
    from pysofie.model import Tensor
    from pysofie.session import Session

# What a column may hold, as ROOT spells it when type aliases are resolved.
_ARITHMETIC = {"bool", "signed char", "float", "double"} | frozenset(
    f"{sign}{size}" for sign in ("", "unsigned ") for size in ("char", "short", "int", "long", "long long")
)
# Aliases that ROOT does not resolve, because they mean the same on every platform.
_ROOT_ALIASES = {"Long64_t": "long long", "ULong64_t": "unsigned long long"}

# Data frames run the code of a compiled model after its functor is gone: such a library stays loaded.
_kept_loaded: list[Session] = []


def functor(
    source: ModelLike, *, columns: Columns | None = None, output: str | int | None = None, **options: Any
) -> Functor:
    """Make of a model what ``Define`` takes as its second argument.

    Parameters
    ----------
    source : Model, path, bytes or onnx.ModelProto
        As for `pysofie.compile`.
    columns : list of str, or dict of str to list of str, optional
        The columns that feed the model: a list for its one input, a dict of input name -> list for several;
        row-major in the input's shape. Left out, they are the features that the model's metadata names, else
        the names of the inputs if each takes one value per event.
    output : str or int, optional
        Which output becomes the column; needed if the model has several.
    **options
        For `pysofie.compile`.

    Returns
    -------
    Functor

    Raises
    ------
    Error
        ROOT is missing, or `columns` or `output` do not fit the model.
    InvalidModelError, UnsupportedError, ShapeError, CompileError
        As `pysofie.compile`.

    Examples
    --------
    >>> score = pysofie.functor("higgs.onnx", columns=["m_jj", "m_bb"])  # doctest: +SKIP
    >>> df = df.Define("score", score)  # doctest: +SKIP
    """
    hook.install()
    return Functor(source, columns, output, options)


class Functor(distributed.Travelling):
    """A compiled model that can be given to ``Define`` and called on arrays; made by `pysofie.functor`.

    All data frames that use a functor share one copy of the weights, and no two threads ever share a session.
    It can be pickled: the other process compiles the model for its own processor.

    Attributes
    ----------
    session : Session
        The compiled model.
    output : Tensor
        The output that becomes the column.
    """

    def __init__(
        self, source: ModelLike, columns: Columns | None, output: str | int | None, options: dict[str, Any]
    ) -> None:
        self._options = dict(options)
        self._source = as_source(
            source, dims=self._options.pop("dims", None), name=self._options.pop("name", None)
        )
        self._columns = columns
        self.session: Session = compile(self._source, **self._options)
        _require_columns_can_hold((*self.session.inputs, *self.session.outputs))
        self._output = _choose(self.session.outputs, output)
        self.output: Tensor = self.session.outputs[self._output]
        self._models: dict[tuple[int, ...], Any] = {}
        self._lock = threading.Lock()
        if columns is not None:
            self._bind(columns)

    @property
    def columns(self) -> list[str]:
        """The columns that the functor reads, in the order of the model's inputs.

        Raises
        ------
        Error
            Neither the user nor the model says which.
        """
        return self._bind(self._columns).columns

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
        binding = self._bind(self._columns if columns is None else columns)
        types = [_column_type(node, column, self.session.name) for column in binding.columns]
        node, kind = _interface(node)
        adapt, model = self._adapter(binding, types, adapter.Frame(kind, method))
        with _errors_of_root(r"RDataFrame::\w+: (.*)"):
            return adapt(node, name, model, binding.columns)

    def __call__(self, *arrays: Any) -> NDArray[Any]:
        """Score arrays, as a data frame scores events.

        Parameters
        ----------
        *arrays : array_like
            One array of shape ``(n_events,)`` for each column, or one of shape ``(n_events, n_columns)``.

        Returns
        -------
        numpy.ndarray
            Of shape ``(n_events,)``, or ``(n_events, n_values)`` for an output of several values per event;
            an array of arrays where the data of each event decide how many there are.

        Raises
        ------
        ShapeError
            The arrays are not as many as the columns, or differ in length.
        """
        table = _as_table(arrays)
        binding = self._bind_count(len(table))
        inputs, first = [], 0
        for tensor, columns in binding.inputs:
            values = [_convert(column, tensor.dtype) for column in table[first : first + len(columns)]]
            rows = np.stack(values, axis=1)
            shape = tuple(binding.symbols[dim] if isinstance(dim, str) else dim for dim in tensor.shape)
            inputs.append(rows.reshape(len(rows), *shape))
            first += len(columns)
        scores = self._score(inputs, binding)
        return scores[:, 0] if scores.ndim == 2 and scores.shape[1] == 1 else scores

    def _arguments(self) -> tuple[Any, ...]:
        return self._source, self._columns, self._output, self._options

    def __repr__(self) -> str:
        return f"<pysofie.Functor {self.session.name} -> {self.output}>"

    # --- columns ----------------------------------------------------------------------------------------

    def _bind(self, columns: Columns | None) -> Binding:
        features = self._source.load().feature_names if columns is None else None
        return bind(self.session.inputs, columns, features)

    def _bind_count(self, count: int) -> Binding:
        """Bind as the user said, else columns that have no name."""
        if self._columns is None and len(self.session.inputs) == 1:
            return bind(self.session.inputs, [f"#{i}" for i in range(count)])
        binding = self._bind(self._columns)
        if count != len(binding.columns):
            raise ShapeError(
                f"{self.session.name} takes {len(binding.columns)} columns, got {count}: {binding.columns}"
            )
        return binding

    # --- RDataFrame -------------------------------------------------------------------------------------

    def _adapter(self, binding: Binding, types: Sequence[str], frame: adapter.Frame) -> tuple[Any, Any]:
        """The C++ function that defines columns from columns of these types, and what it shares."""
        cling.declare_adapters()
        results = self._results(binding)
        template = adapter.write("NAME", binding, types, results, frame)
        name = f"pysofie_adapter_{hashlib.sha256(template.encode()).hexdigest()[:16]}"
        cling.declare(f"#pragma cling optimize(3)\n{template.replace('NAME', name)}")
        return getattr(cling.root(), f"{name}_define"), self._model(binding, results)

    def _results(self, binding: Binding) -> list[adapter.Result]:
        runner = self.session.library.session(str(self.session.weights))
        runner.prepare([binding.symbols[symbol] for symbol in self.session.symbols])
        return [
            adapter.Result(
                tensor.dtype,
                math.prod(shape),
                index == self._output,
                len(shape) if tensor.name in self.session.measured else None,
            )
            for index, (tensor, shape) in enumerate(
                zip(self.session.outputs, runner.output_shapes(), strict=True)
            )
        ]

    def _model(self, binding: Binding, results: Sequence[adapter.Result]) -> Any:
        """The sessions that all threads of all event loops share, for these values of the symbols."""
        root = cling.root()
        symbols = tuple(binding.symbols[symbol] for symbol in self.session.symbols)
        with self._lock:
            if symbols not in self._models:
                _, scratch = adapter.scratch_offsets(results)
                _kept_loaded.append(self.session)
                with _errors_of_root(r"pysofie: (.*)"):
                    self._models[symbols] = root.pysofie.rdf.open(
                        self.session.library.address,
                        self.session.name,
                        str(self.session.weights),
                        symbols,
                        scratch,
                    )
            return self._models[symbols]

    # --- arrays -----------------------------------------------------------------------------------------

    def _score(self, inputs: list[NDArray[Any]], binding: Binding) -> NDArray[Any]:
        """Scores of shape (n_events, n_values); `inputs` have the events in front of the model's own dims."""
        if self.output.name in self.session.measured:
            return self._score_jagged(inputs)
        shape = len(inputs[0]), self._results(binding)[self._output].values
        if _batch_symbol(self.session.inputs, self.output) is not None:
            feeds = self._feeds(array[:, 0] for array in inputs)
            return self.session.run(feeds)[self.output.name].reshape(shape)
        scores = np.empty(shape, self.output.dtype)
        for event in range(shape[0]):
            feeds = self._feeds(array[event] for array in inputs)
            scores[event] = self.session.run(feeds)[self.output.name].ravel()
        return scores

    def _score_jagged(self, inputs: list[NDArray[Any]]) -> NDArray[Any]:
        """One array for each event."""
        scores = np.empty(len(inputs[0]), object)
        for event in range(len(scores)):
            feeds = self._feeds(array[event] for array in inputs)
            scores[event] = self.session.run(feeds)[self.output.name].ravel()
        return scores

    def _feeds(self, arrays: Any) -> dict[str, NDArray[Any]]:
        return {tensor.name: array for tensor, array in zip(self.session.inputs, arrays, strict=True)}


def _require_columns_can_hold(tensors: Sequence[Tensor]) -> None:
    for tensor in tensors:
        if tensor.dtype not in adapter.CPP_TYPES:
            raise UnsupportedError(
                f"{tensor}: columns cannot hold {tensor.dtype}; let the model cast it from and to float32"
            )


def _choose(outputs: Sequence[Tensor], wanted: str | int | None) -> int:
    """Position of the output that becomes the column."""
    names = [tensor.name for tensor in outputs]
    listed = ", ".join(f"'{name}'" for name in names)
    if wanted is None:
        if len(names) > 1:
            raise Error(f"the model has several outputs: choose one with output=, of {listed}")
        return 0
    position = names.index(wanted) if wanted in names else wanted
    if (
        isinstance(position, bool)
        or not isinstance(position, int)
        or not -len(names) <= position < len(names)
    ):
        raise Error(f"output={wanted!r}: the model's outputs are {listed}")
    return position % len(names)


@contextmanager
def _errors_of_root(words: str) -> Iterator[None]:
    """Make a C++ exception an `Error` that says what the pattern finds, without cppyy's list of overloads."""
    try:
        yield
    except cling.root().std.exception as error:
        found = re.search(words, str(error))
        raise Error(found.group(1) if found else str(error)) from error


def _interface(node: Any) -> tuple[Any, str]:
    """A data frame and its C++ type, which is an RInterface that has a name."""
    for kind in type(node).__mro__:
        name: str = getattr(kind, "__cpp_name__", "")
        if name.startswith("ROOT::RDF::RInterface<") and "lambda" not in name:
            return node, name
    return _interface(cling.root().RDF.AsRNode(node))


def _column_type(node: Any, column: str, model: str) -> str:
    """C++ type of a column, if it holds one number per event."""
    known = [str(name) for name in node.GetColumnNames()]
    try:
        spelled = str(node.GetColumnType(column))
    except Exception as error:
        close = difflib.get_close_matches(column, known, n=3)
        hint = f"; did you mean {' or '.join(close)}?" if close else f"; it has {', '.join(known)}"
        raise Error(
            f"model '{model}' needs column '{column}', which the data frame does not have{hint}"
        ) from error
    resolved = _ROOT_ALIASES.get(spelled) or str(cling.root().TClassEdit.ResolveTypedef(spelled))
    if resolved not in _ARITHMETIC:
        raise Error(f"column '{column}' is of type {spelled}; model '{model}' needs one number per event")
    return resolved


def _batch_symbol(inputs: Sequence[Tensor], output: Tensor) -> str | None:
    """The symbol that leads every input and the output, and nothing else: events can be a batch."""
    leading = {tensor.shape[0] if tensor.shape else 1 for tensor in [*inputs, output]}
    symbol = leading.pop()
    if leading or not isinstance(symbol, str):
        return None
    elsewhere = any(symbol in tensor.shape[1:] for tensor in inputs)
    return None if elsewhere else symbol


def _convert(values: NDArray[Any], dtype: str) -> NDArray[Any]:
    """What `convert` in rdf.hxx does: NaN becomes zero, and what is out of range the nearest integer."""
    if values.dtype.kind != "f" or np.dtype(dtype).kind not in "iu":
        return values.astype(dtype)
    limits = np.iinfo(dtype)
    low, high = values <= float(limits.min), values >= float(limits.max)
    whole = np.where(low | high | np.isnan(values), 0, values).astype(dtype)
    return np.where(low, limits.min, np.where(high, limits.max, whole)).astype(dtype)


def _as_table(values: Sequence[Any]) -> list[NDArray[Any]]:
    """Columns of shape (n_events,)."""
    if len(values) == 1 and np.ndim(values[0]) == 2:
        return list(np.asarray(values[0]).T)
    table = [np.atleast_1d(np.asarray(value)) for value in values]
    shapes = {column.shape for column in table}
    if len(shapes) != 1 or table[0].ndim != 1:
        given = ", ".join(str(column.shape) for column in table) or "none"
        raise ShapeError(
            f"give one array (n_events, n_columns), or arrays (n_events,) of one length; got {given}"
        )
    return table
