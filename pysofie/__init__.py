"""pysofie: a compiler from trained networks to C++ for high-energy physics.

>>> import pysofie
>>> session = pysofie.compile("model.onnx")  # doctest: +SKIP
>>> scores = session(x)  # doctest: +SKIP
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

# Functions that share their name with their module must be bound here, after the module: later the import
# system would put the module in their place. These modules import what is heavy when it is needed, because
# a program that takes its model from the cache needs neither the compiler nor the onnx package.
from pysofie.compile import compile
from pysofie.custom import Routine, operator
from pysofie.emit import emit
from pysofie.errors import CompileError, Error, InvalidModelError, ShapeError, UnsupportedError
from pysofie.explain import explain
from pysofie.flow import average, chain, cut
from pysofie.functor import fold, functor
from pysofie.importers import load
from pysofie.score import score
from pysofie.session import Session
from pysofie.verify import verify
from rdf_helpers.preprocessing import Preprocessing

if TYPE_CHECKING:
    from pysofie import backend, ops, tracing
    from pysofie._core import operators
    from pysofie.model import Model

__version__ = "0.1.0"

__all__ = [
    "CompileError",
    "Error",
    "InvalidModelError",
    "Model",
    "Preprocessing",
    "Routine",
    "Session",
    "ShapeError",
    "UnsupportedError",
    "__version__",
    "average",
    "backend",
    "chain",
    "compile",
    "cut",
    "emit",
    "explain",
    "fold",
    "functor",
    "load",
    "operator",
    "operators",
    "ops",
    "score",
    "tracing",
    "verify",
]


def __getattr__(name: str) -> object:
    if name in ("backend", "ops", "tracing"):
        return importlib.import_module(f"pysofie.{name}")
    if name == "operators":
        return importlib.import_module("pysofie._core").operators
    if name == "Model":
        return importlib.import_module("pysofie.model").Model
    raise AttributeError(f"module 'pysofie' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
