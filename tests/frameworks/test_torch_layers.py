"""Every module of `torch.nn`, from PyTorch to generated code to equal numbers."""

from __future__ import annotations

import functools

import pytest
from frameworks.layers import LEAST

pytest.importorskip("torch", reason="pip install 'pysofie[torch]'")
pytest.importorskip("onnxscript", reason="pip install 'pysofie[torch]'")
torch_cases = pytest.importorskip("frameworks.torch_cases")
torch_layers = pytest.importorskip("frameworks.torch_layers")

pytestmark = [
    pytest.mark.torch,
    pytest.mark.xdist_group("torch layers"),  # which are exported and compiled together
    pytest.mark.filterwarnings("ignore"),  # what modules say of their options
]


@functools.cache
def layers():
    return torch_layers.TorchLayers("torch", torch_cases.cases(), torch_cases.excluded())


def test_no_module_is_forgotten():
    tested = {case.layer for case in torch_cases.cases()}
    assert tested.isdisjoint(torch_cases.excluded())
    assert tested | set(torch_cases.excluded()) == set(torch_cases.public())


@pytest.mark.parametrize("case", torch_cases.cases(), ids=str)
def test_module(case):
    wrong = layers().outcomes[case]
    if str(case) in torch_cases.REFUSED:
        assert wrong.startswith("refused: torch does not write"), wrong or "it is right now"
    else:
        assert not wrong, wrong


def test_most_modules_give_the_same_numbers(capsys):
    passed = layers().passed()
    with capsys.disabled():
        print(f"\ntorch.nn: {sum(passed.values())} of {len(passed)} modules")
    assert sum(passed.values()) >= LEAST * len(passed)


def test_the_page_is_up_to_date():
    assert not layers().update_page(), "docs/frameworks.md was out of date; it has been written anew"
