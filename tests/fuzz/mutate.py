"""Loads and renders damaged models; run by test_bytes.py in a process of its own, which a crash would end."""

from __future__ import annotations

import random
import resource
import sys
from collections.abc import Iterator
from pathlib import Path

import nets

import pysofie
from pysofie import _core

MODELS = ("mlp", "conv", "attention", "mixed_outputs", "trees")


def damaged(content: bytes, seed: int) -> Iterator[bytes]:
    """The beginning of a file, and the file with some bits, bytes or pieces changed."""
    chance = random.Random(seed)
    for _ in range(25):
        yield content[: chance.randrange(len(content))]
    for _ in range(75):
        changed = bytearray(content)
        for _ in range(chance.choice((1, 1, 2, 5))):
            position = chance.randrange(len(changed))
            match chance.randrange(4):
                case 0 | 1:
                    changed[position] ^= 1 << chance.randrange(8)
                case 2:
                    changed[position] = chance.choice((0, 0x7F, 0x80, 0xFF))
                case _:
                    del changed[position : position + chance.randrange(1, 9)]
        yield bytes(changed)


def main(seed: int) -> None:
    # What a damaged size asks for must be refused before it is allocated.
    resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
    refused = taken = 0
    for name in MODELS:
        for content in damaged(nets.ALL[name]().SerializeToString(), seed):
            Path("last.onnx").write_bytes(content)
            try:
                program = _core.Program(pysofie.load(content).graph)
                for target in ("cpu", "sycl", "alpaka"):
                    program.render(target, "file", False)
                taken += 1
            except pysofie.Error:
                refused += 1
    print(refused, taken)


if __name__ == "__main__":
    main(int(sys.argv[1]))
