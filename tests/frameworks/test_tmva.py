"""TMVA's weight files, to generated code: the numbers that TMVA's sources say, and what is refused."""

from __future__ import annotations

import functools
import re
from pathlib import Path

import numpy as np
import pytest
from frameworks import tmva_files as tmva
from frameworks.estimators_page import PAGE, update
from generated import workshop

import pysofie

pytest.importorskip("onnxruntime", reason="pip install 'pysofie[verify]'")
pytestmark = pytest.mark.xdist_group("tmva")

BATCHES = (0, 1, 7, 1000)
CASES = {
    "BDT, AdaBoost, purity": tmva.trees(0, "AdaBoost"),
    "BDT, AdaBoost, yes or no": tmva.trees(1, "AdaBoost", yes_no=True),
    "BDT, bagging": tmva.trees(2, "Bagging", yes_no=True),
    "BDT, Grad": tmva.trees(3, "Grad"),
    "BDT, Grad, several classes": tmva.trees(4, "Grad", "Multiclass"),
    "BDT, Grad, regression": tmva.trees(5, "Grad", "Regression"),
    "BDT, AdaBoostR2": tmva.trees(6, "AdaBoostR2", "Regression", count=31),
    "BDT, bagging, regression": tmva.trees(7, "Bagging", "Regression"),
    "BDT, Normalize": tmva.normalized(tmva.trees(8, "Grad")),
    "BDT, Normalize some": tmva.normalized(tmva.trees(9, "Grad"), (2, 0)),
    "BDT, Decorrelation": tmva.rotated(tmva.trees(10, "AdaBoost"), "Decorrelation"),
    "BDT, PCA": tmva.rotated(tmva.trees(11, "AdaBoost"), "PCA"),
    "MLP, sigmoid": tmva.network(12, "sigmoid"),
    "MLP, tanh": tmva.network(13, "tanh"),
    "MLP, tanh of old files": tmva.network(13, "tanh", release="4.1.2 [262402]"),
    "MLP, ReLU": tmva.network(14, "ReLU"),
    "MLP, linear": tmva.network(15, "linear", estimator="MSE"),
    "MLP, radial": tmva.network(16, "radial"),
    "MLP, sqsum": tmva.network(17, "sigmoid", "sqsum"),
    "MLP, abssum": tmva.network(18, "sigmoid", "abssum"),
    "MLP, several classes": tmva.network(19, "sigmoid", analysis="Multiclass", estimator="MSE"),
    "MLP, regression": tmva.network(20, "tanh", analysis="Regression", estimator="MSE"),
    "MLP, Normalize": tmva.normalized(tmva.network(21, "tanh")),
    "MLP, Normalize targets": tmva.normalized(
        tmva.network(22, "tanh", analysis="Regression", estimator="MSE"), targets=2
    ),
    "MLP, Normalize and PCA": tmva.rotated(tmva.normalized(tmva.network(23, "tanh")), "PCA"),
}


def written(file: tmva.File, folder: Path) -> Path:
    path = folder / f"TMVAClassification_{file.method}.weights.xml"
    path.write_text(file.text())
    return path


@functools.cache
def sessions() -> dict[str, pysofie.Session]:
    folder = Path.cwd() / "tmva"
    folder.mkdir(exist_ok=True)
    models = [pysofie.load(written(file, folder), name=f"tmva_{i}") for i, file in enumerate(CASES.values())]
    return dict(zip(CASES, workshop.sessions(models, folder, "-O1"), strict=True))


def events(count: int) -> np.ndarray:
    """At, between and beyond the cuts that the trees have in common."""
    rng = np.random.default_rng(count)
    x = rng.normal(size=(count, len(tmva.VARIABLES))).astype(np.float32)
    chosen = rng.random(x.shape)
    x[chosen < 0.2] = rng.choice(np.float32([-0.5, 0.25]), (chosen < 0.2).sum())
    x[chosen > 0.98] *= 10
    return x


@pytest.mark.parametrize("name", CASES)
def test_numbers(name):
    session = sessions()[name]
    output = session.outputs[0].name
    for batch in BATCHES:
        x = events(batch)
        answer = session.run({"features": x})[output]
        if batch == 0:
            assert len(answer) == 0
            continue
        np.testing.assert_allclose(answer, CASES[name].answers(x), rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("name", ["BDT, AdaBoost, purity", "BDT, Grad", "MLP, sigmoid"])
def test_what_is_not_finite(name):
    x = events(64)
    x[::3, 0], x[1::3, 1], x[2::3, 2] = np.nan, np.inf, -np.inf
    with np.errstate(all="ignore"):
        expected = CASES[name].answers(x)
    np.testing.assert_allclose(sessions()[name](x), expected, rtol=2e-5, atol=2e-6)


def test_names(tmp_path):
    model = pysofie.load(written(CASES["BDT, Grad"], tmp_path))
    assert model.feature_names == list(tmva.VARIABLES)
    assert [(output.name, output.shape) for output in model.outputs] == [("score", ("batch", 1))]
    model = pysofie.load(written(CASES["BDT, Grad, several classes"], tmp_path))
    assert model.metadata["classes"] == '["class_0", "class_1", "class_2"]'
    assert [output.name for output in model.outputs] == ["probabilities"]
    model = pysofie.load(written(CASES["MLP, regression"], tmp_path))
    assert [(output.name, output.shape) for output in model.outputs] == [("prediction", ("batch", 2))]


def test_verify_asks_onnxruntime(tmp_path):
    assert all(row.ok for row in pysofie.verify(written(CASES["MLP, tanh"], tmp_path), sizes=(1, 7)))


# --- files that are wrong ----------------------------------------------------------------------------------


BOMB = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>'


@pytest.mark.parametrize(
    ("case", "old", "new", "message"),
    [
        ("BDT, Grad", "<MethodSetup", f"{BOMB}<MethodSetup", "document type"),
        ("BDT, Grad", "</MethodSetup>", "", "no XML"),
        ("BDT, Grad", "MethodSetup", "net", "<net>, not <MethodSetup>"),
        ("BDT, Grad", ' Method="BDT::BDT"', "", "<MethodSetup> lacks the attribute 'Method'"),
        ("BDT, Grad", "GeneralInfo", "Infos", "<MethodSetup> lacks <GeneralInfo>"),
        ("BDT, Grad", "Weights", "Wights", "<MethodSetup> lacks <Weights>"),
        ("BDT, Grad", 'NTrees="12"', 'NTrees="13"', "holds 12 trees"),
        ("BDT, Grad", 'NTrees="12"', 'NTrees="many"', "'many', no whole number"),
        ("BDT, Grad", 'pos="l"', 'pos="r"', "lacks a left or right <Node>"),
        ("BDT, Grad", 'pos="l"', 'pos="x"', "lacks a left or right <Node>"),
        ("BDT, Grad", 'NCoef="0"', 'NCoef=""', "'NCoef' of <Node> is '', no whole number"),
        ("BDT, Grad", ' nType="', ' kind="', "<Node> lacks the attribute 'nType'"),
        ("BDT, Grad", ' res="', ' res="n', "'res' of <Node> is no number"),
        ("BDT, Grad", ' res="', ' res="1e999', "'res' of <Node> is not finite|no number"),
        ("BDT, Grad", 'IVar="2"', 'IVar="4"', "a feature that is not among the 4"),
        (
            "BDT, Grad",
            'boostWeight="',
            'boostWeight="nan" x="',
            "'boostWeight' of <BinaryTree> is not finite",
        ),
        ("BDT, Normalize", 'Range Index="1"', 'Range Index="0"', "one range for each"),
        ("BDT, Normalize", 'Label="jet_pt" Expression', 'Label="eta" Expression', "selects 'eta'"),
        ("BDT, Decorrelation", 'Rows="4"', 'Rows="400000000"', "is of 400000000 x 4"),
        ("BDT, PCA", "Eigenvectors", "Vectors", "lacks <Statistics> or <Eigenvectors>"),
        ("MLP, tanh", 'NLayers="4"', 'NLayers="1000000"', "NLayers says otherwise"),
        ("MLP, tanh", 'Index="1"', 'Index="7"', "numbers in place of|layers of"),
        ("MLP, tanh", " </Neuron>", " 1.0</Neuron>", "<Neuron> holds"),
        ("MLP, tanh", " </Neuron>", " x</Neuron>", "<Neuron> holds"),
    ],
)
def test_damaged_files(tmp_path, case, old, new, message):
    path = tmp_path / "bdt.weights.xml"
    text = CASES[case].text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(pysofie.InvalidModelError, match=message):
        pysofie.load(path)


@pytest.mark.parametrize("case", ["BDT, Grad", "BDT, AdaBoostR2", "MLP, Normalize and PCA"])
def test_attributes_drawn_at_random(tmp_path, case):
    """Whatever stands in a file, it loads or is refused."""
    rng = np.random.default_rng(0)
    path = tmp_path / "model.weights.xml"
    text = CASES[case].text()
    attributes = list(re.finditer(r'="[^"]*"', text))
    refused = 0
    for _ in range(60):
        start, end = attributes[rng.integers(len(attributes))].span()
        path.write_text(
            f'{text[:start]}="{rng.choice(["", "-1", "99999999", "nan", "1e400", "x"])}"{text[end:]}'
        )
        try:
            pysofie.load(path)
        except pysofie.Error:
            refused += 1
    assert refused > 10


@pytest.mark.parametrize(
    ("case", "old", "new", "message"),
    [
        ("BDT, Grad", "BDT::BDT", "Likelihood::Likelihood", "'Likelihood' of TMVA .* is not taken"),
        ("BDT, Grad", 'NCoef="0"', 'NCoef="3"', "UseFisherCuts"),
        ("BDT, Grad", ">False</Option>", ">True</Option>", "DoPreselection"),
        ("BDT, Grad, several classes", ">Grad<", ">AdaBoost<", "BoostType=adaboost of several classes"),
        ("BDT, Normalize", '"Normalize"', '"Gauss"', "'Gauss' of variables is not taken"),
        ("BDT, Normalize", "Selection", "Choice", "before 4.1"),
        ("MLP, tanh", ">tanh<", ">softsign<", "NeuronType=softsign is not taken"),
        ("MLP, tanh", ">sum<", ">prod<", "NeuronInputType=prod is not taken"),
        ("MLP, Normalize targets", '"Normalize"', '"PCA"', "mixes variables and targets"),
    ],
)
def test_what_is_not_taken(tmp_path, case, old, new, message):
    path = tmp_path / "bdt.weights.xml"
    text = CASES[case].text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(pysofie.UnsupportedError, match=message):
        pysofie.load(path)


def test_the_docs_are_up_to_date():
    assert not update("TMVA", CASES), f"{PAGE} was out of date; it has been written anew"
