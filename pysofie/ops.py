"""The operators of ONNX as functions of symbolic tensors.

>>> def head(x):
...     return pysofie.ops.Softmax(pysofie.ops.Gemm(x, weights, transB=1), axis=-1)  # doctest: +SKIP

Positional arguments are inputs (None leaves an optional one out), keyword arguments are attributes, and
``outputs=`` says how many outputs are wanted. Operators of another domain are found by
``pysofie.ops.domain("ai.onnx.ml").Scaler``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import onnx.defs

from pysofie.errors import Error


class Operators:
    """The operators of a domain, as attributes."""

    def __init__(self, domain: str) -> None:
        self._domain = domain

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return operator(name, self._domain)


def domain(name: str) -> Operators:
    """The operators of a domain that ONNX defines."""
    return Operators(name)


def operator(name: str, domain: str = "") -> Callable[..., Any]:
    """An operator as a function.

    Raises
    ------
    AttributeError
        ONNX has no such operator.
    """
    if not onnx.defs.has(name, domain):
        raise AttributeError(f"ONNX has no operator {'.'.join(filter(None, (domain, name)))!r}")

    def apply(*inputs: Any, outputs: int | None = None, **attributes: Any) -> Any:
        from pysofie.tracing import Tensor

        recorders = [value.recorder for value in inputs if isinstance(value, Tensor)]
        if not recorders:
            raise Error(
                f"{name} needs a symbolic tensor among its inputs: call it in a function that is traced"
            )
        results = recorders[0].apply(name, inputs, attributes, outputs=outputs, domain=domain)
        return results[0] if len(results) == 1 else tuple(results)

    apply.__name__ = apply.__qualname__ = name
    apply.__doc__ = str(onnx.defs.get_schema(name, domain).doc)
    return apply


def __getattr__(name: str) -> Callable[..., Any]:
    if name.startswith("__"):
        raise AttributeError(name)
    return operator(name)
