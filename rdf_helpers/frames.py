"""A column of a data frame of ROOT: what is asked of the frame, and how it gets the column."""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pysofie.errors import Error

from . import adapter, cling
from .columns import ColumnType, column_type, distinct
from .event import Event, EventBuilder


def define(
    node: Any, method: str, name: str, builder: EventBuilder, named: Mapping[str, tuple[str, ...]]
) -> Any:
    """Define a column.

    Parameters
    ----------
    node : ROOT.RDF.RInterface
        Where it is wanted.
    method : {"Define", "Redefine"}
        How.
    name : str
        The column to make.
    builder : EventBuilder
        Finds out what happens to an event.
    named : dict of str to tuple of str
        The columns of each input.

    Returns
    -------
    ROOT.RDF.RInterface

    Raises
    ------
    Error
        A column is missing or does not hold numbers.
    """
    models, request = builder.models, builder.request
    node, where = helper_column(node, "where", request.where)
    node, by = helper_column(node, "by", request.by)
    wanted = [*distinct(named), *(column for column in (where, by) if column is not None)]
    types = {column: type_of(node, column, models.first.name) for column in dict.fromkeys(wanted)}
    event = builder.event(named, types, where, by)
    node, kind = interface(node)
    adapt = _compiled(event, adapter.Frame(kind, method))
    with errors_of_root(r"RDataFrame::\w+: (.*)"):
        return adapt(node, name, models.shared(event.plan), list(types))


def _compiled(event: Event, frame: adapter.Frame) -> Any:
    """The C++ function that defines the column in a frame."""
    cling.declare_adapters()
    template = adapter.write("NAME", event, frame)
    name = f"pysofie_adapter_{hashlib.sha256(template.encode()).hexdigest()[:16]}"
    code = re.sub(r"\bNAME(?=\b|_result\b|_define\b)", name, template)
    cling.declare(f"#pragma cling optimize(3)\n{code}")
    return getattr(cling.root(), f"{name}_define")


def type_of(node: Any, column: str, model: str) -> ColumnType:
    """What a column holds that a model needs.

    Raises
    ------
    Error
        There is no such column, or it does not hold numbers.
    """
    try:
        found = column_type(node, column, cling.root().TClassEdit.ResolveTypedef)
    except cling.root().std.exception as error:
        known = [str(name) for name in node.GetColumnNames()]
        close = difflib.get_close_matches(column, known, n=3)
        hint = f"; did you mean {' or '.join(close)}?" if close else f"; it has {', '.join(known)}"
        raise Error(
            f"model '{model}' needs column '{column}', which the data frame does not have{hint}"
        ) from error
    if found is None:
        raise Error(
            f"column '{column}' is of type {node.GetColumnType(column)}; model '{model}' "
            "needs a number or a list of numbers per event"
        )
    return found


def helper_column(node: Any, what: str, expression: str | None) -> tuple[Any, str | None]:
    """A frame that has a column with the value of an expression, and the name of that column.

    Parameters
    ----------
    node : ROOT.RDF.RInterface
        The data frame.
    what : str
        The option that the expression was given for.
    expression : str or None
        The expression, or the name of a column that is there already.

    Raises
    ------
    Error
        ROOT refuses the expression.
    """
    known = [] if expression is None else [str(name) for name in node.GetColumnNames()]
    if expression is None or expression in known or is_column(expression):
        return node, expression
    name = helper_name(expression)
    if not node.HasColumn(name):
        try:
            with cling.quiet() as words:
                node = node.Define(name, expression)
        except (TypeError, cling.root().std.exception) as error:
            log = "".join(words) or str(error)
            raise Error(f"{what}={expression!r} is refused by ROOT: {log}") from error
    return node, name


def is_column(expression: str) -> bool:
    """Whether it is the name of a column."""
    return re.fullmatch(r"[\w.]+", expression) is not None


def helper_name(expression: str) -> str:
    """A column that ROOT takes for one of its own: it neither shows it nor writes it to files."""
    return f"rdf_pysofie_{hashlib.sha256(expression.encode()).hexdigest()[:16]}_"


def interface(node: Any) -> tuple[Any, str]:
    """A data frame and its C++ type, which is an RInterface that has a name."""
    for kind in type(node).__mro__:
        name: str = getattr(kind, "__cpp_name__", "")
        if name.startswith("ROOT::RDF::RInterface<") and "lambda" not in name:
            return node, name
    return interface(cling.root().RDF.AsRNode(node))


@contextmanager
def errors_of_root(words: str) -> Iterator[None]:
    """Make a C++ exception an `Error` that says what the pattern finds, without cppyy's list of overloads."""
    try:
        yield
    except cling.root().std.exception as error:
        found = re.search(words, str(error))
        raise Error(found.group(1) if found else str(error)) from error
