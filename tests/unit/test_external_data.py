"""External data comes from the folder of the model and from nowhere else."""

from __future__ import annotations

import os

import numpy as np
import onnx
import pytest
import support

import pysofie


@pytest.fixture
def saved(tmp_path):
    """A model in a folder of its own, with its weights beside it."""
    folder = tmp_path / "model"
    folder.mkdir()
    onnx.save(
        support.mlp(),
        folder / "net.onnx",
        save_as_external_data=True,
        location="weights.bin",
        size_threshold=0,
    )
    return folder / "net.onnx"


def redirect(path, **entries):
    """Change the reference of the first tensor."""
    proto = onnx.load(path, load_external_data=False)
    tensor = proto.graph.initializer[0]
    known = {entry.key: entry.value for entry in tensor.external_data} | entries
    del tensor.external_data[:]
    for key, value in known.items():
        tensor.external_data.add(key=key, value=value)
    path.write_bytes(proto.SerializeToString())


def test_read(saved):
    x = np.ones((2, 3), "float32")
    np.testing.assert_allclose(pysofie.compile(saved)(x), support.mlp_reference(x), rtol=1e-5)


def test_the_cache_sees_changed_weights(saved):
    x = np.ones((1, 3), "float32")
    first = pysofie.compile(saved)(x)
    weights = saved.with_name("weights.bin")
    weights.write_bytes(bytes(len(weights.read_bytes())))
    assert not np.array_equal(pysofie.compile(saved)(x), first)


@pytest.mark.parametrize(
    "location",
    ["../secret.bin", "/etc/passwd", "", "a/../../secret.bin", "..\\secret.bin", "weights.bin\0", "."],
)
def test_location_outside(saved, location):
    (saved.parents[1] / "secret.bin").write_bytes(bytes(1000))
    redirect(saved, location=location)
    with pytest.raises(pysofie.InvalidModelError, match="external data"):
        pysofie.load(saved)


def test_symbolic_links(saved):
    secret = saved.parents[1] / "secret.bin"
    secret.write_bytes(bytes(1000))
    os.symlink(secret, saved.with_name("link.bin"))
    redirect(saved, location="link.bin")
    with pytest.raises(pysofie.InvalidModelError, match="symbolic link"):
        pysofie.load(saved)
    os.symlink(saved.parents[1], saved.with_name("up"))
    redirect(saved, location="up/secret.bin")
    with pytest.raises(pysofie.InvalidModelError, match="symbolic link"):
        pysofie.load(saved)


@pytest.mark.parametrize(
    "entries",
    [
        {"length": "1"},
        {"length": "9" * 18},
        {"offset": "-4"},
        {"offset": "9" * 18},
        {"length": "x"},
        {"offset": "9" * 99},
    ],
    ids=str,
)
def test_absurd_extent(saved, entries):
    redirect(saved, **entries)
    with pytest.raises(pysofie.InvalidModelError, match="external data"):
        pysofie.load(saved)


def test_missing_and_special_files(saved):
    redirect(saved, location="nowhere.bin")
    with pytest.raises(pysofie.InvalidModelError, match="No such file"):
        pysofie.load(saved)
    os.mkfifo(saved.with_name("pipe.bin"))
    redirect(saved, location="pipe.bin")
    with pytest.raises(pysofie.InvalidModelError, match="not a regular file"):
        pysofie.load(saved)


def test_bytes_have_no_folder(saved):
    with pytest.raises(pysofie.InvalidModelError, match="folder is unknown"):
        pysofie.load(saved.read_bytes())
