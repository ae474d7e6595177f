"""The main job on real input: a Higgs classifier as a column of RDataFrames, measured and checked.

The sample and the model travel in packages (ROOT's tutorials and this one), so no network is needed. The
model was trained by ``tutorials/train_higgs.py``, which left the last quarter of each tree untouched.
"""

from __future__ import annotations

import importlib
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pysofie.errors import Error
from pysofie.functor import Functor, functor
from rdf_helpers import cling

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Scores = NDArray[np.float32]

#: The model, with the names of its 28 features in the metadata.
MODEL = Path(__file__).resolve().parent / "data" / "higgs.onnx"

#: The last part of each tree, on which the model was not trained.
HELD_OUT_FRACTION = 0.25

_TREES = {"signal": "sig_tree", "background": "bkg_tree"}
_COLOURS = {"signal": "#bd1f01", "background": "#3f90da"}
# The trees are small: to measure a rate, they are read this often in one event loop.
_PASSES = 25


@dataclass(frozen=True)
class Report:
    """What the demo found.

    Attributes
    ----------
    threads : int
        Number of threads of the event loop.
    start_up : float
        Seconds to import and compile the model, or to find it in the cache.
    events : int
        Events of the timed event loop.
    rate : float
        Events per second: reading 28 columns and running the model.
    model_time : float
        Seconds that the model alone takes for an event.
    area : float
        Area under the ROC curve on held-out events.
    held_out : int
        Number of held-out events.
    difference : float
        Largest difference of a score from onnxruntime, over all events.
    compared : int
        Number of all events.
    picture : pathlib.Path
        Score distributions and ROC curve.
    """

    threads: int
    start_up: float
    events: int
    rate: float
    model_time: float
    area: float
    held_out: int
    difference: float
    compared: int
    picture: Path


def run(picture: str | os.PathLike[str], *, threads: int = 0, step: Callable[[str], None] = print) -> Report:
    """Import, compile, inject, run, compare and draw.

    Parameters
    ----------
    picture : path
        Where to write the picture; the suffix says the format.
    threads : int
        Threads of the event loop; 0 takes all processors.
    step : callable
        Is told what happens next.

    Returns
    -------
    Report

    Raises
    ------
    Error
        ROOT, onnxruntime or matplotlib are missing; the message says how to get them.
    """
    root = cling.root()
    onnxruntime, pyplot = _need("onnxruntime"), _need("matplotlib.pyplot")
    root.EnableImplicitMT(threads)

    step("import and compile the model")
    start = time.perf_counter()
    score = functor(MODEL)
    start_up = time.perf_counter() - start

    step(f"score the two trees, and again {_PASSES} times for the rate")
    parts = {(kind, part): _scored(kind, part, score) for kind in _TREES for part in ("training", "held out")}
    events, rate = _measure(score)

    step("compare every score with onnxruntime")
    session = onnxruntime.InferenceSession(os.fspath(MODEL), providers=["CPUExecutionProvider"])
    difference = max(_difference(session, features, scores) for features, scores in parts.values())

    step("draw the picture")
    scores = {key: scores for key, (_, scores) in parts.items()}
    area = area_under_curve(scores["signal", "held out"], scores["background", "held out"])
    _draw(pyplot, scores, area, Path(picture))

    sizes = {key: len(values) for key, values in scores.items()}
    return Report(
        threads=int(root.GetThreadPoolSize()),
        start_up=start_up,
        events=events,
        rate=rate,
        model_time=_model_time(score, parts["signal", "held out"][0]),
        area=area,
        held_out=sizes["signal", "held out"] + sizes["background", "held out"],
        difference=difference,
        compared=sum(sizes.values()),
        picture=Path(picture).resolve(),
    )


def area_under_curve(signal: NDArray[Any], background: NDArray[Any]) -> float:
    """The chance that a signal event scores higher than a background event; equal scores count half.

    Parameters
    ----------
    signal, background : numpy.ndarray
        Scores, of shape (n_signal,) and (n_background,).
    """
    ordered = np.sort(background)
    below, up_to = (np.searchsorted(ordered, signal, side) for side in ("left", "right"))
    return float((below + up_to).mean() / (2 * len(ordered)))


def sample_file() -> str:
    """The Higgs sample in ROOT's tutorials."""
    return f"{cling.root().gROOT.GetTutorialDir()}/machine_learning/data/Higgs_data.root"


def _need(module: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        name = module.partition(".")[0]
        raise Error(f"the demo needs {name}, which is not installed: pip install 'pysofie[demo]'") from error


def _scored(kind: str, part: str, score: Functor) -> tuple[NDArray[np.float32], Scores]:
    """Features (n, 28) and scores (n,) of the first or the last part of a tree."""
    root = cling.root()
    file = sample_file()
    entries = int(root.RDataFrame(_TREES[kind], file).Count().GetValue())
    border = round(entries * (1 - HELD_OUT_FRACTION))
    spec = root.RDF.Experimental.RDatasetSpec()
    spec.AddSample((kind, _TREES[kind], file))
    spec.WithGlobalRange((0, border) if part == "training" else (border, entries))
    arrays = root.RDataFrame(spec).Define("score", score).AsNumpy([*score.columns, "score"])
    features = np.stack([arrays[name] for name in score.columns], axis=1)
    return features.astype(np.float32), np.asarray(arrays["score"])


def _measure(score: Functor) -> tuple[int, float]:
    """Number of events, and events per second, of one loop over each tree that does nothing but score."""
    root = cling.root()

    def loops(passes: int) -> Iterator[Any]:
        for tree in _TREES.values():
            yield (
                root.RDataFrame(tree, [sample_file()] * passes).Define("score", score).Stats["float"]("score")
            )

    root.RDF.RunGraphs(list(loops(1)))  # what is compiled at first use, is not measured
    results = list(loops(_PASSES))
    start = time.perf_counter()
    root.RDF.RunGraphs(results)
    seconds = time.perf_counter() - start
    events = sum(int(result.GetValue().GetN()) for result in results)
    return events, events / seconds


def _model_time(score: Functor, features: NDArray[np.float32]) -> float:
    name = score.session.inputs[0].name
    return float(np.median(score.session.benchmark({name: features[:1]}, 10_000))) * 1e-9


def _difference(session: Any, features: NDArray[np.float32], scores: Scores) -> float:
    reference = session.run(None, {session.get_inputs()[0].name: features})[0]
    return float(np.abs(reference.ravel() - scores).max())


def _draw(pyplot: Any, scores: dict[tuple[str, str], Scores], area: float, picture: Path) -> None:
    """Distributions on the left (training filled, held out as points), ROC curve on the right."""
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(11, 4.6), layout="constrained")
    for kind, colour in _COLOURS.items():
        _draw_distribution(left, kind, colour, scores[kind, "training"], scores[kind, "held out"])
    left.set(xlabel="score", ylabel="density of events", xlim=(0, 1))
    left.set_ylim(top=left.get_ylim()[1] * 1.25)
    left.legend(ncols=2, frameon=False, loc="upper center")
    left.set_title("Higgs classifier in RDataFrame", loc="left")
    _draw_roc(right, scores["signal", "held out"], scores["background", "held out"], area)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    picture.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(picture, dpi=150)
    pyplot.close(figure)


def _draw_distribution(axes: Any, kind: str, colour: str, training: Scores, held_out: Scores) -> None:
    edges = np.linspace(0, 1, 31)
    width = edges[1] - edges[0]
    axes.hist(
        training,
        edges,
        density=True,
        histtype="stepfilled",
        color=colour,
        alpha=0.35,
        label=f"{kind}, training",
    )
    counts, _ = np.histogram(held_out, edges)
    scale = 1 / (len(held_out) * width)
    axes.errorbar(
        edges[:-1] + width / 2,
        counts * scale,
        yerr=np.sqrt(counts) * scale,
        fmt="o",
        markersize=3.5,
        color=colour,
        label=f"{kind}, held out",
    )


def _draw_roc(axes: Any, signal: Scores, background: Scores, area: float) -> None:
    thresholds = np.linspace(1, 0, 501)
    signal_kept, background_kept = (
        1 - np.searchsorted(np.sort(scores), thresholds) / len(scores) for scores in (signal, background)
    )
    axes.plot(background_kept, signal_kept, color="#1b1b1b", linewidth=2, label=f"held out, area {area:.3f}")
    axes.plot([0, 1], [0, 1], color="0.6", linestyle="--", linewidth=1, label="guessing, area 0.5")
    axes.set(xlabel="background kept", ylabel="signal kept", xlim=(0, 1), ylim=(0, 1), aspect="equal")
    axes.legend(frameon=False, loc="lower right")
    axes.set_title("ROC curve", loc="left")
