"""XGBoost and LightGBM, from their models to generated code: numbers, files, what is refused."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from frameworks.estimators_page import PAGE, update
from generated import workshop

import pysofie
from pysofie.verify import compare, verify

FEATURES = 6
BATCHES = (0, 1, 7, 1000)
NAMES = [f"jet_{i}" for i in range(FEATURES)]


@functools.cache
def events() -> dict[str, np.ndarray]:
    """Samples with missing values and a category in the last column, and what is to be learnt of them."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(500, FEATURES)).astype(np.float32)
    x[:, -1] = rng.integers(0, 9, len(x))
    x[rng.random(x.shape) < 0.1] = np.nan
    z = np.nan_to_num(x)
    binary = (z[:, 0] + z[:, 1] ** 2 > 0.5).astype(int)
    real = 3 * z[:, 0] + z[:, 1] ** 2 + 3 * np.isin(z[:, -1], [1, 4, 7]) + 10
    return {"x": x, "binary": binary, "classes": binary + (z[:, 2] > 0), "real": real}


def learnt(target: str) -> tuple[np.ndarray, np.ndarray]:
    return events()["x"], events()[target]


# --- XGBoost ------------------------------------------------------------------------------------------------


def xgb(kind: str, target: str, **options: Any) -> Callable[[], Any]:
    """An estimator of XGBoost, fitted when it is asked for."""

    def fit() -> Any:
        xgboost = pytest.importorskip("xgboost", reason="pip install 'pysofie[xgboost]'")
        estimator = getattr(xgboost, kind)(**{"n_estimators": 6, "max_depth": 4, "n_jobs": 1} | options)
        return estimator.fit(*learnt(target))

    return fit


def xgb_missing() -> Any:
    xgboost = pytest.importorskip("xgboost", reason="pip install 'pysofie[xgboost]'")
    x, y = learnt("binary")
    estimator = xgboost.XGBClassifier(n_estimators=6, missing=-999.0, n_jobs=1)
    return estimator.fit(np.where(np.isnan(x), np.float32(-999), x), y)


def xgb_several_targets() -> Any:
    xgboost = pytest.importorskip("xgboost", reason="pip install 'pysofie[xgboost]'")
    x, y = learnt("real")
    return xgboost.XGBRegressor(n_estimators=6, n_jobs=1).fit(x, np.stack([y, -2 * y], axis=1))


def xgb_several_labels() -> Any:
    xgboost = pytest.importorskip("xgboost", reason="pip install 'pysofie[xgboost]'")
    x, y = learnt("classes")
    return xgboost.XGBClassifier(n_estimators=6, n_jobs=1).fit(
        x, np.stack([y > 0, y > 1], axis=1).astype(int)
    )


def xgb_early_stopping() -> Any:
    xgboost = pytest.importorskip("xgboost", reason="pip install 'pysofie[xgboost]'")
    x, y = learnt("classes")
    estimator = xgboost.XGBClassifier(n_estimators=60, max_depth=4, early_stopping_rounds=2, n_jobs=1)
    estimator.fit(x[:250], y[:250], eval_set=[(x[250:], y[250:])], verbose=False)
    assert estimator.best_iteration < 50
    return estimator


def xgb_ranker() -> Any:
    xgboost = pytest.importorskip("xgboost", reason="pip install 'pysofie[xgboost]'")
    x, y = learnt("classes")
    return xgboost.XGBRanker(n_estimators=6, n_jobs=1).fit(x, y, qid=np.repeat(np.arange(50), 10))


def xgb_booster(**options: Any) -> Callable[[], Any]:
    def train() -> Any:
        xgboost = pytest.importorskip("xgboost", reason="pip install 'pysofie[xgboost]'")
        target = "classes" if "num_class" in options else "real"
        data = xgboost.DMatrix(*learnt(target), feature_names=NAMES)
        return xgboost.train({"max_depth": 3, "nthread": 1} | options, data, 6)

    return train


def xgb_categories() -> Any:
    xgboost = pytest.importorskip("xgboost", reason="pip install 'pysofie[xgboost]'")
    kinds = ["q"] * (FEATURES - 1) + ["c"]
    data = xgboost.DMatrix(*learnt("real"), feature_types=kinds, enable_categorical=True)
    booster = xgboost.train({"max_depth": 4, "max_cat_to_onehot": 4, "nthread": 1}, data, 6)
    assert any(tree["categories_nodes"] for tree in json_of(booster)["gradient_booster"]["model"]["trees"])
    return booster


def json_of(booster: Any) -> dict[str, Any]:
    return json.loads(bytes(booster.save_raw("json")))["learner"]


# --- LightGBM -----------------------------------------------------------------------------------------------


def lgb(kind: str, target: str, **options: Any) -> Callable[[], Any]:
    """An estimator of LightGBM, fitted when it is asked for."""

    def fit() -> Any:
        lightgbm = pytest.importorskip("lightgbm", reason="pip install 'pysofie[lightgbm]'")
        fitting = {name: options.pop(name) for name in ("categorical_feature", "group") if name in options}
        defaults = {"n_estimators": 6, "num_leaves": 9, "n_jobs": 1, "verbose": -1, "min_child_samples": 5}
        return getattr(lightgbm, kind)(**defaults | options).fit(*learnt(target), **fitting)

    return fit


def lgb_text_labels() -> Any:
    lightgbm = pytest.importorskip("lightgbm", reason="pip install 'pysofie[lightgbm]'")
    x, y = learnt("classes")
    estimator = lightgbm.LGBMClassifier(n_estimators=4, num_leaves=9, n_jobs=1, verbose=-1)
    return estimator.fit(x, np.array(["background", "signal", "tau"])[y])


def lgb_early_stopping() -> Any:
    lightgbm = pytest.importorskip("lightgbm", reason="pip install 'pysofie[lightgbm]'")
    x, y = learnt("binary")
    estimator = lightgbm.LGBMClassifier(n_estimators=80, num_leaves=9, n_jobs=1, verbose=-1)
    stop = lightgbm.early_stopping(2, verbose=False)
    estimator.fit(x[:250], y[:250], eval_set=[(x[250:], y[250:])], callbacks=[stop])
    assert estimator.best_iteration_ < 70
    return estimator


def lgb_booster() -> Any:
    lightgbm = pytest.importorskip("lightgbm", reason="pip install 'pysofie[lightgbm]'")
    data = lightgbm.Dataset(*learnt("real"), feature_name=NAMES)
    return lightgbm.train({"num_leaves": 9, "verbose": -1, "num_threads": 1}, data, 6)


RANDOM_FOREST = {"boosting_type": "rf", "bagging_freq": 1, "bagging_fraction": 0.6}
LIGHTGBM: dict[str, Callable[[], Any]] = {
    "LGBMClassifier, two classes": lgb("LGBMClassifier", "binary"),
    "LGBMClassifier, three classes": lgb("LGBMClassifier", "classes"),
    "LGBMClassifier, labels that are text": lgb_text_labels,
    "LGBMClassifier, one against all": lgb("LGBMClassifier", "classes", objective="multiclassova"),
    "LGBMClassifier, sigmoid=2": lgb("LGBMClassifier", "binary", sigmoid=2.0),
    "LGBMClassifier, random forest": lgb("LGBMClassifier", "classes", **RANDOM_FOREST),
    "LGBMClassifier, early stopping": lgb_early_stopping,
    "LGBMRegressor": lgb("LGBMRegressor", "real"),
    "LGBMRegressor, DART": lgb("LGBMRegressor", "real", boosting_type="dart"),
    "LGBMRegressor, zero_as_missing": lgb("LGBMRegressor", "real", zero_as_missing=True),
    "LGBMRegressor, use_missing=False": lgb("LGBMRegressor", "real", use_missing=False),
    "LGBMRegressor, categories": lgb(
        "LGBMRegressor", "real", categorical_feature=[FEATURES - 1], cat_smooth=1, min_data_per_group=5
    ),
    "LGBMRegressor, poisson": lgb("LGBMRegressor", "real", objective="poisson"),
    "LGBMRegressor, reg_sqrt": lgb("LGBMRegressor", "real", reg_sqrt=True),
    "LGBMRegressor, cross_entropy_lambda": lgb("LGBMRegressor", "binary", objective="cross_entropy_lambda"),
    "LGBMRegressor, no splits": lgb("LGBMRegressor", "real", min_child_samples=100_000),
    "LGBMRanker": lgb("LGBMRanker", "classes", group=[10] * 50),
    "Booster of LightGBM": lgb_booster,
}
XGBOOST: dict[str, Callable[[], Any]] = {
    "XGBClassifier, two classes": xgb("XGBClassifier", "binary"),
    "XGBClassifier, three classes": xgb("XGBClassifier", "classes"),
    "XGBClassifier, base_score": xgb("XGBClassifier", "binary", base_score=0.3),
    "XGBClassifier, missing=-999": xgb_missing,
    "XGBClassifier, several labels": xgb_several_labels,
    "XGBClassifier, early stopping": xgb_early_stopping,
    "XGBClassifier, num_parallel_tree": xgb("XGBClassifier", "classes", num_parallel_tree=3),
    "XGBClassifier, hinge": xgb("XGBClassifier", "binary", objective="binary:hinge"),
    "XGBClassifier, linear": xgb("XGBClassifier", "classes", booster="gblinear"),
    "XGBRFClassifier": xgb("XGBRFClassifier", "classes"),
    "XGBRegressor": xgb("XGBRegressor", "real"),
    "XGBRegressor, DART": xgb("XGBRegressor", "real", booster="dart", rate_drop=0.3),
    "XGBRegressor, several targets": xgb_several_targets,
    "XGBRegressor, gamma": xgb("XGBRegressor", "real", objective="reg:gamma"),
    "XGBRegressor, logistic": xgb("XGBRegressor", "binary", objective="reg:logistic"),
    "XGBRegressor, no splits": xgb("XGBRegressor", "real", gamma=1e9),
    "XGBRanker": xgb_ranker,
    "Booster of XGBoost": xgb_booster(),
    "Booster of XGBoost, softmax": xgb_booster(objective="multi:softmax", num_class=3),
    "Booster of XGBoost, categories": xgb_categories,
}


@functools.cache
def compiled(library: str) -> dict[str, tuple[Any, pysofie.Model, pysofie.Session]]:
    """All models of a library with their sessions, compiled in one go."""
    recipes = {"xgboost": XGBOOST, "lightgbm": LIGHTGBM}[library]
    fitted = {name: recipe() for name, recipe in recipes.items()}
    models = [pysofie.load(model, name=f"{library}_{i}") for i, model in enumerate(fitted.values())]
    folder = Path.cwd() / f"boosted_{library}"
    folder.mkdir(exist_ok=True)
    sessions = workshop.sessions(models, folder, "-O1")
    return dict(zip(recipes, zip(fitted.values(), models, sessions, strict=True), strict=True))


def samples(model: Any, library: str, count: int) -> np.ndarray:
    """Samples at, beside and between thresholds, and missing ones."""
    module = __import__(f"pysofie.importers.{library}", fromlist=["describe_model"])
    return module.describe_model(model).scores.samples(max(count, 1))[:count]


def check(library: str, name: str) -> None:
    model, loaded, session = compiled(library)[name]
    for batch in BATCHES:
        x = samples(model, library, batch)
        answer = session.run({"features": x})
        if batch == 0:
            assert {key: values.shape[0] for key, values in answer.items()} == dict.fromkeys(answer, 0)
            continue
        expected = loaded.source.reference({"features": x})
        assert set(answer) == set(expected)
        for key, values in answer.items():
            assert compare(key, {}, values, expected[key]).ok, f"{key} of {batch} samples"


@pytest.mark.xdist_group("xgboost")
@pytest.mark.parametrize("name", XGBOOST)
def test_xgboost(name):
    pytest.importorskip("xgboost", reason="pip install 'pysofie[xgboost]'")
    check("xgboost", name)


@pytest.mark.xdist_group("lightgbm")
@pytest.mark.parametrize("name", LIGHTGBM)
def test_lightgbm(name):
    pytest.importorskip("lightgbm", reason="pip install 'pysofie[lightgbm]'")
    check("lightgbm", name)


def test_infinities_go_the_way_of_large_numbers():
    """XGBoost's matrices refuse them, but not what estimators read in place."""
    pytest.importorskip("xgboost", reason="pip install 'pysofie[xgboost]'")
    estimator, _, session = compiled("xgboost")["XGBRegressor"]
    x = events()["x"].copy()
    x[::3, 0], x[1::3, 1] = np.inf, -np.inf
    answer = session.run({"features": x})["prediction"]
    np.testing.assert_allclose(answer[:, 0], estimator.predict(x), rtol=1e-5)


# --- what stands in the metadata ----------------------------------------------------------------------------


@pytest.mark.xdist_group("xgboost")
def test_names_of_features_and_classes():
    xgboost = pytest.importorskip("xgboost", reason="pip install 'pysofie[xgboost]'")
    booster = xgb_booster(objective="multi:softprob", num_class=3)()
    assert isinstance(booster, xgboost.Booster)
    model = pysofie.load(booster)
    assert model.feature_names == NAMES
    assert model.metadata["classes"] == "[0, 1, 2]"
    assert pysofie.load(booster, columns=list("abcdef")).feature_names == list("abcdef")
    with pytest.raises(pysofie.ShapeError, match="columns names 2 features, but the model has 6"):
        pysofie.load(booster, columns=["a", "b"])


@pytest.mark.xdist_group("lightgbm")
def test_labels_that_are_text():
    pytest.importorskip("lightgbm", reason="pip install 'pysofie[lightgbm]'")
    estimator, model, session = compiled("lightgbm")["LGBMClassifier, labels that are text"]
    classes = json.loads(model.metadata["classes"])
    assert classes == ["background", "signal", "tau"]
    x = events()["x"]
    assert [classes[place] for place in session.run({"features": x})["label"]] == list(estimator.predict(x))


@pytest.mark.xdist_group("xgboost")
def test_shapes_name_or_fix_the_batch():
    pytest.importorskip("xgboost", reason="pip install 'pysofie[xgboost]'")
    booster = xgb_booster()()
    assert pysofie.load(booster, shapes={"features": ("n", 6)}).inputs[0].shape == ("n", 6)
    assert pysofie.load(booster, shapes={"features": (1, 6)}).inputs[0].shape == (1, 6)
    with pytest.raises(pysofie.ShapeError, match="features"):
        pysofie.load(booster, shapes={"features": ("n", 5)})


# --- files --------------------------------------------------------------------------------------------------


@pytest.mark.xdist_group("xgboost")
@pytest.mark.parametrize("suffix", ["json", "ubj"])
def test_files_of_xgboost(tmp_path, suffix):
    pytest.importorskip("xgboost", reason="pip install 'pysofie[xgboost]'")
    estimator = compiled("xgboost")["XGBClassifier, early stopping"][0]
    path = tmp_path / f"bdt.{suffix}"
    estimator.save_model(path)
    assert all(row.ok for row in verify(path, sizes=(1, 7)))
    x = np.nan_to_num(events()["x"])
    loaded = pysofie.load(path)
    np.testing.assert_allclose(
        loaded.source.reference({"features": x})["probabilities"], estimator.predict_proba(x), rtol=1e-6
    )


@pytest.mark.xdist_group("lightgbm")
def test_files_of_lightgbm(tmp_path):
    pytest.importorskip("lightgbm", reason="pip install 'pysofie[lightgbm]'")
    path = tmp_path / "bdt.txt"
    lgb_booster().save_model(path)
    model = pysofie.load(path)
    assert model.feature_names == NAMES
    assert all(row.ok for row in verify(model, sizes=(1, 7)))


def broken(path: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """A JSON file of XGBoost after a change to its learner."""
    content = json.loads(bytes(xgb_booster()().save_raw("json")))
    change(content["learner"])
    path.write_text(json.dumps(content))
    return path


def first_tree(learner: dict[str, Any]) -> dict[str, Any]:
    return learner["gradient_booster"]["model"]["trees"][0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda learner: learner.pop("objective"), "damaged"),
        (lambda learner: learner["learner_model_param"].update(num_feature="x"), "damaged"),
        (
            lambda learner: learner["learner_model_param"].update(num_feature="2"),
            "a feature that is not among the 2",
        ),
        (lambda learner: first_tree(learner)["left_children"].__setitem__(0, 0), "do not agree"),
        (lambda learner: first_tree(learner)["left_children"].__setitem__(0, 10**6), "damaged"),
        (lambda learner: first_tree(learner)["left_children"].pop(), "damaged|different lengths"),
        (
            lambda learner: first_tree(learner)["split_conditions"].__setitem__(0, float("nan")),
            "a threshold is NaN",
        ),
        (
            lambda learner: first_tree(learner)["split_conditions"].__setitem__(-1, float("inf")),
            "no finite number",
        ),
        (lambda learner: learner["gradient_booster"].pop("model"), "damaged"),
        (lambda learner: first_tree(learner)["right_children"].__setitem__(-1, -8), "a negative one"),
        (lambda learner: first_tree(learner)["parents"].__setitem__(1, 5), "do not agree"),
        (lambda learner: learner["learner_model_param"].update(num_feature="9" * 12), "the model has 9999"),
    ],
)
def test_damaged_json(tmp_path, change, message):
    pytest.importorskip("xgboost", reason="pip install 'pysofie[xgboost]'")
    with pytest.raises(pysofie.InvalidModelError, match=message):
        pysofie.load(broken(tmp_path / "bdt.json", change))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"layers": []}', "no model of XGBoost"),
        ("[1, 2]", "no model of XGBoost"),
        ("{", "no JSON"),
        ("[" * 100_000, "no JSON"),
    ],
)
def test_json_of_something_else(tmp_path, text, message):
    pytest.importorskip("xgboost", reason="pip install 'pysofie[xgboost]'")
    path = tmp_path / "model.json"
    path.write_text(text)
    with pytest.raises(pysofie.InvalidModelError, match=message):
        pysofie.load(path)


def test_damaged_ubj(tmp_path):
    pytest.importorskip("xgboost", reason="pip install 'pysofie[xgboost]'")
    path = tmp_path / "bdt.ubj"
    path.write_bytes(bytes(xgb_booster()().save_raw("ubj"))[:500])
    with pytest.raises(pysofie.InvalidModelError, match="it ends too early"):
        pysofie.load(path)


def changed(text: str, key: str, value: str) -> str:
    """A text file of LightGBM with another value of a key in its first tree."""
    lines = text.splitlines()
    place = next(i for i, line in enumerate(lines) if line.startswith(f"{key}="))
    lines[place] = f"{key}={value}"
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("left_child", "0", "damaged"),
        ("left_child", "0 0 0 0 0 0 0 0", "a node leads to one"),
        ("right_child", "99 -1 -1 -1 -1 -1 -1 -1", "a node leads to one"),
        ("split_feature", "77 0 0 0 0 0 0 0", "a feature that is not among the 6"),
        ("threshold", "nan 0 0 0 0 0 0 0", "a threshold is NaN"),
        ("leaf_value", "inf 0 0 0 0 0 0 0 0", "no finite number"),
        ("num_leaves", "1000000000000", "damaged"),
        ("decision_type", "1 1 1 1 1 1 1 1", "damaged"),
        ("max_feature_idx", "-7", "no features"),
        ("max_feature_idx", "1000000000000", "names 6 features"),
        ("num_tree_per_iteration", "x", "damaged"),
    ],
)
def test_damaged_text(tmp_path, key, value, message):
    pytest.importorskip("lightgbm", reason="pip install 'pysofie[lightgbm]'")
    path = tmp_path / "bdt.txt"
    path.write_text(changed(lgb_booster().model_to_string(), key, value))
    with pytest.raises(pysofie.InvalidModelError, match=message):
        pysofie.load(path)


def test_truncated_text(tmp_path):
    pytest.importorskip("lightgbm", reason="pip install 'pysofie[lightgbm]'")
    path = tmp_path / "bdt.txt"
    path.write_text(lgb_booster().model_to_string().partition("end of trees")[0])
    with pytest.raises(pysofie.InvalidModelError, match="truncated"):
        pysofie.load(path)


@pytest.mark.parametrize("content", [b"", b"once upon a time", b"\xff\xfe\x00"])
def test_text_of_something_else(tmp_path, content):
    pytest.importorskip("lightgbm", reason="pip install 'pysofie[lightgbm]'")
    path = tmp_path / "notes.txt"
    path.write_bytes(content)
    with pytest.raises(pysofie.InvalidModelError, match="LightGBM"):
        pysofie.load(path)


# --- what is not taken --------------------------------------------------------------------------------------


def test_trees_with_vectors_at_their_leaves():
    xgboost = pytest.importorskip("xgboost", reason="pip install 'pysofie[xgboost]'")
    x, y = learnt("real")
    estimator = xgboost.XGBRegressor(n_estimators=2, multi_strategy="multi_output_tree")
    with pytest.raises(pysofie.UnsupportedError, match="one_output_per_tree"):
        pysofie.load(estimator.fit(x, np.stack([y, y], axis=1)))


def test_trees_with_linear_models_at_their_leaves():
    pytest.importorskip("lightgbm", reason="pip install 'pysofie[lightgbm]'")
    with pytest.raises(pysofie.UnsupportedError, match="linear_tree"):
        pysofie.load(lgb("LGBMRegressor", "real", linear_tree=True)())


def test_the_docs_are_up_to_date():
    assert not update("boosted", [*XGBOOST, *LIGHTGBM]), f"{PAGE} was out of date; it has been written anew"
