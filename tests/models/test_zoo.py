"""The models of the zoo: networks as they are used in high-energy physics, with reference outputs."""

from __future__ import annotations

import json

import numpy as np
import onnx
import pytest
import support

import pysofie

INDEX = support.ZOO / "index.json"
if not INDEX.exists():
    pytest.skip(
        f"the model zoo is not in {support.ZOO}; set PYSOFIE_ZOO to its folder", allow_module_level=True
    )


def names() -> list[str]:
    return sorted(path.stem for path in support.ZOO.glob("*.onnx"))


def tolerances(name: str) -> dict[str, tuple[float, float]]:
    """Return rtol and atol by output."""
    entry = next(entry for entry in json.loads(INDEX.read_text()) if entry["name"] == name)
    return {output: (limits["rtol"], limits["atol"]) for output, limits in entry["tolerance"].items()}


def unsupported(name: str) -> list[str]:
    """The operators of a model that the core does not have."""
    known = {operator for _, operator, _ in pysofie.operators()} | {"Constant"}
    nodes = onnx.load(support.ZOO / f"{name}.onnx", load_external_data=False).graph.node
    return sorted({node.op_type for node in nodes} - known)


def compiled(name: str, missing: list[str]) -> pysofie.Session | None:
    """Compile a model; it may be refused if operators are missing, but must be told which."""
    if not missing:
        return pysofie.compile(support.ZOO / f"{name}.onnx")
    with pytest.raises(pysofie.UnsupportedError) as error:
        pysofie.load(support.ZOO / f"{name}.onnx")
    assert all(operator in str(error.value) for operator in missing)
    return None


@pytest.mark.parametrize("name", names())
def test_model(name):
    missing = unsupported(name)
    session = compiled(name, missing)
    if session is None:
        pytest.skip(f"needs operators that do not exist yet: {', '.join(missing)}")
    data = np.load(support.ZOO / f"{name}.npz")
    for case in sorted({key.partition(".")[0] for key in data.files}):
        feeds = {t.name: data[f"{case}.in.{t.name}"] for t in session.inputs}
        for output, array in session.run(feeds).items():
            expected = data[f"{case}.out.{output}"]
            assert array.dtype == expected.dtype
            assert array.shape == expected.shape
            rtol, atol = tolerances(name)[output]
            np.testing.assert_allclose(array, expected, rtol=rtol, atol=atol, err_msg=f"{case} {output}")
