"""Operators of users: compositions, C++ text and functions of their own, from ONNX files and in C++."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import support
from onnx import helper

import pysofie
from pysofie import custom
from pysofie.compile import compile_many

RNG = np.random.default_rng(11)
P, Q = (np.abs(RNG.standard_normal((6, 4))).astype("float32") * np.float32([9, 1, 1, 1]) for _ in "pq")
TEXT = """const auto* a = p + 4 * item;
const auto* b = q + 4 * item;
double square = 0;
for (int i = 0; i < 4; ++i) square += (i == 0 ? 1 : -1) * double(a[i] + b[i]) * double(a[i] + b[i]);
mass[item] = scale * rt::sqrt(square > 0 ? square : 0.0);"""


def invariant_mass(p, q, *, scale=1.0):
    total = p + q
    square = total[..., 0] ** 2 - (total[..., 1:] ** 2).sum(-1)
    return np.sqrt(np.maximum(square, 0)) * scale


def mass_rule(p, q, *, scale=1.0):
    shape = p.shape[:-1]
    return pysofie.Routine(
        {"mass": (p.dtype, shape)}, items=shape[0], arguments={"n": shape[0], "scale": scale}
    )


@pytest.fixture
def register():
    """Register operators for one test."""
    before = dict(custom._registered)
    yield pysofie.operator
    custom._registered.clear()
    custom._registered.update(before)


def model(*nodes, inputs=("p", "q"), output="y", dims=("n", 4), constants=None):
    values = [support.floats(name, *dims) for name in inputs]
    return support.model(list(nodes), values, [support.floats(output, "n")], constants, domains={"hep": 1})


def mass_node(name="InvariantMass", inputs=("p", "q"), outputs=("m",), **attributes):
    return helper.make_node(name, list(inputs), list(outputs), domain="hep", name="pair", **attributes)


def exp_of_mass(**attributes):
    return model(mass_node(**attributes), helper.make_node("Exp", ["m"], ["y"]))


def test_three_meanings(register, tmp_path):
    register("hep", "InvariantMass")(invariant_mass)
    register("hep", "MassText", text=TEXT)(mass_rule)
    (tmp_path / "mass.h").write_text(
        '#include <cstdint>\nextern "C" void pair_mass(std::int64_t, const float*, const float*, float*, '
        "std::int64_t, double);\n"
    )
    (tmp_path / "mass.cpp").write_text(
        '#include "mass.h"\n#include <cmath>\nextern "C" void pair_mass(std::int64_t item, const float* p, '
        "const "
        f"float* q, float* mass, std::int64_t, double scale) {{\nnamespace rt = std;\n{TEXT}\n}}\n"
    )
    library = tmp_path / "libmass.so"
    subprocess.run(["g++", "-shared", "-fPIC", str(tmp_path / "mass.cpp"), "-o", str(library)], check=True)
    flags = [f"-L{tmp_path}", "-lmass", f"-Wl,-rpath,{tmp_path}"]
    register(
        "hep", "MassFunction", function="pair_mass", header="mass.h", include_dirs=[tmp_path], flags=flags
    )(mass_rule)
    nodes = [
        mass_node("InvariantMass", outputs=["a"], scale=0.5),
        mass_node("MassText", outputs=["b"], scale=0.5),
        mass_node("MassFunction", outputs=["c"], scale=0.5),
        helper.make_node("Concat", ["a", "b", "c"], ["abc"], axis=0),
        helper.make_node("Neg", ["abc"], ["y"]),
    ]
    proto = model(*nodes)
    session = pysofie.compile(proto)
    expected = np.tile(-invariant_mass(P, Q, scale=0.5), 3)
    np.testing.assert_allclose(session(P, Q), expected, rtol=1e-5)
    assert session(P[:0], Q[:0]).shape == (0,)
    header = pysofie.emit(proto, tmp_path)[1].read_text()
    assert f"-L{tmp_path} -lmass" in header.splitlines()[0]
    assert '#include "mass.h"' in header


def test_a_composition_is_fused_folded_and_verified(register):
    pytest.importorskip("onnxruntime", reason="needs onnxruntime: pip install 'pysofie[verify]'")
    from pysofie import _core

    register("hep", "InvariantMass")(invariant_mass)
    loaded = pysofie.load(exp_of_mass(scale=2.0))
    assert [str(t) for t in loaded.outputs] == ["y: float32[n]"]
    assert _core.Program(loaded.graph).statistics()["kernels"] <= 2
    assert all(row.ok for row in pysofie.verify(loaded, sizes=(3,)).comparisons)
    constants = {"p": P, "q": Q}
    folded = pysofie.load(model(mass_node(outputs=["y"]), inputs=(), constants=constants))
    assert _core.Program(folded.graph).statistics()["operations"] == "0"


def test_shapes_of_the_inputs_reach_the_rule(register):
    seen = []

    def doubled(x):
        seen.append(tuple(map(str, x.shape)))
        n = x.shape[0]
        return pysofie.Routine(
            {"y": (x.dtype, (n * 2 + 1 - n, x.shape[1] // 2))}, arguments={"size": n * x.shape[1]}
        )

    register("hep", "Doubled", text="for (int64_t i = 0; i < size / 2; ++i) y[i] = x[2 * i];")(doubled)
    register("hep", "Rows")(lambda x: np.ones_like(x[:, 0]) * x.shape[0] / x.sum())
    nodes = [
        helper.make_node("Doubled", ["p"], ["d"], domain="hep"),
        helper.make_node("Rows", ["d"], ["y"], domain="hep"),
    ]
    assert pysofie.load(model(*nodes, inputs=("p",))).outputs[0].shape == ("n + 1",)
    assert set(seen) == {("n", "4")}


def test_other_types_and_optional_inputs(register):
    def shifted(x, shift=None, *, twice=0):
        return pysofie.Routine({"y": (x.dtype, x.shape)}, items=x.shape[0], arguments={"factor": twice + 1})

    register("hep", "Shifted", text="y[item] = x[item] * factor;")(shifted)
    register("hep", "Moved")(lambda x, shift=None: x if shift is None else x + shift)
    models = []
    for kind in ("float64", "float16", "int32", "bool"):
        number = helper.np_dtype_to_tensor_dtype(np.dtype(kind))
        x, y = (helper.make_tensor_value_info(name, number, ["n"]) for name in "xy")
        nodes = [
            helper.make_node("Shifted", ["x", ""], ["s"], domain="hep", twice=0),
            helper.make_node("Moved", ["s"], ["y"], domain="hep"),
        ]
        models.append((kind, support.model(nodes, [x], [y], domains={"hep": 1})))
    for (kind, _), session in zip(models, compile_many([proto for _, proto in models]), strict=True):
        x = np.array([0, 1, 1, 0, 1]).astype(kind)
        result = session(x)
        assert result.dtype == kind
        np.testing.assert_array_equal(result, x)


def test_in_branches_and_loops(register):
    register("hep", "InvariantMass")(invariant_mass)
    body = helper.make_graph(
        [
            mass_node(inputs=["p", "q"], outputs=["m"]),
            helper.make_node("Add", ["sum", "m"], ["next"]),
            helper.make_node("Identity", ["go"], ["on"]),
        ],
        "body",
        [
            helper.make_tensor_value_info(n, k, s)
            for n, k, s in [("i", 7, []), ("go", 9, []), ("sum", 1, ["n"])]
        ],
        [helper.make_tensor_value_info(n, k, s) for n, k, s in [("on", 9, []), ("next", 1, ["n"])]],
    )
    loop = helper.make_node("Loop", ["three", "", "zero"], ["y"], body=body)
    first = mass_node(inputs=["p", "q"], outputs=["f"])
    zero = helper.make_node("Sub", ["f", "f"], ["zero"])
    proto = model(first, zero, loop, constants={"three": np.array(3)})
    np.testing.assert_allclose(pysofie.compile(proto)(P, Q), 3 * invariant_mass(P, Q), rtol=1e-5)


def test_definitions_make_the_key_and_travel(register, tmp_path):
    factor = 2.0
    register("hep", "InvariantMass")(lambda p, q: invariant_mass(p, q) * factor)
    first = pysofie.load(exp_of_mass()).digest
    assert pysofie.load(exp_of_mass()).digest == first
    factor = 3.0
    assert pysofie.load(exp_of_mass()).digest != first
    register("hep", "MassText", text=TEXT)(mass_rule)
    proto = model(mass_node("MassText", outputs=["y"]))
    before = pysofie.load(proto).digest
    register("hep", "MassText", text=TEXT + " ", replace=True)(mass_rule)
    assert pysofie.load(proto).digest != before
    pytest.importorskip("cloudpickle", reason="needs cloudpickle, which Dask and Spark bring")
    import cloudpickle

    register("hep", "InvariantMass", replace=True)(invariant_mass)
    module = sys.modules[__name__]
    cloudpickle.register_pickle_by_value(module)
    try:
        (tmp_path / "model").write_bytes(pickle.dumps(pysofie.load(exp_of_mass())))
    finally:
        cloudpickle.unregister_pickle_by_value(module)
    code = "import pickle, sys; print(pickle.load(open(sys.argv[1], 'rb')).outputs)"
    command = [sys.executable, "-c", code, str(tmp_path / "model")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "shape=('n',)" in done.stdout, done.stderr


def test_files_that_an_operator_reads_make_the_key(register, tmp_path):
    texts = {
        "include/mass.h": '#include "detector/frame.h"\n#include <units.h>\n#include <cmath>\n',
        "include/detector/frame.h": '#pragma once\n#  include "geometry.h" // near\n#include "frame.h"',
        "include/detector/geometry.h": "inline float size() { return 2; }",
        "include/detector/unread.h": "",
        "other/units.h": "inline float gev() { return 1; }",
        "other/geometry.h": "not this one",
        "body.inc": "mass[item] = 1;",
        "lib/libmass.a": "1",
        "extra.o": "1",
    }
    for name, text in texts.items():
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).write_text(text)
    register(
        "hep",
        "MassText",
        text=f'#include "{tmp_path}/body.inc"\n',
        header="mass.h",
        include_dirs=[tmp_path / "include"],
        flags=["-isystem", f"{tmp_path}/other", f"-L{tmp_path}/lib", "-lmass", f"{tmp_path}/extra.o"],
    )(mass_rule)
    proto = model(mass_node("MassText", outputs=["y"]))
    first = pysofie.load(proto).digest
    changed = set()
    for name, text in texts.items():
        (tmp_path / name).write_text(text + "\n// changed")
        if pysofie.load(proto).digest != first:
            changed.add(name)
        (tmp_path / name).write_text(text)
    assert changed == set(texts) - {"include/detector/unread.h", "other/geometry.h"}
    assert pysofie.load(proto).digest == first


def test_a_header_of_a_header_changes_the_result(register, tmp_path):
    (tmp_path / "detector").mkdir()
    (tmp_path / "mass.h").write_text('#include "detector/scale.h"\n')
    register("hep", "MassText", text="mass[item] = SCALE;", header="mass.h", include_dirs=[tmp_path])(
        mass_rule
    )
    proto = model(mass_node("MassText", outputs=["y"]))
    for scale in (2, 3, 2):
        (tmp_path / "detector" / "scale.h").write_text(f"#define SCALE {scale}\n")
        np.testing.assert_array_equal(pysofie.compile(proto)(P, Q), np.full(len(P), scale))


def test_what_cannot_travel_is_refused(register, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    register("hep", "InvariantMass")(lambda p, q: invariant_mass(p, q))
    with pytest.raises(pysofie.Error, match=r"hep.InvariantMass cannot be sent.*pip install cloudpickle"):
        pickle.dumps(pysofie.load(exp_of_mass()))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("", "Mine"), "would be an operator of ONNX; choose a domain"),
        (("hep", "Mass", {"text": {"gpu": "x"}}), "text is for the targets cpu, sycl, alpaka, not gpu"),
        (("hep", "Mass", {"text": {}}), "not none"),
        (("hep", "Mass", {"text": "x", "function": "f"}), "either text or function"),
        (("hep", "Mass", {"function": "f"}), "function names a C.. function, which header declares"),
        (("hep", "Mass", {"function": "f()", "header": "f.h"}), "function names a C.. function"),
        (("hep", "Mass", {"header": "f.h"}), "are for text and function"),
        (("hep", "Mass", {"text": "x", "header": 'f.h"\n'}), "header is the name of a file"),
        (("hep", "Mass", {"text": "x", "flags": ["-l\nx"]}), "has one line"),
    ],
)
def test_refused_definitions(register, arguments, words):
    domain, name, keywords = (*arguments, {})[:3]
    with pytest.raises(pysofie.Error, match=words):
        register(domain, name, **keywords)(mass_rule)


def test_refused_functions(register):
    register("hep", "Mass")(invariant_mass)
    with pytest.raises(pysofie.Error, match=r"hep.Mass is registered already; replace=True"):
        register("hep", "Mass")(invariant_mass)
    custom.unregister("hep", "Mass")
    with pytest.raises(pysofie.Error, match="is not registered"):
        custom.unregister("hep", "Mass")
    with pytest.raises(pysofie.Error, match=r"the parameter \*\*anything does not say"):
        register("hep", "Mass")(lambda x, **anything: x)
    with pytest.raises(pysofie.Error, match=r"the parameter \*x does not say"):
        register("hep", "Mass", text="")(lambda *x: x)


def routine(**keywords):
    return lambda p, q, *, scale=1.0: pysofie.Routine(
        **{"outputs": {"y": (p.dtype, p.shape[:1])}, "items": p.shape[0], **keywords}
    )


@pytest.mark.parametrize(
    ("rule", "text", "node", "error", "words"),
    [
        (
            invariant_mass,
            None,
            {"inputs": ["p"]},
            pysofie.InvalidModelError,
            r"'pair': hep.InvariantMass.*takes the inputs p, q, and the node has 1",
        ),
        (invariant_mass, None, {"inputs": ["p", "q", "p"]}, pysofie.InvalidModelError, "the node has 3"),
        (
            invariant_mass,
            None,
            {"size": 1},
            pysofie.InvalidModelError,
            "no attribute size; its attributes are: scale",
        ),
        (lambda p, q, *, scale: p, None, {}, pysofie.InvalidModelError, "needs the attribute scale"),
        (
            invariant_mass,
            None,
            {"outputs": ["m", "k"]},
            pysofie.InvalidModelError,
            "has 2 outputs, but its composition returns 1",
        ),
        (
            lambda p, q: None,
            None,
            {},
            pysofie.Error,
            "'pair'.*rule of hep.InvariantMass failed.*returned NoneType",
        ),
        (lambda p, q: 1 / 0, None, {}, pysofie.Error, "rule of hep.InvariantMass failed: ZeroDivisionError"),
        (lambda p, q: p + np.ones(3, "float32"), None, {}, pysofie.ShapeError, "'pair'.*Add of"),
        (lambda p, q: p if (p > 0).any() else q, None, {}, pysofie.Error, "Python cannot branch"),
        (lambda p, q: 1, "x", {}, pysofie.Error, "returned int, and must return a pysofie.Routine"),
        (routine(items="n"), "x", {}, pysofie.Error, "'n' is no size"),
        (routine(arguments={"p": 1}), "x", {}, pysofie.Error, "are named 'p'"),
        (routine(arguments={"new": 1}), "x", {}, pysofie.Error, "'new' cannot be the name of a parameter"),
        (
            routine(),
            "x",
            {"outputs": ["m", "k"]},
            pysofie.InvalidModelError,
            "has 2 outputs, but its rule returns 1",
        ),
        (
            lambda p, q: pysofie.Routine({"y": (p.dtype, (p.shape[1] - 5,))}),
            "x",
            {},
            pysofie.ShapeError,
            "-1",
        ),
        (lambda p, q: pysofie.Routine({"y": ("M8[s]", (1,))}), "x", {}, pysofie.Error, "datetime64"),
    ],
)
def test_refused_nodes(register, rule, text, node, error, words):
    register("hep", "InvariantMass", text=text)(rule)
    with pytest.raises(error, match=words):
        pysofie.load(exp_of_mass(**node))


def test_unknown_operators_are_still_listed():
    with pytest.raises(pysofie.UnsupportedError, match=r"hep.InvariantMass.*no such operator"):
        pysofie.load(exp_of_mass())


def test_a_target_without_text(register):
    register("hep", "InvariantMass", text={"cpu": TEXT})(mass_rule)
    with pytest.raises(
        pysofie.UnsupportedError, match=r"hep.InvariantMass has no text for the target sycl, but for: cpu"
    ):
        pysofie.emit(exp_of_mass(), target="sycl")
    with pytest.raises(
        pysofie.Error, match=r"hep.InvariantMass is C\+\+ text, which nothing but generated code"
    ):
        pysofie.verify(exp_of_mass())


def test_text_that_does_not_compile(register):
    register("hep", "InvariantMass", text="double x = 1;\nmass[item] = no_such_thing(x);")(mass_rule)
    with pytest.raises(pysofie.CompileError) as caught:
        pysofie.compile(exp_of_mass())
    words = str(caught.value)
    assert "hep.InvariantMass for cpu:2" in words
    assert "> " in words
    assert "2 | mass[item] = no_such_thing(x);" in words
    assert "  1 | double x = 1;" in words
    assert caught.value.source is not None
    assert Path(caught.value.source).is_dir()


def test_operators_in_parts_and_chains(register):
    register("hep", "InvariantMass")(invariant_mass)
    first = pysofie.load(exp_of_mass(), outputs=["m"])
    custom.unregister("hep", "InvariantMass")  # a model keeps the meaning that it was loaded with
    root = support.model(
        [helper.make_node("Sqrt", ["m"], ["r"])], [support.floats("m", "k")], [support.floats("r", "k")]
    )
    for whole in (pysofie.chain(first, root), pysofie.load(first, post={"r": "sqrt(m)"})):
        assert [str(tensor) for tensor in whole.outputs] == ["r: float32[n]"]
    register("hep", "InvariantMass")(lambda p, q: p[:, 0])
    other = pysofie.load(exp_of_mass(), outputs=["m"])
    with pytest.raises(pysofie.Error, match=r"hep\.InvariantMass means different things"):
        pysofie.average([first, other])
