"""Operators that move data, with random attributes and dynamic shapes, against onnxruntime."""

from __future__ import annotations

import functools

import numpy as np
import onnx
import pytest
from comparison import TARGET, Comparison, Nodes
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper
from support import floats, model, typed

import pysofie

LARGE = 2**31 - 1
X = floats("x", "n", 4, "m")


def untyped(*names: str) -> list[onnx.ValueInfoProto]:
    return [helper.make_empty_tensor_value_info(name) for name in names]


class Movements(Nodes):
    """Random nodes that read x, float32 of shape (n, 4, m)."""

    def axis(self) -> int:
        return self.integer(-3, 2)

    def slice(self) -> None:
        axes = self.rng.permutation(3)[: self.integer(1, 3)]
        steps = self.rng.choice([-3, -2, -1, 1, 1, 2, 3], len(axes))
        starts = [
            self.rng.choice([-LARGE, -5, -1, 0, 1, 3, *([LARGE] if step < 0 else [])]) for step in steps
        ]
        # onnxruntime takes the largest number for the beginning if the step is negative.
        ends = [
            self.rng.choice([-LARGE, -6, -2, -1, 0, 2, 4, *([LARGE] if step > 0 else [])]) for step in steps
        ]
        signs = self.rng.choice([0, -3], len(axes))
        self.add("Slice", ["x", *map(self.constant, (starts, ends, axes + signs, steps))])

    def pad(self) -> None:
        mode = self.rng.choice(["constant", "constant", "edge", "wrap", "reflect"])
        pads = self.rng.integers(0, 2, 6) if mode != "constant" else self.rng.integers(0, 4, 6)
        value = [self.constant(2.5, "float32")] if mode == "constant" and self.integer(0, 1) else []
        self.add("Pad", ["x", self.constant(pads), *value], mode=mode)

    def gather(self) -> None:
        shape = self.rng.integers(1, 4, self.integer(0, 2))
        axis = self.axis()
        size = 4 if axis in (1, -2) else 2  # the other axes may be that short
        self.add("Gather", ["x", self.constant(self.rng.integers(-size, size, shape))], axis=axis)

    def gather_elements(self) -> None:
        self.add("GatherElements", ["x", self.constant(self.rng.integers(-4, 4, (1, 5, 1)))], axis=1)

    def concat(self) -> None:
        self.add("Concat", ["x"] * self.integer(1, 3), axis=self.axis())

    def split(self) -> None:
        parts = [[4], [1, 3], [2, 2], [0, 4], [1, 1, 2]][self.integer(0, 4)]
        self.add("Split", ["x", self.constant(parts)], len(parts), axis=1)
        self.add("Split", ["x"], 2, axis=1, num_outputs=2)

    def tile(self) -> None:
        self.add("Tile", ["x", self.constant(self.rng.integers(0, 4, 3))])

    def transpose(self) -> None:
        self.add("Transpose", ["x"], perm=self.rng.permutation(3).tolist())

    def reshape(self) -> None:
        shape = [[0, -1], [-1], [0, 2, 2, -1], [0, 1, 4, -1], [-1, 2], [0, 4, 1, -1]][self.integer(0, 5)]
        self.add("Reshape", ["x", self.constant(shape)])

    def flatten(self) -> None:
        self.add("Flatten", ["x"], axis=self.integer(-3, 3))

    def expand(self) -> None:
        self.add("Expand", ["x", self.constant([[2, 1, 1, 1], [1], [3, 1, 4, 1]][self.integer(0, 2)])])

    def unsqueeze(self) -> None:
        axes = self.rng.permutation(5)[:2]
        self.add("Unsqueeze", ["x", self.constant(axes - self.rng.choice([0, 5], 2))])

    def trilu(self) -> None:
        self.add("Trilu", ["x", self.constant(self.integer(-3, 3))], upper=self.integer(0, 1))

    def running(self) -> None:
        self.add(
            "CumSum",
            ["x", self.constant(self.axis())],
            exclusive=self.integer(0, 1),
            reverse=self.integer(0, 1),
        )

    def shape(self) -> None:
        self.add("Shape", ["x"], start=self.integer(-4, 3), end=self.integer(-4, 4))
        self.add("Size", ["x"])

    def add_all(self) -> None:
        self.slice()
        self.pad()
        for _ in range(2):
            for add in (
                *(
                    self.slice,
                    self.pad,
                    self.gather,
                    self.gather_elements,
                    self.concat,
                    self.split,
                    self.tile,
                ),
                *(self.transpose, self.reshape, self.flatten, self.expand, self.unsqueeze, self.trilu),
                *(self.running, self.shape),
            ):
                add()


@functools.cache
def compiled(seed: int) -> Comparison:
    nodes = Movements({"x": ("float32", ("n", 4, "m"))}, opset=19, seed=seed)
    nodes.add_all()
    return nodes.compile()


@pytest.mark.parametrize("seed", range(4))
@settings(max_examples=12, deadline=None)
@given(n=st.integers(2, 6), m=st.integers(2, 9))
def test_random_attributes(seed, n, m):
    compiled(seed).check({"x": np.random.default_rng(n * 10 + m).standard_normal((n, 4, m), np.float32)})


CHAIN = [
    helper.make_node("Shape", ["x"], ["s"]),
    helper.make_node("Gather", ["s", "zero"], ["batch"]),
    helper.make_node("Unsqueeze", ["batch", "front"], ["first"]),
    helper.make_node("Concat", ["first", "rest"], ["wanted"], axis=0),
    helper.make_node("Reshape", ["x", "wanted"], ["y"]),
]
CHAIN_CONSTANTS = {"zero": np.int64(0), "front": np.array([0]), "rest": np.array([2, -1])}


def test_shape_values_leave_no_code():
    loaded = pysofie.load(typed(model(CHAIN, [X], untyped("y"), CHAIN_CONSTANTS)))
    assert loaded.outputs[0].shape == ("n", 2, "2 * m")
    x = np.random.default_rng(0).standard_normal((3, 4, 5)).astype(np.float32)
    np.testing.assert_array_equal(pysofie.compile(loaded)(x), x.reshape(3, 2, 10))


def test_shape_values_that_are_returned_are_computed():
    session = pysofie.compile(typed(model(CHAIN, [X], untyped("wanted"), CHAIN_CONSTANTS)))
    np.testing.assert_array_equal(session(np.zeros((3, 4, 5), np.float32)), [3, 2, -1])


def test_ranges_and_constants_follow_symbols():
    nodes = [
        helper.make_node("Shape", ["x"], ["s"]),
        helper.make_node("Gather", ["s", "zero"], ["n"]),
        helper.make_node("Range", ["zero", "n", "two"], ["r"]),
        helper.make_node(
            "ConstantOfShape", ["s"], ["c"], value=helper.make_tensor("v", onnx.TensorProto.INT32, [1], [7])
        ),
        helper.make_node("EyeLike", ["x"], ["e"], k=1, dtype=onnx.TensorProto.INT64),
    ]
    constants = {"zero": np.int64(0), "two": np.int64(2)}
    session = pysofie.compile(typed(model(nodes, [floats("x", "n", "m")], untyped("r", "c", "e"), constants)))
    for n, m in [(5, 3), (1, 1), (0, 2), (4, 7)]:
        result = session.run({"x": np.zeros((n, m), np.float32)})
        np.testing.assert_array_equal(result["r"], np.arange(0, n, 2))
        np.testing.assert_array_equal(result["c"], np.full((n, m), 7, np.int32))
        np.testing.assert_array_equal(result["e"], np.eye(n, m, k=1, dtype=np.int64))


@pytest.mark.parametrize(
    ("op", "values", "attributes", "good", "bad"),
    [
        ("Gather", 3, {"axis": 1}, (2, 4), (2, 3)),
        ("Reshape", [3, -1], {}, (3, 4), (2, 4)),
        ("Squeeze", [0], {}, (1, 4), (2, 4)),
        ("GatherElements", [[0, 0, 0]], {}, (1, 3), (1, 2)),
    ],
)
def test_sizes_are_checked_when_they_are_known(op, values, attributes, good, bad):
    constants = {"c": np.asarray(values, np.int64)}
    node = helper.make_node(op, ["x", "c"], ["y"], **attributes)
    session = pysofie.compile(typed(model([node], [floats("x", "n", "m")], untyped("y"), constants)))
    session(np.zeros(good, np.float32))
    with pytest.raises(pysofie.ShapeError):
        session(np.zeros(bad, np.float32))


@pytest.mark.parametrize("known", [True, False])
def test_slices_from_before_the_axis_and_with_endless_steps(known):
    """Backwards, ONNX lets a start before the axis be its first element, where NumPy takes nothing."""
    nodes = Nodes({"x": ("float32", ("n",)), "start": ("int64", (1,)), "end": ("int64", (1,))}, opset=17)
    ends = [nodes.constant([-9]), nodes.constant([-20])] if known else ["start", "end"]
    axis = nodes.constant([0])
    for step in (-1, -3, -(2**63), 2**63 - 1):
        nodes.add("Slice", ["x", *ends, axis, nodes.constant([step])])
    nodes.add("Slice", ["x", nodes.constant([0]), nodes.constant([LARGE]), axis, nodes.constant([LARGE])])
    session = pysofie.compile(nodes.proto(), target=TARGET)
    for n in (0, 1, 5):
        x = np.arange(1, n + 1, dtype="float32")
        feeds = {"x": x, "start": np.array([-9]), "end": np.array([-20])}
        results = [y.tolist() for y in session.run(feeds).values()]
        first = x[:1].tolist()
        assert results == [first, first, first, [], first]


def test_the_middle_of_any_size():
    nodes = Nodes({"x": ("float32", ("n", 4, "m"))}, opset=18)
    for sizes, axes in (((3, 7), (0, -1)), ((8, 2), (2, 1)), ((1,), (-3,)), ((2, 5, 3), None)):
        attributes = {} if axes is None else {"axes": axes}
        nodes.add("CenterCropPad", ["x", nodes.constant(sizes)], **attributes)
    comparison = nodes.compile("reference")
    for n, m in ((1, 1), (2, 5), (9, 4), (0, 3)):
        comparison.check({"x": np.arange(n * 4 * m, dtype="float32").reshape(n, 4, m)})


def test_indices_from_data():
    nodes = [helper.make_node("Gather", ["x", "i"], ["y"], axis=1)]
    i = helper.make_tensor_value_info("i", onnx.TensorProto.INT64, ("k",))
    session = pysofie.compile(typed(model(nodes, [floats("x", "n", 4), i], untyped("y"))))
    x = np.arange(8, dtype=np.float32).reshape(2, 4)
    np.testing.assert_array_equal(session.run({"x": x, "i": np.array([3, -1, -4])})["y"], x[:, [3, -1, -4]])
    with pytest.raises(IndexError):
        session.run({"x": x, "i": np.array([0, 4])})


@pytest.mark.parametrize(
    ("op", "inputs", "attributes", "error", "words"),
    [
        ("Reshape", [[0, 5, 0]], {}, pysofie.ShapeError, r"\[n, 4, m\] cannot be reshaped"),
        ("Reshape", [[0, -1, -1]], {}, pysofie.ShapeError, "more than one -1"),
        ("Reshape", [[1, 2, 3, 0]], {}, pysofie.ShapeError, "copies a dimension"),
        ("Squeeze", [[1]], {}, pysofie.ShapeError, "squeezed"),
        ("Unsqueeze", [[7]], {}, pysofie.ShapeError, "outside"),
        ("Transpose", [], {"perm": [0, 0, 1]}, pysofie.ShapeError, "twice"),
        ("Expand", [[1, 3, 1]], {}, pysofie.ShapeError, "broadcast"),
        ("Gather", [4], {"axis": 1}, pysofie.ShapeError, "the index 4"),
        ("Split", [[1, 1]], {"axis": 1}, pysofie.ShapeError, "sum of the parts"),
        ("Slice", [[0], [1], [1], [0]], {}, pysofie.ShapeError, "step 0"),
        ("CumSum", [[]], {}, pysofie.InvalidModelError, "one is expected"),
        ("Pad", [[1, 1]], {}, pysofie.ShapeError, "pads"),
        ("Tile", [[1, 2]], {}, pysofie.ShapeError, "repeats"),
    ],
)  # fmt: skip
def test_refusals_say_why(op, inputs, attributes, error, words):
    constants = {f"c{i}": np.asarray(value, np.int64) for i, value in enumerate(inputs)}
    names = ["y", "z"] if op == "Split" else ["y"]
    node = helper.make_node(op, ["x", *constants], names, **attributes)
    with pytest.raises(error, match=words):
        pysofie.load(model([node], [X], [floats(name) for name in names], constants))


def test_comparison_as_an_index():
    """GCC 12 gathered at the bits of a comparison's vector mask instead of at zeros and ones."""
    for path in ([onnx.TensorProto.INT64], [onnx.TensorProto.FLOAT, onnx.TensorProto.INT64]):
        nodes, last = [helper.make_node("Less", ["x", "half"], ["c"])], "c"
        for i, kind in enumerate(path):
            nodes.append(helper.make_node("Cast", [last], [f"i{i}"], to=kind))
            last = f"i{i}"
        nodes.append(helper.make_node("Gather", ["table", last], ["y"]))
        constants = {"half": np.float32(0.5), "table": np.float32([10, 20])}
        proto = model(nodes, [floats("x", "n")], [floats("y", "n")], constants)
        x = np.random.default_rng(0).random(100).astype(np.float32)
        np.testing.assert_array_equal(pysofie.compile(proto)(x), np.where(x < 0.5, 20, 10))


def test_elements_beyond_all_sizes_wrap_round():
    nodes = Nodes({"x": ("float32", ("n", 2))}, opset=17)
    nodes.nodes += [helper.make_node("Shape", ["x"], ["shape"])]
    nodes.add("Mul", ["shape", nodes.constant([2**62, 2**62])])
    session = pysofie.compile(nodes.proto(), target=TARGET)
    np.testing.assert_array_equal(session(np.zeros((3, 2), "float32")), [-(2**62), -(2**63)])


@pytest.mark.parametrize(("operator", "size"), [("Div", 0), ("Mod", 3), ("Min", 3)])
def test_sizes_with_constants_of_more_than_31_bits(operator, size):
    nodes = [
        helper.make_node("Shape", ["x"], ["shape"]),
        helper.make_node(operator, ["shape", "large"], ["wanted"]),
        helper.make_node("ConstantOfShape", ["wanted"], ["y"]),
    ]
    constants = {"large": np.array([2**40])}
    proto = model(nodes, [floats("x", "n")], [floats("y", "m")], constants)
    session = pysofie.compile(proto)
    assert session.run({"x": np.ones(3, "float32")})["y"].shape == (size,)


def test_expand_to_sizes_that_only_a_run_knows():
    nodes = [
        helper.make_node("Shape", ["like"], ["shape"]),
        helper.make_node("Expand", ["x", "shape"], ["y"]),
    ]
    session = pysofie.compile(model(nodes, [floats("x", "n"), floats("like", "m")], [floats("y", "k")]))
    x = np.arange(3, dtype="float32")
    for asked in (1, 3):
        np.testing.assert_array_equal(session(x, np.zeros(asked, "float32")), x)
    for short in (x[:1], x[:2]):
        with pytest.raises(pysofie.ShapeError, match=r"Expand of \[n\] to \[m\]"):
            session(short, np.zeros(3, "float32"))
