"""Every layer of keras.layers that makes sense in inference, to generated code and back to equal numbers."""

from __future__ import annotations

import functools

import pytest
from frameworks.layers import LEAST, PAGE, Case, Layers

from pysofie.importers.keras import choose_backend

choose_backend()
pytest.importorskip("keras", reason="needs Keras: pip install 'pysofie[keras]'")
pytestmark = pytest.mark.xdist_group("keras layers")  # compiled once, by one process


@functools.cache
def keras_layers() -> Layers:
    from frameworks import keras_cases

    return Layers("Keras", keras_cases.cases(), keras_cases.excluded())


@pytest.mark.parametrize("case", keras_layers().cases, ids=str)
def test_gives_the_numbers_of_keras(case: Case):
    assert keras_layers().outcomes[case] == ""


def test_every_layer_has_a_case_or_a_reason():
    from frameworks import keras_cases

    known = {case.layer for case in keras_layers().cases} | set(keras_layers().excluded)
    assert set(keras_cases.public()) - known == set()


def test_nearly_all_layers_pass():
    passed = keras_layers().passed()
    assert sum(passed.values()) >= LEAST * len(passed)


def test_the_docs_are_up_to_date():
    assert not keras_layers().update_page(), f"{PAGE} was out of date; it has been written anew"
