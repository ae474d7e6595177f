"""The command line of the benchmarks."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import Progress

from . import report
from .engines import Feeds
from .measure import measure
from .native import ceilings

MODELS = ("higgs_mlp_b1", "wide_mlp", "axol1tl_encoder", "jet_image_cnn", "smartpix_reg", "pfn_deepsets")
ZOO = Path(os.environ.get("PYSOFIE_ZOO", Path(__file__).parents[2] / "shared" / "zoo")) / "models"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Time models of the zoo with pysofie and onnxruntime, one thread, interleaved.",
        epilog="example: python -m benchmarks wide_mlp pfn_deepsets --batch 1 16 256",
    )
    parser.add_argument("models", nargs="*", default=MODELS, help=f"default: {' '.join(MODELS)}")
    parser.add_argument("--zoo", type=Path, default=ZOO, help="folder of <model>.onnx and <model>.npz")
    parser.add_argument(
        "--batch", type=int, nargs="+", help="sizes of a leading dynamic dim; default: one event"
    )
    parser.add_argument("--rounds", type=int, default=10, help="how often the engines take turns")
    parser.add_argument("--seconds", type=float, default=0.2, help="length of a turn")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results", help="folder")
    return parser.parse_args()


def _case(zoo: Path, name: str, batch: int | None, flops: dict[str, Any]) -> tuple[Feeds, float | None]:
    """The zoo's first case, repeated along its first axis to the batch, and the operations that it takes."""
    with np.load(zoo / f"{name}.npz") as data:
        feeds = {key.removeprefix("c0.in."): data[key] for key in data.files if key.startswith("c0.in.")}
    if batch is None:
        return feeds, flops.get(name)
    feeds = {key: np.ascontiguousarray(np.repeat(value[:1], batch, axis=0)) for key, value in feeds.items()}
    return feeds, flops[name] * batch if name in flops else None


def _is_batched(zoo: Path, name: str) -> bool:
    import onnx

    inputs = onnx.load(zoo / f"{name}.onnx", load_external_data=False).graph.input
    leading = {i.type.tensor_type.shape.dim[0].dim_param for i in inputs}
    return len(leading) == 1 and leading != {""}


def main() -> None:
    """Measure, and write table, JSON and picture."""
    options = _arguments()
    index = json.loads((options.zoo / "index.json").read_text())
    flops = {entry["name"]: float(entry["flops"]) for entry in index if not entry["flops_partial"]}
    jobs = [
        (name, batch)
        for name in options.models
        for batch in (options.batch if options.batch and _is_batched(options.zoo, name) else [None])
    ]
    console = Console()
    results = []
    with Progress(console=console) as progress:
        task = progress.add_task("ceilings", total=1 + len(jobs) * options.rounds)
        machine = ceilings()
        progress.advance(task)
        for name, batch in jobs:
            label = name if batch is None else f"{name} x {batch}"
            progress.update(task, description=label)
            feeds, operations = _case(options.zoo, name, batch, flops)
            results.append(
                measure(
                    label,
                    options.zoo / f"{name}.onnx",
                    feeds,
                    operations,
                    rounds=options.rounds,
                    seconds=options.seconds,
                    progress=lambda: progress.advance(task),
                )
            )
    console.print(report.latencies(results, machine), report.costs(results))
    options.output.mkdir(parents=True, exist_ok=True)
    (options.output / "results.json").write_text(report.to_json(results, machine))
    report.plot(results, machine, options.output / "results.png")
    console.print(f"Written to {options.output}: results.json, results.png")


if __name__ == "__main__":
    main()
