"""What passes must reach, seen in the code, and what they must leave."""

from __future__ import annotations

import re

import nets
import numpy as np
import onnx
import onnxruntime
import pytest
import support
from onnx import helper

import pysofie
from pysofie import _core


def test_images_between_convolutions_of_single_elements_have_their_channels_last(tmp_path):
    weights = {f"w{i}": nets.constant(8, 8, 1, 1, seed=i) for i in range(3)}
    nodes = [helper.make_node("Conv", [f"x{i}", f"w{i}"], [f"x{i + 1}"]) for i in range(3)]
    image = ("n", 8, "h", 5)
    proto = support.model(nodes, [support.floats("x0", *image)], [support.floats("x3", *image)], weights)
    header = next(path for path in pysofie.emit(proto, tmp_path) if path.suffix == ".hxx").read_text()
    kernels = header[header.rindex("inline void check_dims") :]
    assert kernels.count("store_strided") == 1  # of the output, whose channels are not


def test_what_is_added_to_many_products_lies_as_they_do(tmp_path):
    # The bias of attention, computed by a convolution over pairs: every layer's scores read it.
    constants = {"w": nets.constant(4, 8, 1, 1, seed=0)}
    nodes = [helper.make_node("Conv", ["pairs", "w"], ["bias"])]
    for i in range(2):
        nodes += [
            helper.make_node("MatMul", [f"q{i}", f"k{i}"], [f"scores{i}"]),
            helper.make_node("Add", [f"scores{i}", "bias"], [f"y{i}"]),
        ]
    shapes = {"pairs": (1, 8, "n", "n")}
    shapes |= {f"q{i}": (1, 4, "n", 8) for i in range(2)} | {f"k{i}": (1, 4, 8, "n") for i in range(2)}
    proto = support.model(
        nodes,
        [support.floats(name, *shape) for name, shape in shapes.items()],
        [support.floats(f"y{i}", 1, 4, "n", "n") for i in range(2)],
        constants,
    )
    header = next(path for path in pysofie.emit(proto, tmp_path) if path.suffix == ".hxx").read_text()
    kernels = header[header.rindex("inline void check_dims") :]
    assert "load_strided" not in kernels
    assert kernels.count("store_strided") == 1
    assert all(result.ok for result in pysofie.verify(proto, sizes=(1, 5, 33)))


def test_factors_behind_a_product_go_into_its_weights():
    constants = {"w": nets.constant(3, 3), "s": nets.constant(3, seed=1), "t": nets.constant(1, 1, 3, seed=2)}
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["a"]),
        helper.make_node("Mul", ["a", "s"], ["b"]),
        helper.make_node("Add", ["b", "t"], ["y"]),
    ]
    shape = ("n", "m", 3)
    model = support.model(nodes, [support.floats("x", *shape)], [support.floats("y", *shape)], constants)
    program = _core.Program(pysofie.load(model).graph, [], "float32", None)
    (kernel,) = [line for line in program.dump("kernels").splitlines() if "contraction" in line]
    assert re.search(r"epilogue add\(acc, b\d+\[i2\*1\]\)$", kernel)
    assert all(result.ok for result in pysofie.verify(model))


@pytest.mark.parametrize(("operator", "factors"), [("Div", [0, -0.0, 2]), ("Mul", [np.inf, -np.inf, 0.5])])
def test_infinite_factors_stay_behind_the_product(operator, factors):
    constants = {"w": np.float32([[1, -1, 0], [2, 0, 0], [-3, 4, 1]]), "s": np.float32(factors)}
    nodes = [helper.make_node("MatMul", ["x", "w"], ["a"]), helper.make_node(operator, ["a", "s"], ["y"])]
    proto = support.model(nodes, [support.floats("x", "n", 3)], [support.floats("y", "n", 3)], constants)
    x = np.float32([[1, 2, 3], [-1, 0.5, 0.25], [0, 0, 0]])
    expected = onnxruntime.InferenceSession(proto.SerializeToString()).run(None, {"x": x})[0]
    np.testing.assert_array_equal(pysofie.compile(proto)(x), expected)


def _body(tmp_path, nodes, constants):
    """The text of the kernels of a model with one input and one output."""
    proto = support.model(nodes, [support.floats("x", "n")], [support.floats("y", "n")], constants)
    header = next(path for path in pysofie.emit(proto, tmp_path) if path.suffix == ".hxx").read_text()
    return header[header.rindex("inline void check_dims") :]


def test_scalars_are_numbers_and_divisions_by_them_products(tmp_path):
    three = {"three": np.float32(3)}
    text = _body(tmp_path, [helper.make_node("Div", ["x", "three"], ["y"])], three)
    assert "weights_->" not in text
    assert " / " not in text
    assert "0.3333333" in text


def test_divisions_below_a_rounding_stay(tmp_path):
    nodes = [helper.make_node("Div", ["x", "three"], ["q"]), helper.make_node("Floor", ["q"], ["y"])]
    assert " / " in _body(tmp_path, nodes, {"three": np.float32(3)})


def test_divisions_whose_results_are_rounded_elsewhere_stay():
    """With a range around zero the zero point lies half-way between two codes."""
    x = np.linspace(-3.75, 3.75, 61, dtype="float32")
    node = helper.make_node("DynamicQuantizeLinear", ["x"], ["y", "scale", "zero_point"])
    byte = onnx.TensorProto.UINT8
    outputs = [helper.make_tensor_value_info("y", byte, ["n"]), support.floats("scale")]
    outputs.append(helper.make_tensor_value_info("zero_point", byte, []))
    proto = support.model([node], [support.floats("x", "n")], outputs)
    expected = onnxruntime.InferenceSession(proto.SerializeToString()).run(None, {"x": x})
    for result, wanted in zip(pysofie.compile(proto)(x), expected, strict=True):
        np.testing.assert_array_equal(result, wanted)


def test_weights_stay_data(tmp_path):
    text = _body(tmp_path, [helper.make_node("Mul", ["x", "w"], ["y"])], {"w": np.float32([3])})
    assert "weights_->" in text
