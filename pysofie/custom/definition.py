"""What a user says about an operator."""

from __future__ import annotations

import importlib.util
import inspect
import pickle
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from pysofie.errors import Error, InvalidModelError
from pysofie.toolchains import TARGETS

#: A type and a shape; the dims are numbers, or sizes of the inputs and sums, products and quotients of them.
Output: TypeAlias = "tuple[Any, Sequence[Any]]"

_FUNCTION = re.compile(r"(::)?[A-Za-z_]\w*(::[A-Za-z_]\w*)*")
_TORCH = re.compile(r"\w+::\w+(\.\w+)?")
_HEADER = re.compile(r"<[^<>\"\\\n]+>|[^<>\"\\\n]+")


@dataclass(frozen=True)
class Routine:
    """How C++ text is called: what the rule of such an operator returns.

    The text is the body of ``void routine(int64_t item, inputs..., outputs..., arguments...)``: inputs are
    pointers to constant elements, named as the rule's parameters, outputs pointers, all dense in row-major
    order.

    Attributes
    ----------
    outputs : dict of str to (dtype, shape)
        By the names that the text gives them, in the order of the node's outputs.
    items : int or Dim
        How often the text runs, with ``item`` from 0 on, in any order and on a device all at once. By
        default it runs once.
    arguments : dict of str to int, Dim or float
        Further parameters: ``int64_t`` for sizes and ints, ``double`` for floats.
    """

    outputs: Mapping[str, Output]
    items: Any = 1
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Definition:
    """An operator; made by `pysofie.operator`.

    Attributes
    ----------
    domain, name : str
        Of the nodes.
    rule : callable
        The composition, or what returns the `Routine`.
    bodies : dict of str to str, or None
        C++ text by target; None for a composition, and empty where `function` is called.
    function : str or None
        The C++ function that the CPU calls.
    headers : tuple of str
        As they stand behind ``#include``.
    flags : tuple of str
        For the compiler.
    torch : str or None
        The operator of PyTorch whose node it is.
    """

    domain: str
    name: str
    rule: Callable[..., Any]
    bodies: Mapping[str, str] | None = None
    function: str | None = None
    headers: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    torch: str | None = None

    @staticmethod
    def of(
        domain: str,
        name: str,
        rule: Callable[..., Any],
        *,
        text: str | Mapping[str, str] | None,
        function: str | None,
        headers: tuple[str, ...],
        flags: tuple[str, ...],
        torch: str | None,
    ) -> Definition:
        """Check what `pysofie.operator` was given."""
        label = f"{domain}.{name}"
        bodies = dict.fromkeys(TARGETS, text) if isinstance(text, str) else text
        if bodies is not None and function is not None:
            raise Error(f"{label}: give either text or function")
        if bodies is not None and (not bodies or not set(bodies) <= set(TARGETS)):
            raise Error(
                f"{label}: text is for the targets {', '.join(TARGETS)}, not {', '.join(bodies) or 'none'}"
            )
        if function is not None and (not headers or not _FUNCTION.fullmatch(function)):
            raise Error(f"{label}: function names a C++ function, which header declares")
        if bodies is None and function is None and (headers or flags):
            raise Error(f"{label}: header, include_dirs and flags are for text and function")
        if not all(_HEADER.fullmatch(header) for header in headers):
            raise Error(f"{label}: header is the name of a file, {headers} is not")
        if any("\n" in flag for flag in flags):
            raise Error(f"{label}: a flag of a compiler has one line")
        if torch is not None and not _TORCH.fullmatch(torch):
            raise Error(f"{label}: torch names an operator as 'library::operator', {torch!r} does not")
        included = tuple(header if header.startswith("<") else f'"{header}"' for header in headers)
        bodies = {} if function is not None else None if bodies is None else dict(bodies)
        definition = Definition(domain, name, rule, bodies, function, included, flags, torch)
        definition.parameters()  # refuses others than those of an operator
        return definition

    def __str__(self) -> str:
        return f"{self.domain}.{self.name}"

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel with the rule: by its name if it lies in a module, else by cloudpickle as what it does."""
        rest = (self.bodies, self.function, self.headers, self.flags, self.torch)
        return _arrive, (self.domain, self.name, _packed(self), *rest)

    def parameters(self) -> tuple[list[inspect.Parameter], list[inspect.Parameter]]:
        """The parameters for inputs and those for attributes.

        Raises
        ------
        Error
            There are ``*inputs`` of a routine, or ``**attributes``.
        """
        every = list(inspect.signature(self.rule).parameters.values())
        attributes = [p for p in every if p.kind == p.KEYWORD_ONLY]
        inputs = [p for p in every if p.kind != p.KEYWORD_ONLY]
        loose = [p for p in every if p.kind == p.VAR_KEYWORD]
        if self.bodies is not None:
            loose += [p for p in every if p.kind == p.VAR_POSITIONAL]
        if loose:
            raise Error(f"{self}: the parameter {loose[0]} does not say what the operator takes")
        return inputs, attributes

    def check(self, where: str, count: int, given: Mapping[str, Any]) -> None:
        """Refuse a node that does not fit.

        Parameters
        ----------
        where : str
            The node, for messages.
        count : int
            How many inputs it has.
        given : dict
            Its attributes.

        Raises
        ------
        InvalidModelError
            The number of inputs or the attributes are not those of the operator.
        """
        inputs, attributes = self.parameters()
        named = [p for p in inputs if p.kind != p.VAR_POSITIONAL]
        needed = sum(p.default is p.empty for p in named)
        if count < needed or (count > len(named) and len(named) == len(inputs)):
            raise InvalidModelError(
                f"{where}: the operator takes the inputs {', '.join(map(str, inputs)) or 'none'}, "
                f"and the node has {count}"
            )
        names = {p.name for p in attributes}
        unknown = sorted(set(given) - names)
        if unknown:
            raise InvalidModelError(
                f"{where}: the operator has no attribute {', '.join(unknown)}; its attributes are: "
                f"{', '.join(sorted(names)) or 'none'}"
            )
        missing = sorted(p.name for p in attributes if p.default is p.empty and p.name not in given)
        if missing:
            raise InvalidModelError(f"{where}: the operator needs the attribute {', '.join(missing)}")


def _packed(definition: Definition) -> bytes:
    if importlib.util.find_spec("cloudpickle") is not None:
        import cloudpickle

        return bytes(cloudpickle.dumps(definition.rule))
    rule = definition.rule
    named = getattr(sys.modules.get(rule.__module__), rule.__qualname__, None)
    if named is rule and rule.__module__ != "__main__":
        return pickle.dumps(rule)
    raise Error(
        f"the operator {definition} cannot be sent to another process: put {rule.__qualname__} "
        "into a module that it can import, or pip install cloudpickle"
    )


def _arrive(domain: str, name: str, rule: bytes, *rest: Any) -> Definition:
    return Definition(domain, name, pickle.loads(rule), *rest)
