"""What passes must reach, seen in the code."""

from __future__ import annotations

import nets
import support
from onnx import helper

import pysofie


def test_images_between_convolutions_of_single_elements_have_their_channels_last(tmp_path):
    weights = {f"w{i}": nets.constant(8, 8, 1, 1, seed=i) for i in range(3)}
    nodes = [helper.make_node("Conv", [f"x{i}", f"w{i}"], [f"x{i + 1}"]) for i in range(3)]
    image = ("n", 8, "h", 5)
    proto = support.model(nodes, [support.floats("x0", *image)], [support.floats("x3", *image)], weights)
    header = next(path for path in pysofie.emit(proto, tmp_path) if path.suffix == ".hxx").read_text()
    kernels = header[header.rindex("inline void check_dims") :]
    assert kernels.count("store_strided") == 1  # of the output, whose channels are not
