"""The loader of compiled models, on a model that is written by hand."""

from __future__ import annotations

import gc
import json
import subprocess
from pathlib import Path

import numpy as np
import pytest

import pysofie
from pysofie import _core
from pysofie.toolchains import host

HERE = Path(__file__).parent


def build(folder: Path, abi: int = 4) -> Path:
    library = folder / f"add{abi}.so"
    runtime = HERE.parents[1] / "cpp" / "runtime"
    flags = [f"-DABI={abi}", f"-I{runtime}", "-std=c++17", "-shared", "-fPIC"]
    subprocess.run(
        [*host.find().command, *flags, str(HERE / "hand_written.cpp"), "-o", str(library)], check=True
    )
    return library


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    return _core.Library(str(build(tmp_path_factory.mktemp("library"))))


X = np.arange(6, dtype="float32").reshape(2, 3)
B = np.array(2.0)


def test_description(library):
    assert json.loads(library.description)["symbols"] == ["batch"]
    assert library.address != 0


def test_run(library):
    runner = library.session("good")
    runner.prepare([2])
    assert runner.output_shapes() == [[2, 3]]
    y = np.empty_like(X)
    runner.run([X, B], [y])
    np.testing.assert_array_equal(y, X + 2)
    events, each = np.stack([X, 2 * X]), np.empty((2, *X.shape), "float32")
    runner.run_each([events, np.stack([B, B])], [each], 2)
    np.testing.assert_array_equal(each, events + 2)
    with pytest.raises(pysofie.ShapeError, match="input 'x' needs"):
        runner.run_each([events, np.stack([B, B])], [each], 3)
    assert runner.arena_bytes == 64
    assert runner.profile() == []
    assert runner.benchmark([X, B], [y], 3).shape == (3,)


def test_errors_of_the_model(library):
    with pytest.raises(pysofie.Error, match="weights bad are wrong"):
        library.session("bad")
    runner = library.session("good")
    with pytest.raises(pysofie.ShapeError, match="batch is too large"):
        runner.prepare([101])
    runner.prepare([2])
    with pytest.raises(IndexError, match="outside its tensor"):
        runner.run([X, np.array(-1.0)], [np.empty_like(X)])


def test_misuse(library):
    runner = library.session("good")
    y = np.empty_like(X)
    with pytest.raises(pysofie.Error, match="prepare"):
        runner.run([X, B], [y])
    with pytest.raises(pysofie.ShapeError, match="1 symbols, got 2"):
        runner.prepare([1, 2])
    runner.prepare([2])
    with pytest.raises(pysofie.ShapeError, match="2 input arrays, got 1"):
        runner.run([X], [y])
    with pytest.raises(pysofie.ShapeError, match="'x' needs 24 bytes, the array has 12"):
        runner.run([X[:1], B], [y])
    with pytest.raises(pysofie.ShapeError, match="'y' needs 24 bytes"):
        runner.run([X, B], [B.copy()])
    with pytest.raises((BufferError, ValueError)):
        runner.run([X.T, B], [y])
    y.flags.writeable = False
    with pytest.raises((BufferError, ValueError)):
        runner.run([X, B], [y])
    with pytest.raises(TypeError):
        runner.run(["x", B], [y])


def test_a_runner_keeps_its_library(tmp_path):
    library = _core.Library(str(build(tmp_path)))
    runner = library.session("good")
    del library
    gc.collect()
    runner.prepare([2])
    y = np.empty_like(X)
    runner.run([X, B], [y])
    np.testing.assert_array_equal(y, X + 2)


def test_not_a_model(tmp_path):
    with pytest.raises(pysofie.Error, match="cannot load"):
        _core.Library(str(tmp_path / "nowhere.so"))
    with pytest.raises(pysofie.Error, match="lacks another_symbol"):
        _core.Library(str(build(tmp_path)), "another_symbol")
    with pytest.raises(pysofie.Error, match="version 99"):
        _core.Library(str(build(tmp_path, 99)))
