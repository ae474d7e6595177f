"""Lets ``Define`` and ``Redefine`` of every RDataFrame take an object that knows how to define itself.

ROOT's own ``Define`` takes a str (and then silently drops a column list), a C++ function object (and then
wants a column list) or a Python function (for numba). None of them tells a functor its data frame, and
without it the types of the columns are not known and wrong columns cannot be refused. The hook uses ROOT's
own pythonization mechanism; calls with anything else reach ROOT unchanged.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from .cling import root
from .columns import Columns

_METHODS = ("Define", "Redefine")
_installed: list[Any] = []


class Definition(ABC):
    """What a hooked ``Define`` calls instead of ROOT's."""

    @abstractmethod
    def define(self, node: Any, method: str, name: str, columns: Columns | None) -> Any:
        """Define a column.

        Parameters
        ----------
        node : ROOT.RDF.RInterface
            Where the column is wanted.
        method : str
            "Define" or "Redefine".
        name : str
            The new column.
        columns : list or dict or None
            The third argument of ``Define``, if there was one.

        Returns
        -------
        ROOT.RDF.RInterface
            The node that has the column.
        """


def install() -> None:
    """Hook the methods of all data frames, those that exist and those to come; the second call does nothing.

    Raises
    ------
    Error
        If ROOT is not installed.
    """
    if _installed:
        return
    module = root()
    for existing in module.RDF.RInterfaceBase.__subclasses__():
        _hook(existing)
    _installed.append(module.pythonization("RInterface<", ns="ROOT::RDF", is_prefix=True)(_hook))
    _hook_bound()
    from . import distributed  # which imports this module

    distributed.install()


def _hook_bound() -> None:
    """Hook what a ``Define`` calls that Python looked up before it made the first functor, its argument."""
    from ROOT._pythonization import _rdf_pyz

    original = _rdf_pyz._handle_cpp_callables

    def handle(function: Any, template: Any, name: str, *args: Any, **kwargs: Any) -> Any:
        if isinstance(function, Definition):
            return function.define(kwargs["rdf"], "Define", name, kwargs["cols"] or None)
        return original(function, template, name, *args, **kwargs)

    _rdf_pyz._handle_cpp_callables = handle


def _hook(node_class: Any) -> None:
    for method in _METHODS:
        original = getattr(node_class, method)
        if not isinstance(original, _Method):
            setattr(node_class, method, _Method(method, original))


class _Method:
    """A method of RInterface: a descriptor, because ROOT's can also be indexed with template arguments."""

    def __init__(self, name: str, original: Any) -> None:
        self._name = name
        self._original = original

    def __get__(self, node: Any, owner: type | None = None) -> Any:
        return self if node is None else _BoundMethod(self._name, self._original.__get__(node, owner), node)


class _BoundMethod:
    def __init__(self, name: str, original: Any, node: Any) -> None:
        self._name = name
        self._original = original
        self._node = node

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if len(args) > 1 and isinstance(args[1], Definition):
            return self._define(*args, **kwargs)
        return self._original(*args, **kwargs)

    def _define(self, name: str, definition: Definition, cols: Columns | None = None) -> Any:
        return definition.define(self._node, self._name, name, cols)

    def __getitem__(self, template_arguments: Any) -> Any:
        return self._original[template_arguments]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._original, name)
