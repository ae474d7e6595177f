"""Operators that torch's exporter lacks or writes wrongly, in terms of others."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch

_SUM, _MEAN, _MAX = range(3)


def decomposed(program: torch.export.ExportedProgram) -> torch.export.ExportedProgram:
    """The program without these operators."""
    targets = {node.target for node in program.graph.nodes}
    if targets.isdisjoint(_TABLE):
        return program
    return program.run_decompositions(_TABLE)


def _embedding_bag(
    weight: torch.Tensor,
    indices: torch.Tensor,
    offsets: torch.Tensor,
    scale_grad_by_freq: bool,
    mode: int,
    sparse: bool,
    per_sample_weights: torch.Tensor | None,
    include_last_offset: bool,
    padding_idx: int | None,
) -> tuple[torch.Tensor, ...]:
    """Rows of the weights that a bag names, joined; what is padding is left out."""
    starts = offsets[:-1] if include_last_offset else offsets
    begins = torch.zeros(indices.shape[0] + 1, dtype=torch.int64).index_add(
        0, starts, torch.ones_like(starts)
    )
    bags = begins[:-1].cumsum(0) - 1
    rows = weight[indices]
    if per_sample_weights is not None:
        rows = rows * per_sample_weights[:, None]
    kept = torch.ones_like(indices) if padding_idx is None else (indices != padding_idx).to(torch.int64)
    counts = torch.zeros_like(starts).index_add(0, bags, kept)
    joined = rows.new_zeros(starts.shape[0], weight.shape[1])
    if mode == _MAX:
        rows = torch.where(kept[:, None] != 0, rows, -math.inf)
        joined = joined.scatter_reduce(0, bags[:, None].expand_as(rows), rows, "amax", include_self=False)
        joined = torch.where(counts[:, None] > 0, joined, 0)
    else:
        joined = joined.index_add(0, bags, rows * kept[:, None])
    if mode == _MEAN:
        joined = joined / counts.clamp(min=1)[:, None]
    return joined, bags, counts, torch.zeros_like(counts)


def _adaptive_avg_pool3d(x: torch.Tensor, output_size: Sequence[int]) -> torch.Tensor:
    """Means of windows that share the axis out, as products with a matrix for each axis."""
    for axis, count in zip((-3, -2, -1), output_size, strict=True):
        size = int(x.shape[axis])
        places, windows = torch.arange(size)[:, None], torch.arange(count)
        low, high = windows * size // count, ((windows + 1) * size + count - 1) // count
        inside = (places >= low) & (places < high)
        means = inside.to(x.dtype) / (high - low).to(x.dtype)
        x = (x.movedim(axis, -1) @ means).movedim(-1, axis)
    return x


def _avg_pool(pool: Any, rank: int) -> Any:
    """The pooling with a divisor by the one without, which the exporter takes for the same."""

    def decomposition(
        x: torch.Tensor,
        kernel_size: Sequence[int],
        stride: Sequence[int] = (),
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> torch.Tensor:
        # In the windows beyond the border that ceil_mode adds, other numbers of elements count.
        if divisor_override is None or ceil_mode:
            return NotImplemented
        window = math.prod(kernel_size) if len(kernel_size) == rank else kernel_size[0] ** rank
        mean = pool(x, kernel_size, stride, padding, False, True)
        return mean * (window / divisor_override)

    return decomposition


def _cdist(x: torch.Tensor, y: torch.Tensor, p: float = 2.0, compute_mode: int | None = None) -> torch.Tensor:
    """Distances of all rows from all rows."""
    return torch.linalg.vector_norm(x.unsqueeze(-2) - y.unsqueeze(-3), p, dim=-1)


def _rrelu(
    x: torch.Tensor, lower: float = 1 / 8, upper: float = 1 / 3, training: bool = False, generator: Any = None
) -> torch.Tensor:
    """What is a random slope in training is the mean of its bounds."""
    return NotImplemented if training else torch.nn.functional.leaky_relu(x, (lower + upper) / 2)


_ATEN = torch.ops.aten
_TABLE = {
    _ATEN.embedding_bag.padding_idx: _embedding_bag,
    _ATEN.adaptive_avg_pool3d.default: _adaptive_avg_pool3d,
    _ATEN.cdist.default: _cdist,
    _ATEN.rrelu.default: _rrelu,
    _ATEN.avg_pool2d.default: _avg_pool(_ATEN.avg_pool2d.default, 2),
    _ATEN.avg_pool3d.default: _avg_pool(_ATEN.avg_pool3d.default, 3),
}
