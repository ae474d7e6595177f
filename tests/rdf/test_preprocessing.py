"""What is done to values before the model sees them, in frames and on arrays."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from rdf import small

import pysofie

pytestmark = [pytest.mark.root, pytest.mark.xdist_group("root")]

VALUES = np.array([0, 1, -3, 1e30, -999, np.nan, np.inf, -np.inf])


@pytest.fixture(scope="module")
def frame(root):
    others = np.linspace(-1, 1, len(VALUES))
    return root.RDF.FromNumpy({"i": np.arange(len(VALUES)), "a": VALUES, "b": others, "c": others**2})


def scores(frame, functor):
    """What the frame gives, after arrays gave the same."""
    taken = frame.Define("y", functor).AsNumpy(["i", "y", "a", "b", "c"])
    order = np.argsort(taken["i"])
    result = taken["y"][order]
    np.testing.assert_array_equal(result, functor({name: taken[name][order] for name in "abc"}))
    return result


def one(**options):
    """The first of three columns, preprocessed."""
    return pysofie.functor(
        small.weighted_sum("float64", weights=(1, 0, 0)), columns=["a", "b", "b"], **options
    )


def test_scaling_clipping_and_missing_values(frame):
    prepare = pysofie.Preprocessing(
        center=[1, 0, 0], scale=[0.5, 1, 1], low=-5, high=5, nan=-7, sentinels={-999: 8}
    )
    np.testing.assert_array_equal(scores(frame, one(preprocess=prepare)), [-0.5, 0, -2, 5, 8, -7, 5, -5])


def test_infinities(frame):
    prepare = pysofie.Preprocessing(inf=2, nan=1)
    np.testing.assert_array_equal(scores(frame, one(preprocess=prepare)), [0, 1, -3, 1e30, -999, 1, 2, 2])


def test_every_column_has_its_own(frame):
    functor = pysofie.functor(
        small.weighted_sum("float64"),
        columns=["b", "c", "b"],
        preprocess=pysofie.Preprocessing(center=[1, 2, 3], scale=[4, 5, 6], low=[-9, -9, -15]),
    )
    b = np.linspace(-1, 1, len(VALUES))
    expected = (b - 1) * 4 + 2 * np.maximum((b**2 - 2) * 5, -9) + 3 * np.maximum((b - 3) * 6, -15)
    np.testing.assert_allclose(scores(frame, functor), expected, rtol=1e-15)


def test_names_say_which_feature_it_is(frame):
    prepare = pysofie.Preprocessing(center=[10, 20, 30], features=["c", "b", "a"])
    functor = pysofie.functor(small.weighted_sum("float64"), columns=["b", "c", "b"], preprocess=prepare)
    b = np.linspace(-1, 1, len(VALUES))
    np.testing.assert_allclose(scores(frame, functor), (b - 20) + 2 * (b**2 - 10) + 3 * (b - 20), rtol=1e-14)
    with pytest.raises(pysofie.Error, match="says nothing of the column 'd'; it knows c, b, a"):
        pysofie.functor(small.weighted_sum("float64"), columns=["b", "c", "d"], preprocess=prepare)


@pytest.mark.parametrize("kind", ["StandardScaler", "RobustScaler", "MinMaxScaler", "MaxAbsScaler"])
@pytest.mark.parametrize("part", [slice(None), slice(0, 1)], ids=["all", "one feature"])
def test_scalers_of_scikit_learn(frame, kind, part):
    preprocessing = pytest.importorskip("sklearn.preprocessing", reason="pip install 'pysofie[sklearn]'")
    rng = np.random.default_rng(4)
    scaler = getattr(preprocessing, kind)().fit(rng.normal(3, 2, (50, 3))[:, part])
    count = scaler.n_features_in_
    columns = ["b", "c", "b"][part]
    model = small.weighted_sum("float64", weights=(1, 2, 3)[:count])
    functor = pysofie.functor(model, columns=columns, preprocess=scaler)
    b = np.linspace(-1, 1, len(VALUES))
    scaled = scaler.transform(np.stack([b, b**2, b], axis=1)[:, part])
    np.testing.assert_allclose(scores(frame, functor), scaled @ np.arange(1, count + 1), rtol=1e-12)


def test_scalers_that_are_not_taken():
    preprocessing = pytest.importorskip("sklearn.preprocessing", reason="pip install 'pysofie[sklearn]'")
    for scaler, message in [
        (preprocessing.StandardScaler(), "not fitted"),
        (preprocessing.PowerTransformer().fit(np.ones((3, 3))), "export it with the model"),
        (3, "int is not taken"),
    ]:
        with pytest.raises(pysofie.UnsupportedError, match=message):
            one(preprocess=scaler)


def weaver(path, **changes):
    infos = {
        "a": {
            "median": 1,
            "norm_factor": 0.5,
            "replace_inf_value": 3,
            "lower_bound": -5,
            "upper_bound": 5,
            "pad": 0,
        },
        "b": {
            "median": 0,
            "norm_factor": 1,
            "replace_inf_value": 0,
            "lower_bound": -1e32,
            "upper_bound": 1e32,
            "pad": 0,
        },
    }
    part = {"var_names": ["a", "b", "b"], "var_infos": infos, "var_length": 1} | changes
    path.write_text(json.dumps({"input_names": ["x"], "x": part, "output_names": ["y"]}))
    return path


def test_weaver(frame, tmp_path):
    """Missing values are replaced before they are scaled."""
    path = weaver(tmp_path / "preprocess.json")
    expected = [-0.5, 0, -2, 5, -5, 1, 1, 1]
    np.testing.assert_array_equal(scores(frame, one(preprocess=path)), expected)
    np.testing.assert_array_equal(scores(frame, one(preprocess={"x": str(path)})), expected)


def test_files_that_are_not_weavers(tmp_path):
    path = tmp_path / "p.json"
    for text in ("{", '{"y": {}}', '{"x": {"var_names": ["a"], "var_infos": {}}}', "[]"):
        path.write_text(text)
        with pytest.raises(
            pysofie.InvalidModelError, match=r"p\.json is no preprocessing file of weaver for the input 'x'"
        ):
            one(preprocess=path)
    with pytest.raises(FileNotFoundError):
        one(preprocess=tmp_path / "absent.json")


@pytest.mark.parametrize(
    ("preprocess", "message"),
    [
        (pysofie.Preprocessing(center=[1, 2]), r"center has shape \(2,\), the input has 3 columns"),
        ({"z": pysofie.Preprocessing()}, "names no input of the model: 'z'; there are x"),
    ],
)
def test_recipes_that_do_not_fit(preprocess, message):
    with pytest.raises(pysofie.Error, match=message):
        one(preprocess=preprocess)


def test_lists_are_scaled_before_they_are_padded(root):
    model = small.constituents((1, 2, 3), 2)
    prepare = pysofie.Preprocessing(center=[1, 2], scale=[3, 4], nan=math.nan)
    each = pysofie.functor(model, columns=["u", "v"], output="each", pad=0.5, preprocess=prepare)
    frame = root.RDataFrame(1).Define("u", "ROOT::RVec<float>{1, 2}").Define("v", "10")
    assert list(frame.Define("y", each).AsNumpy(["y"])["y"][0]) == [32, 35, 1]


def test_integers(root):
    """They are scaled in double precision, and rounded to what the model takes last."""
    functor = pysofie.functor(
        small.weighted_sum("int32", weights=(1,)), columns=["i"], preprocess=pysofie.Preprocessing(scale=0.5)
    )
    frame = root.RDF.FromNumpy({"i": np.array([7, -7, 2**31 - 1])})
    taken = frame.Define("y", functor).AsNumpy(["i", "y"])
    np.testing.assert_array_equal(taken["y"], np.trunc(taken["i"] / 2))
    np.testing.assert_array_equal(functor(taken["i"]), taken["y"])
