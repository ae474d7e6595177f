"""Operators of users inside of ROOT: what Cling needs to know of them, and how they reach other processes."""

from __future__ import annotations

import pickle
import subprocess
import sys

import numpy as np
import pytest
import support
from onnx import helper

import pysofie
from pysofie import custom

pytestmark = [pytest.mark.root, pytest.mark.xdist_group("root")]

HEADER = '#include <cstdint>\nextern "C" void add_rows(const float*, float*, std::int64_t, double);\n'
SOURCE = """#include "add_rows.h"
extern "C" void add_rows(const float* x, float* y, std::int64_t rows, double scale) {
  for (std::int64_t i = 0; i < rows; ++i) y[i] = static_cast<float>(scale * (x[2 * i] + x[2 * i + 1]));
}
"""
EVENT_LOOP = """
import pickle, sys, ROOT
frame = ROOT.RDataFrame(3).Define("a", "float(rdfentry_)").Define("b", "1.f")
frame = frame.Define("y", pickle.load(open(sys.argv[1], "rb")))
print(list(frame.Take["float"]("y").GetValue()))
"""


@pytest.fixture
def model(tmp_path):
    """A model with a function of a library, which is built here."""
    (tmp_path / "add_rows.h").write_text(HEADER)
    (tmp_path / "add_rows.cpp").write_text(SOURCE)
    library = tmp_path / "libadd_rows_of_test.so"
    subprocess.run(
        ["g++", "-shared", "-fPIC", str(tmp_path / "add_rows.cpp"), "-o", str(library)], check=True
    )

    @pysofie.operator(
        "root.test",
        "AddRows",
        function="add_rows",
        header="add_rows.h",
        include_dirs=[tmp_path],
        flags=[f"-L{tmp_path}", "-ladd_rows_of_test", f"-Wl,-rpath,{tmp_path}"],
    )
    def add_rows(x, *, scale=1.0):
        rows = x.shape[0]
        return pysofie.Routine({"y": (x.dtype, (rows,))}, arguments={"rows": rows, "scale": scale})

    node = helper.make_node("AddRows", ["x"], ["y"], domain="root.test", scale=2.0)
    yield support.model(
        [node], [support.floats("x", "n", 2)], [support.floats("y", "n")], domains={"root.test": 1}
    )
    custom.unregister("root.test", "AddRows")


def test_cling_takes_headers_and_libraries(root, model):
    session = pysofie.compile(model, compiler="cling")
    np.testing.assert_array_equal(session(np.float32([[1, 2], [3, 4]])), [6, 14])


def test_cling_refuses_other_flags(root):
    from rdf_helpers import cling

    with pytest.raises(pysofie.UnsupportedError, match="Cling does not take the flag -fopenmp"):
        cling.take_flags(["-fopenmp"])
    with cling.quiet(), pytest.raises(pysofie.CompileError, match="cannot load the library libno_such_thing"):
        cling.take_flags(["-lno_such_thing"])


def test_a_functor_travels_with_its_operators(root, model, tmp_path):
    pytest.importorskip("cloudpickle", reason="needs cloudpickle: pip install 'pysofie[dask]'")
    file = tmp_path / "functor"
    file.write_bytes(pickle.dumps(pysofie.functor(model, columns=["a", "b"])))
    done = subprocess.run(
        [sys.executable, "-c", EVENT_LOOP, str(file)], capture_output=True, text=True, check=False
    )
    assert "[2.0, 4.0, 6.0]" in done.stdout, done.stderr
