"""Columns of data frames as arrays, in the order of the events."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from .cling import declare, root

# RVecs, one after the other: how long each is, and what they hold.
_FLATTEN = """
#include <ROOT/RVec.hxx>
#include <cstdint>
#include <vector>
namespace pysofie::rdf {
template <class T>
struct Flat {
  std::vector<std::int64_t> counts;
  std::vector<T> values;
};
template <class T>
Flat<T> flatten(const std::vector<ROOT::RVec<T>>& vectors) {
  Flat<T> flat;
  flat.counts.reserve(vectors.size());
  for (const auto& vector : vectors) {
    flat.counts.push_back(static_cast<std::int64_t>(vector.size()));
    flat.values.insert(flat.values.end(), vector.begin(), vector.end());
  }
  return flat;
}
}  // namespace pysofie::rdf
"""


@contextmanager
def one_thread() -> Iterator[None]:
    """No implicit multi-threading for a while: with it, event loops do not tell which event is which."""
    module = root()
    threads = int(module.GetThreadPoolSize())
    if not module.IsImplicitMTEnabled():
        yield
        return
    module.DisableImplicitMT()
    try:
        yield
    finally:
        module.EnableImplicitMT(threads)


def frame(trees: Sequence[tuple[str, str]], first: int, last: int) -> Any:
    """A data frame of some events of a chain of trees.

    Parameters
    ----------
    trees : sequence of (str, str)
        The name and the file of each tree.
    first, last : int
        Which events; the last one is not among them.

    Returns
    -------
    ROOT.RDataFrame
    """
    module = root()
    spec = module.RDF.Experimental.RDatasetSpec()
    for position, (name, file) in enumerate(trees):
        spec.AddSample((str(position), name, file))
    spec.WithGlobalRange((first, last))
    return module.RDataFrame(spec)


def arrays(node: Any, like: Mapping[str, Any]) -> dict[str, Any]:
    """Columns as arrays, by one event loop.

    Parameters
    ----------
    node : ROOT.RDF.RInterface
        Where they are defined.
    like : dict of str to array
        The columns, of numbers or of RVecs, and what their arrays shall be but for the number of events.

    Returns
    -------
    dict of str to array
        RVecs become awkward lists, or the rows of a NumPy array with two axes.
    """
    kinds = {name: str(node.GetColumnType(name)) for name in like}
    results = {name: node.Take[kind](name) for name, kind in kinds.items()}
    return {name: _array(result.GetValue(), kinds[name], like[name]) for name, result in results.items()}


def _array(values: Any, kind: str, like: Any) -> Any:
    if not kind.startswith("ROOT::VecOps::RVec<"):
        return np.array(values, like.dtype)
    declare(_FLATTEN)
    flat = root().pysofie.rdf.flatten(values)
    if isinstance(like, np.ndarray):
        return np.array(flat.values, like.dtype).reshape(-1, *like.shape[1:])
    import awkward

    return awkward.unflatten(np.array(flat.values), np.array(flat.counts))
