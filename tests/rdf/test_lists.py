"""Columns of lists: objects as a batch, constituents of one object, padding and masks."""

from __future__ import annotations

import awkward as ak
import numpy as np
import pytest
from rdf import small

import pysofie

pytestmark = [pytest.mark.root, pytest.mark.xdist_group("root")]


@pytest.fixture
def frame(root):
    """60 events with 0 to 4 jets: pt is a list of float, eta one of double, charge of int, met a number."""
    return (
        root.RDataFrame(60)
        .Define("entry", "rdfentry_")
        .Define("n", "int(rdfentry_ % 5)")
        .Define(
            "pt", "ROOT::RVec<float> v; for (int i = 0; i < n; ++i) v.push_back(i + 0.5f * entry); return v;"
        )
        .Define("eta", "std::vector<double> v; for (int i = 0; i < n; ++i) v.push_back(i - 2.); return v;")
        .Define(
            "charge", "ROOT::RVec<int> v; for (int i = 0; i < n; ++i) v.push_back(i % 2 ? 1 : -1); return v;"
        )
        .Define("good", "ROOT::RVec<bool> v; for (int i = 0; i < n; ++i) v.push_back(i != 1); return v;")
        .Define("three", "std::array<float, 3>{1.f * entry, 2.f, 3.f}")
        .Define("met", "100. + entry")
    )


def plain(value):
    """Lists of ROOT as lists of Python."""
    return [plain(item) for item in value] if hasattr(value, "__len__") else value


def events(frame, *names):
    """Columns as Python's lists, in the order of the events."""
    taken = frame.AsNumpy(["entry", *names])
    return {name: [plain(taken[name][i]) for i in np.argsort(taken["entry"])] for name in names}


def table(frame, *names):
    return {name: ak.Array(values) for name, values in events(frame, *names).items()}


def same_on_arrays(frame, functor, name):
    """What the frame gives, after arrays gave the same."""
    scored = events(frame.Define(name, functor), name)[name]
    on_arrays = functor(table(frame, *functor.columns))
    assert ak.to_list(on_arrays) == scored
    return scored


def test_a_score_for_each_object(frame):
    score = pysofie.functor(small.weighted_sum(), columns=["pt", "eta", "met"])
    given = events(frame, "pt", "eta", "met")
    scored = same_on_arrays(frame, score, "score")
    for pt, eta, met, row in zip(*given.values(), scored, strict=True):
        assert row == [p + 2 * e + 3 * met for p, e in zip(pt, eta, strict=True)]
    assert {len(row) for row in scored} == {0, 1, 2, 3, 4}
    assert "RVec<float>" in frame.Define("score", score).GetColumnType("score")


def test_several_values_for_each_object(frame):
    score = pysofie.functor(small.classes(), columns=["pt", "charge"])
    scored = same_on_arrays(frame, score, "score")
    given = events(frame, "pt", "charge")
    assert scored == [
        [[p, c, p + c] for p, c in zip(*row, strict=True)] for row in zip(*given.values(), strict=True)
    ]


def test_one_class_of_each_object(frame):
    both = pysofie.functor(
        small.classes(), columns=["pt", "charge"], output={"first": "y[0]", "last": "y[-1]"}
    )
    scored = frame.Define("s", both).Define("first", "s.first").Define("last", "s.last")
    given = events(scored, "pt", "charge", "first", "last")
    assert given["first"] == given["pt"]
    for pt, charge, last in zip(given["pt"], given["charge"], given["last"], strict=True):
        assert last == [p + c for p, c in zip(pt, charge, strict=True)]
    on_arrays = both(table(frame, "pt", "charge"))
    assert ak.to_list(on_arrays["last"]) == given["last"]


@pytest.mark.parametrize(("shape", "axis"), [((1, 2, "n"), 2), (("batch", "n", 2), 1), ((1, "n", 2), 1)])
def test_any_number_of_constituents(frame, shape, axis):
    total = pysofie.functor(small.constituents(shape, axis), columns=["pt", "met"], output="total")
    given = events(frame, "pt", "met")
    scored = same_on_arrays(frame, total, "score")
    assert scored == [[sum(pt), len(pt) * met] for pt, met in zip(*given.values(), strict=True)]
    each = pysofie.functor(small.constituents(shape, axis), columns=["pt", "met"], output="each")
    scored = same_on_arrays(frame, each, "score")
    assert scored == [[p + met for p in pt] for pt, met in zip(*given.values(), strict=True)]


@pytest.mark.parametrize(("shape", "axis"), [((1, 2, 3), 2), (("batch", 3, 2), 1)])
def test_a_fixed_number_of_constituents(frame, shape, axis):
    """Shorter lists are padded, longer ones cut."""
    model = small.constituents(shape, axis)
    each = pysofie.functor(model, columns=["pt", "eta"], output="each", pad=-1)
    given = events(frame, "pt", "eta")
    expected = [
        ([p + e for p, e in zip(*row, strict=True)] + [-2] * 3)[:3]
        for row in zip(*given.values(), strict=True)
    ]
    assert same_on_arrays(frame, each, "score") == expected
    with pytest.raises(pysofie.Error, match=r"'pt', 'eta': the model takes exactly 3 entries; give pad="):
        frame.Define("score", pysofie.functor(model, columns=["pt", "eta"], output="each"))


def test_arrays_of_fixed_length_need_no_padding(frame):
    """Along (1, 3) they are all there is; a model of two entries would lose one."""
    model = small.weighted_sum(batch=1)
    scored = events(frame.Define("y", pysofie.functor(model, columns="three")), "y", "entry")
    assert scored["y"] == [entry + 4 + 9 for entry in scored["entry"]]
    with pytest.raises(pysofie.Error, match="takes exactly 2 entries"):
        frame.Define("y", pysofie.functor(small.weighted_sum(weights=(1, 2)), columns=["three"]))


@pytest.mark.parametrize("size", ["n", 3])
def test_masks(frame, size):
    found = pysofie.functor(small.masked(size), columns={"x": ["pt"]}, mask="mask", pad=7)
    given = events(frame.Define("m", found).Define("t", "m.total").Define("c", "m.count"), "pt", "t", "c")
    most = 3 if size == 3 else 4
    assert given["c"] == [min(len(pt), most) for pt in given["pt"]]
    assert given["t"] == [sum(pt[:most]) for pt in given["pt"]]
    padding = pysofie.functor(
        small.masked(size), columns={"x": ["pt"]}, padding_mask="mask", pad=7, output="count"
    )
    assert same_on_arrays(frame, padding, "c") == [
        max(size - len(pt), 0) if size == 3 else 0 for pt in given["pt"]
    ]


def test_bounds_of_a_dynamic_dim(frame):
    """With padding lists are brought within them; without, an event outside is an error."""
    model = small.constituents((1, 2, "n"), 2)
    each = pysofie.functor(model, columns=["pt", "pt"], output="each", pad=0, dims={"n": (2, 3)})
    lengths = {len(row) for row in same_on_arrays(frame, each, "score")}
    assert lengths == {2, 3}
    strict = pysofie.functor(model, columns=["pt", "pt"], output="each", dims={"n": (0, 3)})
    with pytest.raises(Exception, match="has 4 entries in 'pt', of which the model takes 0 to 3: give pad="):
        events(frame.Define("score", strict), "score")
    with pytest.raises(pysofie.ShapeError, match="event 4 has 4 entries in 'pt'"):
        strict(table(frame, "pt"))


def test_an_axis_that_is_not_obvious(frame):
    square = small.constituents((1, 2, 2), 2)
    with pytest.raises(pysofie.Error, match=r"may lie along the axes \[1, 2\]: give axis="):
        frame.Define("y", pysofie.functor(square, columns=["pt", "eta"], output="each", pad=0))
    rows = pysofie.functor(square, columns=["pt", "eta"], output="total", pad=0, axis=2)
    columns = pysofie.functor(square, columns=["pt", "eta"], output="each", pad=0, axis=1)
    assert same_on_arrays(frame, rows, "y") == same_on_arrays(frame, columns, "y")
    with pytest.raises(pysofie.ShapeError, match="axis=0: 2 columns cannot lie along it"):
        frame.Define("y", pysofie.functor(square, columns=["pt", "eta"], output="each", pad=0, axis=0))


def test_numbers_beside_a_batch_of_objects(frame):
    """An input of numbers is repeated for every object of another input."""
    sums = pysofie.functor(small.two_inputs(), columns={"jets": ["pt", "eta"], "met": ["met"]}, output="sums")
    given = events(frame, "pt", "eta", "met")
    expected = [
        [[p + met, e + met] for p, e in zip(pt, eta, strict=True)]
        for pt, eta, met in zip(*given.values(), strict=True)
    ]
    assert same_on_arrays(frame, sums, "score") == expected


def test_columns_named_as_the_inputs(root):
    model = small.weighted_sum(weights=(2,))
    frame = root.RDataFrame(4).Define("x", "ROOT::RVec<double>(rdfentry_, 1.5)")
    scored = frame.Define("y", pysofie.functor(model)).Define("s", "ROOT::VecOps::Sum(y)")
    assert scored.Sum("s").GetValue() == 3 * (0 + 1 + 2 + 3)


def test_lists_of_different_lengths(frame):
    score = pysofie.functor(small.classes(), columns=["pt", "short"])
    other = frame.Define("short", "ROOT::RVec<float>(1)")
    with pytest.raises(Exception, match=r"column 'pt' has . entries, column 'short' has 1"):
        events(other.Define("score", score), "score")
    with pytest.raises(pysofie.ShapeError, match="event 0: column 'pt' has 0 entries, column 'short' has 1"):
        score(table(other, "pt", "short"))


@pytest.mark.parametrize(("columns", "batch"), [(["pt", "eta"], 1), (["pt", "eta", "met", "met"], "batch")])
def test_lists_that_fit_nowhere(frame, columns, batch):
    with pytest.raises(pysofie.ShapeError, match=r"input x: float32\["):
        frame.Define("y", pysofie.functor(small.weighted_sum(batch=batch), columns=columns))


def test_lists_for_a_model_of_one_object(frame):
    with pytest.raises(pysofie.ShapeError, match="needs a dynamic leading dim"):
        frame.Define("y", pysofie.functor(small.weighted_sum(batch=1), columns=["pt", "eta", "charge"]))


# --- choosing events and objects ----------------------------------------------------------------------------


def test_events_that_are_left_out(frame):
    columns = {"columns": ["met", "n", "n"], "where": "n > 1", "default": -5}
    score = pysofie.functor(small.weighted_sum(), **columns)
    given = events(frame, "met", "n")
    scored = same_on_arrays(frame, score, "y")
    assert scored == [met + 5 * n if n > 1 else -5 for met, n in zip(*given.values(), strict=True)]
    assert score.columns == ["met", "n"]
    names = [str(name) for name in frame.Define("y", score).GetColumnNames()]
    assert not [name for name in names if "pysofie" in name]


def test_objects_that_are_left_out(frame):
    score = pysofie.functor(small.weighted_sum(), columns=["pt", "eta", "met"], where="good", default=-1)
    given = events(frame, "pt", "eta", "met", "good")
    expected = [
        [p + 2 * e + 3 * met if g else -1 for p, e, g in zip(pt, eta, good, strict=True)]
        for pt, eta, met, good in zip(*given.values(), strict=True)
    ]
    assert same_on_arrays(frame, score, "y") == expected
    rows = pysofie.functor(small.classes(), columns=["pt", "charge"], where="good", default=9)
    assert {row[1][2] for row in same_on_arrays(frame, rows, "y") if len(row) > 1} == {9}


def test_a_list_cannot_choose_among_events(frame):
    score = pysofie.functor(small.weighted_sum(), columns=["met", "n", "n"], where="good", default=0)
    with pytest.raises(pysofie.Error, match="'good' holds a list, but the model gives no value for each"):
        frame.Define("y", score)


def test_left_out_without_a_default():
    with pytest.raises(pysofie.Error, match="where= and default= belong together"):
        pysofie.functor(small.weighted_sum(), where="good")


def test_variations_of_lists(root, frame):
    """Of the values, of which objects there are, and of what chooses among them."""
    score = pysofie.functor(small.weighted_sum(weights=(1,)), columns=["pt"], where="good", default=0)
    varied = (
        frame.Vary("pt", "ROOT::RVec<ROOT::RVec<float>>{2 * pt, pt + 1}", ["scaled", "moved"])
        .Vary("good", "ROOT::RVec<ROOT::RVec<bool>>{!good}", ["others"])
        .Define("y", score)
        .Define("s", "ROOT::VecOps::Sum(y)")
    )
    sums = root.RDF.Experimental.VariationsFor(varied.Sum("s"))
    given = events(frame, "pt", "good")
    kept = [p for row, good in zip(*given.values(), strict=True) for p, g in zip(row, good, strict=True) if g]
    assert sums["nominal"] == sum(kept)
    assert sums["pt:scaled"] == 2 * sum(kept)
    assert sums["pt:moved"] == sum(kept) + len(kept)
    assert sums["good:others"] == sum(map(sum, given["pt"])) - sum(kept)


# --- arrays -------------------------------------------------------------------------------------------------


def test_tables_of_every_kind():
    score = pysofie.functor(small.weighted_sum(), columns=["pt", "eta", "phi"])
    numbers = {"pt": np.arange(3.0), "eta": np.ones(3), "phi": np.zeros(3)}
    records = np.array([(0, 1, 0), (1, 1, 0), (2, 1, 0)], [(name, "f8") for name in numbers])
    for given in (numbers, records, ak.zip(numbers), ak.Array(records)):
        np.testing.assert_array_equal(score(given), [2, 3, 4])
    jagged = {name: ak.Array([[1.0, 2.0], [], [3.0]]) for name in numbers}
    assert ak.to_list(score(jagged)) == [[6, 12], [], [18]]
    assert ak.to_list(score(*jagged.values())) == [[6, 12], [], [18]]
    nothing = {name: ak.Array([[1.0]])[:0] for name in numbers}
    assert ak.to_list(score(nothing)) == []


def test_tables_that_do_not_fit():
    score = pysofie.functor(small.weighted_sum(), columns=["pt", "eta", "phi"])
    with pytest.raises(pysofie.ShapeError, match="no column 'phi' among pt, eta"):
        score({"pt": [1], "eta": [1]})
    with pytest.raises(pysofie.ShapeError, match="differ in length"):
        score({"pt": [1], "eta": [1, 2], "phi": [1]})
    with pytest.raises(pysofie.ShapeError, match="column 'pt' has 3 axes"):
        score({"pt": ak.Array([[[1.0]]]), "eta": [1], "phi": [1]})
    with pytest.raises(pysofie.ShapeError, match="column 'pt' has missing values"):
        score({"pt": ak.Array([1.0, None]), "eta": [1, 1], "phi": [1, 1]})


def test_left_out_events_of_a_model_whose_data_decide_sizes(frame):
    """Lists are empty then, and numbers the default."""
    positive = pysofie.functor(small.positive(), columns=["met", "n", "n"], where="n != 2", default=-1)
    given = events(frame, "met", "n")
    expected = [
        [v for v in (met, n, n) if v > 0] if n != 2 else [] for met, n in zip(*given.values(), strict=True)
    ]
    assert same_on_arrays(frame, positive, "y") == expected
