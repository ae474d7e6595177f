"""Gradients of every family of operators, against finite differences in double precision."""

from __future__ import annotations

import numpy as np
import pytest
from comparison import Nodes
from derivatives import Derivatives
from onnx import helper

RNG = np.random.default_rng(6)
SMOOTH = ["Sin", "Cos", "Exp", "Tanh", "Sigmoid", "Erf", "Atan", "Sinh", "Cosh", "Asinh", "Neg", "Abs"]
UNIT = ["Asin", "Acos", "Atanh", "Tan"]  # for arguments between -1 and 1
POSITIVE = ["Log", "Sqrt", "Reciprocal"]
ACTIVATIONS = ["Relu", "LeakyRelu", "Elu", "Selu", "Celu", "Softplus", "Softsign", "HardSigmoid", "HardSwish",
               "Mish", "ThresholdedRelu", "Gelu", "Shrink"]  # fmt: skip
STEPS = ["Floor", "Ceil", "Round", "Sign"]


def nodes(opset: int = 20, **inputs: tuple[int | str, ...]) -> Nodes:
    """Nodes over inputs of float64."""
    return Nodes({name: ("float64", shape) for name, shape in inputs.items()}, opset=opset)


def feeds(**shapes: tuple[int, ...]) -> dict[str, np.ndarray]:
    """Normal random numbers."""
    return {name: RNG.standard_normal(shape) for name, shape in shapes.items()}


def check(family: Nodes, *cases: dict[str, np.ndarray], **options: float) -> None:
    derivatives = Derivatives(family.proto(), family.labels)
    for case in cases:
        derivatives.check(case, **options)


def test_functions():
    """Of one and of two arguments, and casts between them."""
    family = nodes(x=("n", 3), u=("n", 3), p=(3,))
    for op in SMOOTH + ACTIVATIONS + STEPS:
        family.add(op, ["x"])
    family.add("Gelu", ["x"], approximate="tanh")
    for op in UNIT:
        family.add(op, ["u"])
    for op in POSITIVE:
        family.add(op, ["p"])
    for op in ("Add", "Sub", "Mul", "Div", "Min", "Max", "PRelu"):
        family.add(op, ["x", "p"])
    family.add("Pow", ["p", "x"])
    family.add("Mod", ["x", "p"], fmod=1)
    for exponent in (0.0, 1.0, 2.0, 3.0, 0.5, -1.0, 2.5):
        family.add("Pow", ["p", family.constant(exponent, "float64")])
    family.add("Clip", ["x", family.constant(-0.5, "float64"), family.constant(0.5, "float64")])
    family.add("Sum", ["x", "p", "x"])
    family.add("Mean", ["x", "p", "x"])
    x = RNG.uniform(0.1, 0.9, (4, 3)) * [1, -1, 2]
    case = {"x": x, "u": RNG.uniform(-0.8, 0.8, (4, 3)), "p": np.array([0.5, 1.25, 3])}
    check(family, case, {**case, "x": x[:0], "u": x[:0]})


def test_reductions():
    """Also of a softmax, which is made of them, and of normalisations."""
    family = nodes(x=("n", 3, 4), s=(3,))
    for op in ("ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2",
               "ReduceSumSquare", "ReduceLogSumExp"):  # fmt: skip
        family.add(op, ["x", family.constant([1])], keepdims=family.integer(0, 1))
        family.add(op, ["x"], keepdims=0)
    for op in ("Softmax", "LogSoftmax"):
        for axis in (0, 1, -1):
            family.add(op, ["x"], axis=axis)
    s, zero = "s", family.constant(np.zeros(3), "float64")
    scale, bias = family.weights(4, dtype="float64"), family.weights(4, dtype="float64")
    family.add("LayerNormalization", ["x", scale, bias])
    family.add("InstanceNormalization", ["x", s, zero])
    family.add("BatchNormalization", ["x", s, zero, zero, family.constant([1, 2, 3], "float64")])
    family.add("LpNormalization", ["x"], p=2)
    family.add("MeanVarianceNormalization", ["x"], axes=[0, 2])
    family.add("LRN", ["x"], size=3, alpha=0.5)
    family.add("CumSum", ["x", family.constant(1)], reverse=1)
    check(family, feeds(x=(2, 3, 4), s=(3,)))


def test_product_of_zeros():
    """The product of the others is the gradient: zero, but for the only zero."""
    family = nodes(x=(3, 3))
    family.add("ReduceProd", ["x", family.constant([1])])
    check(family, {"x": np.array([[2.0, 3, 4], [2, 0, 4], [0, 3, 0]])})


def test_movement():
    """Views, copies, and reads and stores at computed places."""
    family = nodes(opset=18, x=("n", 4, 6), y=("n", 4, 6))
    add, constant = family.add, family.constant
    add("Reshape", ["x", constant([0, 8, 3])])
    add("Transpose", ["x"], perm=[2, 0, 1])
    add("Concat", ["x", "y", "x"], axis=2)
    add("Split", ["x"], 3, axis=2, num_outputs=3)
    add("Slice", ["x", constant([5, 1]), constant([0, 3]), constant([2, 1]), constant([-2, 1])])
    add("Pad", ["x", constant([0, 1, 2, 0, 0, 1])])
    add("Pad", ["x", constant([0, 1, 2, 0, 0, 1])], mode="reflect")
    add("Pad", ["x", constant([0, 0, -1, 0, 1, 1])], mode="edge")
    add("Tile", ["x", constant([1, 2, 3])])
    add("Expand", ["x", constant([2, 1, 4, 6])])
    add("Gather", ["x", constant([3, 0, 3, -1])], axis=1)
    add("GatherElements", ["x", constant([[[0, 2, 2, 5]] * 4])], axis=2)
    add("GatherND", ["x", constant([[0, 1], [0, -1]])], batch_dims=0)
    add("Where", [constant(np.arange(24).reshape(4, 6) % 3 == 1, "bool"), "x", "y"])
    add("Trilu", ["x"], upper=0)
    family.nodes.append(helper.make_node("Unsqueeze", ["x", constant([3])], ["four"]))
    add("DepthToSpace", ["four"], blocksize=2)
    places = constant([[[1, 0, 3, 2, 4, 5]] * 4])
    family.nodes.append(
        helper.make_node("Slice", ["y", constant([0]), constant([1]), constant([0])], ["part"])
    )
    for reduction in ("none", "add"):
        add("ScatterElements", ["x", places, "part"], axis=2, reduction=reduction)
    add("TopK", ["x", constant([3])], 2, axis=1)
    add("Resize", ["x", "", constant([1, 1, 1.5], "float32")], mode="linear")
    add("ReverseSequence", ["x", constant([3, 1, 4, 2])], time_axis=2, batch_axis=1)
    case = feeds(x=(2, 4, 6), y=(2, 4, 6))
    check(family, case)


def test_products():
    """By either factor, and by both where they are the same tensor."""
    family = nodes(a=("n", 3, 4), b=(4, 5), c=("n", 4, 2), v=(4,))
    add = family.add
    add("MatMul", ["a", "b"])
    add("MatMul", ["a", "c"])
    add("MatMul", ["a", "v"])
    add("Gemm", ["b", "b"], transA=1, alpha=0.5)
    add("Einsum", ["a", "c"], equation="bij,bjk->ik")
    add("Einsum", ["a", "a", "b"], equation="bij,bkj,jl->bikl")
    check(family, feeds(a=(2, 3, 4), b=(4, 5), c=(2, 4, 2), v=(4,)))


def test_images():
    """Convolutions with strides, dilations, groups and padding; poolings with and without overlap."""
    family = nodes(x=("n", 4, 7, 6), w=(4, 4, 3, 2))
    add = family.add
    fixed, grouped = family.weights(6, 4, 3, 3, dtype="float64"), family.weights(8, 2, 3, 3, dtype="float64")
    add("Conv", ["x", fixed, family.weights(6, dtype="float64")], pads=[1, 1, 1, 1])
    add("Conv", ["x", "w"])
    add("Conv", ["x", fixed], strides=[2, 3], pads=[0, 2, 1, 1])
    add("Conv", ["x", "w"], dilations=[2, 3])
    add("Conv", ["x", grouped], group=2, pads=[3, 0, 0, 3])
    add(
        "Conv",
        ["x", family.weights(4, 1, 3, 3, dtype="float64")],
        group=4,
        auto_pad="SAME_UPPER",
        strides=[2, 2],
    )
    add("ConvTranspose", ["x", "w"], strides=[2, 1], pads=[1, 0, 0, 1])
    add("MaxPool", ["x"], kernel_shape=[2, 2], strides=[2, 2])
    add("MaxPool", ["x"], kernel_shape=[3, 3], strides=[2, 1], pads=[1, 1, 1, 1])
    add("AveragePool", ["x"], kernel_shape=[3, 2])
    add("AveragePool", ["x"], kernel_shape=[3, 2], strides=[2, 2], pads=[1, 1, 1, 0], ceil_mode=1)
    add("LpPool", ["x"], kernel_shape=[2, 3], p=2)
    add("GlobalAveragePool", ["x"])
    add("GlobalMaxPool", ["x"])
    check(family, feeds(x=(2, 4, 7, 6), w=(4, 4, 3, 2)), feeds(x=(0, 4, 7, 6), w=(4, 4, 3, 2)))


@pytest.mark.parametrize("op", ["RNN", "GRU", "LSTM"])
def test_recurrences(op):
    """Backwards in time, by inputs and first states; also where sequences end early, or are empty."""
    gates = {"RNN": 1, "GRU": 3, "LSTM": 4}[op]
    family = nodes(opset=14, x=("t", "n", 3), h=(1, "n", 2), h2=(2, "n", 2))
    family.inputs["lengths"] = ("int32", ("n",))

    def add(directions: int, lengths: str, state: str, **attributes: object) -> None:
        inputs = ["x", *(family.weights(directions, 2 * gates, n, dtype="float64") for n in (3, 2))]
        inputs += [family.weights(directions, 4 * gates, dtype="float64"), lengths, state]
        if op == "LSTM":
            inputs += [state, family.weights(directions, 6, dtype="float64")]
        family.add(op, inputs, 3 if op == "LSTM" else 2, hidden_size=2, **attributes)

    add(1, "", "h")
    add(2, "", "h2", direction="bidirectional")
    add(1, "lengths", "h", direction="reverse")
    if op == "GRU":
        add(1, "", "", linear_before_reset=1)
    lengths = {"lengths": np.array([2, 4], "int32")}
    check(family, feeds(x=(4, 2, 3), h=(1, 2, 2), h2=(2, 2, 2)) | lengths,
          feeds(x=(0, 2, 3), h=(1, 2, 2), h2=(2, 2, 2)) | {"lengths": np.zeros(2, "int32")})  # fmt: skip
