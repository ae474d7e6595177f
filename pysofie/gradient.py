"""Gradients of a compiled model: a second program, computed in the reverse mode by the same kernels."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from pysofie.errors import Error, ShapeError, UnsupportedError
from pysofie.generate import Gradient

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pysofie.model import Tensor
    from pysofie.session import Session
    from pysofie.weights import Origin

    Array = NDArray[Any]


class Gradients:
    """The gradients of one session, each compiled when it is first asked for."""

    def __init__(self) -> None:
        self._sessions: dict[Gradient, Session] = {}
        self._lock = threading.Lock()

    def clone(self) -> Gradients:
        """Make one whose sessions have memory and weights of their own."""
        other = Gradients()
        with self._lock:
            other._sessions = {wish: session.clone() for wish, session in self._sessions.items()}
        return other

    def of(self, session: Session, wish: Gradient) -> Session:
        """Give the session of a gradient, with the weights that the model's session has.

        Raises
        ------
        UnsupportedError
            A kernel on the way has no derivative; all of them are listed. Or the origin is not known.
        Error
            There is no such output or input, or it is not of a floating type.
        """
        with self._lock:  # read here, so that who waited does not bring back weights replaced meanwhile
            origin = session.origin
            if origin is None:
                raise UnsupportedError("this session does not know the model that it was compiled from")
            made = self._sessions.get(wish)
            if made is None or made.origin is None or made.origin.source is not origin.source:
                made = self._sessions[wish] = _made(origin, wish, made)
            return made


def _made(origin: Origin, wish: Gradient, before: Session | None) -> Session:
    """The session of a gradient; what was compiled for other weights takes new ones if it can."""
    options = replace(origin.options, gradient=wish, profile=False)
    if before is not None:
        try:
            before.take_weights(replace(origin, options=options))
            return before
        except Error:  # the new weights ask for other code
            pass
    return origin.compile(origin.source, options)


def evaluate(
    session: Session, feeds: Any, output: str | None, seed: Any, wrt: Sequence[str] | None
) -> tuple[dict[str, Array], dict[str, Array]]:
    """Compute outputs and gradients; see `Session.value_and_gradient`."""
    if isinstance(seed, Mapping):
        if output is not None:
            raise TypeError("seeds by the names of outputs choose the outputs, too: leave output away")
        wanted = tuple(seed)
    else:
        wanted = () if output is None else (output,)
    names = [tensor.name for tensor in session.inputs if "float" in tensor.dtype]
    inputs = tuple(dict.fromkeys([wrt] if isinstance(wrt, str) else wrt or ()))
    derivative = session.gradients.of(session, Gradient(wanted, inputs))
    arrays = session.arrays_of(feeds)
    count = len(derivative.inputs) - len(session.inputs)
    chosen, seeds = derivative.outputs[:count], derivative.inputs[len(session.inputs) :]
    given = seed if isinstance(seed, Mapping) else {chosen[0].name: 1 if seed is None else seed}
    shapes = dict(zip((tensor.name for tensor in session.outputs), session.shapes_of(arrays), strict=True))
    arrays += [
        _seed(given[of.name], of, tensor, shapes[of.name]) for of, tensor in zip(chosen, seeds, strict=True)
    ]
    results = derivative.compute(arrays)
    values = {tensor.name: array for tensor, array in zip(chosen, results[:count], strict=True)}
    return values, dict(zip(inputs or names, results[count:], strict=True))


def _seed(value: Any, output: Tensor, tensor: Tensor, shape: tuple[int, ...]) -> Array:
    """Spread a seed to the shape of the output."""
    dtype = np.dtype(tensor.dtype)
    array = np.asarray(value)
    if not np.can_cast(array.dtype, dtype, "same_kind"):
        raise ShapeError(f"the seed of output {output.name!r} has dtype {array.dtype}; expected {dtype}")
    try:
        spread: Array = np.broadcast_to(array.astype(dtype), shape).copy()
    except ValueError as error:
        raise ShapeError(
            f"the seed of output {output.name!r} has shape {array.shape}; expected {shape}"
        ) from error
    return spread
