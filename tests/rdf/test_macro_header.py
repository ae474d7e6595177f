"""Headers for ROOT macros: a column without Python at run time."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from rdf import small

import pysofie
from rdf_helpers import cling

pytestmark = [pytest.mark.root, pytest.mark.xdist_group("root")]


def run_macro(folder, code):
    """What a compiled macro prints."""
    (folder / "macro.C").write_text(f"{code}\n")
    include = os.pathsep.join([str(folder), *map(str, cling.include_directories())])
    done = subprocess.run(
        [Path(sys.prefix) / "bin" / "root", "-l", "-b", "-q", "macro.C+O"],
        cwd=folder,
        env={**os.environ, "ROOT_INCLUDE_PATH": include},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr


def test_objects_folds_and_preprocessing(root, tmp_path):
    """All that a functor can do, in one macro that knows nothing of it."""
    models = [pysofie.load(small.weighted_sum(weights=(i, 1)), name=f"fold{i}") for i in (1, 2)]
    score = pysofie.fold(
        models,
        by="event % 2",
        columns=["pt", "met"],
        preprocess=pysofie.Preprocessing(scale=[2, 1], nan=0),
        where="good",
        default=-1,
    )
    files = score.emit(
        tmp_path, types={"pt": "ROOT::RVec<float>", "good": "ROOT::RVec<bool>", "met": "double"}
    )
    assert [file.name for file in files] == [
        *("fold1.dat", "fold1.hxx"), *("fold2.dat", "fold2.hxx"), "fold1_rdf.hxx"
    ]  # fmt: skip
    words = run_macro(
        tmp_path,
        """
#include "fold1_rdf.hxx"
#include <cstdio>
void macro() {
  ROOT::EnableImplicitMT(2);
  auto frame = ROOT::RDataFrame(4)
      .Define("event", [](ULong64_t entry) { return int(entry); }, {"rdfentry_"})
      .Define("met", [](int event) { return 10. * event; }, {"event"})
      .Define("pt", [](int event) { return ROOT::RVec<float>(event, 1.f); }, {"event"})
      .Define("good", "ROOT::RVec<bool> v(event, true); if (event) v[0] = false; return v;");
  auto scored = TMVA_SOFIE_fold1::rdf::define(frame, "score");
  auto rows = scored.Take<ROOT::RVec<float>>("score");
  for (const auto& row : *rows)
    if (row.size() == 3) std::printf("scores: %g %g %g\\n", row[0], row[1], row[2]);
}
""",
    )
    assert "scores: -1 34 34" in words, words
    columns = {"pt": [[1.0] * 3], "met": [30], "good": [[False, True, True]], "event": [3]}
    assert score(columns).tolist() == [[-1, 34, 34]]


def test_the_command(root, tmp_path):
    (tmp_path / "sum.onnx").write_bytes(small.weighted_sum())
    command = [sys.executable, "-m", "pysofie", "emit", "sum.onnx", "--rdf", "--columns", "a,b,c"]
    done = subprocess.run(
        [*command, "--type", "b=double", "--type", "c=int"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert re.findall(r"wrote (\S+)", done.stdout) == ["sum.dat", "sum.hxx", "sum_rdf.hxx"]
    words = run_macro(
        tmp_path,
        """
#include "sum_rdf.hxx"
#include <cstdio>
void macro() {
  auto frame = ROOT::RDataFrame(1).Define("a", "1.f").Define("b", "2.").Define("c", "3");
  std::printf("score: %g\\n", TMVA_SOFIE_sum::rdf::define(frame, "score").Sum<float>("score").GetValue());
}
""",
    )
    assert "score: 14" in words, words
    for arguments in (["--inline"], ["--type", "nothing=int"], ["--type", "a=string"]):
        refused = subprocess.run(
            [*command, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert refused.returncode != 0
        assert "Traceback" not in refused.stderr


def test_names_that_clash(tmp_path):
    models = [small.weighted_sum(weights=(i, 1)) for i in (1, 2)]
    score = pysofie.fold(models, by="n", columns=["a", "b"])
    with pytest.raises(pysofie.Error, match="need different names"):
        score.emit(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_hostile_column_names(tmp_path):
    columns = ['a"); system("x', "b\\", "c\nd"]
    files = pysofie.functor(small.weighted_sum(), columns=columns).emit(tmp_path)
    text = files[-1].read_text()
    assert 'system("x' not in text
    assert np.all([column not in text for column in columns])
