"""Writes docs/operators.md: what is supported of every operator of ONNX, as this machine finds it."""

from __future__ import annotations

import functools
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
from conformance import suite
from onnx import TensorProto, defs, helper

import pysofie
from pysofie.toolchains import TARGETS

PAGE = Path(__file__).parents[2] / "docs" / "operators.md"
DOMAINS = ("", "ai.onnx.ml")
EXTENSIONS = "com.microsoft"

HEAD = """\
# Operators

Every operator compiles for every target, with static and dynamic shapes.

- *ONNX versions* are those of the standard up to opset {opset}. **Bold** ones changed the meaning and have a
  rule of their own in `cpp/src/operators`, which serves all models up to the next. Operators without a rule
  are put together from others, as the standard defines them.
- *Types* are the element types of its first input: those with which a model of ONNX's backend suite is
  accepted when all of its tensors of one type are changed.
- *Cases* are those of the suite that contain the operator: right, of all. What is refused, and why, stands in
  `tests/conformance/refused.txt`. On `cpu` every test run has all cases; on the other *targets* it has one or
  more for each operator, and all with `PYSOFIE_ALL_CASES=1 pytest tests/targets`.

`pysofie check model.onnx` tells whether a model compiles; it lists what does not, with a remedy for each.

This page is written by the tests: `pytest tests/conformance -k table`.
"""


def page() -> str:
    """The text of docs/operators.md."""
    text = HEAD.format(opset=defs.onnx_opset_version())
    for domain in DOMAINS:
        operators = versions(domain)
        rows = [row(domain, name, known) for name, known in operators.items() if is_supported(domain, name)]
        missing = [name for name in operators if not is_supported(domain, name)]
        text += f"\n## {domain or 'ai.onnx'}: {len(rows)} of {len(operators)}\n\n"
        text += "| operator | ONNX versions | types | targets | cases |\n|---|---|---|---|---|\n"
        text += "".join(rows)
        text += (
            f"\nNot supported, for they work with text, maps or image files: {', '.join(missing)}.\n"
            if missing
            else "\nAll of them.\n"
        )
    names = sorted({name for domain, name, _ in pysofie.operators() if domain == EXTENSIONS})
    return text + f"\n## {EXTENSIONS}\n\n{', '.join(names)}.\n"


def versions(domain: str) -> dict[str, list[int]]:
    """The versions of every operator that ONNX has; of those that it has deprecated only what has a rule."""
    known: dict[str, list[defs.OpSchema]] = defaultdict(list)
    for schema in sorted(defs.get_all_schemas_with_history(), key=lambda schema: schema.since_version):
        if schema.domain == domain:
            known[schema.name].append(schema)
    return {
        name: [schema.since_version for schema in schemas if not schema.deprecated]
        for name, schemas in sorted(known.items())
        if not schemas[-1].deprecated or rules()[domain, name]
    }


def row(domain: str, name: str, known: list[int]) -> str:
    own = rules()[domain, name]
    # A rule of an operator that is older than pysofie's opsets holds from its first version there.
    numbers = ", ".join(f"**{version}**" if version in own else str(version) for version in known)
    right, every = (counts(only_right=flag)[name] for flag in (True, False))
    targets = ", ".join(TARGETS)
    return f"| {name} | {numbers} | {types(domain, name)} | {targets} | {right} of {every} |\n"


@functools.cache
def rules() -> dict[tuple[str, str], list[int]]:
    result: dict[tuple[str, str], list[int]] = defaultdict(list)
    for domain, name, since in pysofie.operators():
        result[domain, name].append(since)
    return result


def is_supported(domain: str, name: str) -> bool:
    """It has a rule, or is written out in operators that have."""
    return bool(rules()[domain, name]) or counts(only_right=True)[name] > 0


@functools.cache
def counts(*, only_right: bool) -> Counter[str]:
    """How many cases contain an operator."""
    cases = [case for case in suite.cases().values() if not only_right or suite.refusal(case) is None]
    return Counter(operator for case in cases for operator in case.operators)


# --- element types ----------------------------------------------------------------------------------------

GROUPS = {
    "floating": ("float16", "bfloat16", "float", "double"),
    "integers": ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    "8-bit floating": ("float8e4m3fn", "float8e4m3fnuz", "float8e5m2", "float8e5m2fnuz", "float8e8m0"),
    "4-bit": ("float4e2m1", "int4", "uint4"),
    "2-bit": ("int2", "uint2"),
}
KNOWN = {"bool"}.union(*GROUPS.values())
LISTS = {"sequence", "optional"}


def types(domain: str, name: str) -> str:
    """The element types that the operator's smallest case of the newest opset is accepted with."""
    cases = [c for c in suite.cases().values() if c.operators == {name} and suite.refusal(c) is None]
    for case in sorted(cases, key=lambda case: (-opset(case), len(case.content), case.name)):
        if not case.types & LISTS:
            return shortened(set(accepted(case, domain)))
    return shortened(set().union(*(case.types for case in cases)) - LISTS)


def opset(case: suite.Case) -> int:
    return max(entry.version for entry in onnx.ModelProto.FromString(case.content).opset_import)


def shortened(accepted: set[str]) -> str:
    names = []
    for group, members in GROUPS.items():
        found = [member for member in members if member in accepted]
        names += [group] if len(found) == len(members) else found
    return ", ".join([*names, *sorted(accepted - set().union(*GROUPS.values()))])


def accepted(case: suite.Case, domain: str) -> Iterator[str]:
    """The element types of the first input that the case's model may have."""
    proto = onnx.ModelProto.FromString(case.content)
    (node,) = proto.graph.node
    version = next(entry.version for entry in proto.opset_import if entry.domain == node.domain)
    schema = defs.get_schema(node.op_type, version, domain)
    variables = {each.type_param_str: each.allowed_type_strs for each in schema.type_constraints}
    for kind in variables.get(schema.inputs[0].type_str, []) if node.input else []:
        name = kind.removeprefix("tensor(").removesuffix(")")
        if kind == f"tensor({name})" and name in KNOWN:
            try:
                retyped(case, proto, schema, TensorProto.DataType.Value(name.upper())).model()
            except pysofie.Error:
                continue
            yield name


def retyped(case: suite.Case, proto: onnx.ModelProto, schema: defs.OpSchema, number: int) -> suite.Case:
    """The case with another element type in place of that of its first input."""
    (node,) = proto.graph.node
    wanted = f"tensor({TensorProto.DataType.Name(number).lower()})"
    variables = {v.type_param_str for v in schema.type_constraints if wanted in v.allowed_type_strs}
    allowed = {
        name
        for names, formal in ((node.input, schema.inputs), (node.output, schema.outputs))
        for i, name in enumerate(names)
        if formal[min(i, len(formal) - 1)].type_str in variables
    }
    before = proto.graph.input[0].type.tensor_type.elem_type
    same = {
        value.name
        for value in (*proto.graph.input, *proto.graph.output)
        if value.name in allowed and value.type.tensor_type.elem_type == before
    }
    other = onnx.ModelProto()
    other.CopyFrom(proto)
    for value in (*other.graph.input, *other.graph.output):
        if value.name in same:
            value.type.tensor_type.elem_type = number
    dtype = helper.tensor_dtype_to_np_dtype(number)
    names = [value.name for value in proto.graph.input]
    data = [
        (
            [converted(x, dtype) if name in same else x for name, x in zip(names, inputs, strict=False)],
            outputs,
        )
        for inputs, outputs in case.data_sets()
    ]
    return replace(case, content=other.SerializeToString(), data=data, folder=None, constants=[])


def converted(x: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """The same numbers in another dtype; NumPy converts those of other packages from its own ones only."""
    with np.errstate(over="ignore"):
        return x.astype(np.float32 if x.dtype.isbuiltin == 2 else x.dtype).astype(dtype)
