"""ROOT's own tutorials for TMVA SOFIE run with our headers, changed in nothing but what they include.

A wheel of ROOT has no TMVA, so its headers are looked up in our folder. The tutorials in Python train and
parse, too: those lines go, as the model has been emitted already.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import nets
import numpy as np
import onnx
import pytest

import pysofie
from rdf_helpers import cling

pytestmark = [pytest.mark.root, pytest.mark.xdist_group("root")]

COLUMNS = ["m_jj", "m_jjj", "m_lv", "m_jlv", "m_bb", "m_wbb", "m_wwbb"]
HELPERS = '#include "TMVA/SOFIEHelpers.hxx"\n'
# What the macros leave to Cling, which knows ROOT's headers, and a compiler wants to be told.
FOR_COMPILERS = "".join(
    f"#include <{header}>\n"
    for header in (
        "ROOT/RDataFrame.hxx",
        "TCanvas.h",
        "TError.h",
        "TInterpreter.h",
        "TROOT.h",
        "TStyle.h",
        "TSystem.h",
        "iostream",
        "stdexcept",
        "string",
    )
)
# Prints the histograms that a macro drew.
DRAWN = """
void drawn() {
  for (TObject* object : *gPad->GetListOfPrimitives())
    if (auto* h = dynamic_cast<TH1*>(object)) {
      std::cout << "drawn " << h->GetName();
      for (int i = 1; i <= h->GetNbinsX(); ++i) std::cout << " " << h->GetBinContent(i);
      std::cout << std::endl;
    }
}
"""
# The same for the variables of a script.
PRINT = """
for h in ({names}):
    print("drawn", h.GetName(), *(h.GetBinContent(i) for i in range(1, h.GetNbinsX() + 1)))
"""
# Makes Readers that cannot work, and uses one wrongly.
WRONG = """
#include "pysofie/reader.hxx"
using pysofie::rdf::Reader;
void attempt(std::function<void()> action) {
  try {
    action();
    std::cout << "nothing wrong" << std::endl;
  } catch (const std::exception& error) {
    std::cout << error.what() << std::endl;
  }
}
void wrong() {
  attempt([] { Reader("HiggsModel.keras").Compute({1, 2}); });
  attempt([] { Reader("nowhere.onnx"); });
  attempt([] { Reader("two_outputs.onnx"); });
  gSystem->Unlink("HiggsModel.dat");
  attempt([] { Reader("HiggsModel.onnx"); });
}
"""


def higgs_model() -> onnx.ModelProto:
    """Seven features, one score, as the tutorials train it: for one event."""
    return nets.mlp(name="HiggsModel")


@pytest.fixture
def tutorial(root, tmp_path) -> Callable[[str], str]:
    """Text of one of ROOT's tutorials, with its model emitted in the folder where it is to be run."""
    pysofie.emit(higgs_model(), tmp_path)
    folder = Path(str(root.gROOT.GetTutorialDir())) / "machine_learning"
    return lambda name: (folder / name).read_text()


@pytest.fixture(scope="module")
def expected(root) -> dict[str, np.ndarray]:
    """Histograms of pysofie's own scores, by their names in the tutorials."""
    session = pysofie.compile(higgs_model())
    sample = str(root.gROOT.GetTutorialDir()) + "/machine_learning/data/Higgs_data.root"
    result = {}
    for name, tree in (("h_sig", "sig_tree"), ("h_bkg", "bkg_tree")):
        columns = root.RDataFrame(tree, sample).AsNumpy(COLUMNS)
        events = np.stack([columns[column] for column in COLUMNS], axis=1)
        scores = [session(event[None])[0, 0] for event in events]
        result[name] = np.histogram(scores, 100, (0, 1))[0]
        assert np.count_nonzero(result[name]) > 20
    return result


def run(folder: Path, *command: str | Path) -> str:
    words = start(folder, *command)
    assert "error:" not in words, words
    return words


def start(folder: Path, *command: str | Path) -> str:
    include = os.pathsep.join([str(folder), *map(str, cling.include_directories())])
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "ROOT_INCLUDE_PATH": include},
        capture_output=True,
        text=True,
        check=False,
    )
    words = done.stdout + done.stderr
    assert done.returncode == 0, words
    return words


def run_macro(folder: Path, name: str, text: str, how: str) -> str:
    (folder / name).write_text(text)
    (folder / "drawn.C").write_text(DRAWN)
    program = Path(sys.prefix) / "bin" / "root"
    return run(folder, program, "-l", "-b", "-q", f"{name}{how}", "drawn.C")


def compare_with_expected(words: str, expected: dict[str, np.ndarray]) -> None:
    """Scores may differ in their last bits, and so lie on either side of an edge."""
    drawn = {name: np.array(bins.split(), float) for name, bins in re.findall(r"drawn (\S+)(.*)", words)}
    assert drawn.keys() == expected.keys(), words
    for name, bins in drawn.items():
        assert bins.sum() == expected[name].sum()
        assert np.abs(bins - expected[name]).sum() <= 4


@pytest.mark.parametrize("how", ["", "+O"], ids=["interpreted", "compiled"])
def test_rdataframe(tutorial, expected, tmp_path, how):
    name = "TMVA_SOFIE_RDataFrame.C"
    text = tutorial(name)
    assert text.count(HELPERS) == 1
    first = (FOR_COMPILERS if how else "") + HELPERS  # it uses the namespace before it includes the header
    words = run_macro(tmp_path, name, first + text.replace(HELPERS, ""), how)
    assert "Running using 2 threads" in words
    compare_with_expected(words, expected)


@pytest.mark.parametrize("how", ["", "+O"], ids=["interpreted", "compiled"])
def test_rdataframe_jit(tutorial, expected, tmp_path, how):
    name = "TMVA_SOFIE_RDataFrame_JIT.C"
    text = tutorial(name)
    first = (FOR_COMPILERS if how else "") + HELPERS
    words = run_macro(tmp_path, name, first + text, how)
    assert "Model is ready to be evaluated" in words
    compare_with_expected(words, expected)


@pytest.mark.parametrize("how", ["", "+O"], ids=["interpreted", "compiled"])
def test_reader(tutorial, expected, tmp_path, how):
    name = "TMVA_SOFIE_RSofieReader.C"
    first = (FOR_COMPILERS if how else "") + '#include "TMVA/RSofieReader.hxx"\n'
    words = run_macro(tmp_path, name, first + tutorial(name), how)
    compare_with_expected(words, expected)
    event = np.arange(1, 8, dtype="float32")[None] / 10
    score = pysofie.compile(higgs_model())(event)[0, 0]
    assert float(re.search("Event prediction = (.*)", words)[1]) == pytest.approx(score, rel=1e-4)


def test_reader_says_what_is_wrong(tutorial, tmp_path):
    pysofie.emit(nets.ALL["two_outputs"](), tmp_path)
    (tmp_path / "wrong.C").write_text(WRONG)
    words = start(tmp_path, Path(sys.prefix) / "bin" / "root", "-l", "-b", "-q", "wrong.C")
    assert "nothing wrong" not in words
    for expected in (
        "the model reads 7 values per event, and is given 2",
        "write it by pysofie emit",
        "no column can be made of the model",
        "cannot open the weights file",
    ):
        assert expected in words
    assert "needs a model with one input of floats and one output" in words


def run_script(folder: Path, name: str, text: str, histograms: str) -> str:
    """Run a tutorial in Python without what parses the model."""
    (folder / "HiggsModel.keras").touch()  # which the tutorials want to see
    text, parsing = re.subn(r"^model(\.\w+\(.*\)| = ROOT\.TMVA.*)$", "", text, flags=re.MULTILINE)
    assert parsing == 4
    included = f"import ROOT\nROOT.gInterpreter.Declare({HELPERS!r})\n"
    text, imports = re.subn(r"^import ROOT$", lambda _: included, text, flags=re.MULTILINE)
    assert imports == 1
    (folder / name).write_text(text + PRINT.format(names=histograms))
    return run(folder, sys.executable, name)


def test_rdataframe_in_python(tutorial, expected, tmp_path):
    name = "TMVA_SOFIE_RDataFrame.py"
    for suffix in (".hxx", ".dat"):  # it gives the files a name of its own
        (tmp_path / f"HiggsModel{suffix}").rename(tmp_path / f"Higgs_trained_model_generated{suffix}")
    words = run_script(tmp_path, name, tutorial(name), "h1, h2")
    compare_with_expected(words, expected)


def test_inference_in_python(tutorial, expected, tmp_path):
    name = "TMVA_SOFIE_Inference.py"
    words = run_script(tmp_path, name, tutorial(name), "hs, hb")
    names = {"hs": "h_sig", "hb": "h_bkg"}
    compare_with_expected(re.sub(r"drawn (\w+)", lambda m: f"drawn {names[m[1]]}", words), expected)
