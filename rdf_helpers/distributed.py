"""What distributed data frames of ROOT (Dask, Spark) need.

ROOT records what is called on a distributed frame, calls the same on a local one of the client, which
refuses wrong columns at once, and sends the record to the workers. There a definition is made from what it
was made of here: a functor compiles the model that came with it.
"""

from __future__ import annotations

import functools
import pickle
import threading
from abc import abstractmethod
from typing import Any

from . import hook

_installed: list[Any] = []
_making = threading.RLock()


def install() -> None:
    """Keep definitions that are refused out of what distributed frames send; the second call does nothing.

    ROOT records a call before it tries it: once refused, it would be refused by every worker again.
    """
    if _installed:
        return
    try:
        from ROOT._distrdf.Proxy import NodeProxy
    except ModuleNotFoundError:  # a ROOT without distributed data frames
        return
    record = NodeProxy._create_new_op

    @functools.wraps(record)
    def try_and_record(self: Any, *args: Any, **kwargs: Any) -> Any:
        if len(args) > 1 and isinstance(args[1], hook.Definition):
            node = self.proxied_node
            getattr(node.rdf_node, node._new_op_name)(*args, **kwargs)
        return record(self, *args, **kwargs)

    NodeProxy._create_new_op = try_and_record
    _installed.append(NodeProxy)


class Travelling(hook.Definition):
    """A definition that is pickled as the arguments of its constructor.

    A copy is made when it is used, not when it arrives: Dask unpickles in the thread that talks to the
    scheduler, which must not wait for a compiler and does not survive an error. Every task brings its own
    pickle; a process makes one object of equal ones.
    """

    @abstractmethod
    def _arguments(self) -> tuple[Any, ...]:
        """What the constructor took."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _arrive, (type(self), pickle.dumps(self._arguments()))

    def __getattr__(self, name: str) -> Any:
        """Called for what is not there: make the object if it has not been made."""
        if name.startswith("__"):  # pickle and copy ask for what objects may have
            raise AttributeError(name)
        with _making:
            arguments = self.__dict__.pop("_unmade", None)
            if arguments is not None:
                try:
                    type(self).__init__(self, *pickle.loads(arguments))
                except BaseException:
                    self._unmade = arguments
                    raise
        return object.__getattribute__(self, name)


@functools.lru_cache(maxsize=64)
def _arrive(kind: type[Travelling], arguments: bytes) -> Travelling:
    hook.install()
    copy = kind.__new__(kind)
    copy._unmade = arguments
    return copy
