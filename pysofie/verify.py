"""A compiled model against the framework that it comes from, on random inputs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, overload

from pysofie.errors import Error

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from rich.table import Table

    from pysofie.divergence import Divergence
    from pysofie.importers import Dims, ModelLike, Source
    from pysofie.importers.frameworks import Reference
    from pysofie.session import Session

# The largest relative difference that is accepted, by the dtype of the output. Where a model computes in
# float32, differences are taken relative to the largest value of the output.
TOLERANCE = {"bfloat16": 2e-2, "float16": 2e-3, "float32": 1e-5, "float64": 1e-12}


@dataclass(frozen=True)
class Comparison:
    """How one output differs for inputs of one size.

    Attributes
    ----------
    output, dtype : str
        Which output.
    size : dict of str to int
        The values of the symbols.
    max_abs, max_rel : float
        The largest difference, as it is and relative to the largest value of the output.
    max_ulp : float
        The largest difference in units of the last place of the value.
    ok : bool
        Whether it is within the tolerance; integers must be equal.
    shape : tuple of int
        Of what came.
    """

    output: str
    dtype: str
    size: dict[str, int]
    max_abs: float
    max_rel: float
    max_ulp: float
    ok: bool
    shape: tuple[int, ...]

    def to_dict(self) -> dict[str, Any]:
        """All of it as what JSON has, which knows no infinity: that is None."""
        return {key: None if value == float("inf") else value for key, value in asdict(self).items()}


@dataclass(frozen=True)
class Verification(Sequence[Comparison]):
    """How the outputs of a compiled model compare with a reference; a sequence of `Comparison`.

    Attributes
    ----------
    comparisons : tuple of Comparison
        One for every output and size.
    reference : str
        What it was compared with.
    divergence : Divergence or None
        If they differ, where they part, for the first size for which they do.
    """

    comparisons: tuple[Comparison, ...]
    reference: str
    divergence: Divergence | None = field(default=None)

    @property
    def ok(self) -> bool:
        """Whether all outputs are within the tolerance."""
        return all(comparison.ok for comparison in self.comparisons)

    def to_dict(self) -> dict[str, Any]:
        """All of it as what JSON has."""
        return {
            "ok": self.ok,
            "reference": self.reference,
            "comparisons": [comparison.to_dict() for comparison in self.comparisons],
            "divergence": self.divergence.to_dict() if self.divergence else None,
        }

    def __len__(self) -> int:
        return len(self.comparisons)

    @overload
    def __getitem__(self, index: int) -> Comparison: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[Comparison, ...]: ...

    def __getitem__(self, index: int | slice) -> Comparison | tuple[Comparison, ...]:
        return self.comparisons[index]


def verify(
    source: ModelLike,
    *,
    sizes: Sequence[int] = (1, 2, 7, 64),
    seed: int = 0,
    target: str = "cpu",
    precision: str = "float32",
    dims: Dims | None = None,
    tolerance: float | None = None,
    against: ModelLike | None = None,
    locate: bool = True,
) -> Verification:
    """Compare a compiled model with the framework that it comes from, on random inputs.

    Parameters
    ----------
    source : path, bytes, onnx.ModelProto, Model or a model of a framework
        As for `pysofie.load`. What came as ONNX is compared with onnxruntime.
    sizes : sequence of int
        The values that all symbols take, one after the other; a model without symbols runs once.
    seed : int
        Of the random numbers: normal for floats, 0 or 1 for integers and bools.
    target : {"cpu", "sycl", "alpaka"}
        What code to generate.
    precision : str
        What may be rounded, see `pysofie.compile`.
    dims : dict, optional
        See `pysofie.load`.
    tolerance : float, optional
        The largest relative difference that is accepted, by default `TOLERANCE`, or that of bfloat16 for a
        precision that rounds.
    against : path, bytes, onnx.ModelProto, Model or a model of a framework, optional
        What to compare with in place of the model itself, such as the one that it was made of. Its inputs
        and outputs have the same names.
    locate : bool
        Whether to find the first node where the two part, if they do. That compiles the model a few times.

    Returns
    -------
    Verification
        A sequence of `Comparison`, one for every output and size.

    Raises
    ------
    Error
        onnxruntime is not installed or cannot run the model, or `against` has other outputs; or as
        `pysofie.compile`.

    Examples
    --------
    >>> result = pysofie.verify("model.onnx", sizes=[1, 1000])  # doctest: +SKIP
    >>> result.ok, result[0].max_ulp, print(result.divergence)  # doctest: +SKIP
    """
    import numpy as np

    from pysofie import divergence
    from pysofie.compile import compile
    from pysofie.divergence import Case
    from pysofie.importers import as_source
    from pysofie.sequences import tensors

    model = as_source(source, dims=dims)
    other = model if against is None else as_source(against)
    reference = reference_of(other)
    session = compile(model, target=target, precision=precision)
    if precision != "float32" and tolerance is None:
        tolerance = TOLERANCE["bfloat16"]
    results: list[Comparison] = []
    failed: Case | None = None
    for size, given in random_feeds(session, sizes, seed, model.dims):
        expected = tensors(dict(reference(given)))
        found = tensors(session.run(given))
        _require_outputs(expected, found)
        compared = [compare(n, size, a, np.asarray(expected[n]), tolerance) for n, a in found.items()]
        results += compared
        if failed is None and not all(each.ok for each in compared):
            failed = Case(model, other, given, size, target, precision, tolerance)
    parting = divergence.locate(failed) if failed and locate else None
    return Verification(
        tuple(results), "the framework" if framework_reference(other) else "onnxruntime", parting
    )


def _require_outputs(expected: Mapping[str, Any], found: Mapping[str, Any]) -> None:
    missing = [name for name in found if name not in expected]
    if missing:
        raise Error(
            f"the reference has no output {', '.join(map(repr, missing))}; it has "
            f"{', '.join(map(repr, expected))}"
        )


def random_feeds(
    session: Session, sizes: Sequence[int] = (1, 2, 7, 64), seed: int = 0, dims: Dims | None = None
) -> Iterator[tuple[dict[str, int], dict[str, Any]]]:
    """Make random inputs of several sizes.

    Parameters
    ----------
    session : Session
        What they are for.
    sizes, seed, dims
        As for `verify`.

    Yields
    ------
    size : dict of str to int
        The values of the symbols.
    feeds : dict
        The inputs, as `Session.run` takes them.
    """
    import numpy as np

    from pysofie.sequences import collect

    rng = np.random.default_rng(seed)
    for size in _sizes(session, sizes, dims or {}):
        feeds = {
            t.name: random_array(rng, t.dtype, [size.get(str(d), d) for d in t.shape]) for t in session.inputs
        }
        yield (
            size,
            collect(list(feeds.values()), session.input_values) if session.input_values else feeds,
        )


def compare(
    name: str,
    size: dict[str, int],
    array: NDArray[Any],
    expected: NDArray[Any],
    tolerance: float | None = None,
) -> Comparison:
    """Measure how an output differs from what is expected.

    Parameters
    ----------
    name : str
        The output.
    size : dict of str to int
        The values of the symbols.
    array, expected : numpy.ndarray
        What came and what should have come; a different shape or dtype is never ok.
    tolerance : float, optional
        The largest relative difference that is accepted.
    """
    import numpy as np

    if array.shape != expected.shape or array.dtype != expected.dtype:
        return Comparison(name, str(array.dtype), size, np.inf, np.inf, np.inf, False, array.shape)
    if str(array.dtype) not in TOLERANCE:
        equal = bool(np.array_equal(array, expected))
        difference = np.abs(array.astype(float) - expected.astype(float)).max(initial=0.0)
        return Comparison(name, str(array.dtype), size, float(difference), 0.0, 0.0, equal, array.shape)
    same = (array == expected) | (np.isnan(array) & np.isnan(expected))
    finite = np.isfinite(array) & np.isfinite(expected)
    difference = np.abs(np.subtract(array, expected, where=finite, out=np.zeros_like(array)))
    scale = float(np.abs(expected, where=finite, out=np.zeros_like(array)).max(initial=0.0))
    with np.errstate(over="ignore"):
        ulps = difference / np.spacing(np.abs(np.where(finite, expected, 1)))
    max_abs = float(difference.max(initial=0.0))
    max_rel = max_abs / scale if scale > 0 else max_abs
    accepted = TOLERANCE[str(array.dtype)] if tolerance is None else tolerance
    return Comparison(
        output=name,
        dtype=str(array.dtype),
        size=size,
        max_abs=max_abs,
        max_rel=max_rel,
        max_ulp=float(ulps.max(initial=0.0)),
        ok=bool(max_rel <= accepted and np.all(same | finite)),
        shape=array.shape,
    )


def table(results: Verification) -> Table:
    """Comparisons as a table for `rich`."""
    from rich.table import Table

    from pysofie.text import cell

    title = f"pysofie - {results.reference}"
    table = Table("output", "dtype", "size", "max abs", "max rel", "max ulp", "", title=title)
    for row in results:
        size = ", ".join(f"{symbol}={value}" for symbol, value in row.size.items())
        numbers = (f"{row.max_abs:.2e}", f"{row.max_rel:.2e}", f"{row.max_ulp:.1f}")
        verdict = "[green]ok[/]" if row.ok else "[red]differs[/]"
        table.add_row(cell(row.output), row.dtype, cell(size), *numbers, verdict)
    return table


def reference_of(source: Source) -> Reference:
    """What a model is compared with: the framework that it comes from, or onnxruntime."""
    return framework_reference(source) or onnxruntime_reference(source)


def framework_reference(source: Source) -> Reference | None:
    """The framework that a model comes from, which only knows the outputs that it has there."""
    own = {value.name for value in source.proto().proto.graph.output}
    return source.reference if own.issuperset(source.outputs or ()) else None


def onnxruntime_reference(source: Source, *, optimised: bool = True) -> Reference:
    """Run what came as ONNX by onnxruntime.

    Raises
    ------
    Error
        onnxruntime is not installed or cannot run the model.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise Error("verify needs onnxruntime: pip install 'pysofie[verify]'") from error
    from pysofie.custom.writing_out import written_out

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    if not optimised:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    content = written_out(source)
    with _explained():
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]

    def run(feeds: Mapping[str, Any]) -> dict[str, Any]:
        with _explained():
            return dict(zip(names, session.run(None, dict(feeds)), strict=True))

    return run


@contextmanager
def _explained() -> Iterator[None]:
    """Say whose limit it is that the reference cannot do."""
    try:
        yield
    except Exception as error:  # onnxruntime's exceptions have no common class of their own
        raise Error(
            f"onnxruntime cannot run this model, so there is nothing to compare with: {error}"
        ) from error


def _sizes(session: Session, sizes: Sequence[int], dims: Dims) -> list[dict[str, int]]:
    """The values of the symbols, within their bounds."""
    symbols = list(dict.fromkeys(d for t in session.inputs for d in t.shape if isinstance(d, str)))
    if not symbols:
        return [{}]
    result = []
    for size in sizes:
        values = {}
        for symbol in symbols:
            bounds = dims.get(symbol)
            low, high = bounds if isinstance(bounds, tuple) else (size, size)
            values[symbol] = min(max(size, low), high)
        if values not in result:
            result.append(values)
    return result


def random_array(rng: np.random.Generator, dtype: str, shape: Sequence[Any]) -> NDArray[Any]:
    if "float" in dtype:
        return rng.standard_normal(shape).astype(dtype)
    return rng.integers(0, 2, shape).astype(dtype)
