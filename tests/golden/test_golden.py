"""The text of generated code, compared with what was reviewed.

After a change that is meant: ``pytest tests/golden --update-golden``, then read the difference and commit it.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import nets
import pytest

import pysofie

HERE = Path(__file__).parent
TARGETS = ("cpu", "sycl", "alpaka")
MODELS = ("mlp", "dynamic_mlp", "conv", "mixed_outputs", "message_passing", "trees")


def own_text(header: Path) -> str:
    """What belongs to the model: the runtime headers, of which the layout tells, have tests of their own."""
    text = header.read_text()
    own = text[text.index("namespace TMVA_SOFIE_") : text.rindex("#elif")]
    return re.sub(r"(weights_identity\{\d+u), \d+u", r"\1, ...", own)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", MODELS)
def test_text(name, target, tmp_path, request):
    text = own_text(pysofie.emit(nets.ALL[name](), tmp_path, target=target)[-1])
    reviewed = HERE / f"{name}.{target}.txt"
    if request.config.getoption("--update-golden"):
        reviewed.write_text(text)
    assert text == reviewed.read_text()


EMIT_ALL = """
import sys
import nets, pysofie
for target in ("cpu", "sycl", "alpaka"):
    for weights in ("file", "inline"):
        for make in nets.ALL.values():
            pysofie.emit(make(), f"{sys.argv[1]}/{target}/{weights}", target=target, weights=weights)
"""


def test_every_process_writes_the_same(tmp_path):
    written = []
    for seed in ("1", "2"):
        folder = tmp_path / seed
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(HERE.parent)}
        subprocess.run(
            [sys.executable, "-c", EMIT_ALL, str(folder)], cwd=tmp_path, env=environment, check=True
        )
        files = {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*.*")}
        written.append(files)
    assert len(written[0]) == 3 * 3 * len(nets.ALL)
    assert written[0] == written[1]


def test_every_file_is_tested():
    expected = {f"{name}.{target}.txt" for name in MODELS for target in TARGETS}
    assert {path.name for path in HERE.glob("*.txt")} == expected
