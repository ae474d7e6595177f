"""Writes docs/operators.md, the table of supported operators: ``python docs/operator_table.py``."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from onnx import defs

import pysofie

DOMAINS = ("", "ai.onnx.ml")

HEAD = """\
# Operators

Every operator compiles for every target (`cpu`, `sycl`, `alpaka`), with static and dynamic shapes.
*ONNX versions* are those of the ONNX standard up to opset {opset}; *rules* are the versions in which
the meaning changed, each with its own rule in `cpp/src/operators`. A rule serves all models from its
version up to the next. Element types are float32, float64, all integer types and bool, where ONNX allows
them; float16, bfloat16, float8 and what is smaller are stored and moved as they are, and computed
in float32 (int4 and its like in int8).

`pysofie check model.onnx` tells whether a model compiles; it lists what does not, with a remedy for each.

This page is written by `python docs/operator_table.py`.
"""


def versions() -> dict[tuple[str, str], list[int]]:
    """The versions of every operator that ONNX has and has not deprecated, by domain and name."""
    known: dict[tuple[str, str], list[int]] = defaultdict(list)
    for schema in sorted(defs.get_all_schemas_with_history(), key=lambda schema: schema.since_version):
        known[schema.domain, schema.name].append(schema.since_version)
    current = {(schema.domain, schema.name) for schema in defs.get_all_schemas() if not schema.deprecated}
    return {key: known[key] for key in sorted(current) if key[0] in DOMAINS}


def numbers(values: Iterable[int]) -> str:
    return ", ".join(map(str, values))


def page() -> str:
    """The text of docs/operators.md."""
    rules: dict[tuple[str, str], list[int]] = defaultdict(list)
    for domain, name, since in pysofie.operators():
        rules[domain, name].append(since)
    text = HEAD.format(opset=defs.onnx_opset_version())
    for domain in DOMAINS:
        there = {name: known for (where, name), known in versions().items() if where == domain}
        supported = [name for name in there if (domain, name) in rules]
        missing = [name for name in there if (domain, name) not in rules]
        text += f"\n## {domain or 'ai.onnx'}: {len(supported)} of {len(there)}\n\n"
        if supported:
            text += "| operator | ONNX versions | rules |\n|---|---|---|\n"
            text += "".join(
                f"| {name} | {numbers(there[name])} | {numbers(rules[domain, name])} |\n"
                for name in supported
            )
            text += "\n"
        text += f"Not yet: {', '.join(missing)}.\n" if missing else "All of them.\n"
    return text


if __name__ == "__main__":
    Path(__file__).with_name("operators.md").write_text(page())
