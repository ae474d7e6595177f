"""Every operator gives results of the element types that ONNX infers, whichever type its first input has."""

from __future__ import annotations

from collections.abc import Iterator

import onnx
import pytest
from conformance import suite, table
from onnx import TensorProto, defs, helper

import pysofie


def single_nodes() -> Iterator[tuple[suite.Case, onnx.ModelProto, defs.OpSchema]]:
    """The cases of one operator of ONNX's that reads a tensor."""
    for case in suite.cases().values():
        if len(case.operators) > 1 or case.types & table.LISTS or suite.refusal(case):
            continue
        proto = onnx.ModelProto.FromString(case.content)
        if len(proto.graph.node) == 1 and proto.graph.node[0].input and proto.graph.input:
            (node,) = proto.graph.node
            version = next(entry.version for entry in proto.opset_import if entry.domain == node.domain)
            yield case, proto, defs.get_schema(node.op_type, version, node.domain)


def inferred(proto: onnx.ModelProto) -> dict[str, str]:
    """The dtypes that ONNX gives to the outputs; of some it knows none."""
    bare = onnx.ModelProto()
    bare.CopyFrom(proto)
    del bare.graph.output[:]
    types = {
        v.name: v.type.tensor_type.elem_type for v in onnx.shape_inference.infer_shapes(bare).graph.value_info
    }
    return {name: str(helper.tensor_dtype_to_np_dtype(number)) for name, number in types.items() if number}


@pytest.mark.parametrize("name", ["float16", "bfloat16", "float8e4m3fn", "int4"])
def test_types_of_outputs(name):
    wrong = []
    for case, proto, schema in single_nodes():
        kinds = {each.type_param_str: each.allowed_type_strs for each in schema.type_constraints}
        if f"tensor({name})" not in kinds.get(schema.inputs[0].type_str, []):
            continue
        other = table.retyped(case, proto, schema, TensorProto.DataType.Value(name.upper()))
        try:
            expected = inferred(onnx.ModelProto.FromString(other.content))
            outputs = other.model().outputs
        except (onnx.shape_inference.InferenceError, pysofie.Error):
            continue  # inputs of types that do not go together
        wrong += [
            f"{case.name}: {tensor} should be {expected[tensor.name]}"
            for tensor in outputs
            if expected.get(tensor.name, tensor.dtype) != tensor.dtype
        ]
    assert wrong == []
