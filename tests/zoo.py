"""The models of the zoo: networks as they are used in high-energy physics, with reference outputs."""

from __future__ import annotations

import functools
import json
from pathlib import Path

import numpy as np
import support

import pysofie

MISSING = f"the model zoo is not in {support.ZOO}; set PYSOFIE_ZOO to its folder"


def exists() -> bool:
    """True when the zoo is there."""
    return (support.ZOO / "index.json").exists()


@functools.cache
def tolerances() -> dict[str, dict[str, dict[str, float]]]:
    """Return ``rtol`` and ``atol`` by model and output."""
    if not exists():
        return {}
    index = json.loads((support.ZOO / "index.json").read_text())
    return {entry["name"]: entry["tolerance"] for entry in index}


def names() -> list[str]:
    """The names of all models."""
    return sorted(tolerances())


def path(name: str) -> Path:
    """The ONNX file of a model."""
    return support.ZOO / f"{name}.onnx"


def check(name: str, session: pysofie.Session) -> None:
    """Run every case of a model, and compare with the reference."""
    data = np.load(support.ZOO / f"{name}.npz")
    for case in sorted({key.partition(".")[0] for key in data.files}):
        feeds = {tensor.name: data[f"{case}.in.{tensor.name}"] for tensor in session.inputs}
        for output, array in session.run(feeds).items():
            expected = data[f"{case}.out.{output}"]
            assert array.dtype == expected.dtype
            assert array.shape == expected.shape
            np.testing.assert_allclose(
                array, expected, **tolerances()[name][output], err_msg=f"{case} {output}"
            )
