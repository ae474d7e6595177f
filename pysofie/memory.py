"""Where the intermediate tensors of a model lie."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pysofie.model import Model


@dataclass(frozen=True)
class Block:
    """A place in the arena.

    Attributes
    ----------
    first, last : int
        The kernels from which and until which it is needed.
    offset, bytes : int
        Where it begins, and how long it is.
    """

    first: int
    last: int
    offset: int
    bytes: int


@dataclass(frozen=True)
class MemoryPlan:
    """The arena of a session.

    Attributes
    ----------
    sizes : dict of str to int
        The values of the symbols that it is for; empty if it is for all that they can have.
    arena_bytes : int
        How large the arena is.
    lower_bound : int
        The most bytes that any kernel needs to be there together; no arena can be smaller.
    blocks : list of Block
        One for each tensor, or for several that take each other's place.
    kernels : list of str
        The nodes that each kernel comes from.
    """

    sizes: dict[str, int]
    arena_bytes: int
    lower_bound: int
    blocks: list[Block]
    kernels: list[str]

    @property
    def ratio(self) -> float:
        """How many times as large as it must be."""
        return self.arena_bytes / self.lower_bound if self.lower_bound else 1.0


def memory_plan(model: Model, sizes: Mapping[str, int] | None = None, *, target: str = "cpu") -> MemoryPlan:
    """Plan the memory of a model as a session does.

    Parameters
    ----------
    model : Model
        What to plan for.
    sizes : dict of str to int, optional
        The values of the symbols; those that are left out are 1. A model whose symbols have bounds has one
        plan for all of their values.
    target : {"cpu", "sycl", "alpaka"}
        What code is generated for.

    Returns
    -------
    MemoryPlan

    Examples
    --------
    >>> plan = memory_plan(pysofie.load("model.onnx"), {"batch": 16})  # doctest: +SKIP
    >>> plan.arena_bytes, plan.ratio  # doctest: +SKIP
    """
    from pysofie import _core

    symbols = {dim: 1 for tensor in model.inputs for dim in tensor.shape if isinstance(dim, str)}
    chosen = symbols | dict(sizes or {})
    plan = _core.Program(model.graph, []).memory(chosen, target)
    return MemoryPlan(
        {} if plan["is_static"] else chosen,
        plan["arena_bytes"],
        plan["lower_bound"],
        [Block(*b) for b in plan["blocks"]],
        plan["kernels"],
    )
