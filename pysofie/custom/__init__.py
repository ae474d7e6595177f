"""Operators that users bring: `pysofie.operator` registers what the nodes of a model mean.

An operator is a composition, a Python function over tensors whose operations become those of the model, or a
routine: C++ text, or a C++ function of the user's own, with a Python function that says what it returns.
See docs/custom_operators.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pysofie.custom.definition import Definition, Routine
from pysofie.errors import Error

Function = TypeVar("Function", bound=Callable[..., Any])

# Whose operators are not for users to define.
_OF_ONNX = ("", "ai.onnx", "ai.onnx.ml", "ai.onnx.training", "ai.onnx.preview", "ai.onnx.preview.training")
_registered: dict[tuple[str, str], Definition] = {}


def operator(
    domain: str,
    name: str,
    *,
    text: str | Mapping[str, str] | None = None,
    function: str | None = None,
    header: str | Sequence[str] = (),
    include_dirs: Sequence[str | Path] = (),
    flags: Sequence[str] = (),
    torch: str | None = None,
    replace: bool = False,
) -> Callable[[Function], Function]:
    """Say what an operator means, by a decorator.

    Parameters
    ----------
    domain, name : str
        As in the nodes of a model; the domain is none of ONNX's own.
    text : str or dict of str to str, optional
        The body of a C++ function, for all targets or by target ("cpu", "sycl", "alpaka"). The decorated
        function is then the rule that declares its signature, by the `Routine` that it returns.
    function : str, optional
        In place of `text`: a function of `header` that the CPU calls with inputs, outputs and arguments.
    header : str or sequence of str
        What the text includes: ``"mass.h"`` or ``"<cmath>"``.
    include_dirs : sequence of path
        Where the compiler finds it.
    flags : sequence of str
        Other options of the compiler and linker, for instance ``"-L/opt/hep/lib", "-lmass"``.
    torch : str, optional
        The operator of PyTorch that it stands for, as ``"hep::invariant_mass"`` made by
        ``torch.library.custom_op``: where a module calls it, `pysofie.load` writes this node. Tensors are
        the node's inputs, in their order; the other parameters are its attributes, by their names.
    replace : bool
        Whether the operator may have been registered before.

    Returns
    -------
    callable
        The decorator, which returns the function as it is. Its positional parameters are the node's inputs,
        those with the default None optional; its keyword-only parameters are the node's attributes.

        Without `text` and `function` it is the meaning itself, a composition: it takes symbolic tensors (see
        `pysofie.tracing`) and returns one, or a tuple.

    Raises
    ------
    Error
        The operator is registered already, or belongs to ONNX; the text is for an unknown target; the
        parameters cannot be those of an operator.

    Examples
    --------
    >>> @pysofie.operator("hep", "InvariantMass")
    ... def invariant_mass(p, q):
    ...     total = p + q
    ...     square = total[..., 0] ** 2 - (total[..., 1:] ** 2).sum(-1)
    ...     return np.sqrt(np.maximum(square, 0))
    """

    def register(rule: Function) -> Function:
        definition = Definition.of(
            domain,
            name,
            rule,
            text=text,
            function=function,
            headers=(header,) if isinstance(header, str) else tuple(header),
            flags=(*(f"-I{Path(folder).resolve()}" for folder in include_dirs), *flags),
            torch=torch,
        )
        if domain in _OF_ONNX:
            raise Error(f"{definition} would be an operator of ONNX; choose a domain of your own")
        if (domain, name) in _registered and not replace:
            raise Error(
                f"the operator {definition} is registered already; replace=True puts this in its place"
            )
        _registered[domain, name] = definition
        return rule

    return register


def unregister(domain: str, name: str) -> None:
    """Forget an operator; models that were loaded before keep it.

    Raises
    ------
    Error
        There is none.
    """
    if _registered.pop((domain, name), None) is None:
        raise Error(f"the operator {domain}.{name} is not registered")


def registered() -> tuple[Definition, ...]:
    """All operators that are registered."""
    return tuple(_registered.values())


def mentioned(content: bytes) -> tuple[Definition, ...]:
    """The registered operators that a serialised model may use: it is not parsed."""
    return tuple(
        definition
        for (domain, name), definition in _registered.items()
        if domain.encode() in content and name.encode() in content
    )


__all__ = ["Definition", "Routine", "mentioned", "operator", "registered", "unregister"]
