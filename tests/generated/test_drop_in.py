"""Generated headers in C++ programs, as they replace those of TMVA SOFIE."""

from __future__ import annotations

import native
import nets
import numpy as np
from generated import workshop

SHAPES = {
    "mlp": [(1, 7)],
    "dynamic_mlp": [(20, 7)],
    "two_outputs": [(6,), (6,)],
    "mixed_outputs": [(3, 5)],
    "attention": [(2, 5, 8)],
    "conv": [(3, 1, 8, 9)],
}


def inputs(name: str) -> list[np.ndarray]:
    """What the program feeds."""
    if name == "two_outputs":
        return [nets.constant(6), np.arange(1, 7, dtype="float32")]
    return [nets.constant(*shape) for shape in SHAPES[name]]


def test_sessions(headers):
    program = workshop.compile_program(
        workshop.HERE / "drop_in.cpp", headers, "-march=native", *native.WARNINGS, *native.SANITIZERS
    )
    printed: dict[str, list[list[float]]] = {name: [] for name in SHAPES}
    for line in workshop.run(program).splitlines():
        name, *numbers = line.split()
        printed[name].append([float(number) for number in numbers])
    for name, outputs in printed.items():
        model = nets.ALL[name]()
        names = [tensor.name for tensor in model.graph.input]
        expected = workshop.reference(model, dict(zip(names, inputs(name), strict=True)))
        assert len(outputs) == len(expected)
        for output, right in zip(outputs, expected, strict=True):
            np.testing.assert_allclose(output, np.asarray(right, "float64").ravel(), rtol=1e-5, atol=1e-6)
