"""Modules of PyTorch, exported together and compiled apart: to export takes half a second, however small."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np
import torch
from frameworks.layers import SIZES, Layers, compile_all
from frameworks.torch_cases import REFUSED, TRACED, TorchCase
from torch import nn
from torch.utils import _pytree as pytree

import pysofie
from pysofie.verify import compare, random_feeds

GROUP = 16


class Together(nn.Module):
    """Modules side by side, each with inputs and outputs of its own."""

    def __init__(self, cases: Sequence[TorchCase]) -> None:
        super().__init__()
        self.counts = [len(case.inputs) for case in cases]
        self.layers = nn.ModuleList(case.module() for case in cases)

    def forward(self, *x: Any) -> dict[str, Any]:
        given = iter(x)
        pairs = zip(self.layers, self.counts, strict=True)
        return {f"layer{i}": layer(*islice(given, count)) for i, (layer, count) in enumerate(pairs)}


class TorchLayers(Layers):
    """Whose cases are exported in groups; of a group that fails each half is tried."""

    @functools.cached_property
    def outcomes(self) -> dict[TorchCase, str]:
        """What is wrong with each case; empty if nothing is."""
        result = dict.fromkeys(self.cases, "")
        models: dict[TorchCase, pysofie.Model] = {}
        waiting = groups(self.cases)
        while waiting:
            group = waiting.pop()
            try:
                models |= loaded(group, len(models))
            except pysofie.Error as error:
                half = len(group) // 2
                if half:
                    waiting += [group[:half], group[half:]]
                else:
                    result[group[0]] = f"refused: {error}"
        for case, session in compile_all(models).items():
            result[case] = session if isinstance(session, str) else difference(case, session)
        return result


def groups(cases: Sequence[TorchCase]) -> list[tuple[TorchCase, ...]]:
    """Cases that are exported together: by torch.export, by its exporter of traces, and what is refused."""
    kinds = [
        [case for case in cases if str(case) not in TRACED | REFUSED],
        [case for case in cases if str(case) in TRACED],
    ]
    alone = [(case,) for case in cases if str(case) in REFUSED]
    return alone + [tuple(kind[i : i + GROUP]) for kind in kinds for i in range(0, len(kind), GROUP)]


def loaded(cases: Sequence[TorchCase], start: int) -> dict[TorchCase, pysofie.Model]:
    """Export modules as one, and cut the model into theirs; their names are numbers from `start` on."""
    inputs = tuple(tensor for case in cases for tensor in case.inputs)
    shapes = {f"x_{i}": shape for i, shape in enumerate(shape for case in cases for shape in case.shapes)}
    model = pysofie.load(Together(cases), example_inputs=inputs, shapes=shapes)
    names = [output.name for output in model.outputs]
    own = [[name for name in names if name.split("_")[0] == f"layer{i}"] for i in range(len(cases))]
    return {
        case: pysofie.cut(model, outputs=outputs, name=f"layer_{start + i}")
        for i, (case, outputs) in enumerate(zip(cases, own, strict=True))
    }


def difference(case: TorchCase, session: pysofie.Session) -> str:
    """How the outputs differ from PyTorch's; empty if they do not."""
    module = case.module().eval()
    for size, feeds in random_feeds(session, SIZES):
        with torch.no_grad():
            expected = tensors(module(*map(torch.from_numpy, feeds.values())))
            for (name, array), value in zip(session.run(feeds).items(), expected, strict=True):
                row = compare(name, size, array, value)
                if not row.ok:
                    return (
                        f"{name} at {size}: off by {row.max_abs:.2g}, {row.max_rel:.2g} of the largest value"
                    )
    return ""


def tensors(result: Any) -> Iterator[np.ndarray]:
    return (leaf.numpy() for leaf in pytree.tree_leaves(result) if isinstance(leaf, torch.Tensor))
