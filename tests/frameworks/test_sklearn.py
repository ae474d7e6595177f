"""Estimators and pipelines of scikit-learn, to generated code: numbers, files, what is refused."""

from __future__ import annotations

import functools
import inspect
import json
import pickle
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from frameworks.estimators_page import PAGE, update
from generated import workshop

import pysofie
from pysofie.importers import sklearn as importer
from pysofie.importers.frameworks import Wishes
from pysofie.verify import compare

sklearn = pytest.importorskip("sklearn", reason="pip install 'pysofie[sklearn]'")
pytest.importorskip("skl2onnx", reason="pip install 'pysofie[sklearn]'")
pytestmark = pytest.mark.xdist_group("sklearn")

FEATURES = 5
BATCHES = (0, 1, 7, 1000)
NAMES = [f"track_{i}" for i in range(FEATURES)]
LABELS = np.array(["background", "signal", "tau"])


@functools.cache
def events() -> dict[str, np.ndarray]:
    """Samples of different scales, and what is to be learnt of them."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, FEATURES)) * [1, 10, 0.1, 1, 3] + [0, 5, 0, 20, 0]
    x = x.astype(np.float32).astype(np.float64)
    classes = (x[:, 0] + 10 * x[:, 2] > 0).astype(int) + (x[:, 1] > 5)
    missing = x.copy()
    missing[rng.random(x.shape) < 0.1] = np.nan
    return {
        "x": x,
        "positive": np.abs(x),
        "missing": missing,
        "small integers": rng.integers(0, 4, x.shape).astype(float),
        "classes": classes,
        "binary": classes > 0,
        "labels": LABELS[classes],
        "real": 3 * x[:, 0] + 0.1 * x[:, 1] + 10,
        "two": np.stack([x[:, 0], x[:, 1]], axis=1),
    }


def made(name: str, **options: Any) -> Any:
    """An estimator of scikit-learn by its name, with a fixed seed."""
    from sklearn.utils import all_estimators

    kind = dict(all_estimators())[name]
    seeded = {"random_state": 1} if "random_state" in inspect.signature(kind).parameters else {}
    return kind(**seeded, **options)


def chain(*steps: Any) -> Any:
    from sklearn.pipeline import make_pipeline

    return make_pipeline(*(made(step) if isinstance(step, str) else step for step in steps))


def columns_by_name() -> Any:
    from sklearn.compose import ColumnTransformer

    parts = [("a", made("StandardScaler"), [NAMES[2], NAMES[0]]), ("b", made("MinMaxScaler"), [NAMES[1]])]
    return chain(ColumnTransformer(parts, remainder="passthrough"), "LogisticRegression")


def xgboost_behind_a_scaler() -> Any:
    xgboost = pytest.importorskip("xgboost", reason="pip install 'pysofie[xgboost]'")
    return chain("StandardScaler", xgboost.XGBClassifier(n_estimators=4, n_jobs=1))


def lightgbm_in_a_stack() -> Any:
    lightgbm = pytest.importorskip("lightgbm", reason="pip install 'pysofie[lightgbm]'")
    boosted = lightgbm.LGBMClassifier(n_estimators=4, num_leaves=7, n_jobs=1, verbose=-1)
    return made("StackingClassifier", estimators=[("boosted", boosted), ("forest", forest())])


def forest() -> Any:
    # As many trees as votes can tie: leaves are pure.
    return made("RandomForestClassifier", n_estimators=6)


def of(name: str, **options: Any) -> Callable[[], Any]:
    return functools.partial(made, name, **options)


FEW = {"n_estimators": 4}
SHORT = {"max_iter": 4}
NETWORK = {"hidden_layer_sizes": (6, 4), "max_iter": 20}
# What the case is called, how it is made, what it reads and what it learns.
CASES: dict[str, tuple[Callable[[], Any], str, str]] = {
    "LinearRegression": (of("LinearRegression"), "x", "real"),
    "Ridge": (of("Ridge"), "x", "two"),
    "Lasso": (of("Lasso"), "x", "real"),
    "ElasticNet": (of("ElasticNet"), "x", "real"),
    "BayesianRidge": (of("BayesianRidge"), "x", "real"),
    "HuberRegressor": (of("HuberRegressor", max_iter=500), "x", "real"),
    "PoissonRegressor": (of("PoissonRegressor"), "x", "real"),
    "SGDRegressor": (of("SGDRegressor", alpha=0.1, eta0=1e-5), "x", "real"),
    "LogisticRegression": (of("LogisticRegression"), "x", "labels"),
    "LogisticRegression, two classes": (of("LogisticRegression"), "x", "binary"),
    "RidgeClassifier": (of("RidgeClassifier"), "x", "labels"),
    "SGDClassifier": (
        lambda: chain("StandardScaler", made("SGDClassifier", loss="log_loss")),
        "x",
        "classes",
    ),
    "Perceptron": (of("Perceptron"), "x", "binary"),
    "LinearDiscriminantAnalysis": (of("LinearDiscriminantAnalysis"), "x", "labels"),
    "QuadraticDiscriminantAnalysis": (of("QuadraticDiscriminantAnalysis"), "x", "labels"),
    "GaussianNB": (of("GaussianNB"), "x", "labels"),
    "MultinomialNB": (of("MultinomialNB"), "positive", "labels"),
    "DecisionTreeClassifier": (of("DecisionTreeClassifier"), "x", "labels"),
    "DecisionTreeRegressor": (of("DecisionTreeRegressor"), "x", "two"),
    "ExtraTreesClassifier": (of("ExtraTreesClassifier", **FEW), "x", "binary"),
    "RandomForestClassifier": (forest, "x", "labels"),
    "RandomForestRegressor": (of("RandomForestRegressor", **FEW), "x", "real"),
    "GradientBoostingClassifier": (of("GradientBoostingClassifier", **FEW), "x", "labels"),
    "GradientBoostingRegressor": (of("GradientBoostingRegressor", **FEW), "x", "real"),
    "HistGradientBoostingClassifier": (of("HistGradientBoostingClassifier", **SHORT), "missing", "labels"),
    "HistGradientBoostingClassifier, two classes": (
        of("HistGradientBoostingClassifier", **SHORT),
        "missing",
        "binary",
    ),
    "HistGradientBoostingRegressor": (of("HistGradientBoostingRegressor", **SHORT), "missing", "real"),
    "AdaBoostClassifier": (of("AdaBoostClassifier", **FEW), "x", "labels"),
    "AdaBoostRegressor": (of("AdaBoostRegressor", **FEW), "x", "real"),
    "BaggingClassifier": (of("BaggingClassifier", **FEW), "x", "labels"),
    "IsolationForest": (of("IsolationForest", **FEW), "x", "classes"),
    "MLPClassifier": (of("MLPClassifier", **NETWORK), "x", "labels"),
    "MLPRegressor": (of("MLPRegressor", activation="tanh", **NETWORK), "x", "real"),
    "SVC": (of("SVC"), "x", "binary"),
    "SVC, three classes": (of("SVC"), "x", "labels"),
    "LinearSVC": (of("LinearSVC", max_iter=50), "x", "labels"),
    "SVR": (of("SVR"), "x", "real"),
    "KNeighborsClassifier": (of("KNeighborsClassifier"), "x", "labels"),
    "KNeighborsRegressor": (of("KNeighborsRegressor"), "x", "real"),
    "CalibratedClassifierCV": (of("CalibratedClassifierCV", cv=2), "x", "labels"),
    "KMeans": (of("KMeans", n_clusters=3), "x", "classes"),
    "GaussianMixture": (of("GaussianMixture", n_components=2), "x", "classes"),
    "StandardScaler": (of("StandardScaler"), "x", "classes"),
    "MinMaxScaler": (of("MinMaxScaler", clip=True), "x", "classes"),
    "RobustScaler": (of("RobustScaler"), "x", "classes"),
    "Normalizer": (of("Normalizer"), "x", "classes"),
    "PowerTransformer": (of("PowerTransformer"), "x", "classes"),
    "PolynomialFeatures": (of("PolynomialFeatures"), "x", "classes"),
    "SimpleImputer": (of("SimpleImputer"), "missing", "classes"),
    "PCA": (of("PCA", n_components=3), "x", "classes"),
    "OneHotEncoder": (of("OneHotEncoder"), "small integers", "classes"),
    "pipeline: scaler + network": (
        lambda: chain("StandardScaler", made("MLPClassifier", **NETWORK)),
        "x",
        "labels",
    ),
    "pipeline: scaler + forest": (lambda: chain("StandardScaler", forest()), "x", "labels"),
    "pipeline: imputer + scaler + PCA + SVC": (
        lambda: chain("SimpleImputer", "StandardScaler", "PCA", made("SVC")),
        "missing",
        "labels",
    ),
    "pipeline: columns by name": (columns_by_name, "x", "labels"),
    "pipeline: scaler + XGBoost": (xgboost_behind_a_scaler, "missing", "classes"),
    "stack with LightGBM": (lightgbm_in_a_stack, "x", "labels"),
}


def fitted(name: str) -> Any:
    recipe, x, y = CASES[name]
    given = events()[x]
    if "by name" in name:
        given = pytest.importorskip("pandas", reason="pip install pandas").DataFrame(given, columns=NAMES)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of fits that are stopped early
        return recipe().fit(given, events()[y])


@functools.cache
def compiled() -> dict[str, tuple[Any, pysofie.Model, pysofie.Session]]:
    """All estimators with their sessions, compiled in one go."""
    estimators = {name: fitted(name) for name in CASES}
    models = [pysofie.load(estimator, name=f"sk_{i}") for i, estimator in enumerate(estimators.values())]
    folder = Path.cwd() / "sklearn"
    folder.mkdir(exist_ok=True)
    sessions = workshop.sessions(models, folder, "-O1")
    return dict(zip(CASES, zip(estimators.values(), models, sessions, strict=True), strict=True))


def drawn(name: str, count: int) -> np.ndarray:
    rng = np.random.default_rng(count)
    table = events()[CASES[name][1]]
    return table[rng.integers(0, len(table), count)].astype(np.float32)


def equally_likely(scores: np.ndarray) -> np.ndarray:
    """Where rounding decides which class is the best."""
    best = np.sort(scores, axis=1)[:, -2:]
    return best[:, 1] - best[:, 0] < 1e-5


@pytest.mark.parametrize("name", CASES)
def test_numbers(name):
    _, model, session = compiled()[name]
    for batch in BATCHES:
        x = drawn(name, batch)
        answer = session.run({"features": x})
        if batch == 0:
            assert {key: len(values) for key, values in answer.items()} == dict.fromkeys(answer, 0)
            continue
        expected = model.source.reference({"features": x})
        assert list(answer) == list(expected)
        for key, values in answer.items():
            if key == "label" and "classes" in model.metadata:
                clear = ~equally_likely(
                    expected["probabilities" if "probabilities" in expected else "scores"]
                )
                values, expected[key] = values[clear], expected[key][clear]
            assert compare(key, {}, values, expected[key], 2e-5).ok, f"{key} of {batch} samples"


def test_ties_go_to_the_first_class():
    """Every tree of a full-grown forest votes for one class; with six of them votes are often equal."""
    estimator, _, session = compiled()["RandomForestClassifier"]
    x = np.random.default_rng(5).normal(size=(2000, FEATURES)).astype(np.float32) * 5
    tied = equally_likely(estimator.predict_proba(x))
    assert tied.sum() > 50
    answer = session.run({"features": x})
    assert list(LABELS[answer["label"][tied]]) == list(estimator.predict(x)[tied])


@pytest.mark.parametrize("name", ["DecisionTreeClassifier", "HistGradientBoostingRegressor"])
def test_samples_at_thresholds(name):
    """Thresholds are float64: samples that are just above and below them in float32 go their way."""
    estimator, model, session = compiled()[name]
    thresholds = (
        estimator.tree_.threshold
        if name.startswith("Decision")
        else np.concatenate([trees[0].nodes["num_threshold"] for trees in estimator._predictors])
    )
    at = thresholds.astype(np.float32)
    values = np.concatenate([at, np.nextafter(at, np.float32(np.inf)), np.nextafter(at, np.float32(-np.inf))])
    x = np.random.default_rng(0).choice(values, (3000, FEATURES))
    expected = model.source.reference({"features": x})
    for key, answer in session.run({"features": x}).items():
        assert compare(key, {}, answer, expected[key]).ok, key


# --- what stands in the metadata ---------------------------------------------------------------------------


def test_labels_that_are_text():
    estimator, model, session = compiled()["RandomForestClassifier"]
    assert json.loads(model.metadata["classes"]) == list(LABELS)
    x = drawn("RandomForestClassifier", 100)
    answer = session.run({"features": x})
    assert list(LABELS[answer["label"]]) == list(estimator.predict(x))
    assert [output.name for output in model.outputs] == ["label", "probabilities"]


def test_names_of_features():
    model = compiled()["pipeline: columns by name"][1]
    assert model.feature_names == NAMES
    renamed = pysofie.load(compiled()["Lasso"][0], columns=list("abcde"))
    assert renamed.feature_names == list("abcde")


def test_exporting_leaves_the_estimator_alone():
    estimator = compiled()["RandomForestClassifier"][0]
    assert list(estimator.classes_) == list(LABELS)


class Identity(sklearn.base.TransformerMixin, sklearn.base.BaseEstimator):
    """A step that scikit-learn does not have."""

    def fit(self, x: Any, y: Any = None) -> Any:
        return self

    def transform(self, x: Any) -> Any:
        return x


# --- files -------------------------------------------------------------------------------------------------


class Harm:
    """Does something when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (Path.touch, (self.path,))


@pytest.mark.parametrize("suffix", ["pkl", "pickle", "joblib"])
def test_pickles_need_trust(tmp_path, suffix):
    path = tmp_path / f"model.{suffix}"
    path.write_bytes(pickle.dumps(Harm(tmp_path / "harm")))
    with pytest.raises(pysofie.UnsupportedError, match="trust=True"):
        pysofie.load(path)
    assert not (tmp_path / "harm").exists()


@pytest.mark.parametrize("suffix", ["pkl", "joblib", "skops"])
def test_files(tmp_path, suffix):
    path = tmp_path / f"model.{suffix}"
    estimator = compiled()["LogisticRegression"][0]
    if suffix == "skops":
        skops = pytest.importorskip("skops.io", reason="pip install 'pysofie[sklearn]'")
        skops.dump(estimator, path)
    else:
        path.write_bytes(pickle.dumps(estimator))
    model = pysofie.load(path, trust=suffix != "skops")
    x = drawn("Lasso", 9)
    np.testing.assert_allclose(
        model.source.reference({"features": x})["probabilities"], estimator.predict_proba(x), rtol=1e-6
    )


def test_skops_with_types_of_its_own(tmp_path):
    skops = pytest.importorskip("skops.io", reason="pip install 'pysofie[sklearn]'")
    path = tmp_path / "model.skops"
    skops.dump(chain(Identity(), "Lasso").fit(events()["x"], events()["real"]), path)
    with pytest.raises(pysofie.UnsupportedError, match=r"Identity.*give trust=True"):
        pysofie.load(path)


def test_pickles_of_boosters(tmp_path):
    xgboost = pytest.importorskip("xgboost", reason="pip install 'pysofie[xgboost]'")
    path = tmp_path / "model.pkl"
    estimator = xgboost.XGBClassifier(n_estimators=2, missing=-1.0).fit(events()["x"], events()["classes"])
    path.write_bytes(pickle.dumps(estimator))
    assert [output.name for output in pysofie.load(path, trust=True).outputs] == ["label", "probabilities"]


@pytest.mark.parametrize("suffix", ["pkl", "joblib", "skops"])
def test_damaged_files(tmp_path, suffix):
    pytest.importorskip("skops", reason="pip install 'pysofie[sklearn]'")
    path = tmp_path / f"model.{suffix}"
    path.write_bytes(b"not what the suffix says")
    with pytest.raises(pysofie.InvalidModelError, match=rf"model\.{suffix} cannot be read"):
        pysofie.load(path, trust=True)


def test_files_of_something_else(tmp_path):
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps({"weights": [1, 2]}))
    with pytest.raises(pysofie.UnsupportedError, match=r"builtins\.dict is no estimator"):
        pysofie.load(path, trust=True)


# --- what is not taken -------------------------------------------------------------------------------------


def test_not_fitted():
    with pytest.raises(pysofie.InvalidModelError, match="not fitted: call its method fit"):
        pysofie.load(made("Lasso"))


def test_without_a_converter():
    with pytest.raises(pysofie.UnsupportedError, match="skl2onnx cannot write this KernelRidge"):
        pysofie.load(made("KernelRidge").fit(events()["x"], events()["real"]))


def test_several_labels():
    several = np.stack([events()["binary"], ~events()["binary"]], axis=1)
    for name in ("RandomForestClassifier", "MLPClassifier"):
        with pytest.raises(pysofie.UnsupportedError, match="several labels for each sample"):
            pysofie.load(made(name).fit(events()["x"], several.astype(int)))


def test_categories_of_histogram_boosting():
    estimator = made("HistGradientBoostingRegressor", categorical_features=[0], **SHORT)
    with pytest.raises(pysofie.UnsupportedError, match="categorical features"):
        pysofie.load(estimator.fit(events()["small integers"], events()["real"]))


def test_a_difference_is_an_error(monkeypatch):
    """What skl2onnx writes is not believed."""
    estimator = compiled()["Ridge"][0]
    written = importer.to_onnx

    def wrong(*arguments: Any, **keywords: Any) -> Any:
        proto = written(*arguments, **keywords)
        node = next(node for node in proto.graph.node if node.op_type == "LinearRegressor")
        next(entry for entry in node.attribute if entry.name == "intercepts").floats[0] += 1
        return proto

    monkeypatch.setattr(importer, "to_onnx", wrong)
    with pytest.raises(pysofie.UnsupportedError, match="output 'prediction': off by 1"):
        importer.export(estimator, Wishes())


@pytest.mark.root
def test_in_rdataframe():
    """Names of the features find the columns."""
    ROOT = pytest.importorskip("ROOT", reason="pip install 'pysofie[root]'")  # noqa: N806
    estimator, model, _ = compiled()["pipeline: columns by name"]
    score = pysofie.functor(estimator, output="probabilities[1]")
    table = {name: np.ascontiguousarray(events()["x"][:, i]) for i, name in enumerate(NAMES)}
    frame = ROOT.RDF.FromNumpy(table).Define("score", score)
    expected = model.source.reference({"features": events()["x"]})["probabilities"][:, 1]
    np.testing.assert_allclose(frame.AsNumpy(["score"])["score"], expected, rtol=1e-4, atol=1e-6)


def test_the_docs_are_up_to_date():
    assert not update("scikit-learn", CASES), f"{PAGE} was out of date; it has been written anew"
