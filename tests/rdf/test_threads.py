"""Event loops with many threads: no two of them ever share a session."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import native
import numpy as np
import onnx
import pytest
import support
from onnx import helper
from rdf import small

import pysofie

HERE = Path(__file__).parent
pytestmark = pytest.mark.xdist_group("root")


def deep(width: int = 64) -> bytes:
    """16 features through three layers: long enough in the arena for threads to meet there."""
    rng = np.random.default_rng(7)
    constants = {
        f"w{i}": rng.standard_normal((16 if i == 0 else width, width)).astype("float32") / 8 for i in range(3)
    }
    constants["w3"] = rng.standard_normal((width, 1)).astype("float32")
    nodes, name = [], "x"
    for i in range(3):
        nodes += [
            helper.make_node("MatMul", [name, f"w{i}"], [f"h{i}"]),
            helper.make_node("Tanh", [f"h{i}"], [f"t{i}"]),
        ]
        name = f"t{i}"
    nodes.append(helper.make_node("MatMul", [name, "w3"], ["y"]))
    x, y = support.floats("x", "batch", 16), support.floats("y", "batch", 1)
    return support.model(nodes, [x], [y], constants, name="deep").SerializeToString()


def wide_frame(root, events: int):
    frame = root.RDataFrame(events)
    for i in range(16):
        frame = frame.Define(f"x{i}", f"float((rdfentry_ * {i + 3}) % 101) / 50 - 1")
    return frame


@pytest.mark.root
def test_every_event_has_its_own_score(root):
    score = pysofie.functor(deep(), columns=[f"x{i}" for i in range(16)])
    columns = wide_frame(root, 50_000).Define("score", score).AsNumpy([*score.columns, "score"])
    features = np.stack([columns[name] for name in score.columns], axis=1)
    np.testing.assert_allclose(columns["score"], score(features), rtol=1e-5, atol=1e-6)


@pytest.mark.root
def test_graphs_that_share_a_functor_at_the_same_time(root):
    score = pysofie.functor(deep(), columns=[f"x{i}" for i in range(16)])
    sums = [wide_frame(root, 20_000).Define("score", score).Sum("score") for _ in range(6)]
    root.RDF.RunGraphs(sums)
    values = [result.GetValue() for result in sums]
    assert values == pytest.approx([values[0]] * len(values), rel=1e-9)
    entry = np.arange(20_000)[:, None]
    features = ((entry * (np.arange(16) + 3)) % 101) / 50 - 1
    assert values[0] == pytest.approx(score(features.astype("float32")).sum(dtype="float64"), rel=1e-4)


SESSIONS = """
import re
import pysofie

def resident():
    return int(re.search("VmRSS:[^0-9]*([0-9]+)", open("/proc/self/status").read()).group(1)) / 1024

session = pysofie.compile("large.onnx")
runners = [session.library.session(str(session.weights)) for _ in range(2)]
before = resident()
runners += [session.library.session(str(session.weights)) for _ in range(14)]
print(resident() - before)
"""


def test_sixteen_sessions_have_the_weights_of_two(tmp_path):
    """40 MB of them: what a slot adds is its arena."""
    table = np.arange(10_000_000, dtype="float32")
    index = helper.make_tensor_value_info("index", onnx.TensorProto.INT64, (1,))
    gather = helper.make_node("Gather", ["table", "index"], ["entry"])
    model = support.model([gather], [index], [support.floats("entry", 1)], {"table": table}, name="large")
    (tmp_path / "large.onnx").write_bytes(model.SerializeToString())
    done = subprocess.run(
        [sys.executable, "-c", SESSIONS], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 10


@pytest.mark.root
def test_variations(root):
    score = pysofie.functor(small.weighted_sum(), columns=small.PT_ETA_PHI)
    frame = (
        root.RDataFrame(10)
        .Define("pt", "1.f")
        .Define("eta", "2.f")
        .Define("phi", "3.f")
        .Vary("pt", "ROOT::RVec<float>{pt - 1, pt + 1}", ["down", "up"])
    )
    varied = root.RDF.Experimental.VariationsFor(frame.Define("score", score).Sum("score"))
    assert varied["nominal"] == 140
    assert varied["pt:down"] == 130
    assert varied["pt:up"] == 150


@pytest.mark.parametrize("sanitizer", ["thread", "address,undefined"])
def test_the_pool_under_a_sanitizer(tmp_path, sanitizer):
    flags = [f"-fsanitize={sanitizer}", "-fno-sanitize-recover=all", "-O1", "-g1", "-pthread"]
    include = f"-I{HERE.parents[1] / 'rdf_helpers' / 'include'}"
    native.output(HERE / "pool.cpp", tmp_path, *flags, include)


@pytest.mark.parametrize("sanitizer", ["thread", "address,undefined"])
def test_a_shared_model_under_a_sanitizer(tmp_path, sanitizer):
    pysofie.emit(small.weighted_sum(), tmp_path, weights="inline")
    flags = [
        f"-fsanitize={sanitizer}",
        "-fno-sanitize-recover=all",
        "-O1",
        "-g1",
        "-pthread",
        f"-I{tmp_path}",
    ]
    include = f"-I{HERE.parents[1] / 'rdf_helpers' / 'include'}"
    assert native.output(HERE / "shared_model.cpp", tmp_path, *flags, include) == "0 faults\n"
