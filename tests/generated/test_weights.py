"""A wrong weights file is refused with a message, and the right one works after it."""

from __future__ import annotations

import re

import nets
import numpy as np
import pytest

import pysofie

GOOD = "dynamic_mlp.dat"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    pysofie.emit(nets.dynamic_mlp(), folder)
    pysofie.emit(nets.conv(), folder)
    return folder


@pytest.fixture(scope="module")
def session():
    return pysofie.compile(nets.dynamic_mlp())


def flipped(content: bytes, position: int) -> bytes:
    changed = bytearray(content)
    changed[position] ^= 0x10
    return bytes(changed)


WRONG = {
    "empty": (lambda good: b"", "is not a weights file of pysofie"),
    "cut in the header": (lambda good: good[:40], "is not a weights file of pysofie"),
    "cut after the header": (lambda good: good[:64], "is truncated"),
    "cut at the end": (lambda good: good[:-1], "is truncated"),
    "another magic": (lambda good: b"GARBAGE!" + good[8:], "is not a weights file of pysofie"),
    "another version": (lambda good: flipped(good, 8), "has format 18, this code reads format 2"),
    "another size": (lambda good: flipped(good, 16), "belongs to another model"),
    "another checksum": (lambda good: flipped(good, 24), "belongs to another model"),
    "a flipped bit": (lambda good: flipped(good, 64), "is damaged: its checksum is wrong"),
    "a flipped bit at the end": (lambda good: flipped(good, -1), "is damaged: its checksum is wrong"),
    "noise": (lambda good: bytes(range(256)) * 10, "is not a weights file of pysofie"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_content(name, files, session):
    make, message = WRONG[name]
    path = files / f"{name}.dat"
    path.write_bytes(make((files / GOOD).read_bytes()))
    with pytest.raises(pysofie.Error, match=f"{re.escape(str(path))}.*{message}"):
        pysofie.Session(session.library, path)


def test_weights_of_another_model(files, session):
    with pytest.raises(pysofie.Error, match=r"conv\.dat.*belongs to another model"):
        pysofie.Session(session.library, files / "conv.dat")


def test_no_file(files, session):
    for path in (files / "nowhere.dat", files / "nowhere" / GOOD):
        with pytest.raises(pysofie.Error, match="cannot open the weights file"):
            pysofie.Session(session.library, path)
    with pytest.raises(pysofie.Error, match="not a weights file"):
        pysofie.Session(session.library, files)  # a folder


def test_a_failure_is_not_remembered(files, session, tmp_path):
    path = tmp_path / "weights.dat"
    good = (files / GOOD).read_bytes()
    path.write_bytes(good[:-1])
    with pytest.raises(pysofie.Error, match="truncated"):
        pysofie.Session(session.library, path)
    path.write_bytes(good)
    x = np.ones((2, 7), "float32")
    np.testing.assert_array_equal(pysofie.Session(session.library, path)(x), session(x))


def test_weights_are_read_once(files, session, tmp_path):
    path = tmp_path / "weights.dat"
    path.write_bytes((files / GOOD).read_bytes())
    first = pysofie.Session(session.library, path)
    path.unlink()
    x = np.ones((2, 7), "float32")
    np.testing.assert_array_equal(first.clone()(x), session(x))
