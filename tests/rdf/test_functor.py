"""Models as columns: which columns feed them, of which types, and what is refused."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from rdf import small

import pysofie

pytestmark = [pytest.mark.root, pytest.mark.xdist_group("root")]

INTEGERS = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]


@pytest.fixture(scope="module")
def score(root):
    return pysofie.functor(small.weighted_sum(), columns=small.PT_ETA_PHI)


@pytest.fixture
def frame(root):
    """100 events: pt is a float, eta a double, phi an int."""
    return (
        root.RDataFrame(100)
        .Define("entry", "rdfentry_")
        .Define("pt", "0.25f * rdfentry_")
        .Define("eta", "double(rdfentry_) - 50.")
        .Define("phi", "int(rdfentry_ % 7)")
    )


def arrays(frame, *names):
    """Columns in the order of the events, whichever thread had them first."""
    columns = frame.AsNumpy(["entry", *names])
    order = np.argsort(columns["entry"])
    return [np.asarray(columns[name])[order] for name in names]


def test_define(frame, score):
    pt, eta, phi, scores = arrays(frame.Define("score", score), "pt", "eta", "phi", "score")
    np.testing.assert_array_equal(scores, pt + 2 * eta.astype("float32") + 3 * phi)
    assert scores.dtype == np.float32


def test_the_score_is_a_column_like_any_other(frame, score):
    scored = frame.Define("score", score).Define("half", "score / 2").Filter("half > 10 && score < 100")
    (halves,) = arrays(scored, "half")
    assert len(halves) == np.sum((halves > 10) & (halves < 50)) > 0
    assert scored.GetColumnType("score") == "float"


def test_redefine(frame, score):
    once, twice = arrays(
        frame.Define("score", score).Define("once", "score").Redefine("score", score), "once", "score"
    )
    np.testing.assert_array_equal(once, twice)


def test_a_third_argument_takes_the_place_of_the_columns(frame, score):
    pt, phi, scores = arrays(frame.Define("score", score, ["phi", "pt", "phi"]), "pt", "phi", "score")
    np.testing.assert_array_equal(scores, phi + 2 * pt + 3 * phi)
    (again,) = arrays(frame.Define("score", score, cols={"x": ["phi", "pt", "phi"]}), "score")
    np.testing.assert_array_equal(scores, again)


def test_other_definitions_reach_root_unchanged(root, frame):
    values = arrays(frame.Define("twice", "2 * phi").Redefine("twice", "twice + 1"), "phi", "twice")
    np.testing.assert_array_equal(2 * values[0] + 1, values[1])
    root.gInterpreter.Declare("struct PysofieTestHalf { float operator()(float x) const { return x / 2; } };")
    pt, half = arrays(frame.Define("half", root.PysofieTestHalf(), ["pt"]), "pt", "half")
    np.testing.assert_array_equal(pt / 2, half)


def test_a_frame_that_is_older_than_pysofie(run_python):
    run_python(f"""
import ROOT
frame = ROOT.RDataFrame(3).Define("x", "float(rdfentry_)")
filtered = frame.Filter("x > 0")
import pysofie
score = pysofie.functor({small.weighted_sum(weights=(2,))!r}, columns=["x"])
assert frame.Define("y", score).Sum("y").GetValue() == 6
assert filtered.Define("y", score).Sum("y").GetValue() == 6
assert frame.Range(2).Define("y", score).Sum("y").GetValue() == 2
""")


def test_the_first_functor_is_made_in_the_call(run_python):
    """Python looks ``Define`` up before it evaluates the arguments."""
    run_python(f"""
import ROOT
import pysofie
frame = ROOT.RDataFrame(3).Define("x", "float(rdfentry_)")
frame = frame.Define("y", pysofie.functor({small.weighted_sum(weights=(2,))!r}, columns=["x"]))
assert frame.Sum("y").GetValue() == 6
""")


@pytest.mark.parametrize("dtype", [*INTEGERS, "float32", "float64", "bool"])
def test_columns_of_every_type(root, score, dtype):
    values = np.array([0, 1, 100], dtype)
    frame = root.RDF.FromNumpy({"x": values})
    scores = frame.Define("score", score, ["x", "x", "x"]).AsNumpy(["score"])["score"]
    np.testing.assert_array_equal(np.sort(scores), np.sort(6 * values.astype("float32")))


@pytest.mark.parametrize("dtype", ["int32", "int64"])
def test_floats_for_a_model_of_integers(root, dtype):
    score = pysofie.functor(small.weighted_sum(dtype, weights=(1,)), columns=["x"])
    values = np.array([1.9, -1.9, np.nan, np.inf, -np.inf])
    limits = np.iinfo(dtype)
    scores = root.RDF.FromNumpy({"x": values}).Define("score", score).AsNumpy(["score"])["score"]
    assert sorted(scores) == sorted([1, -1, 0, limits.max, limits.min])
    assert scores.dtype == dtype
    np.testing.assert_array_equal(score(values), [1, -1, 0, limits.max, limits.min])


def test_double_in_double_out(root):
    score = pysofie.functor(small.weighted_sum("float64"), columns=["x", "x", "x"])
    frame = root.RDF.FromNumpy({"x": np.array([1 + 1e-12])}).Define("score", score)
    assert frame.GetColumnType("score") == "double"
    assert frame.AsNumpy(["score"])["score"][0] == pytest.approx(6 + 6e-12, abs=1e-15)


def test_names_that_are_no_identifiers(root):
    frame = root.RDF.FromNumpy({"jet1_b-tag": np.ones(2, "float32"), "a b": np.ones(2), "class": np.ones(2)})
    score = pysofie.functor(small.weighted_sum(), columns=["jet1_b-tag", "a b", "class"])
    assert frame.Define("score", score).Sum("score").GetValue() == 12


def test_aliases(frame, score):
    aliased = (
        frame.Alias("momentum", "pt")
        .Define("score", score, ["momentum", "eta", "phi"])
        .Define("direct", score)
    )
    a, b = arrays(aliased, "score", "direct")
    np.testing.assert_array_equal(a, b)


def test_a_file_of_root(root, frame, score, tmp_path):
    file = str(tmp_path / "events.root")
    frame.Define("score", score).Snapshot("events", file, ["entry", "pt", "eta", "phi", "score"])
    again = root.RDataFrame("events", file).Define("again", score)
    written, computed = arrays(again, "score", "again")
    np.testing.assert_array_equal(written, computed)


# --- inputs and outputs -------------------------------------------------------------------------------------


def test_scalars_are_found_by_the_names_of_the_inputs(root):
    frame = root.RDF.FromNumpy({"a": np.array([1.5, 2.5], "float32"), "b": np.array([1e-9, 2.0])})
    score = pysofie.functor(small.scalars(), output="sum")
    assert score.columns == ["a", "b"]
    np.testing.assert_array_equal(
        np.sort(frame.Define("sum", score).AsNumpy(["sum"])["sum"]), np.array([1.5 + 1e-9, 4.5])
    )
    np.testing.assert_array_equal(score([1.5, 2.5], [1e-9, 2.0]), [1.5 + 1e-9, 4.5])


@pytest.mark.parametrize("names", ['["eta", "pt", "phi"]', "eta, pt, phi"])
def test_columns_from_the_metadata(frame, names):
    score = pysofie.functor(small.with_features(small.weighted_sum(), names))
    assert score.columns == ["eta", "pt", "phi"]
    pt, eta, phi, scores = arrays(frame.Define("score", score), "pt", "eta", "phi", "score")
    np.testing.assert_array_equal(scores, eta.astype("float32") + 2 * pt + 3 * phi)


def test_several_inputs_and_an_rvec(frame):
    columns = {"met": "phi", "jets": ["pt", "eta"]}
    score = pysofie.functor(small.two_inputs(), columns=columns, output="sums")
    scored = frame.Define("sums", score)
    assert scored.GetColumnType("sums") in ("ROOT::VecOps::RVec<float>", "ROOT::RVec<float>")
    pt, eta, phi, first, size = arrays(
        scored.Define("first", "sums[0]").Define("size", "int(sums.size())"),
        "pt",
        "eta",
        "phi",
        "first",
        "size",
    )
    np.testing.assert_array_equal(first, pt + phi)
    assert set(size) == {2}
    np.testing.assert_array_equal(
        score(pt, eta, phi), np.stack([pt + phi, eta + phi], axis=1).astype("float32")
    )


@pytest.mark.parametrize("output", ["total", 2, -1])
def test_one_of_several_outputs(frame, output):
    score = pysofie.functor(small.two_inputs(), columns={"jets": ["pt", "pt"], "met": ["phi"]}, output=output)
    pt, phi, total = arrays(frame.Define("total", score), "pt", "phi", "total")
    np.testing.assert_array_equal(total, 2 * pt * phi)


def test_static_batch(frame):
    score = pysofie.functor(small.weighted_sum(batch=1), columns=small.PT_ETA_PHI)
    pt, eta, phi, scores = arrays(frame.Define("score", score), "pt", "eta", "phi", "score")
    np.testing.assert_array_equal(scores, pt + 2 * eta.astype("float32") + 3 * phi)
    np.testing.assert_array_equal(score(pt, eta, phi), scores)


def test_symbols_behind_the_first_are_solved(frame):
    content = small.weighted_sum(batch="batch")
    proto = small.onnx.ModelProto.FromString(content)
    proto.graph.input[0].type.tensor_type.shape.dim[1].dim_param = "n"
    nodes = [small.helper.make_node("ReduceMax", ["x"], ["y"], axes=[1], keepdims=0)]
    model = small.support.model(
        nodes, [small.support.floats("x", "b", "n")], [small.support.floats("y", "b")]
    )
    score = pysofie.functor(model.SerializeToString(), columns=["pt", "eta"])
    pt, eta, largest = arrays(frame.Define("largest", score), "pt", "eta", "largest")
    np.testing.assert_array_equal(largest, np.maximum(pt, eta.astype("float32")))


# --- arrays -------------------------------------------------------------------------------------------------


def test_on_arrays_as_in_the_frame(frame, score):
    pt, eta, phi, scores = arrays(frame.Define("score", score), "pt", "eta", "phi", "score")
    np.testing.assert_array_equal(score(pt, eta, phi), scores)
    table = np.stack([pt, eta, phi], axis=1)
    np.testing.assert_array_equal(score(table), scores)
    np.testing.assert_array_equal(score(table), score.session(table.astype("float32"))[:, 0])


def test_no_events(score):
    assert score(np.zeros((0, 3))).shape == (0,)


@pytest.mark.parametrize("values", [(1, 2), (np.zeros(2), np.zeros(3), np.zeros(2)), (np.zeros((2, 4)),), ()])
def test_arrays_that_do_not_fit(score, values):
    with pytest.raises(pysofie.ShapeError):
        score(*values)


# --- errors -------------------------------------------------------------------------------------------------


def test_elements_that_columns_cannot_hold_are_refused(root):
    with pytest.raises(pysofie.UnsupportedError, match="columns cannot hold float16; let the model cast it"):
        pysofie.functor(small.weighted_sum("float16"), columns=small.PT_ETA_PHI)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (["pt", "eta"], "3 values per event, got 2 columns: 'pt', 'eta'"),
        ({"y": ["pt", "eta", "phi"]}, "'y' is no input that takes columns; there are 'x'"),
        ({}, "lacks the model's input 'x'"),
        ([1, 2, 3], "must hold names of columns"),
    ],
)
def test_wrong_columns_are_refused_at_functor(root, columns, message):
    with pytest.raises(pysofie.Error, match=message):
        pysofie.functor(small.weighted_sum(), columns=columns)


def test_wrong_outputs_are_refused_at_functor(root):
    for output, message in [
        ("w", "'sums', 'products', 'total'"),
        (3, "outputs are"),
        ("sums[2]", "no element 2"),
        ("w[0]", "'sums', 'products', 'total'"),
        ([], "names no output"),
        ({"p b": "sums"}, "'p b' is no C\\+\\+ identifier"),
    ]:
        with pytest.raises(pysofie.Error, match=message):
            pysofie.functor(small.two_inputs(), output=output)


def test_columns_that_nobody_names(frame):
    score = pysofie.functor(small.weighted_sum())
    with pytest.raises(pysofie.Error, match=r"which columns feed the input x.*columns=\["):
        frame.Define("score", score)
    assert frame.Define("score", score, small.PT_ETA_PHI).Count().GetValue() == 100
    np.testing.assert_array_equal(score([[1, 2, 3]]), [14])


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (["pt", "etta", "phi"], "'etta'.*did you mean eta"),
        (["pt", "eta"], "3 values per event"),
        (["pt", "eta", "jets"], "column 'jets' is of type .*RVec<float> >"),
        (["pt", "eta", "name"], "column 'name' is of type .*string"),
    ],
)
def test_wrong_columns_are_refused_at_define(frame, score, columns, message):
    frame = frame.Define("jets", "ROOT::RVec<ROOT::RVec<float>>{}").Define("name", 'std::string("a")')
    with pytest.raises(pysofie.Error, match=message):
        frame.Define("score", score, columns)


@pytest.mark.parametrize(("name", "message"), [("pt", "already"), ("a-b", "Not a valid C\\+\\+ variable")])
def test_names_that_root_refuses(frame, score, name, message):
    with pytest.raises(pysofie.Error, match=message):
        frame.Define(name, score)


def test_a_fault_in_the_event_loop_names_the_model(root):
    find = pysofie.functor(small.lookup(), columns=["i"])
    good = root.RDF.FromNumpy({"i": np.array([4, 0, -1])}).Define("entry", find)
    assert sorted(good.AsNumpy(["entry"])["entry"]) == [0, 40, 40]
    bad = root.RDF.FromNumpy({"i": np.array([0, 5])}).Define("entry", find)
    with pytest.raises(Exception, match="pysofie: model 'lookup'"):
        bad.Sum("entry").GetValue()


def test_without_root(run_python):
    """Arrays are all there is; what needs ROOT says so."""
    run_python(f"""
import sys
sys.modules["ROOT"] = None
import pysofie
from rdf_helpers import hook
score = pysofie.functor({small.weighted_sum()!r})
assert score([[1, 2, 3]]) == 14
try:
    hook.install()
except pysofie.Error as error:
    assert "pip install 'pysofie[root]'" in str(error)
else:
    raise AssertionError
""")


# --- several functors ---------------------------------------------------------------------------------------


def test_different_models_side_by_side(frame):
    one = pysofie.functor(small.weighted_sum(weights=(1, 1)), columns=["pt", "phi"])
    other = pysofie.functor(small.weighted_sum(weights=(5, 0)), columns=["pt", "phi"])
    pt, phi, a, b = arrays(frame.Define("a", one).Define("b", other), "pt", "phi", "a", "b")
    np.testing.assert_array_equal(a, pt + phi)
    np.testing.assert_array_equal(b, 5 * pt)


def test_files_of_one_name_in_different_folders(frame, tmp_path):
    """What is compiled goes by the content."""
    functors = []
    for name, weights in (("a", (1, 1)), ("b", (5, 0))):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.onnx").write_bytes(small.weighted_sum(weights=weights))
        functors.append(pysofie.functor(tmp_path / name / "model.onnx", columns=["pt", "phi"]))
    scored = frame.Define("a", functors[0]).Define("b", functors[1])
    pt, phi, a, b = arrays(scored, "pt", "phi", "a", "b")
    np.testing.assert_array_equal(a, pt + phi)
    np.testing.assert_array_equal(b, 5 * pt)


def test_members_of_a_struct(frame, tmp_path):
    """Columns like any other: in expressions, filters and files."""
    tag = pysofie.functor(small.two_inputs(), columns={"jets": ["pt", "eta"], "met": "phi"})
    scored = frame.Define("tag", tag).Define("total", "tag.total").Define("first", "tag.sums[0]")
    pt, eta, phi, total, first = arrays(scored, "pt", "eta", "phi", "total", "first")
    np.testing.assert_array_equal(first, pt + phi)
    np.testing.assert_allclose(total, (pt + eta) * phi, rtol=1e-6)
    assert scored.Filter("tag.total > 100").Count().GetValue() == np.sum(total > 100) > 0
    file = str(tmp_path / "members.root")
    scored.Snapshot("events", file, ["entry", "total", "first"])
    on_arrays = tag({"pt": pt, "eta": eta, "phi": phi})
    assert set(on_arrays) == {"sums", "products", "total"}
    np.testing.assert_array_equal(on_arrays["total"], total)


def test_the_same_model_twice(frame, score):
    again = pysofie.functor(small.weighted_sum(), columns=small.PT_ETA_PHI)
    a, b = arrays(frame.Define("a", score).Define("b", again), "a", "b")
    np.testing.assert_array_equal(a, b)


def test_pickle(frame, score):
    copy = pickle.loads(pickle.dumps(score))
    assert copy.columns == score.columns
    a, b = arrays(frame.Define("a", score).Define("b", copy), "a", "b")
    np.testing.assert_array_equal(a, b)


def test_a_functor_may_go_before_its_column(frame):
    scored = frame.Define("score", pysofie.functor(small.weighted_sum(), columns=small.PT_ETA_PHI))
    assert scored.Count().GetValue() == 100
    assert scored.Max("score").GetValue() > 0


def test_a_result_whose_size_the_data_decide(frame):
    """An RVec of the actual length, and as many values from arrays."""
    positive = pysofie.functor(small.positive(), columns=small.PT_ETA_PHI)
    *columns, chosen = arrays(frame.Define("chosen", positive), *small.PT_ETA_PHI, "chosen")
    table = np.stack(columns, axis=1).astype("float32")
    expected = [row[row > 0] for row in table]
    assert {len(row) for row in expected} == {0, 1, 2, 3}
    scored = positive(*columns)
    for row, event, wanted in zip(chosen, scored, expected, strict=True):
        np.testing.assert_array_equal(np.asarray(row), wanted)
        np.testing.assert_array_equal(event, wanted)
